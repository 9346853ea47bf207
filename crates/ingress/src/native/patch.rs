//! Reading a change of a device: JSON merge semantics (RFC 7396), where `null` clears what can be cleared; what
//! every device has (`status`, `environment`, `address_kind`) it leaves as it is.

use fanfare_core::registration::Patch;
use fanfare_providers::Fault;
use fanfare_types::{Address, Device, Platform, Status};
use serde_json::Value;
use utoipa::ToSchema;

use crate::device_fields;
use crate::endpoint;
use crate::fields::{Faults, Fields};

/// What a caller may switch a device to; the other states are the gateway's to find.
const STATUSES: &[&str] = &["active", "inactive"];

/// Fixed when the row was made.
const FIXED: &[&str] = &["id", "channel", "device_key", "created_at", "last_seen_at"];

/// The command in a body, for the device as it is now; or all that is wrong with it.
pub(super) fn read(value: Value, device: &Device) -> Result<Patch, Vec<Fault>> {
    let mut faults = Faults::default();
    let patch = Fields::of(value, "", &mut faults).map(|fields| members(fields, device));
    match patch {
        Some(patch) if faults.is_empty() => Ok(patch),
        _ => Err(faults.into_vec()),
    }
}

/// What is wrong with a body; for the test that compares the reader with its documentation.
#[cfg(test)]
pub(crate) fn faults_of(value: Value) -> Vec<Fault> {
    read(value, &crate::tests::device("ada", 1))
        .err()
        .unwrap_or_default()
}

fn members(mut fields: Fields<'_>, device: &Device) -> Patch {
    for name in FIXED {
        if fields.has(name) {
            fields.take(name);
            fields.fault(name, "not_allowed", "cannot be changed");
        }
    }
    let patch = Patch {
        address: address(&mut fields, &device.address),
        status: fields.word("status", status, STATUSES),
        platform: match fields.take_null("platform") {
            true => Some(Platform::Unknown),
            false => device_fields::platform(&mut fields),
        },
        app_version: device_fields::clearable_meta(&mut fields, "app_version"),
        device_name: device_fields::clearable_meta(&mut fields, "device_name"),
        device_model: device_fields::clearable_meta(&mut fields, "device_model"),
        os_version: device_fields::clearable_meta(&mut fields, "os_version"),
        locale: device_fields::clearable_meta(&mut fields, "locale"),
        time_zone: device_fields::clearable_meta(&mut fields, "time_zone"),
        device_info: match fields.take_null("device_info") {
            true => Some(None),
            false => device_fields::device_info(&mut fields, "device_info").map(Some),
        },
        display_order: None,
        device_key: None,
        tags: match fields.take_null("tags") {
            true => Some(Vec::new()),
            false => device_fields::tags(&mut fields),
        },
        deleted: None,
    };
    fields.finish();
    patch
}

/// A new address of the same channel: what is not given stays as it is.
fn address(fields: &mut Fields<'_>, now: &Address) -> Option<Address> {
    let kind = endpoint::kind(fields, "address_kind");
    let environment = endpoint::environment(fields);
    if fields.take_null("token") {
        fields.fault(
            "token",
            "null",
            "cannot be cleared; delete the device instead",
        );
    }
    let token = fields.take("token");
    if kind.is_none() && environment.is_none() && token.is_none() {
        return None;
    }
    let kind = kind.unwrap_or(now.kind);
    let token = token.unwrap_or_else(|| Value::from(now.expose()));
    let token = endpoint::token(token, "token", now.channel, kind, fields.faults)?;
    let environment = environment.unwrap_or(now.environment);
    Some(Address::new(now.channel, kind, environment, &token))
}

fn status(word: &str) -> Option<Status> {
    Status::parse(word).filter(|status| matches!(status, Status::Active | Status::Inactive))
}

/// A change of a device. What is left out stays; `null` clears a text, `device_info`, `tags` or `platform`,
/// and leaves `status`, `environment` and `address_kind` as they are.
#[derive(ToSchema)]
#[schema(as = PatchDevice)]
#[expect(
    dead_code,
    reason = "documentation of `members`; a test compares the two"
)]
pub(super) struct PatchDoc {
    /// `active` or `inactive`.
    #[schema(example = "inactive")]
    status: Option<String>,
    /// A new token of the same channel.
    #[schema(required = false, value_type = super::register::TokenDoc)]
    token: Value,
    address_kind: Option<String>,
    environment: Option<String>,
    platform: Option<String>,
    app_version: Option<String>,
    device_name: Option<String>,
    device_model: Option<String>,
    os_version: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
    tags: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    device_info: Option<Value>,
}
