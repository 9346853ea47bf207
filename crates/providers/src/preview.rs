//! What a device would get, for people to look at; nothing is sent.

use std::collections::BTreeMap;
use std::fmt;

use fanfare_types::message::Variables;
use fanfare_types::{
    AddressKind, Channel, Message, MissingVariable, Options, Outcome, Reason, Timestamp,
};
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::apns::{self, payload};
use crate::content::{Refused, Unsendable};
use crate::fcm::rendering::{Rendering, Target};
use crate::form::Looked;
use crate::template::{Filler, Values};

/// Stands for the device's address.
const ADDRESS: &str = "<token>";
/// Stands for the app's bundle id.
const TOPIC: &str = "<topic>";

/// One recipient of a message.
#[derive(Clone, Copy, Debug)]
pub struct Preview<'a> {
    pub message: &'a Message,
    /// For every recipient.
    pub variables: &'a Variables,
    /// The recipient's own, which come first.
    pub own: Option<&'a Variables>,
    pub missing_variable: MissingVariable,
    pub options: &'a Options,
    pub channel: Channel,
    pub locale: Option<&'a str>,
    /// FCM is told how long is left until [`Options::expires_at`].
    pub now: Timestamp,
}

/// A push without what only its device and credential know: address, provider token, `apns-id` and the app's topic.
/// `Debug` shows no content.
#[derive(Clone, PartialEq)]
pub struct Previewed {
    /// By name, in lower case.
    pub headers: BTreeMap<String, String>,
    /// As the provider would read it.
    pub payload: Value,
}

/// Renders what the device would get.
///
/// # Errors
/// How its delivery would end instead: see [`crate::Codec::encode`]. Channels that nothing is sent to end as
/// `failed` with reason `no_credential`.
pub fn preview(asked: &Preview<'_>) -> Result<Previewed, Refused> {
    let values = Values::new(asked.own, asked.variables, asked.missing_variable);
    let rendered = match asked.channel {
        Channel::IosPush => apns(asked, values),
        Channel::Fcm => fcm(asked, values),
        Channel::WebPush => {
            return Err(Refused {
                outcome: Outcome::Failed,
                reason: Reason::of("no_credential"),
            });
        }
    };
    rendered.map_err(|why| why.refused(Some(asked.missing_variable)))
}

fn apns(asked: &Preview<'_>, values: Values<'_>) -> Result<Previewed, Unsendable> {
    let Preview {
        message, options, ..
    } = asked;
    let texts = message.localized_for(asked.locale);
    let mut filler = Filler::new(values);
    let payload = payload::render(message, texts.as_deref(), &mut filler, options.priority)?;
    apns::codec::check_size(&payload)?;
    previewed(
        apns::codec::headers_of(&payload, options, TOPIC)?,
        payload.json.as_bytes(),
    )
}

fn fcm(asked: &Preview<'_>, values: Values<'_>) -> Result<Previewed, Unsendable> {
    let Preview {
        message, options, ..
    } = asked;
    let texts = message.localized_for(asked.locale);
    let rendering = Rendering::of(message, texts.as_deref(), Filler::new(values), options)?;
    let to = Target {
        kind: AddressKind::RegistrationToken,
        address: ADDRESS,
        left: options.expires_at.since(asked.now),
    };
    let body = rendering.body(&to, &Looked::default())?;
    let json = HeaderValue::from_static("application/json");
    previewed(vec![(http::header::CONTENT_TYPE, json)], &body)
}

fn previewed(
    headers: Vec<(HeaderName, HeaderValue)>,
    body: &[u8],
) -> Result<Previewed, Unsendable> {
    let text = |(name, value): (HeaderName, HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    };
    Ok(Previewed {
        headers: headers.into_iter().map(text).collect(),
        payload: serde_json::from_slice(body).map_err(|_| Unsendable::Unwritable("payload"))?,
    })
}

impl fmt::Debug for Previewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Previewed({} headers)", self.headers.len())
    }
}
