//! From the neutral message to an APNs payload.
//!
//! | message | payload |
//! |---|---|
//! | `title`, `body` | `aps.alert.title`, `aps.alert.body` |
//! | `sound`, `badge` | `aps.sound`, `aps.badge` |
//! | `click_action` | `aps.category` |
//! | `image` | custom key [`IMAGE_KEY`], and `aps.mutable-content` 1 for alerts, so that the app's service extension can fetch it |
//! | `data` | custom keys beside `aps` |
//! | `apns` | merged last; its member `headers` is not part of the payload |
//!
//! With an alert, sound or badge in the result the push is an `alert`, otherwise `background` with
//! `content-available` 1; `headers.apns-push-type` of the override wins.

use fanfare_types::message::Localized;
use fanfare_types::{Message, Priority};
use serde_json::Value;

use super::push_type::{ALERT, BACKGROUND, PushType};
use crate::content::{Content, Object, Unsendable, fill_object, merge, object_in, put};
use crate::template::Filler;

/// Custom key that carries the picture's address.
pub(crate) const IMAGE_KEY: &str = "image";
/// Member of the override that holds request headers.
pub(crate) const HEADERS: &str = "headers";
pub(crate) const PUSH_TYPE: &str = "apns-push-type";
pub(crate) const PRIORITY: &str = "apns-priority";

/// A payload, and the headers that depend on it.
pub(crate) struct Payload {
    pub(crate) push_type: &'static PushType,
    /// `1`, `5` or `10`.
    pub(crate) priority: &'static str,
    /// Whether it holds an alert, badge or sound.
    pub(crate) shows: bool,
    pub(crate) json: String,
}

pub(crate) fn render(
    message: &Message,
    localized: Option<&Localized>,
    filler: &mut Filler<'_>,
    priority: Priority,
) -> Result<Payload, Unsendable> {
    let content = Content::of(message, localized, filler)?;
    let mut payload = neutral(&content);
    let mut headers = Value::Null;
    if let Some(raw) = &message.apns {
        let mut raw = fill_object(raw, filler)?;
        headers = raw.remove(HEADERS).unwrap_or_default();
        merge(&mut payload, raw);
    }
    let aps = object_in(&mut payload, "aps").ok_or(Unsendable::Override("aps"))?;
    let shows = SHOWN.iter().any(|name| aps.contains_key(*name));
    let push_type = match headers.get(PUSH_TYPE) {
        None | Some(Value::Null) if shows => ALERT,
        None | Some(Value::Null) => BACKGROUND,
        Some(value) => named_push_type(value).ok_or(Unsendable::Override(PUSH_TYPE))?,
    };
    let priority = match headers.get(PRIORITY) {
        None | Some(Value::Null) => implied_priority(push_type, priority),
        Some(value) => named_priority(value).ok_or(Unsendable::Override(PRIORITY))?,
    };
    finish(aps, &content, push_type);
    let json = serde_json::to_string(&payload).map_err(|_| Unsendable::Unwritable("payload"))?;
    Ok(Payload {
        push_type,
        priority,
        shows,
        json,
    })
}

fn neutral(content: &Content<'_>) -> Object {
    let mut aps = Object::new();
    if content.is_shown() {
        let mut alert = Object::new();
        put(&mut alert, "title", content.title.as_deref());
        put(&mut alert, "body", content.body.as_deref());
        aps.insert("alert".to_owned(), alert.into());
    }
    put(&mut aps, "sound", content.sound.as_deref());
    put(&mut aps, "category", content.click_action.as_deref());
    if let Some(badge) = content.badge {
        aps.insert("badge".to_owned(), badge.into());
    }
    let mut payload: Object = content
        .data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (**value).into()))
        .collect();
    put(&mut payload, IMAGE_KEY, content.image.as_deref());
    payload.insert("aps".to_owned(), aps.into());
    payload
}

/// What only makes sense with the push type known; the override's own values stand.
fn finish(aps: &mut Object, content: &Content<'_>, push_type: &PushType) {
    if push_type == BACKGROUND {
        aps.entry("content-available").or_insert_with(|| 1.into());
    }
    if push_type == ALERT && content.image.is_some() && aps.contains_key("alert") {
        aps.entry("mutable-content").or_insert_with(|| 1.into());
    }
}

/// What a background push must not hold.
pub(crate) const SHOWN: [&str; 3] = ["alert", "badge", "sound"];

fn implied_priority(push_type: &PushType, priority: Priority) -> &'static str {
    match priority {
        Priority::High if push_type != BACKGROUND => "10",
        _ => "5",
    }
}

pub(crate) fn named_push_type(value: &Value) -> Option<&'static PushType> {
    PushType::parse(value.as_str()?)
}

/// Text or number, as people write both.
pub(crate) fn named_priority(value: &Value) -> Option<&'static str> {
    match (value.as_str(), value.as_u64()) {
        (Some("10"), _) | (_, Some(10)) => Some("10"),
        (Some("5"), _) | (_, Some(5)) => Some("5"),
        (Some("1"), _) | (_, Some(1)) => Some("1"),
        _ => None,
    }
}
