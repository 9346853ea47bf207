//! From a delivery to an APNs request.

use std::fmt;

use bytes::Bytes;
use fanfare_types::message::Localized;
use fanfare_types::{Delivery, Options, Request, Secret};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};

use super::payload::{self, Payload};
use crate::content::Unsendable;
use crate::form::{Cut, Form, Looked, Marks};
use crate::heads::{Heads, Place};
use crate::recent::Recent;
use crate::template::{Filler, Values};
use crate::uri::authority;
use crate::{Error, Result};

const APNS_TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const APNS_PUSH_TYPE: HeaderName = HeaderName::from_static(payload::PUSH_TYPE);
const APNS_PRIORITY: HeaderName = HeaderName::from_static(payload::PRIORITY);
const APNS_EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const APNS_COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");
const APNS_ID: HeaderName = HeaderName::from_static("apns-id");

/// Encodes for one topic.
pub struct Codec {
    place: Place,
    topic: String,
    recent: Recent<Rendering>,
    looked: Looked,
}

/// What deliveries of one message and locale share.
enum Rendering {
    Whole(Heads, Bytes),
    /// Recipients fill in their own variables.
    Form(Heads, Filling),
    /// What the headers say depends on them, too.
    EachAnew,
}

struct Filling {
    form: Form,
    json: Cut,
    bytes_max: usize,
}

impl Codec {
    /// `authority` is the host (and port, unless 443) requests are for; `topic` the app's bundle id.
    pub fn new(authority_text: &str, topic: &str) -> Result<Self> {
        let is_topic = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if topic.is_empty() || !topic.bytes().all(is_topic) {
            return Err(Error::Credential {
                what: "APNs topic",
                why: "it must be a bundle id".to_owned(),
            });
        }
        Ok(Codec {
            place: Place {
                authority: authority(authority_text)?,
                path: PathAndQuery::from_static("/3/device/"),
            },
            topic: topic.to_owned(),
            recent: Recent::new(),
            looked: Looked::default(),
        })
    }

    /// See [`crate::Codec::encode`].
    pub(crate) fn encode(
        &mut self,
        delivery: &Delivery,
        token: Option<&Secret<HeaderValue>>,
    ) -> Result<Request, Unsendable> {
        let rest = path_end(delivery)?;
        let (topic, looked) = (&self.topic, &mut self.looked);
        let render = |texts: Option<&Localized>| match delivery.variables {
            None => whole(delivery, texts, topic),
            Some(_) => Ok(form(delivery, texts, topic).unwrap_or(Rendering::EachAnew)),
        };
        let mut anew;
        let (heads, body) = match self.recent.get(delivery, render)? {
            Rendering::Whole(heads, body) => (heads, body.clone()),
            Rendering::Form(heads, filling) => (heads, filling.fill(delivery, looked)?),
            Rendering::EachAnew => {
                let live = &delivery.live;
                let texts = live.message.localized_for(delivery.locale.as_deref());
                let filler = Filler::new(Values::of(delivery));
                let (payload, _) = payload_of(delivery, texts.as_deref(), filler)?;
                check_size(&payload)?;
                anew = heads_for(&payload, delivery, topic)?;
                (&mut anew, payload.json.into())
            }
        };
        let uuid = delivery.live.id.delivery_uuid(delivery.ordinal).encode();
        Ok(Request {
            head: heads.with(&self.place, token),
            rest,
            own: Some((APNS_ID, changing(&uuid)?)),
            body,
        })
    }
}

/// The device token, which ends the path.
fn path_end(delivery: &Delivery) -> Result<Bytes, Unsendable> {
    let token = delivery.address.expose();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Unsendable::Unwritable("address"));
    }
    Ok(Bytes::copy_from_slice(token.as_bytes()))
}

/// `Debug` shows no content.
impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

fn whole(
    delivery: &Delivery,
    texts: Option<&Localized>,
    topic: &str,
) -> Result<Rendering, Unsendable> {
    let filler = Filler::new(Values::of(delivery));
    let (payload, _) = payload_of(delivery, texts, filler)?;
    check_size(&payload)?;
    let heads = heads_for(&payload, delivery, topic)?;
    Ok(Rendering::Whole(heads, payload.json.into()))
}

fn form(
    delivery: &Delivery,
    texts: Option<&Localized>,
    topic: &str,
) -> Result<Rendering, Unsendable> {
    let filler = Filler::marking(Marks::new(&delivery.live.message, false)?);
    let (payload, mut form) = payload_of(delivery, texts, filler)?;
    let filling = Filling {
        json: form.cut(&payload.json, true),
        form,
        bytes_max: payload.push_type.bytes_max,
    };
    let heads = heads_for(&payload, delivery, topic)?;
    Ok(Rendering::Form(heads, filling))
}

fn payload_of(
    delivery: &Delivery,
    texts: Option<&Localized>,
    mut filler: Filler<'_>,
) -> Result<(Payload, Form), Unsendable> {
    let live = &delivery.live;
    let payload = payload::render(&live.message, texts, &mut filler, live.options.priority)?;
    Ok((payload, filler.into_form()))
}

pub(crate) fn check_size(payload: &Payload) -> Result<(), Unsendable> {
    match payload.json.len() > payload.push_type.bytes_max {
        true => Err(Unsendable::TooLarge),
        false => Ok(()),
    }
}

fn heads_for(payload: &Payload, delivery: &Delivery, topic: &str) -> Result<Heads, Unsendable> {
    Ok(Heads::new(headers_of(
        payload,
        &delivery.live.options,
        topic,
    )?))
}

impl Filling {
    fn fill(&self, delivery: &Delivery, looked: &mut Looked) -> Result<Bytes, Unsendable> {
        self.form.look_up(Values::of(delivery), looked)?;
        let bytes = self.json.len(looked);
        if bytes > self.bytes_max {
            return Err(Unsendable::TooLarge);
        }
        let mut body = Vec::with_capacity(bytes);
        self.json.write(looked, &mut body);
        Ok(body.into())
    }
}

/// The headers that deliveries of one rendering share.
pub(crate) fn headers_of(
    payload: &Payload,
    options: &Options,
    topic: &str,
) -> Result<Vec<(HeaderName, HeaderValue)>, Unsendable> {
    let topic = format!("{topic}{}", payload.push_type.topic_suffix);
    let topic = HeaderValue::from_maybe_shared(Bytes::from(topic));
    let push_type = HeaderValue::from_static(payload.push_type.name);
    let expiration = options.expires_at.as_seconds().to_string();
    let mut headers = vec![
        (
            APNS_TOPIC,
            topic.map_err(|_| Unsendable::Unwritable("topic"))?,
        ),
        (APNS_PUSH_TYPE, push_type),
        (APNS_PRIORITY, HeaderValue::from_static(payload.priority)),
        (APNS_EXPIRATION, changing(expiration.as_bytes())?),
    ];
    if let Some(key) = &options.collapse_key {
        headers.push((APNS_COLLAPSE_ID, changing(key.as_bytes())?));
    }
    Ok(headers)
}

/// A value that differs from push to push: marked sensitive, so that HPACK does not index it and the
/// constant headers keep their places in APNs' small table.
fn changing(value: &[u8]) -> Result<HeaderValue, Unsendable> {
    let mut value =
        HeaderValue::from_bytes(value).map_err(|_| Unsendable::Unwritable("header value"))?;
    value.set_sensitive(true);
    Ok(value)
}
