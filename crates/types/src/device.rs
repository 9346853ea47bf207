//! The device: one channel-tagged endpoint of one user.

use serde::{Deserialize, Serialize};

use crate::address::{Address, Platform, words};
use crate::{AppId, DeviceId, Timestamp, UserId};

words!(
    /// Whether a row is delivered to. Only `active` rows that are not deleted are.
    Status {
        Active = "active",
        /// Switched off by the user or an administrator.
        Inactive = "inactive",
        /// Not seen for `registry.stale_after`.
        Stale = "stale",
        /// The provider said so, or the user unregistered.
        Invalid = "invalid",
    }
);

/// One row of the registry. What each field means is in `docs/glossary.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub id: DeviceId,
    pub app: AppId,
    pub user: UserId,
    /// Organisation inside the app, from the JWT's tenant claim at registration.
    pub tenant: Option<String>,
    /// Stable per-install id, 1–128 of `[A-Za-z0-9_-]`.
    pub device_key: Option<String>,
    pub platform: Platform,
    pub address: Address,
    pub meta: Meta,
    pub tags: Vec<String>,
    pub status: Status,
    pub invalidated_at: Option<Timestamp>,
    /// Set by a soft delete (DeviceToken contract).
    pub deleted_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// The newest registration of this address: what an APNs 410 `timestamp` is compared with.
    pub registered_at: Timestamp,
    pub token_refreshed_at: Option<Timestamp>,
    /// Delivery facts, written behind ([`crate::Facts`]): when a push was last delivered, how many were, and how
    /// many failed since through the fault of the address.
    pub last_used_at: Option<Timestamp>,
    pub notification_count: u64,
    pub consecutive_failures: u32,
    /// Grows by one at each write; a write that expects another revision is refused.
    pub revision: u64,
}

/// What the app tells about a device; nothing here decides where a push goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    pub app_version: Option<String>,
    pub device_name: Option<String>,
    pub device_model: Option<String>,
    pub os_version: Option<String>,
    pub locale: Option<String>,
    pub time_zone: Option<String>,
    /// Any JSON object up to 4 KiB, as its text.
    pub device_info: Option<String>,
    pub display_order: Option<i32>,
}

impl Device {
    /// Whether pushes go to this row.
    pub fn is_deliverable(&self) -> bool {
        self.status == Status::Active && self.deleted_at.is_none()
    }

    pub fn as_ref(&self) -> DeviceRef {
        DeviceRef {
            user: self.user.clone(),
            id: self.id,
        }
    }
}

/// A row's name: its user (the partition it lies in) and its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceRef {
    pub user: UserId,
    pub id: DeviceId,
}
