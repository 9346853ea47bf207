//! A device as the native contract shows it. The token is never shown.

use fanfare_types::Device;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A registered device. Its token is never returned.
#[derive(Serialize, ToSchema)]
#[schema(as = Device)]
pub(super) struct DeviceView {
    #[schema(example = "0190c42f-0d6a-8000-8000-0123456789ab")]
    id: String,
    /// `ios_push`, `fcm` or `web_push`.
    channel: &'static str,
    /// `production` or `sandbox`.
    environment: &'static str,
    app_version: Option<String>,
    device_model: Option<String>,
    os_version: Option<String>,
    /// RFC 3339, UTC.
    #[schema(example = "2024-01-15T10:00:00.000Z")]
    last_seen_at: String,
    /// RFC 3339, UTC.
    #[schema(example = "2024-01-15T10:00:00.000Z")]
    created_at: String,
    device_key: Option<String>,
    /// `android`, `ios`, `web` or `unknown`.
    platform: &'static str,
    device_name: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
    tags: Vec<String>,
    #[schema(value_type = Option<Object>)]
    device_info: Option<Box<RawValue>>,
    /// `active`, `inactive`, `stale` or `invalid`; pushes go to `active` devices only.
    status: &'static str,
    /// When it became `invalid`. RFC 3339, UTC.
    invalidated_at: Option<String>,
    /// When a push was last delivered to it; some seconds late at most. RFC 3339, UTC.
    last_used_at: Option<String>,
    /// Pushes delivered to it; some seconds late at most.
    notification_count: u64,
    /// Failures in a row that were the token's fault; some seconds late at most.
    consecutive_failures: u32,
}

/// One device.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceAnswer)]
pub(super) struct One {
    pub(super) device: DeviceView,
}

/// A user's devices, the one seen last first.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceList)]
pub(super) struct Many {
    pub(super) devices: Vec<DeviceView>,
}

/// The device that is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = DeletedDevice)]
pub(super) struct Deleted {
    pub(super) id: String,
}

impl From<Device> for DeviceView {
    fn from(device: Device) -> Self {
        let meta = device.meta;
        DeviceView {
            id: device.id.to_string(),
            channel: device.address.channel.as_str(),
            environment: device.address.environment.as_str(),
            app_version: meta.app_version,
            device_model: meta.device_model,
            os_version: meta.os_version,
            last_seen_at: device.last_seen_at.to_rfc3339(),
            created_at: device.created_at.to_rfc3339(),
            device_key: device.device_key,
            platform: device.platform.as_str(),
            device_name: meta.device_name,
            locale: meta.locale,
            time_zone: meta.time_zone,
            tags: device.tags,
            // Kept as the text it was checked as.
            device_info: meta
                .device_info
                .and_then(|text| RawValue::from_string(text).ok()),
            status: device.status.as_str(),
            invalidated_at: device.invalidated_at.map(|at| at.to_rfc3339()),
            last_used_at: device.last_used_at.map(|at| at.to_rfc3339()),
            notification_count: device.notification_count,
            consecutive_failures: device.consecutive_failures,
        }
    }
}
