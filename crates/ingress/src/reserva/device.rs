//! A device as this contract shows it. The token is never shown.

use fanfare_types::{Device, Status};
use serde::Serialize;
use utoipa::ToSchema;

/// A registered device. Its token is never returned.
#[derive(Serialize, ToSchema)]
#[schema(as = ReservaDevice)]
pub(super) struct DeviceView {
    #[schema(example = "0190c42f0d6a0123456789ab")]
    id: String,
    /// `web`, `android`, `ios` or `unknown`.
    platform: &'static str,
    device_name: Option<String>,
    app_version: Option<String>,
    /// Whether pushes go to it.
    is_active: bool,
    /// When a push was last delivered to it; some seconds late at most.
    last_used_at: Option<String>,
    /// Pushes delivered to it; some seconds late at most.
    notification_count: u64,
    created_at: String,
    /// The last change, or the last push delivered.
    updated_at: String,
}

/// What became of a registration.
#[derive(Serialize, ToSchema)]
#[schema(as = ReservaRegistered)]
pub(super) struct Registered {
    pub(super) id: String,
    /// Whether a row was made for it.
    pub(super) is_new: bool,
    pub(super) message: &'static str,
}

/// The caller's devices, the one changed or used last first.
#[derive(Serialize, ToSchema)]
#[schema(as = ReservaList)]
pub(super) struct Many {
    items: Vec<DeviceView>,
    total: usize,
}

/// It is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = ReservaMessage)]
pub(super) struct Message {
    pub(super) message: &'static str,
}

impl Many {
    pub(super) fn of(mut devices: Vec<Device>, include_inactive: bool) -> Self {
        devices.retain(|device| include_inactive || device.status == Status::Active);
        devices.sort_by_key(|device| {
            let at = device.last_used_at.max(Some(device.updated_at));
            std::cmp::Reverse((at, device.id))
        });
        Many {
            total: devices.len(),
            items: devices.into_iter().map(DeviceView::from).collect(),
        }
    }
}

impl From<Device> for DeviceView {
    fn from(device: Device) -> Self {
        let used_at = device.last_used_at;
        DeviceView {
            id: device.id.0.to_hex(),
            platform: device.platform.as_str(),
            device_name: device.meta.device_name,
            app_version: device.meta.app_version,
            is_active: device.status == Status::Active,
            last_used_at: used_at.map(|at| at.to_rfc3339()),
            notification_count: device.notification_count,
            created_at: device.created_at.to_rfc3339(),
            updated_at: used_at
                .map_or(device.updated_at, |at| at.max(device.updated_at))
                .to_rfc3339(),
        }
    }
}
