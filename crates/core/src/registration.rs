//! The rules of registration: one place for all contracts.

use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AppId, Change, Device, DeviceId, Platform, Status, Timestamp, UserId,
};

/// What an app allows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Two users may hold one address (`address_sharing`).
    pub address_sharing: bool,
    /// Most rows a user keeps. Default 100. At it, the row seen longest ago goes when a new one comes.
    pub devices_per_user_max: usize,
}

/// A registration, whichever contract it came through. `None` leaves what a found row has.
#[derive(Clone, Debug)]
pub struct Register {
    pub device_key: Option<String>,
    pub address: Address,
    pub platform: Option<Platform>,
    pub tenant: Option<String>,
    pub meta: Meta,
    pub tags: Option<Vec<String>>,
}

/// A change of a row by its owner or an administrator. Outer `None` leaves the field, inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    pub address: Option<Address>,
    pub status: Option<Status>,
    pub platform: Option<Platform>,
    pub app_version: Option<Option<String>>,
    pub device_name: Option<Option<String>>,
    pub device_model: Option<Option<String>>,
    pub os_version: Option<Option<String>>,
    pub locale: Option<Option<String>>,
    pub time_zone: Option<Option<String>>,
    pub device_info: Option<Option<String>>,
    pub display_order: Option<Option<i32>>,
    pub tags: Option<Vec<String>>,
}

/// What was decided: the change to carry out, the row as it will be, and what else that does.
#[derive(Clone, Debug)]
pub struct Decision {
    pub change: Change,
    /// The row after the change.
    pub device: Device,
    pub is_new: bool,
    /// Devices whose routed deliveries are stale once the change is durable.
    pub revoked: Vec<DeviceId>,
}

/// Decides a registration (rules 1 to 3). `own` are all rows of the user, `holder` the row that holds the
/// address now (of any user).
#[allow(
    clippy::too_many_arguments,
    reason = "everything a pure decision is made from"
)]
pub fn register(
    command: Register,
    app: &AppId,
    user: &UserId,
    own: &[Device],
    holder: Option<&Device>,
    new_id: DeviceId,
    now: Timestamp,
    policy: &Policy,
) -> Decision {
    let _ = (command, app, user, own, holder, new_id, now, policy);
    todo!("the registry room")
}

/// Decides a change of `device`. `holder` is the row that holds the patch's new address, if it brings one.
pub fn patch(
    patch: Patch,
    device: &Device,
    holder: Option<&Device>,
    now: Timestamp,
    policy: &Policy,
) -> Decision {
    let _ = (patch, device, holder, now, policy);
    todo!("the registry room")
}
