//! A request body rendered once for a message and locale, with holes for what differs between deliveries
//! and attempts: the address, and the time left twice (Android and web).

use std::time::Duration;

use bytes::Bytes;
use fanfare_types::message::Localized;
use fanfare_types::{AddressKind, Message, Options};
use serde_json::Value;

use super::message::{self, Counted, PAYLOAD_BYTES_MAX, counted};
use crate::content::{Object, Unsendable};
use crate::form::{Cut, Form, Looked};
use crate::template::{Filler, Values};

/// Longest time to live that FCM takes: four weeks.
pub(crate) const TTL_MAX: Duration = Duration::from_secs(2_419_200);

const AFTER_TARGET: &str = r#","android":{"ttl":""#;

/// A body with holes: `{"message":{"token":` address [`AFTER_TARGET`] seconds `between_ttls` seconds `tail`. With a
/// form, the two texts have blanks of their own.
pub(crate) struct Rendering {
    form: Form,
    /// What counts against FCM's limit; may be over it.
    texts: Cut,
    ios: Cut,
    between_ttls: Cut,
    tail: Cut,
    /// Shorter times to live that the override asks for, in seconds.
    android_ttl_max: u64,
    web_ttl_max: u64,
}

/// Whom a body is for, and how long it has left.
pub(crate) struct Target<'a> {
    pub(crate) kind: AddressKind,
    pub(crate) address: &'a str,
    pub(crate) left: Duration,
}

impl Rendering {
    pub(crate) fn of(
        message: &Message,
        localized: Option<&Localized>,
        mut filler: Filler<'_>,
        options: &Options,
    ) -> Result<Self, Unsendable> {
        let mut message = message::render(message, localized, &mut filler, options)?;
        let mut form = filler.into_form();
        let Counted { texts, ios } = counted(&message);
        if TARGETS.iter().any(|target| message.contains_key(*target)) {
            return Err(Unsendable::Override("target"));
        }
        let mut android = take(&mut message, "android")?;
        let mut webpush = take(&mut message, "webpush")?;
        let mut web_headers = take(&mut webpush, "headers")?;
        let android_ttl = android.remove("ttl");
        let web_ttl = web_headers.remove("TTL");
        let web_headers = members(&web_headers)?;
        let between_ttls = format!(
            r#"s"{}}},"webpush":{{"headers":{{"TTL":""#,
            members(&android)?
        );
        let tail = format!(
            r#""{web_headers}}}{}}}{}}}}}"#,
            members(&webpush)?,
            members(&message)?
        );
        Ok(Rendering {
            texts: form.cut(&texts, false),
            ios: form.cut(&ios, true),
            between_ttls: form.cut(&between_ttls, true),
            tail: form.cut(&tail, true),
            android_ttl_max: wanted_ttl(android_ttl.as_ref(), "s", "android.ttl")?,
            web_ttl_max: wanted_ttl(web_ttl.as_ref(), "", "webpush.headers.TTL")?,
            form,
        })
    }

    /// Looks up what the recipient fills in.
    pub(crate) fn look_up(
        &self,
        values: Values<'_>,
        looked: &mut Looked,
    ) -> Result<(), Unsendable> {
        Ok(self.form.look_up(values, looked)?)
    }

    /// What counts against FCM's limit.
    pub(crate) fn payload_bytes(&self, looked: &Looked) -> usize {
        self.texts.len(looked).max(self.ios.len(looked))
    }

    /// The body for one delivery and attempt.
    pub(crate) fn body(&self, to: &Target<'_>, looked: &Looked) -> Result<Bytes, Unsendable> {
        if self.payload_bytes(looked) > PAYLOAD_BYTES_MAX {
            return Err(Unsendable::TooLarge);
        }
        let target = match to.kind {
            AddressKind::RegistrationToken => r#"{"message":{"token":"#,
            AddressKind::Fid => r#"{"message":{"fid":"#,
        };
        let left = to.left.min(TTL_MAX).as_secs();
        // Quotes around the address, and two numbers of at most seven digits.
        let holes = to.address.len() + 2 + 2 * 7;
        let cuts = self.between_ttls.len(looked) + self.tail.len(looked);
        let mut body = Vec::with_capacity(target.len() + holes + AFTER_TARGET.len() + cuts);
        body.extend_from_slice(target.as_bytes());
        serde_json::to_writer(&mut body, to.address)
            .map_err(|_| Unsendable::Unwritable("address"))?;
        body.extend_from_slice(AFTER_TARGET.as_bytes());
        put_number(&mut body, left.min(self.android_ttl_max))?;
        self.between_ttls.write(looked, &mut body);
        put_number(&mut body, left.min(self.web_ttl_max))?;
        self.tail.write(looked, &mut body);
        Ok(body.into())
    }
}

/// Members of `message` that name who it is for.
pub(crate) const TARGETS: [&str; 4] = ["token", "fid", "topic", "condition"];

/// Takes an object out; nothing there is an empty one.
fn take(object: &mut Object, name: &'static str) -> Result<Object, Unsendable> {
    match object.remove(name) {
        None => Ok(Object::new()),
        Some(Value::Object(member)) => Ok(member),
        Some(_) => Err(Unsendable::Override(name)),
    }
}

/// An object's members as they follow others: `,"a":1,"b":2`, or nothing.
fn members(object: &Object) -> Result<String, Unsendable> {
    if object.is_empty() {
        return Ok(String::new());
    }
    let mut text = serde_json::to_string(object).map_err(|_| Unsendable::Unwritable("message"))?;
    text.replace_range(..1, ",");
    text.pop();
    Ok(text)
}

/// The whole seconds of a time to live in an override; the longest there is when it names none.
fn wanted_ttl(ttl: Option<&Value>, unit: &str, path: &'static str) -> Result<u64, Unsendable> {
    match ttl {
        None => Ok(TTL_MAX.as_secs()),
        Some(ttl) => read_ttl(ttl, unit).ok_or(Unsendable::Override(path)),
    }
}

/// Reads `3.5s` (`unit` is `s`) or `3` (no unit) as whole seconds, at most [`TTL_MAX`].
pub(crate) fn read_ttl(ttl: &Value, unit: &str) -> Option<u64> {
    let number = ttl.as_str()?.strip_suffix(unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    Some(whole.parse().unwrap_or(u64::MAX).min(TTL_MAX.as_secs()))
}

fn put_number(body: &mut Vec<u8>, number: u64) -> Result<(), Unsendable> {
    serde_json::to_writer(body, &number).map_err(|_| Unsendable::Unwritable("time to live"))
}
