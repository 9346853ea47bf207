//! The shape of an FCM message: known fields with the right types, exactly one target, the documented limits.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The fields that name a target; exactly one must be there.
pub(crate) const TARGETS: [&str; 4] = ["token", "fid", "topic", "condition"];
const PAYLOAD_MAX: usize = 4096;
const TOPIC_PAYLOAD_MAX: usize = 2048;
const TTL_MAX: i64 = 2_419_200;
const TOKEN_MAX: usize = 4096;
const CONDITION_TOPICS_MAX: usize = 5;

/// What is wrong with a message.
pub(crate) struct Fault {
    pub(crate) field: String,
    pub(crate) description: String,
    /// Found by FCM itself rather than by the JSON parser before it: the answer has an `FcmError`.
    pub(crate) semantic: bool,
}

/// The type of a field.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    /// A map of strings.
    Texts,
    /// Anything that is an object.
    Object,
    Ttl,
    Priority,
    Fields(&'static [(&'static str, Kind)]),
}

const REQUEST: &[(&str, Kind)] = &[
    ("validate_only", Kind::Flag),
    ("message", Kind::Fields(MESSAGE)),
];

const MESSAGE: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("token", Kind::Text),
    ("fid", Kind::Text),
    ("topic", Kind::Text),
    ("condition", Kind::Text),
    ("data", Kind::Texts),
    (
        "notification",
        Kind::Fields(&[
            ("title", Kind::Text),
            ("body", Kind::Text),
            ("image", Kind::Text),
        ]),
    ),
    ("android", Kind::Fields(ANDROID)),
    ("android_v2", Kind::Object),
    ("apns", Kind::Fields(APNS)),
    ("webpush", Kind::Fields(WEBPUSH)),
    (
        "fcm_options",
        Kind::Fields(&[("analytics_label", Kind::Text)]),
    ),
];

const ANDROID: &[(&str, Kind)] = &[
    ("collapse_key", Kind::Text),
    ("priority", Kind::Priority),
    ("ttl", Kind::Ttl),
    ("restricted_package_name", Kind::Text),
    ("data", Kind::Texts),
    ("notification", Kind::Object),
    (
        "fcm_options",
        Kind::Fields(&[("analytics_label", Kind::Text)]),
    ),
    ("direct_boot_ok", Kind::Flag),
    ("bandwidth_constrained_ok", Kind::Flag),
    ("restricted_satellite_ok", Kind::Flag),
];

const APNS: &[(&str, Kind)] = &[
    ("headers", Kind::Texts),
    ("payload", Kind::Object),
    (
        "fcm_options",
        Kind::Fields(&[("analytics_label", Kind::Text), ("image", Kind::Text)]),
    ),
    ("live_activity_token", Kind::Text),
];

const WEBPUSH: &[(&str, Kind)] = &[
    ("headers", Kind::Texts),
    ("data", Kind::Texts),
    ("notification", Kind::Object),
    (
        "fcm_options",
        Kind::Fields(&[("link", Kind::Text), ("analytics_label", Kind::Text)]),
    ),
];

/// Judges a request's body.
pub(crate) fn check(body: &Value) -> Result<(), Fault> {
    check_kind(body, Kind::Fields(REQUEST), "")?;
    let Some(message) = body.get("message").and_then(Value::as_object) else {
        return Err(semantic("message", "Message is required."));
    };
    check_target(message)?;
    if let Some(data) = message.get("data").and_then(Value::as_object) {
        check_data(data, "message.data")?;
    }
    if let Some(data) = message
        .get("android")
        .and_then(|android| android["data"].as_object())
    {
        check_data(data, "message.android.data")?;
    }
    check_size(message)
}

fn syntax(field: &str, description: String) -> Fault {
    Fault {
        field: field.into(),
        description,
        semantic: false,
    }
}

fn semantic(field: &str, description: &str) -> Fault {
    Fault {
        field: field.into(),
        description: description.into(),
        semantic: true,
    }
}

fn wrong_type(path: &str, kind: &str, value: &Value) -> Fault {
    syntax(path, format!("Invalid value at '{path}' ({kind}), {value}"))
}

fn check_kind(value: &Value, kind: Kind, path: &str) -> Result<(), Fault> {
    let right = match kind {
        Kind::Text => value.is_string(),
        Kind::Flag => value.is_boolean(),
        Kind::Object => value.is_object(),
        Kind::Texts => return check_texts(value, path),
        Kind::Ttl => return check_ttl(value, path),
        Kind::Priority => value.as_str().is_some_and(|word| {
            ["high", "normal"]
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known))
        }),
        Kind::Fields(fields) => return check_fields(value, fields, path),
    };
    let kind = match kind {
        Kind::Text => "TYPE_STRING",
        Kind::Flag => "TYPE_BOOL",
        Kind::Priority => "type.googleapis.com/google.firebase.fcm.v1.AndroidMessagePriority",
        _ => "Map",
    };
    if right {
        Ok(())
    } else {
        Err(wrong_type(path, kind, value))
    }
}

fn check_fields(value: &Value, fields: &[(&str, Kind)], path: &str) -> Result<(), Fault> {
    let Some(object) = value.as_object() else {
        return Err(wrong_type(path, "Map", value));
    };
    for (name, value) in object {
        let Some((_, kind)) = fields.iter().find(|(known, _)| known == name) else {
            let at = if path.is_empty() {
                String::new()
            } else {
                format!(" at '{path}'")
            };
            let description = format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
            );
            return Err(syntax(path, description));
        };
        let path = if path.is_empty() {
            Cow::Borrowed(name.as_str())
        } else {
            Cow::Owned(format!("{path}.{name}"))
        };
        check_kind(value, *kind, &path)?;
    }
    Ok(())
}

/// Google numbers the entries of a map in its error.
fn check_texts(value: &Value, path: &str) -> Result<(), Fault> {
    let Some(object) = value.as_object() else {
        return Err(wrong_type(path, "Map", value));
    };
    match object.values().position(|value| !value.is_string()) {
        Some(index) => {
            let value = object.values().nth(index).unwrap_or(&Value::Null);
            Err(wrong_type(
                &format!("{path}[{index}].value"),
                "TYPE_STRING",
                value,
            ))
        }
        None => Ok(()),
    }
}

/// Whole seconds of a JSON `Duration` such as `"3.5s"`; `None` when it is not one.
pub(crate) fn ttl_seconds(text: &str) -> Option<i64> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let sign = whole.strip_prefix('-');
    if !digits(sign.unwrap_or(whole)) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    whole.parse().ok()
}

fn check_ttl(value: &Value, path: &str) -> Result<(), Fault> {
    match value.as_str().map(ttl_seconds) {
        Some(Some(seconds))
            if !(0..=TTL_MAX).contains(&seconds)
                || value.as_str().is_some_and(|text| text.starts_with('-')) =>
        {
            Err(semantic(
                path,
                "Invalid time to live: must be between 0 and 2419200 seconds",
            ))
        }
        Some(Some(_)) => Ok(()),
        _ => Err(syntax(
            path,
            format!(
                "Invalid value at '{path}' (type.googleapis.com/google.protobuf.Duration), {value}"
            ),
        )),
    }
}

fn check_target(message: &Map<String, Value>) -> Result<(), Fault> {
    let mut targets = TARGETS
        .iter()
        .filter_map(|target| Some((*target, message.get(*target)?.as_str()?)));
    let (Some((kind, target)), None) = (targets.next(), targets.next()) else {
        return Err(semantic(
            "message",
            "Exactly one of fid, token, topic or condition is required",
        ));
    };
    let topic_char = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte);
    match kind {
        "topic" if target.is_empty() || !target.bytes().all(topic_char) => {
            Err(semantic("message.topic", "Invalid topic name"))
        }
        "condition"
            if target.is_empty() || target.matches("in topics").count() > CONDITION_TOPICS_MAX =>
        {
            Err(semantic(
                "message.condition",
                "Invalid condition expression",
            ))
        }
        "token" | "fid"
            if target.is_empty()
                || target.len() > TOKEN_MAX
                || !target.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            let field = format!("message.{kind}");
            Err(semantic(
                &field,
                "The registration token is not a valid FCM registration token",
            ))
        }
        _ => Ok(()),
    }
}

fn check_data(data: &Map<String, Value>, path: &str) -> Result<(), Fault> {
    let reserved = |key: &&String| {
        let lower = key.to_ascii_lowercase();
        lower == "from"
            || lower == "message_type"
            || lower.starts_with("google")
            || lower.starts_with("gcm")
    };
    match data.keys().find(reserved) {
        Some(key) => Err(semantic(path, &format!("Invalid data payload key: {key}"))),
        None => Ok(()),
    }
}

/// Keys and values of data and notification count.
fn check_size(message: &Map<String, Value>) -> Result<(), Fault> {
    let topic = message.contains_key("topic") || message.contains_key("condition");
    let most = if topic {
        TOPIC_PAYLOAD_MAX
    } else {
        PAYLOAD_MAX
    };
    let common: usize = ["data", "notification"]
        .iter()
        .filter_map(|name| message.get(*name))
        .map(text_size)
        .sum();
    let android = message.get("android");
    let android = android.map_or(0, |android| {
        text_size(&android["data"]) + text_size(&android["notification"])
    });
    if common + android > most {
        return Err(semantic("message", "Android message is too big"));
    }
    let payload = message.get("apns").map(|apns| &apns["payload"]);
    if payload.is_some_and(|payload| payload.is_object() && payload.to_string().len() > PAYLOAD_MAX)
    {
        return Err(semantic("message.apns.payload", "APNs message is too big"));
    }
    Ok(())
}

/// Bytes of all keys and values.
fn text_size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::String(text) => text.len(),
        Value::Bool(_) | Value::Number(_) => value.to_string().len(),
        Value::Array(values) => values.iter().map(text_size).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| key.len() + text_size(value))
            .sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Option<(String, bool)> {
        check(&serde_json::from_str(json).unwrap())
            .err()
            .map(|fault| (fault.field, fault.semantic))
    }

    #[test]
    fn whole_messages_are_taken() {
        for json in [
            r#"{"message": {"token": "a:b"}}"#,
            r#"{"validate_only": true, "message": {"fid": "abc", "data": {"k": "v"}, "notification": {"title": "t"}}}"#,
            r#"{"message": {"topic": "news", "android": {"priority": "HIGH", "ttl": "3.5s", "collapse_key": "c"}}}"#,
            r#"{"message": {"condition": "'a' in topics", "apns": {"headers": {"apns-priority": "5"}, "payload": {"aps": {}}}}}"#,
        ] {
            assert_eq!(fault(json), None, "{json}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn faults_name_their_field() {
        let long = format!(
            r#"{{"message": {{"token": "t", "data": {{"k": "{}"}}}}}}"#,
            "x".repeat(4096)
        );
        let long_topic = format!(
            r#"{{"message": {{"topic": "t", "data": {{"k": "{}"}}}}}}"#,
            "x".repeat(2048)
        );
        for (json, field, semantic) in [
            ("[]", "", false),
            ("{}", "message", true),
            (r#"{"message": {}}"#, "message", true),
            (
                r#"{"message": {"token": "a", "topic": "b"}}"#,
                "message",
                true,
            ),
            (
                r#"{"message": {"token": "a", "colour": 1}}"#,
                "message",
                false,
            ),
            (r#"{"message": {"token": 1}}"#, "message.token", false),
            (
                r#"{"message": {"token": "two words"}}"#,
                "message.token",
                true,
            ),
            (
                r#"{"message": {"topic": "/topics/a"}}"#,
                "message.topic",
                true,
            ),
            (
                r#"{"message": {"token": "a", "data": {"k": 1}}}"#,
                "message.data[0].value",
                false,
            ),
            (
                r#"{"message": {"token": "a", "data": {"from": "x"}}}"#,
                "message.data",
                true,
            ),
            (
                r#"{"message": {"token": "a", "data": {"gcm.x": "x"}}}"#,
                "message.data",
                true,
            ),
            (
                r#"{"message": {"token": "a", "android": {"ttl": 5}}}"#,
                "message.android.ttl",
                false,
            ),
            (
                r#"{"message": {"token": "a", "android": {"ttl": "5"}}}"#,
                "message.android.ttl",
                false,
            ),
            (
                r#"{"message": {"token": "a", "android": {"ttl": "2419201s"}}}"#,
                "message.android.ttl",
                true,
            ),
            (
                r#"{"message": {"token": "a", "android": {"ttl": "-0.5s"}}}"#,
                "message.android.ttl",
                true,
            ),
            (
                r#"{"message": {"token": "a", "android": {"priority": "urgent"}}}"#,
                "message.android.priority",
                false,
            ),
            (&long, "message", true),
            (&long_topic, "message", true),
        ] {
            assert_eq!(fault(json), Some((field.to_owned(), semantic)), "{json}");
        }
    }
}
