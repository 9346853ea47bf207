//! Reading the two bodies of this contract. An optional member that is `null` is as good as none, and other
//! members are passed over.

use fanfare_core::registration::{Patch, Register};
use fanfare_providers::Fault;
use fanfare_types::device::Meta;
use fanfare_types::{Address, AddressKind, Channel, Environment, Platform, Status};
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::BLANK;
use crate::fields::{Faults, Fields};
use crate::{device_fields, endpoint};

/// Shortest and longest `fcm_token`, in characters.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 100..=4096;

/// Longest `device_name` and `app_version`, in characters.
const NAME_CHARS_MAX: usize = 200;
const VERSION_CHARS_MAX: usize = 20;

/// The command in a body, or all that is wrong with it.
pub(super) fn register(value: Value, tenant: Option<String>) -> Result<Register, Vec<Fault>> {
    let mut faults = Faults::default();
    let command = Fields::of(value, "", &mut faults).and_then(|mut fields| {
        fields.require("fcm_token");
        let address = address(&mut fields);
        let platform = device_fields::platform(&mut fields);
        let meta = Meta {
            device_name: text(&mut fields, "device_name", NAME_CHARS_MAX),
            app_version: text(&mut fields, "app_version", VERSION_CHARS_MAX),
            device_info: device_fields::device_info(&mut fields, "device_info"),
            ..Meta::default()
        };
        Some(Register {
            device_key: None,
            address: address?,
            platform: Some(platform.unwrap_or(Platform::Web)),
            tenant,
            meta,
            tags: None,
        })
    });
    match command {
        Some(command) if faults.is_empty() => Ok(command),
        _ => Err(faults.into_vec()),
    }
}

/// The change in a body, `None` when there is nothing in it; or all that is wrong with it.
pub(super) fn update(value: Value) -> Result<Option<Patch>, Vec<Fault>> {
    let mut faults = Faults::default();
    let patch = Fields::of(value, "", &mut faults).map(|mut fields| {
        let is_active = fields.boolean("is_active");
        Patch {
            address: address(&mut fields),
            device_name: text(&mut fields, "device_name", NAME_CHARS_MAX).map(Some),
            app_version: text(&mut fields, "app_version", VERSION_CHARS_MAX).map(Some),
            status: is_active.map(|is_active| match is_active {
                true => Status::Active,
                false => Status::Inactive,
            }),
            ..Patch::default()
        }
    });
    match patch {
        Some(patch) if faults.is_empty() => {
            let (address, status) = (patch.address.is_some(), patch.status.is_some());
            let texts = patch.device_name.is_some() || patch.app_version.is_some();
            Ok((address || status || texts).then_some(patch))
        }
        _ => Err(faults.into_vec()),
    }
}

fn address(fields: &mut Fields<'_>) -> Option<Address> {
    let token = fields.text("fcm_token", usize::MAX)?;
    if token.trim().is_empty() {
        fields.fault("fcm_token", BLANK, "FCM token cannot be empty");
        return None;
    }
    if !TOKEN_CHARS.contains(&token.chars().count()) {
        let (least, most) = (TOKEN_CHARS.start(), TOKEN_CHARS.end());
        let detail = format!("must have {least} to {most} characters");
        fields.fault("fcm_token", "out_of_range", detail);
        return None;
    }
    let (channel, kind) = (Channel::Fcm, AddressKind::RegistrationToken);
    let token = endpoint::token(token.into(), "fcm_token", channel, kind, fields.faults)?;
    Some(Address::new(channel, kind, Environment::Production, &token))
}

fn text(fields: &mut Fields<'_>, name: &str, chars_max: usize) -> Option<String> {
    let text = fields.text(name, usize::MAX)?;
    if text.chars().count() > chars_max {
        let detail = format!("may have {chars_max} characters at most");
        fields.fault(name, "too_long", detail);
        return None;
    }
    Some(text)
}

/// A device to register. Other members are passed over.
#[derive(ToSchema)]
#[schema(as = ReservaRegister)]
#[expect(dead_code, reason = "documentation of `register`")]
pub(super) struct RegisterDoc {
    /// The FCM registration token.
    #[schema(min_length = 100, max_length = 4096)]
    fcm_token: String,
    /// `web` (default), `android`, `ios` or `unknown`.
    platform: Option<String>,
    #[schema(max_length = 200, example = "Chrome on Windows")]
    device_name: Option<String>,
    #[schema(max_length = 20, example = "1.0.0")]
    app_version: Option<String>,
    /// Any JSON object up to 4 KiB.
    #[schema(value_type = Option<Object>)]
    device_info: Option<Value>,
}

/// A change of a device. What is left out, or `null`, stays. Other members are passed over.
#[derive(ToSchema)]
#[schema(as = ReservaUpdate)]
#[expect(dead_code, reason = "documentation of `update`")]
pub(super) struct UpdateDoc {
    /// A new FCM registration token; another device that holds it is deleted.
    #[schema(min_length = 100, max_length = 4096)]
    fcm_token: Option<String>,
    #[schema(max_length = 200)]
    device_name: Option<String>,
    #[schema(max_length = 20)]
    app_version: Option<String>,
    /// Whether the device gets pushes.
    is_active: Option<bool>,
}

#[cfg(test)]
pub(crate) fn register_faults(value: Value) -> Vec<Fault> {
    register(value, None).err().unwrap_or_default()
}

#[cfg(test)]
pub(crate) fn update_faults(value: Value) -> Vec<Fault> {
    update(value).err().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(body: Value) -> Vec<(String, &'static str)> {
        let faults = register(body, None).unwrap_err();
        faults
            .into_iter()
            .map(|fault| (fault.field, fault.code))
            .collect()
    }

    #[test]
    fn limits_hold_to_the_character() {
        let body = |token: usize, name: usize, version: usize| json!({"fcm_token": "t".repeat(token), "device_name": "ü".repeat(name), "app_version": "é".repeat(version)});
        for (token, name, version) in [(100, 200, 20), (4096, 0, 0)] {
            assert!(register(body(token, name, version), None).is_ok());
        }
        for (token, name, version, fault) in [
            (99, 200, 20, ("fcm_token", "out_of_range")),
            (4097, 200, 20, ("fcm_token", "out_of_range")),
            (100, 201, 20, ("device_name", "too_long")),
            (100, 200, 21, ("app_version", "too_long")),
        ] {
            assert_eq!(
                faults(body(token, name, version)),
                [(fault.0.to_owned(), fault.1)]
            );
        }
    }

    #[test]
    fn a_blank_token_is_told_from_a_missing_and_a_malformed_one() {
        for (token, code) in [
            (json!(""), BLANK),
            (json!(" \t\n\u{3000}"), BLANK),
            (json!(" ".repeat(200)), BLANK),
            (json!("t t".repeat(50)), "malformed"),
            (json!("ü".repeat(100)), "malformed"),
            (json!(7), "wrong_type"),
            (json!(null), "null"),
        ] {
            let found = faults(json!({"fcm_token": token}));
            assert_eq!(found, [("fcm_token".to_owned(), code)], "{token}");
        }
        assert_eq!(faults(json!({})), [("fcm_token".to_owned(), "missing")]);
    }

    #[test]
    fn the_platform_is_web_unless_another_is_given() {
        let platform = |platform: Value| {
            let body = json!({"fcm_token": "t".repeat(100), "platform": platform});
            register(body, None).map(|command| command.platform)
        };
        assert_eq!(platform(Value::Null).unwrap(), Some(Platform::Web));
        for known in Platform::ALL {
            assert_eq!(platform(json!(known.as_str())).unwrap(), Some(*known));
        }
        for wrong in [json!("Web"), json!("windows"), json!(1), json!("")] {
            assert!(platform(wrong).is_err());
        }
    }

    #[test]
    fn an_update_changes_what_is_given_alone() {
        let patch = |body: Value| update(body).unwrap();
        assert!(patch(json!({})).is_none());
        let nulls =
            json!({"fcm_token": null, "device_name": null, "app_version": null, "is_active": null});
        assert!(patch(nulls).is_none());
        let renamed = patch(json!({"device_name": "new", "platform": "ios"})).unwrap();
        assert_eq!(renamed.device_name, Some(Some("new".to_owned())));
        assert_eq!(
            (renamed.platform, renamed.status, renamed.address),
            (None, None, None)
        );
        for (is_active, status) in [(true, Status::Active), (false, Status::Inactive)] {
            let patch = patch(json!({"is_active": is_active})).unwrap();
            assert_eq!(patch.status, Some(status));
        }
        let wrong =
            json!({"fcm_token": "t", "device_name": 1, "app_version": [], "is_active": "yes"});
        assert_eq!(update(wrong).unwrap_err().len(), 4);
    }
}
