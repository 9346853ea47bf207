//! Reading an endpoint of a provider from a request: channel, token, its kind and environment.

use fanfare_providers::check_address;
use fanfare_types::{Address, AddressKind, Channel, Environment};
use serde_json::{Value, json};

use crate::fields::{Faults, Fields, text, wrong_type};

pub(crate) const CHANNELS: &[&str] = &["ios_push", "fcm", "web_push"];
pub(crate) const KINDS: &[&str] = &["registration_token", "fid"];

/// What `address_kind` (or `kind`) says, where it is given.
pub(crate) fn kind(fields: &mut Fields<'_>, name: &str) -> Option<AddressKind> {
    fields.word(name, AddressKind::parse, KINDS)
}

/// Anything but `sandbox` is production.
pub(crate) fn environment(fields: &mut Fields<'_>) -> Option<Environment> {
    let word = fields.text("environment", usize::MAX)?;
    Some(match word.as_str() {
        "sandbox" => Environment::Sandbox,
        _ => Environment::Production,
    })
}

/// The provider's token in `value`, checked for its channel and in the one spelling it is known by.
pub(crate) fn token(
    value: Value,
    path: &str,
    channel: Channel,
    kind: AddressKind,
    faults: &mut Faults,
) -> Option<String> {
    let given = match value {
        Value::Object(_) if channel == Channel::WebPush => value.to_string(),
        Value::Object(_) => {
            wrong_type(faults, path, &value, "a string");
            return None;
        }
        value => text(value, path, Address::BYTES_MAX, faults)?,
    };
    if let Some(reason) = check_address(channel, kind, &given) {
        faults.add(path, "malformed", reason);
        return None;
    }
    Some(spelling(channel, given))
}

/// One endpoint has one spelling, or it would be two addresses: APNs tokens are hex digits in either case, and
/// a `PushSubscription` may have its members in any order, and others beside those that count.
fn spelling(channel: Channel, given: String) -> String {
    match channel {
        Channel::Fcm => given,
        Channel::IosPush => given.to_ascii_lowercase(),
        Channel::WebPush => match serde_json::from_str::<Value>(&given) {
            Ok(json) => subscription(&json).to_string(),
            Err(_) => given,
        },
    }
}

fn subscription(given: &Value) -> Value {
    let keys = &given["keys"];
    let unpadded = |key: &Value| key.as_str().map(|key| key.trim_end_matches('=').to_owned());
    json!({
        "endpoint": given["endpoint"],
        "keys": {"auth": unpadded(&keys["auth"]), "p256dh": unpadded(&keys["p256dh"])},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: &str =
        "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM";
    const AUTH: &str = "tBHItJI5svbpez7KI4CCXg";

    fn read(value: Value, channel: Channel) -> Result<String, &'static str> {
        let mut faults = Faults::default();
        let kind = AddressKind::RegistrationToken;
        let read = token(value, "token", channel, kind, &mut faults);
        read.ok_or_else(|| faults.into_vec()[0].code)
    }

    #[test]
    fn one_endpoint_has_one_spelling() {
        let hex = "AB".repeat(32);
        let lower = read(Value::from(hex.to_ascii_lowercase()), Channel::IosPush);
        assert_eq!(read(Value::from(hex), Channel::IosPush), lower);
        let endpoint = "https://push.example/x";
        let object = json!({"endpoint": endpoint, "expirationTime": null,
            "keys": {"p256dh": format!("{POINT}="), "auth": AUTH}});
        let text = format!(
            r#"{{"keys": {{"auth": "{AUTH}", "p256dh": "{POINT}"}}, "endpoint": "{endpoint}"}}"#
        );
        let one = read(object, Channel::WebPush).unwrap();
        assert_eq!(read(Value::from(text), Channel::WebPush), Ok(one));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        assert_eq!(read(Value::Null, Channel::IosPush), Err("null"));
        assert_eq!(read(json!(7), Channel::IosPush), Err("wrong_type"));
        assert_eq!(read(json!({}), Channel::Fcm), Err("wrong_type"));
        assert_eq!(read(json!("xyz"), Channel::IosPush), Err("malformed"));
        assert_eq!(read(json!({}), Channel::WebPush), Err("malformed"));
        assert_eq!(read(json!("a".repeat(5000)), Channel::Fcm), Err("too_long"));
    }
}
