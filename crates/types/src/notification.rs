//! A notification as it is accepted and journaled.

use serde::{Deserialize, Serialize};

use crate::address::words;
use crate::message::Variables;
use crate::{Address, AppId, Channel, DeviceId, Message, NotificationId, Timestamp, UserId};

words!(
    /// Which queue a delivery waits in. Urgent never waits behind bulk.
    Lane {
        Urgent = "urgent",
        Bulk = "bulk",
    }
);

words!(
    /// The caller's wish, as each provider spells it (APNs 10 and 5, FCM HIGH and NORMAL).
    Priority {
        High = "high",
        Normal = "normal",
    }
);

words!(
    /// What happens to a push that was written and got no answer.
    OnUnknown {
        /// Sent again under the same `apns-id` and collapse key.
        Retry = "retry",
        /// Ends as `failed`: for one-time passwords, where a duplicate is worse than a loss.
        Drop = "drop",
    }
);

/// What a caller may set beside message and recipients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    pub priority: Priority,
    /// At most 64 bytes (APNs `apns-collapse-id`).
    pub collapse_key: Option<String>,
    pub lane: Lane,
    pub on_unknown: OnUnknown,
    /// No attempt starts at or after this instant.
    pub expires_at: Timestamp,
    /// No attempt starts before this instant.
    pub send_at: Option<Timestamp>,
}

/// One recipient, fixed when the notification was accepted. Its place in the list is the delivery's ordinal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub channel: Channel,
    /// The registered device, which is read again before every attempt that was not routed just now.
    pub device: Option<(DeviceId, UserId)>,
    /// An address named by the caller; `None` for registered devices, whose address may change.
    pub address: Option<Address>,
}

/// Everything needed to go on with a notification after a restart. Immutable once journaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotificationRecord {
    pub id: NotificationId,
    pub app: AppId,
    pub created_at: Timestamp,
    pub options: Options,
    pub message: Message,
    pub variables: Variables,
    pub targets: Vec<Target>,
}

words!(
    /// Where a notification as a whole stands.
    State {
        /// Its `send_at` is still to come.
        Scheduled = "scheduled",
        /// Some delivery has not ended.
        Sending = "sending",
        /// Every delivery has its outcome.
        Completed = "completed",
        /// Cancelled by the caller; deliveries handed over before that still end as they end.
        Cancelled = "cancelled",
    }
);
