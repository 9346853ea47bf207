//! Reading a registration.

use fanfare_core::registration::Register;
use fanfare_providers::Fault;
use fanfare_types::device::Meta;
use fanfare_types::{Address, AddressKind, Channel, Environment};
use serde_json::Value;
use utoipa::ToSchema;

use crate::device_fields;
use crate::endpoint;
use crate::fields::{Faults, Fields};

/// The command in a body, or all that is wrong with it.
pub(crate) fn read(value: Value, tenant: Option<String>) -> Result<Register, Vec<Fault>> {
    let mut faults = Faults::default();
    let command = Fields::of(value, "", &mut faults).and_then(|fields| members(fields, tenant));
    match command {
        Some(command) if faults.is_empty() => Ok(command),
        _ => Err(faults.into_vec()),
    }
}

/// What is wrong with a body; for the test that compares the reader with its documentation.
#[cfg(test)]
pub(crate) fn faults_of(value: Value) -> Vec<Fault> {
    read(value, None).err().unwrap_or_default()
}

fn members(mut fields: Fields<'_>, tenant: Option<String>) -> Option<Register> {
    let address = address(&mut fields);
    let device_key = device_fields::device_key(&mut fields, "device_key");
    let platform = device_fields::platform(&mut fields);
    let tags = device_fields::tags(&mut fields);
    let meta = Meta {
        app_version: device_fields::meta(&mut fields, "app_version"),
        device_name: device_fields::meta(&mut fields, "device_name"),
        device_model: device_fields::meta(&mut fields, "device_model"),
        os_version: device_fields::meta(&mut fields, "os_version"),
        locale: device_fields::meta(&mut fields, "locale"),
        time_zone: device_fields::meta(&mut fields, "time_zone"),
        device_info: device_fields::device_info(&mut fields, "device_info"),
        display_order: None,
    };
    fields.finish();
    Some(Register {
        device_key,
        address: address?,
        platform,
        tenant,
        meta,
        tags,
    })
}

fn address(fields: &mut Fields<'_>) -> Option<Address> {
    fields.require("channel");
    fields.require("token");
    let channel = fields.word("channel", Channel::parse, endpoint::CHANNELS);
    let kind = endpoint::kind(fields, "address_kind").unwrap_or(AddressKind::RegistrationToken);
    let environment = endpoint::environment(fields).unwrap_or(Environment::Production);
    let token = fields.take("token");
    let (channel, token) = (channel?, token?);
    let token = endpoint::token(token, "token", channel, kind, fields.faults)?;
    Some(Address::new(channel, kind, environment, &token))
}

/// A device to register.
#[derive(ToSchema)]
#[schema(as = RegisterDevice)]
#[expect(
    dead_code,
    reason = "documentation of `members`; a test compares the two"
)]
pub(super) struct RegisterDoc {
    /// `ios_push`, `fcm` or `web_push`. Anything else is 400.
    #[schema(example = "ios_push")]
    pub(super) channel: String,
    /// The provider's token: hex digits for `ios_push`; for `web_push` the browser's `PushSubscription`, as an
    /// object or as its JSON text. At most 4096 bytes. Never returned.
    #[schema(value_type = TokenDoc)]
    token: Value,
    /// What an `fcm` token is: `registration_token` (default) or `fid`.
    address_kind: Option<String>,
    /// `sandbox`; anything else is production.
    #[schema(example = "production")]
    environment: Option<String>,
    /// Stable id of the install, 1–128 of `[A-Za-z0-9_-]`. With it, registering again refreshes the same row
    /// whatever its token.
    device_key: Option<String>,
    /// `android`, `ios`, `web` or `unknown`; by default `ios` for `ios_push`, `web` for
    /// `web_push`, and `unknown` for `fcm`, which serves all of them.
    platform: Option<String>,
    /// At most 255 bytes, like every text below.
    #[schema(example = "2.1.0")]
    app_version: Option<String>,
    device_name: Option<String>,
    #[schema(example = "iPhone15,3")]
    device_model: Option<String>,
    #[schema(example = "iOS 18.2")]
    os_version: Option<String>,
    #[schema(example = "de-AT")]
    locale: Option<String>,
    #[schema(example = "Europe/Vienna")]
    time_zone: Option<String>,
    /// At most 64, of at most 64 bytes each.
    tags: Option<Vec<String>>,
    /// Any JSON object up to 4 KiB.
    #[schema(value_type = Option<Object>)]
    device_info: Option<Value>,
}

/// A token as a string, or a `PushSubscription` as an object.
#[derive(ToSchema)]
#[schema(as = Token)]
#[serde(untagged)]
#[expect(dead_code, reason = "documentation of a token's two forms")]
pub(super) enum TokenDoc {
    Text(String),
    #[schema(value_type = Object)]
    Subscription(Value),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_smallest_registration_takes_its_defaults() {
        let body = json!({"channel": "fcm", "token": "abc"});
        let command = read(body, Some("acme".to_owned())).unwrap();
        assert_eq!(command.platform, None, "the registry's rule");
        assert_eq!(command.address.environment, Environment::Production);
        assert_eq!(command.address.kind, AddressKind::RegistrationToken);
        assert_eq!(command.tenant.as_deref(), Some("acme"));
        assert_eq!(command.tags, None);
    }

    #[test]
    fn an_optional_member_that_is_null_is_as_good_as_none() {
        let body = json!({
            "channel": "fcm", "token": "abc", "address_kind": null, "environment": null, "device_key": null,
            "platform": null, "app_version": null, "device_name": null, "device_model": null, "os_version": null,
            "locale": null, "time_zone": null, "tags": null, "device_info": null
        });
        let smallest = read(json!({"channel": "fcm", "token": "abc"}), None).unwrap();
        assert_eq!(
            format!("{:?}", read(body, None).unwrap()),
            format!("{smallest:?}")
        );
    }

    #[test]
    fn every_fault_is_listed() {
        let body = json!({
            "channel": "pigeon", "token": null, "environment": 1, "device_key": "a b", "platform": "vms",
            "app_version": "v".repeat(256), "tags": ["", "x".repeat(65), 3], "device_info": [],
            "user_id": "somebody", "locale": null
        });
        let faults = read(body, None).unwrap_err();
        let found: Vec<_> = faults.iter().map(|f| (f.field.as_str(), f.code)).collect();
        let expected = [
            ("token", "null"),
            ("channel", "unknown"),
            ("environment", "wrong_type"),
            ("device_key", "malformed"),
            ("platform", "unknown"),
            ("tags[0]", "empty"),
            ("tags[1]", "too_long"),
            ("tags[2]", "wrong_type"),
            ("app_version", "too_long"),
            ("device_info", "wrong_type"),
            ("user_id", "unknown"),
        ];
        assert_eq!(found, expected);
        assert_eq!(read(json!({}), None).unwrap_err().len(), 2);
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let tags = |count: usize| json!({"channel": "fcm", "token": "t", "tags": (0..count).map(|n| n.to_string()).collect::<Vec<_>>()});
        assert_eq!(read(tags(64), None).unwrap().tags.unwrap().len(), 64);
        assert_eq!(read(tags(65), None).unwrap_err()[0].code, "too_many");
        let info = |bytes: usize| json!({"channel": "fcm", "token": "t", "device_info": {"k": "v".repeat(bytes - 8)}});
        assert_eq!(
            read(info(4096), None)
                .unwrap()
                .meta
                .device_info
                .unwrap()
                .len(),
            4096
        );
        assert_eq!(read(info(4097), None).unwrap_err()[0].code, "too_large");
    }
}
