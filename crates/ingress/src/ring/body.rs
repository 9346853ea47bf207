//! Reading the two bodies of this contract.

use fanfare_core::registration::Register;
use fanfare_providers::Fault;
use fanfare_types::device::Meta;
use fanfare_types::{Address, AddressKind, Channel, Environment, Platform};
use serde_json::Value;
use utoipa::ToSchema;

use crate::fields::{Faults, Fields};
use crate::{device_fields, endpoint};

/// Longest `platform` looked at, in bytes.
const PLATFORM_BYTES_MAX: usize = 64;

/// The command in a body, or all that is wrong with it.
pub(super) fn register(value: Value, tenant: Option<String>) -> Result<Register, Vec<Fault>> {
    let mut faults = Faults::default();
    let command = Fields::of(value, "", &mut faults).and_then(|fields| members(fields, tenant));
    match command {
        Some(command) if faults.is_empty() => Ok(command),
        _ => Err(faults.into_vec()),
    }
}

/// The fingerprint of the device that is unregistered.
pub(super) fn unregister(value: Value) -> Result<String, Vec<Fault>> {
    let mut faults = Faults::default();
    let mut fields = Fields::of(value, "", &mut faults);
    let fingerprint = fields.as_mut().and_then(fingerprint);
    fingerprint.ok_or_else(|| faults.into_vec())
}

fn members(mut fields: Fields<'_>, tenant: Option<String>) -> Option<Register> {
    fields.require("token");
    let token = fields.take("token");
    let kind = AddressKind::RegistrationToken;
    let token =
        token.and_then(|token| endpoint::token(token, "token", Channel::Fcm, kind, fields.faults));
    let device_key = fingerprint(&mut fields);
    let platform = fields.text("platform", PLATFORM_BYTES_MAX);
    let device_info = device_fields::device_info(&mut fields, "deviceInfo");
    let platform = platform.map(|word| of_word(&word)).or_else(|| {
        let info: Value = serde_json::from_str(device_info.as_deref()?).ok()?;
        info["platform"].as_str().map(of_word)
    });
    Some(Register {
        device_key: Some(device_key?),
        address: Address::new(Channel::Fcm, kind, Environment::Production, &token?),
        platform,
        tenant,
        meta: Meta {
            device_info,
            ..Meta::default()
        },
        tags: None,
    })
}

fn fingerprint(fields: &mut Fields<'_>) -> Option<String> {
    fields.require("deviceFingerprint");
    device_fields::device_key(fields, "deviceFingerprint")
}

/// `deviceInfo` is anything the app likes (`navigator.platform` says "MacIntel"), so an unknown word is no fault.
fn of_word(word: &str) -> Platform {
    Platform::parse(&word.to_ascii_lowercase()).unwrap_or(Platform::Unknown)
}

/// A device to register. Other members are passed over; `userId` is, always.
#[derive(ToSchema)]
#[schema(as = RingRegister)]
#[expect(dead_code, reason = "documentation of `members`")]
#[allow(non_snake_case, reason = "the contract's names")]
pub(super) struct RegisterDoc {
    /// The FCM registration token, 1 to 4096 characters.
    token: String,
    /// Stable id of the device, 1 to 128 of `A-Z a-z 0-9 _ -`.
    #[schema(example = "0b0ce2a6-9d5b-4b6a-8a64-5f1d6f0e1c55")]
    deviceFingerprint: String,
    /// Any JSON object up to 4 KiB. Its `platform` counts where `platform` is not given.
    #[schema(value_type = Option<Object>)]
    deviceInfo: Option<Value>,
    /// `android`, `ios` or `web`; anything else is kept as `unknown`.
    platform: Option<String>,
}

/// The device to unregister.
#[derive(ToSchema)]
#[schema(as = RingUnregister)]
#[expect(dead_code, reason = "documentation of `unregister`")]
#[allow(non_snake_case, reason = "the contract's names")]
pub(super) struct UnregisterDoc {
    /// As at registration.
    deviceFingerprint: String,
}

#[cfg(test)]
pub(crate) fn register_faults(value: Value) -> Vec<Fault> {
    register(value, None).err().unwrap_or_default()
}

#[cfg(test)]
pub(crate) fn unregister_faults(value: Value) -> Vec<Fault> {
    unregister(value).err().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn platform(body: Value) -> Option<Platform> {
        register(body, None).unwrap().platform
    }

    fn faults(body: Value) -> Vec<(String, &'static str)> {
        let faults = register(body, None).unwrap_err();
        faults
            .into_iter()
            .map(|fault| (fault.field, fault.code))
            .collect()
    }

    #[test]
    fn the_platform_may_stand_in_two_places() {
        let with = |platform: Value, info: Value| json!({"token": "t", "deviceFingerprint": "f", "platform": platform, "deviceInfo": info});
        let null = Value::Null;
        for (body, expected) in [
            (with(json!("web"), null.clone()), Some(Platform::Web)),
            (
                with(null.clone(), json!({"platform": "android"})),
                Some(Platform::Android),
            ),
            (
                with(json!("ios"), json!({"platform": "android"})),
                Some(Platform::Ios),
            ),
            (
                with(null.clone(), json!({"platform": "MacIntel"})),
                Some(Platform::Unknown),
            ),
            (with(json!("iOS"), null.clone()), Some(Platform::Ios)),
            (with(null.clone(), json!({"platform": 7})), None),
            (with(null.clone(), json!({})), None),
            (with(null.clone(), null), None),
        ] {
            assert_eq!(platform(body.clone()), expected, "{body}");
        }
    }

    #[test]
    fn every_fault_is_listed() {
        let wrong =
            json!({"token": 1, "deviceFingerprint": "a b", "deviceInfo": [], "platform": {}});
        let expected = [
            ("token", "wrong_type"),
            ("deviceFingerprint", "malformed"),
            ("platform", "wrong_type"),
            ("deviceInfo", "wrong_type"),
        ];
        assert_eq!(
            faults(wrong),
            expected.map(|(field, code)| (field.to_owned(), code))
        );
        let expected = [("token", "missing"), ("deviceFingerprint", "missing")];
        assert_eq!(
            faults(json!({})),
            expected.map(|(field, code)| (field.to_owned(), code))
        );
    }

    #[test]
    fn a_fingerprint_is_1_to_128_of_ascii_letters_digits_hyphens_and_underscores() {
        let body = |fingerprint: &str| json!({"deviceFingerprint": fingerprint});
        for good in ["a", "A-Z_09", &"f".repeat(128)] {
            assert_eq!(unregister(body(good)).as_deref(), Ok(good));
        }
        // Look-alikes: Cyrillic а, fullwidth a, Arabic-Indic 1, non-breaking hyphen, a letter with a combining mark.
        let look_alikes = [
            "\u{430}",
            "\u{ff41}",
            "\u{661}",
            "a\u{2011}b",
            "e\u{301}",
            "\u{200b}a",
        ];
        let others = [
            "",
            " ",
            "a b",
            "a.b",
            "a/b",
            "a\0",
            "a\n",
            "ä",
            &"f".repeat(129),
        ];
        for bad in look_alikes.into_iter().chain(others) {
            let faults = unregister(body(bad)).unwrap_err();
            assert_eq!(
                (faults[0].field.as_str(), faults[0].code),
                ("deviceFingerprint", "malformed")
            );
        }
    }
}
