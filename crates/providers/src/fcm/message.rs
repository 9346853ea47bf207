//! From the neutral message to FCM's `message` object.
//!
//! | message | FCM |
//! |---|---|
//! | `title`, `body`, `image` | `notification` |
//! | `data` | `data` |
//! | `sound`, `click_action` | `android.notification` (with something to show), `apns.payload.aps.sound`, `.category` |
//! | `badge` | `apns.payload.aps.badge` |
//! | `image` | also `apns.payload.aps.mutable-content` 1 |
//! | `click_action` that is an `https` address | also `webpush.fcm_options.link` |
//! | priority | `android.priority`, `apns.headers.apns-priority` (5 in the background), `webpush.headers.Urgency` |
//! | `collapse_key` | `android.collapse_key`, `apns.headers.apns-collapse-id` |
//! | time left | `android.ttl`, `apns.headers.apns-expiration`, `webpush.headers.TTL` |
//! | `fcm` | merged last |
//!
//! A message with nothing to show reaches iOS as a background push. The override may shorten the time to live,
//! never lengthen it.

use fanfare_types::message::Localized;
use fanfare_types::{Message, Options, Priority};
use serde_json::{Value, json};

use crate::apns::payload::{PRIORITY, PUSH_TYPE, SHOWN};
use crate::apns::push_type::BACKGROUND;
use crate::content::{Content, Object, Unsendable, fill_object, merge, object_in, put};
use crate::template::Filler;

/// Longest payload, in bytes, as [`counted`] has it.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 4096;

pub(crate) const EXPIRATION: &str = "apns-expiration";

/// FCM's `message` without its target and without the times to live, which change with every attempt.
pub(crate) fn render(
    message: &Message,
    localized: Option<&Localized>,
    filler: &mut Filler<'_>,
    options: &Options,
) -> Result<Object, Unsendable> {
    let content = Content::of(message, localized, filler)?;
    let mut rendered = neutral(&content, options);
    if let Some(raw) = &message.fcm {
        merge(&mut rendered, fill_object(raw, filler)?);
    }
    finish_apns(&mut rendered, options)?;
    Ok(rendered)
}

fn neutral(content: &Content<'_>, options: &Options) -> Object {
    let mut message = Object::new();
    let mut notification = Object::new();
    put(&mut notification, "title", content.title.as_deref());
    put(&mut notification, "body", content.body.as_deref());
    put(&mut notification, "image", content.image.as_deref());
    insert(&mut message, "notification", notification);
    let data = content
        .data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (**value).into()))
        .collect();
    insert(&mut message, "data", data);
    insert(&mut message, "android", android(content, options));
    insert(&mut message, "apns", apns(content, options));
    insert(&mut message, "webpush", webpush(content, options));
    message
}

fn android(content: &Content<'_>, options: &Options) -> Object {
    let mut android = Object::new();
    let priority = match options.priority {
        Priority::High => "HIGH",
        Priority::Normal => "NORMAL",
    };
    put(&mut android, "priority", Some(priority));
    put(
        &mut android,
        "collapse_key",
        options.collapse_key.as_deref(),
    );
    if content.is_shown() {
        let mut notification = Object::new();
        put(&mut notification, "sound", content.sound.as_deref());
        let action = content.click_action.as_deref();
        put(&mut notification, "click_action", action);
        insert(&mut android, "notification", notification);
    }
    android
}

fn apns(content: &Content<'_>, options: &Options) -> Object {
    let mut aps = Object::new();
    put(&mut aps, "sound", content.sound.as_deref());
    put(&mut aps, "category", content.click_action.as_deref());
    if let Some(badge) = content.badge {
        aps.insert("badge".to_owned(), badge.into());
    }
    if content.is_shown() && content.image.is_some() {
        aps.insert("mutable-content".to_owned(), 1.into());
    }
    let mut headers = Object::new();
    let collapse_key = options.collapse_key.as_deref();
    put(&mut headers, "apns-collapse-id", collapse_key);
    let mut apns = Object::new();
    insert(&mut apns, "headers", headers);
    if !aps.is_empty() {
        apns.insert("payload".to_owned(), json!({ "aps": aps }));
    }
    apns
}

/// Push type, priority and expiration for iOS, which depend on what the override has made of the message; its own values stand.
fn finish_apns(message: &mut Object, options: &Options) -> Result<(), Unsendable> {
    let has_notification = message
        .get("notification")
        .and_then(Value::as_object)
        .is_some_and(|notification| !notification.is_empty());
    let apns = object_in(message, "apns").ok_or(Unsendable::Override("apns"))?;
    let payload = object_in(apns, "payload").ok_or(Unsendable::Override("apns.payload"))?;
    let aps = object_in(payload, "aps").ok_or(Unsendable::Override("apns.payload.aps"))?;
    let is_alert = has_notification || SHOWN.iter().any(|name| aps.contains_key(*name));
    if !is_alert {
        aps.entry("content-available").or_insert_with(|| 1.into());
    }
    if aps.is_empty() {
        payload.remove("aps");
    }
    if payload.is_empty() {
        apns.remove("payload");
    }
    let headers = object_in(apns, "headers").ok_or(Unsendable::Override("apns.headers"))?;
    if !is_alert {
        let push_type = headers.entry(PUSH_TYPE);
        push_type.or_insert_with(|| BACKGROUND.name.into());
    }
    let priority = match options.priority {
        Priority::High if is_alert => "10",
        _ => "5",
    };
    headers.entry(PRIORITY).or_insert_with(|| priority.into());
    let wanted = headers.get(EXPIRATION).and_then(Value::as_str);
    let wanted = wanted.and_then(|seconds| seconds.parse().ok());
    let expires = options.expires_at.as_seconds();
    let expiration = wanted.unwrap_or(u64::MAX).min(expires).to_string();
    headers.insert(EXPIRATION.to_owned(), expiration.into());
    Ok(())
}

fn webpush(content: &Content<'_>, options: &Options) -> Object {
    let mut webpush = Object::new();
    let urgency = options.priority.as_str();
    webpush.insert("headers".to_owned(), json!({ "Urgency": urgency }));
    if let Some(link) = content.click_action.as_deref().filter(|_| content.is_link) {
        webpush.insert("fcm_options".to_owned(), json!({ "link": link }));
    }
    webpush
}

/// Inserts an object unless it is empty.
fn insert(object: &mut Object, name: &str, member: Object) {
    if !member.is_empty() {
        object.insert(name.to_owned(), member.into());
    }
}

/// What counts against FCM's limit, as texts whose lengths do.
pub(crate) struct Counted {
    /// The keys and values of `notification` and `data`, and of their counterparts under `android`.
    pub(crate) texts: String,
    /// `apns.payload`, which APNs limits to as much: it counts when it is more.
    pub(crate) ios: String,
}

pub(crate) fn counted(message: &Object) -> Counted {
    let ios = message.get("apns").and_then(|apns| apns.get("payload"));
    let android = message.get("android").unwrap_or(&Value::Null);
    let mut texts = String::new();
    let parts = [message.get("notification"), message.get("data")];
    let of_android = [android.get("notification"), android.get("data")];
    for part in parts.into_iter().chain(of_android).flatten() {
        gather(part, &mut texts);
    }
    Counted {
        texts,
        ios: ios.map_or_else(String::new, Value::to_string),
    }
}

fn gather(value: &Value, texts: &mut String) {
    match value {
        Value::Null => {}
        Value::String(text) => texts.push_str(text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(members) => {
            for (name, value) in members {
                texts.push_str(name);
                gather(value, texts);
            }
        }
        Value::Bool(_) | Value::Number(_) => texts.push_str(&value.to_string()),
    }
}
