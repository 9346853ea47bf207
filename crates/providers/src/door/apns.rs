//! The rules for `message.apns`.

use fanfare_types::Message;
use serde_json::Value;

use super::Faults;
use super::shape::{self, Shape};
use crate::apns::payload::{
    HEADERS, PRIORITY, PUSH_TYPE, Payload, named_priority, named_push_type,
};
use crate::apns::push_type::BACKGROUND;
use crate::content::Object;

/// Members of the override itself; all others are the app's own keys.
const OVERRIDE: &[(&str, Shape)] = &[("aps", Shape::Object), (HEADERS, Shape::Object)];

/// Apple, "Generating a remote notification".
const APS: &[(&str, Shape)] = &[
    ("alert", Shape::TextOrObject),
    ("badge", Shape::Number),
    ("sound", Shape::TextOrObject),
    ("thread-id", Shape::Text),
    ("category", Shape::Text),
    ("content-available", Shape::Number),
    ("mutable-content", Shape::Number),
    ("target-content-id", Shape::Text),
    ("interruption-level", Shape::Text),
    ("relevance-score", Shape::Number),
    ("filter-criteria", Shape::Text),
    ("stale-date", Shape::Number),
    ("content-state", Shape::Object),
    ("timestamp", Shape::Number),
    ("event", Shape::Text),
    ("dismissal-date", Shape::Number),
    ("attributes-type", Shape::Text),
    ("attributes", Shape::Object),
];

pub(super) fn check(message: &Message, faults: &mut Faults) {
    let Some(raw) = &message.apns else { return };
    shape::check(raw, "message.apns", OVERRIDE, faults);
    if raw.get("aps").is_some_and(Value::is_null) {
        let detail = "remove its members instead";
        faults.add("message.apns.aps", "not_allowed", detail);
    }
    if let Some(aps) = shape::object_at(raw, &["aps"]) {
        shape::check(aps, "message.apns.aps", APS, faults);
    }
    if let Some(headers) = shape::object_at(raw, &[HEADERS]) {
        check_headers(headers, faults);
    }
}

/// Headers of a push that the gateway writes itself.
const WRITTEN_HEADERS: &[&str] = &[
    "apns-topic",
    "apns-expiration",
    "apns-collapse-id",
    "apns-id",
    "authorization",
];

fn check_headers(headers: &Object, faults: &mut Faults) {
    for (name, value) in headers {
        let field = format!("message.apns.headers.{name}");
        if name != PUSH_TYPE && name != PRIORITY {
            let detail = format!("only {PUSH_TYPE} and {PRIORITY} may be set");
            let is_written = WRITTEN_HEADERS.contains(&name.to_ascii_lowercase().as_str());
            let code = if is_written { "not_allowed" } else { "unknown" };
            faults.add(field, code, detail);
        } else if name == PUSH_TYPE && !value.is_null() && named_push_type(value).is_none() {
            faults.add(field, "malformed", "not a push type of APNs");
        } else if name == PRIORITY && !value.is_null() && named_priority(value).is_none() {
            faults.add(field, "malformed", "must be 1, 5 or 10");
        }
    }
}

/// Apple refuses background pushes with another priority than 5, and wants nothing shown by them. Asked for each
/// rendering; said once.
pub(super) fn check_background(rendered: &Payload, faults: &mut Faults) {
    if rendered.push_type != BACKGROUND {
        return;
    }
    if rendered.priority != "5" {
        let field = format!("message.apns.headers.{PRIORITY}");
        let detail = "background pushes must have priority 5";
        faults.add_once(field, "not_allowed", detail);
    }
    if rendered.shows {
        let field = format!("message.apns.headers.{PUSH_TYPE}");
        let detail = "a background push may have no alert, badge or sound";
        faults.add_once(field, "not_allowed", detail);
    }
}
