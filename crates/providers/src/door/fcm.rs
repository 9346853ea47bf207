//! The rules for `message.fcm`, and for data keys.

use fanfare_types::Message;
use serde_json::Value;

use super::Faults;
use super::shape::{self, Shape};
use crate::content::Object;
use crate::fcm::rendering::{TARGETS, read_ttl};

/// Members of FCM's `message` beside the target.
const MESSAGE: &[(&str, Shape)] = &[
    ("name", Shape::Text),
    ("data", Shape::Texts),
    ("notification", Shape::Texts),
    ("android", Shape::Object),
    ("android_v2", Shape::Object),
    ("apns", Shape::Object),
    ("webpush", Shape::Object),
    ("fcm_options", Shape::Object),
    ("token", Shape::Any),
    ("fid", Shape::Any),
    ("topic", Shape::Any),
    ("condition", Shape::Any),
];

const ANDROID: &[(&str, Shape)] = &[
    ("collapse_key", Shape::Text),
    ("priority", Shape::Text),
    ("ttl", Shape::Text),
    ("restricted_package_name", Shape::Text),
    ("data", Shape::Texts),
    ("notification", Shape::Object),
    ("fcm_options", Shape::Object),
];

const APNS: &[(&str, Shape)] = &[
    ("headers", Shape::Texts),
    ("payload", Shape::Object),
    ("fcm_options", Shape::Object),
    ("live_activity_token", Shape::Text),
];

const APNS_PAYLOAD: &[(&str, Shape)] = &[("aps", Shape::Object)];

const WEBPUSH: &[(&str, Shape)] = &[
    ("headers", Shape::Texts),
    ("data", Shape::Texts),
    ("notification", Shape::Object),
    ("fcm_options", Shape::Object),
];

/// Data keys FCM keeps for itself, in any case; `collapse_key` would be overwritten.
const RESERVED_KEYS: &[&str] = &["from", "message_type", "collapse_key"];
const RESERVED_PREFIXES: &[&str] = &["gcm", "google"];

pub(super) fn is_reserved(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    RESERVED_KEYS.contains(&key.as_str())
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| key.starts_with(prefix))
}

pub(super) fn check(message: &Message, faults: &mut Faults) {
    let Some(raw) = &message.fcm else { return };
    shape::check_all(raw, "message.fcm", MESSAGE, faults);
    for target in TARGETS.iter().filter(|target| raw.contains_key(**target)) {
        let detail = "the gateway says who a message is for";
        faults.add(format!("message.fcm.{target}"), "not_allowed", detail);
    }
    for (steps, table) in [
        (&["android"][..], ANDROID),
        (&["apns"], APNS),
        (&["apns", "payload"], APNS_PAYLOAD),
        (&["webpush"], WEBPUSH),
    ] {
        if let Some(object) = shape::object_at(raw, steps) {
            let path = format!("message.fcm.{}", steps.join("."));
            shape::check(object, &path, table, faults);
        }
    }
    for (steps, path) in [
        (&["data"][..], "message.fcm.data"),
        (&["android", "data"], "message.fcm.android.data"),
    ] {
        let keys = shape::object_at(raw, steps)
            .into_iter()
            .flat_map(Object::keys);
        for key in keys.filter(|key| is_reserved(key)) {
            faults.add(format!("{path}.{key}"), "reserved", "FCM uses this key");
        }
    }
    check_values(raw, faults);
}

fn check_values(raw: &Object, faults: &mut Faults) {
    let value = |steps: &[&str], name: &str| {
        let value = shape::object_at(raw, steps).and_then(|object| object.get(name));
        value.filter(|value| value.is_string())
    };
    if let Some(ttl) = value(&["android"], "ttl")
        && !has_placeholder(ttl)
        && read_ttl(ttl, "s").is_none()
    {
        let detail = "must be seconds, as 3600s";
        faults.add("message.fcm.android.ttl", "malformed", detail);
    }
    if let Some(ttl) = value(&["webpush", "headers"], "TTL")
        && !has_placeholder(ttl)
        && read_ttl(ttl, "").is_none()
    {
        let detail = "must be seconds, as 3600";
        faults.add("message.fcm.webpush.headers.TTL", "malformed", detail);
    }
    if let Some(priority) = value(&["android"], "priority").and_then(Value::as_str)
        && !["HIGH", "NORMAL", "high", "normal"].contains(&priority)
    {
        let detail = "must be HIGH or NORMAL";
        faults.add("message.fcm.android.priority", "malformed", detail);
    }
}

/// Such a value is only known once it is filled; rendering checks it then.
fn has_placeholder(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("{{"))
}
