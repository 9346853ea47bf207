//! Reading a `DeviceTokenEditDto`: what `Register` and `Update` take.
//!
//! A `userId` in it is passed over like every member that is none of the contract's: whose device it is, the credential
//! says.

#[cfg(test)]
mod tests;

use fanfare_core::registration::{Patch, Register};
use fanfare_providers::Fault;
use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AddressKind, Channel, Device, DeviceId, Environment, Platform, Status,
};
use serde_json::Value;
use utoipa::ToSchema;

use super::column::PLATFORMS;
use super::guid::Guid;
use super::members::{self, flag, number};
use super::view::is_active;
use crate::fields::{Faults, Fields};
use crate::{device_fields, endpoint};

const MEMBERS: [&str; 6] = [
    "id",
    "isActive",
    "displayOrder",
    "deviceId",
    "platform",
    "token",
];

/// The registration in a body, or all that is wrong with it. A registered device is active whatever `isActive` says, and
/// found by the caller and `deviceId` whatever `id` says.
pub(super) fn registration(value: Value, tenant: Option<String>) -> Result<Register, Vec<Fault>> {
    let mut faults = Faults::default();
    let read = members::of(value, "", &MEMBERS, &mut faults);
    let read = read.and_then(|fields| register(fields, tenant));
    match read {
        Some(register) if faults.is_empty() => Ok(register),
        _ => Err(faults.into_vec()),
    }
}

fn register(mut fields: Fields<'_>, tenant: Option<String>) -> Option<Register> {
    for name in ["deviceId", "platform", "token"] {
        fields.require(name);
    }
    guid(&mut fields);
    flag(&mut fields, "isActive");
    let display_order = display_order(&mut fields);
    let device_key = device_fields::device_key(&mut fields, "deviceId");
    let platform = platform(&mut fields, 1);
    let kind = AddressKind::RegistrationToken;
    let token = token(&mut fields, Channel::Fcm, kind);
    Some(Register {
        device_key: Some(device_key?),
        address: Address::new(Channel::Fcm, kind, Environment::Production, &token?),
        platform: Some(platform?),
        tenant,
        meta: Meta {
            display_order,
            ..Meta::default()
        },
        tags: None,
    })
}

/// The change in a body, for the device as it is now; or all that is wrong with it. What is left out or `null` stays.
pub(super) fn update(value: Value, device: &Device) -> Result<Patch, Vec<Fault>> {
    let mut faults = Faults::default();
    let read = members::of(value, "", &MEMBERS, &mut faults);
    match read.map(|fields| patch(fields, device)) {
        Some(patch) if faults.is_empty() => Ok(patch),
        _ => Err(faults.into_vec()),
    }
}

fn patch(mut fields: Fields<'_>, device: &Device) -> Patch {
    own_id(&mut fields, device.id);
    let address = &device.address;
    let token = token(&mut fields, address.channel, address.kind);
    let readdressed =
        |token: String| Address::new(address.channel, address.kind, address.environment, &token);
    // An install without an id is shown with an empty one.
    let has_none = device.device_key.is_none() && fields.take_empty("deviceId");
    let device_key = match has_none {
        true => None,
        false => device_fields::device_key(&mut fields, "deviceId"),
    };
    Patch {
        address: token.map(readdressed),
        // What is stale or invalid is not active; a form that says so again does not make it switched off.
        status: flag(&mut fields, "isActive")
            .filter(|wanted| *wanted != is_active(device))
            .map(|wanted| {
                if wanted {
                    Status::Active
                } else {
                    Status::Inactive
                }
            }),
        platform: platform(&mut fields, 0),
        display_order: display_order(&mut fields).map(Some),
        device_key,
        ..Patch::default()
    }
}

fn guid(fields: &mut Fields<'_>) -> Option<Guid> {
    let text = fields.text("id", usize::MAX)?;
    let guid = Guid::parse(&text);
    if guid.is_none() {
        fields.fault("id", "malformed", Guid::FORM);
    }
    guid
}

/// The id in the path is the one that counts; another one in the body is a mistake.
fn own_id(fields: &mut Fields<'_>, id: DeviceId) {
    let other = guid(fields).filter(|guid| *guid != Guid::EMPTY && guid.device() != Some(id));
    if other.is_some() {
        fields.fault("id", "not_allowed", "is not the id in the path");
    }
}

fn display_order(fields: &mut Fields<'_>) -> Option<i32> {
    let range = i64::from(i32::MIN)..=i64::from(i32::MAX);
    number(fields, "displayOrder", range).and_then(|number| i32::try_from(number).ok())
}

/// The platform by its number; `least` is 0 where a device that never said may stay so.
fn platform(fields: &mut Fields<'_>, least: i64) -> Option<Platform> {
    let number = number(fields, "platform", least..=3)?;
    let found = PLATFORMS.iter().find(|(_, known, _)| *known == number);
    found.map(|(platform, ..)| *platform)
}

fn token(fields: &mut Fields<'_>, channel: Channel, kind: AddressKind) -> Option<String> {
    let token = fields.take("token")?;
    endpoint::token(token, "token", channel, kind, fields.faults)
}

/// A device to register, or what is to change of one.
#[derive(ToSchema)]
#[schema(as = DeviceTokenEditDto)]
#[serde(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "documentation of `register` and `patch`; a test compares them"
)]
pub(super) struct EditDoc {
    /// `Register` looks at its form only; `Update` takes the id in the path, or the empty GUID.
    #[schema(example = "00000000-0000-0000-0000-000000000000")]
    id: Option<String>,
    /// Passed over by `Register`: who registers is active.
    is_active: Option<bool>,
    /// 0 unless it is set. `Register` sets it for a new device only.
    display_order: Option<i32>,
    /// Stable id of the install, 1–128 of `[A-Za-z0-9_-]`; never the token itself. Required by `Register`.
    #[schema(example = "a1b2c3d4-device-uuid-from-os-keychain")]
    device_id: Option<String>,
    /// Android 1, Ios 2, Web 3. Required by `Register`.
    #[schema(example = 1)]
    platform: Option<i32>,
    /// The token of the Firebase SDK, at most 4096 bytes. Required by `Register`.
    token: Option<String>,
}
