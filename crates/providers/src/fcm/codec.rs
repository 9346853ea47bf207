//! From a delivery to an FCM request.

use std::fmt;

use bytes::Bytes;
use fanfare_types::message::Localized;
use fanfare_types::{Delivery, Message, Request, Secret, Timestamp};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;

use super::message::EXPIRATION;
use super::rendering::{Rendering, Target};
use crate::content::Unsendable;
use crate::form::{Looked, Marks};
use crate::heads::{Heads, Place};
use crate::recent::Recent;
use crate::template::{Filler, Template, Values};
use crate::uri::{authority, is_https};
use crate::{Error, Result};

const JSON: &str = "application/json";

/// Encodes for one Firebase project.
pub struct Codec {
    place: Place,
    heads: Heads,
    recent: Recent<Kept>,
    looked: Looked,
}

/// What deliveries of one message and locale share.
enum Kept {
    /// Whole, or a form that recipients fill with their own variables.
    One(Box<Rendering>),
    /// Two forms: what an `https` address as click action makes of it, and any other.
    ByLink {
        click_action: Template,
        link: Box<Rendering>,
        other: Box<Rendering>,
    },
    /// More of it depends on the variables.
    EachAnew,
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
            place: Place {
                authority: authority(authority_text)?,
                path: PathAndQuery::try_from(path).map_err(|_| unusable())?,
            },
            heads: Heads::new(vec![(CONTENT_TYPE, HeaderValue::from_static(JSON))]),
            recent: Recent::new(),
            looked: Looked::default(),
        })
    }

    /// See [`crate::Codec::encode`].
    pub(crate) fn encode(
        &mut self,
        delivery: &Delivery,
        token: Option<&Secret<HeaderValue>>,
        now: Timestamp,
    ) -> Result<Request, Unsendable> {
        let (live, values) = (&delivery.live, Values::of(delivery));
        let looked = &mut self.looked;
        let make = |texts: Option<&Localized>| match delivery.variables {
            None => {
                render(delivery, texts, Filler::new(values)).map(|whole| Kept::One(Box::new(whole)))
            }
            Some(_) => Ok(forms(delivery, texts).unwrap_or(Kept::EachAnew)),
        };
        let anew;
        let rendering = match self.recent.get(delivery, make)? {
            Kept::One(rendering) => rendering,
            Kept::ByLink {
                click_action,
                link,
                other,
            } => {
                // First whether all are there and short enough, in their order.
                other.look_up(values, looked)?;
                match is_https(&click_action.fill(values)?) {
                    true => link,
                    false => other,
                }
            }
            Kept::EachAnew => {
                let texts = live.message.localized_for(delivery.locale.as_deref());
                anew = render(delivery, texts.as_deref(), Filler::new(values))?;
                &anew
            }
        };
        rendering.look_up(values, looked)?;
        let to = Target {
            kind: delivery.address.kind,
            address: delivery.address.expose(),
            left: live.options.expires_at.since(now),
        };
        Ok(Request {
            head: self.heads.with(&self.place, token),
            rest: Bytes::new(),
            own: None,
            body: rendering.body(&to, looked)?,
        })
    }
}

/// `Debug` shows no content.
impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field("path", &self.place.path)
            .finish_non_exhaustive()
    }
}

fn render(
    delivery: &Delivery,
    texts: Option<&Localized>,
    filler: Filler<'_>,
) -> Result<Rendering, Unsendable> {
    let live = &delivery.live;
    Rendering::of(&live.message, texts, filler, &live.options)
}

fn forms(delivery: &Delivery, texts: Option<&Localized>) -> Result<Kept, Unsendable> {
    let message = &delivery.live.message;
    if is_expiration_open(message) {
        return Ok(Kept::EachAnew);
    }
    let form = |is_link| {
        let marks = Marks::new(message, is_link)?;
        render(delivery, texts, Filler::marking(marks))
    };
    let click_action = texts
        .and_then(|texts| texts.click_action.as_ref())
        .or(message.click_action.as_ref())
        .filter(|text| text.contains("{{"));
    Ok(match click_action {
        None => Kept::One(Box::new(form(false)?)),
        Some(text) => Kept::ByLink {
            click_action: Template::parse(text)?,
            link: Box::new(form(true)?),
            other: Box::new(form(false)?),
        },
    })
}

/// Whether an expiration in the override depends on variables: the earlier one of two is sent.
fn is_expiration_open(message: &Message) -> bool {
    let raw = message.fcm.as_ref();
    raw.and_then(|raw| raw.get("apns")?.get("headers")?.get(EXPIRATION)?.as_str())
        .is_some_and(|expiration| expiration.contains("{{"))
}
