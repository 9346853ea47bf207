//! From a delivery to an APNs request.

use bytes::Bytes;
use fanfare_types::message::Localized;
use fanfare_types::{Delivery, Options, Secret};
use http::header::AUTHORIZATION;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::payload::{self, Payload};
use crate::content::Unsendable;
use crate::form::{Cut, Form, Looked, Marks};
use crate::recent::Recent;
use crate::template::{Filler, Values};
use crate::uri::{authority, https};
use crate::{Error, Result};

const APNS_TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const APNS_PUSH_TYPE: HeaderName = HeaderName::from_static(payload::PUSH_TYPE);
const APNS_PRIORITY: HeaderName = HeaderName::from_static(payload::PRIORITY);
const APNS_EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const APNS_COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");
const APNS_ID: HeaderName = HeaderName::from_static("apns-id");

/// Encodes for one topic.
#[derive(Debug)]
pub struct Codec {
    authority: Authority,
    topic: String,
    recent: Recent<Rendering>,
    looked: Looked,
}

/// What deliveries of one message and locale share.
enum Rendering {
    Whole(Headers, Bytes),
    /// Recipients fill in their own variables.
    Form(Headers, Filling),
    /// What the headers say depends on them, too.
    EachAnew,
}

/// Every header, with `apns-id` and `authorization` still empty.
type Headers = HeaderMap;

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
            authority: authority(authority_text)?,
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
    ) -> Result<Request<Bytes>, Unsendable> {
        let uri = self.uri(delivery)?;
        let (topic, looked) = (&self.topic, &mut self.looked);
        let render = |texts: Option<&Localized>| match delivery.variables {
            None => whole(delivery, texts, topic),
            Some(_) => Ok(form(delivery, texts, topic).unwrap_or(Rendering::EachAnew)),
        };
        let anew;
        let (headers, body) = match self.recent.get(delivery, render)? {
            Rendering::Whole(headers, body) => (headers, body.clone()),
            Rendering::Form(headers, filling) => (headers, filling.fill(delivery, looked)?),
            Rendering::EachAnew => {
                let live = &delivery.live;
                let texts = live.message.localized_for(delivery.locale.as_deref());
                let filler = Filler::new(Values::of(delivery));
                let (payload, _) = payload_of(delivery, texts.as_deref(), filler)?;
                check_size(&payload)?;
                anew = headers_for(&payload, delivery, topic)?;
                (&anew, payload.json.into())
            }
        };
        let mut headers = headers.clone();
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let uuid = delivery.live.id.delivery_uuid(delivery.ordinal).encode();
        headers.insert(APNS_ID, changing(&uuid)?);
        match token {
            Some(token) => headers.insert(AUTHORIZATION, token.expose().clone()),
            None => headers.remove(AUTHORIZATION),
        };
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn uri(&self, delivery: &Delivery) -> Result<Uri, Unsendable> {
        let token = delivery.address.expose();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Unsendable::Unwritable("address"));
        }
        let mut path = String::with_capacity("/3/device/".len() + token.len());
        path.push_str("/3/device/");
        path.push_str(token);
        https(self.authority.clone(), path).ok_or(Unsendable::Unwritable("address"))
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
    let headers = headers_for(&payload, delivery, topic)?;
    Ok(Rendering::Whole(headers, payload.json.into()))
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
    let headers = headers_for(&payload, delivery, topic)?;
    Ok(Rendering::Form(headers, filling))
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

fn headers_for(
    payload: &Payload,
    delivery: &Delivery,
    topic: &str,
) -> Result<HeaderMap, Unsendable> {
    let mut headers = HeaderMap::with_capacity(8);
    for (name, value) in headers_of(payload, &delivery.live.options, topic)? {
        headers.insert(name, value);
    }
    // Places for what each delivery fills in, so that a copy of the map need not grow for it.
    headers.insert(APNS_ID, HeaderValue::from_static(""));
    headers.insert(AUTHORIZATION, HeaderValue::from_static(""));
    Ok(headers)
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
