//! A device as this contract shows it: four shapes, with members in the order of the seed.

use fanfare_types::{Device, Platform, Status};
use serde::Serialize;
use utoipa::ToSchema;

use super::column::PLATFORMS;

/// A row of the table. It has no token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeviceTokenDto)]
pub(super) struct Row {
    #[schema(example = "0190c42f-0d6a-8000-8000-0123456789ab")]
    id: String,
    user_id: String,
    /// Empty for a device that came through another contract without an id of its install.
    device_id: String,
    /// Android 1, Ios 2, Web 3; 0 for a device that came through another contract and did not say.
    platform: i64,
    #[schema(example = "Android")]
    platform_name: &'static str,
    /// Whether pushes go to it.
    is_active: bool,
    display_order: i32,
    /// RFC 3339, UTC.
    #[schema(example = "2024-01-15T10:00:00.000Z")]
    last_seen_on: String,
    /// RFC 3339, UTC.
    #[schema(example = "2024-01-15T10:00:00.000Z")]
    created_on: String,
}

/// Everything about a device.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeviceTokenDetailsDto)]
pub(super) struct Details {
    #[serde(flatten)]
    row: Row,
    /// The provider's token.
    token: String,
    updated_on: String,
    /// Whether it was deleted and may be restored.
    is_deleted: bool,
    deleted_on: Option<String>,
}

/// A device as a form edits it, and as `Update` takes it back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeviceTokenEdit)]
pub(super) struct Edited {
    id: String,
    is_active: bool,
    display_order: i32,
    device_id: String,
    platform: i64,
    token: String,
}

/// A device in the list of a user's.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeviceTokenViewListDto)]
pub(super) struct Listed {
    id: String,
    device_id: String,
    platform: i64,
    platform_name: &'static str,
    token: String,
}

impl From<&Device> for Row {
    fn from(device: &Device) -> Self {
        let (platform, platform_name) = platform(device.platform);
        Row {
            id: device.id.to_string(),
            user_id: device.user.as_str().to_owned(),
            device_id: device_id(device),
            platform,
            platform_name,
            is_active: is_active(device),
            display_order: display_order(device),
            last_seen_on: device.last_seen_at.to_rfc3339(),
            created_on: device.created_at.to_rfc3339(),
        }
    }
}

impl From<&Device> for Details {
    fn from(device: &Device) -> Self {
        Details {
            row: device.into(),
            token: device.address.expose().to_owned(),
            updated_on: device.updated_at.to_rfc3339(),
            is_deleted: device.deleted_at.is_some(),
            deleted_on: device.deleted_at.map(|at| at.to_rfc3339()),
        }
    }
}

impl From<&Device> for Edited {
    fn from(device: &Device) -> Self {
        Edited {
            id: device.id.to_string(),
            is_active: is_active(device),
            display_order: display_order(device),
            device_id: device_id(device),
            platform: platform(device.platform).0,
            token: device.address.expose().to_owned(),
        }
    }
}

impl From<&Device> for Listed {
    fn from(device: &Device) -> Self {
        let (platform, platform_name) = platform(device.platform);
        Listed {
            id: device.id.to_string(),
            device_id: device_id(device),
            platform,
            platform_name,
            token: device.address.expose().to_owned(),
        }
    }
}

pub(super) fn is_active(device: &Device) -> bool {
    device.status == Status::Active
}

/// Typed clients of this contract know no `null` here.
fn device_id(device: &Device) -> String {
    device.device_key.clone().unwrap_or_default()
}

fn display_order(device: &Device) -> i32 {
    device.meta.display_order.unwrap_or_default()
}

fn platform(platform: Platform) -> (i64, &'static str) {
    let found = PLATFORMS.iter().find(|(known, ..)| *known == platform);
    found.map_or((0, ""), |(_, number, name)| (*number, *name))
}
