//! Revocations: which routed deliveries may no longer be handed over, because their device moved, changed its
//! address, was switched off or deleted after they were routed.
//!
//! A registration is acknowledged only after its revocation stands here, and a connection asks here right before
//! it hands a push over; so no push for a former owner leaves after the acknowledgement. Memory is bounded: an
//! entry is kept for `fresh_for`, deliveries routed longer ago than that are read again anyway, and when
//! `entries_max` is reached one floor time stands for all entries (everything routed before it is read again).

use std::time::Duration;

use fanfare_types::{DeviceId, Timestamp};

#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a routing may be relied upon. Default 30 s.
    pub fresh_for: Duration,
    /// Most entries kept. Default 100,000.
    pub entries_max: usize,
}

/// May a delivery be handed over now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As routed.
    Good,
    /// Read the device again first.
    Stale,
}

/// Shared by registrations (which write) and connections (which ask). Asking costs one atomic load while there
/// are no entries.
#[derive(Debug)]
pub struct Revocations {}

impl Revocations {
    pub fn new(limits: Limits) -> Self {
        let _ = limits;
        todo!("the flow room")
    }

    /// From now on whatever was routed for this device up to `now` is stale.
    pub fn revoke(&self, device: DeviceId, now: Timestamp) {
        let _ = (device, now);
        todo!("the flow room")
    }

    /// How a delivery routed at `routed_at` stands.
    pub fn standing(&self, device: DeviceId, routed_at: Timestamp, now: Timestamp) -> Standing {
        let _ = (device, routed_at, now);
        todo!("the flow room")
    }

    /// Forgets entries older than `fresh_for`.
    pub fn prune(&self, now: Timestamp) {
        let _ = now;
        todo!("the flow room")
    }
}
