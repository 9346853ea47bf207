//! From a delivery to an FCM request.

use bytes::Bytes;
use fanfare_types::message::Localized;
use fanfare_types::{Delivery, Secret, Timestamp};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

use super::message::PAYLOAD_BYTES_MAX;
use super::rendering::Rendering;
use crate::content::Unsendable;
use crate::recent::Recent;
use crate::template::Values;
use crate::uri::{authority, https};
use crate::{Error, Result};

/// Encodes for one Firebase project.
#[derive(Debug)]
pub struct Codec {
    uri: Uri,
    recent: Recent<Rendering>,
}

impl Codec {
    /// `authority` is the host (and port, unless 443) requests are for; `project_id` the project's id or number.
    pub fn new(authority_text: &str, project_id: &str) -> Result<Self> {
        let is_id = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_');
        let unusable = || Error::Credential {
            what: "Firebase project id",
            why: "it must be letters, digits and dashes".to_owned(),
        };
        if project_id.is_empty() || !project_id.bytes().all(is_id) {
            return Err(unusable());
        }
        let path = format!("/v1/projects/{project_id}/messages:send");
        Ok(Codec {
            uri: https(authority(authority_text)?, path).ok_or_else(unusable)?,
            recent: Recent::new(),
        })
    }

    /// See [`crate::Codec::encode`].
    pub(crate) fn encode(
        &mut self,
        delivery: &Delivery,
        token: Option<&Secret<HeaderValue>>,
        now: Timestamp,
    ) -> Result<Request<Bytes>, Unsendable> {
        let live = &delivery.live;
        let mut own = None;
        let rendering = match &delivery.variables {
            None => self.recent.get(delivery, |texts| render(delivery, texts))?,
            Some(_) => {
                let texts = live.message.localized_for(delivery.locale.as_deref());
                own.insert(render(delivery, texts.as_deref())?)
            }
        };
        let body = rendering.fill(delivery, now)?;
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.expose().clone());
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}

fn render(delivery: &Delivery, texts: Option<&Localized>) -> Result<Rendering, Unsendable> {
    let (live, values) = (&delivery.live, Values::of(delivery));
    let rendering = Rendering::of(&live.message, texts, values, &live.options)?;
    match rendering.payload_bytes > PAYLOAD_BYTES_MAX {
        true => Err(Unsendable::TooLarge),
        false => Ok(rendering),
    }
}
