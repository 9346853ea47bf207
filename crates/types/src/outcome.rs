//! How a delivery ends, and the counts that always add up.

use serde::{Deserialize, Serialize};

use crate::address::words;

words!(
    /// The one terminal outcome of a delivery.
    Outcome {
        /// The provider took the message.
        Delivered = "delivered",
        /// The provider refused the message; the address stands.
        Rejected = "rejected",
        /// The provider says the address is dead.
        Dead = "dead",
        /// The `ttl` passed before the provider took it.
        Expired = "expired",
        /// Cancelled by the caller, or the device went away or changed owner first.
        Cancelled = "cancelled",
        /// Given up: credential refused, attempts used up, or no answer and `on_unknown = "drop"`.
        Failed = "failed",
    }
);

impl Outcome {
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Deliveries by where they stand; the sum is the notification's recipients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub waiting: u64,
    pub in_flight: u64,
    pub delivered: u64,
    pub rejected: u64,
    pub dead: u64,
    pub expired: u64,
    pub cancelled: u64,
    pub failed: u64,
}

impl Counts {
    pub fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Delivered => &mut self.delivered,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Dead => &mut self.dead,
            Outcome::Expired => &mut self.expired,
            Outcome::Cancelled => &mut self.cancelled,
            Outcome::Failed => &mut self.failed,
        }
    }

    pub fn terminal(&self) -> u64 {
        self.delivered + self.rejected + self.dead + self.expired + self.cancelled + self.failed
    }
}
