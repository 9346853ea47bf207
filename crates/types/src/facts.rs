//! Delivery facts: what pushes say of one device, summed up until a store writes them behind.

use crate::{AppId, DeviceRef, Timestamp};

/// What happened to a device since its facts were last written. A store adds it to the device's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub app: AppId,
    /// The user counts: facts of a former owner's pushes are none of the new one's.
    pub device: DeviceRef,
    /// Pushes delivered.
    pub delivered: u64,
    /// When the last of them was.
    pub delivered_at: Option<Timestamp>,
    /// Failures that are the address's fault, since the last delivered push if there was one.
    pub failures: u32,
    /// When the address was registered that these failures are of; the earliest, if they are of several. A later
    /// registration has nothing to do with them.
    pub failed_registration: Option<Timestamp>,
}

/// A row that failed once more, as it is after its facts were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    pub app: AppId,
    pub device: DeviceRef,
    pub consecutive_failures: u32,
}
