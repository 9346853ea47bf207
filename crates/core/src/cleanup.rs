//! Cleanup of dead addresses: the rule of the provider's timestamp, and the guard that keeps a wrong key from
//! emptying the registry.

mod guard;

use std::time::Duration;

use fanfare_types::{Device, Status, Timestamp};

pub use guard::{Answers, Guard, Limits, Ruling, Turn};

/// What an app wants done with a dead row (`on_dead_token`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDeadToken {
    /// The row becomes `invalid` and stays for the record.
    #[default]
    Invalidate,
    /// The row goes away.
    Delete,
}

/// Up to when registrations are meant by a provider that called an address dead: up to its own time, if it gave one,
/// and in any case no later than the registration that the push was routed by (`Delivery::registered_at`). A newer one
/// is not what the provider spoke of, whatever time it gives (its clock may be ahead, its time in another unit). Not
/// when the push left, which may be in the millisecond of a registration that came after it.
pub fn dead_since(since: Option<Timestamp>, registered_at: Timestamp) -> Timestamp {
    since.map_or(registered_at, |since| since.min(registered_at))
}

/// Whether a row that a provider called dead is the registration the provider meant: not registered later than
/// [`dead_since`].
pub fn is_same_registration(device: &Device, dead_since: Timestamp) -> bool {
    device.registered_at <= dead_since
}

/// What the sweeper does about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    Keep,
    /// It was not seen for long: mark it `stale`.
    MarkStale,
    /// It has been `stale` or `invalid` for longer than rows are kept.
    Remove,
}

/// Decides about one row: active rows unseen for `stale_after` become stale; with a `retention`, rows that have
/// been stale or invalid for so long go.
pub fn sweep(
    device: &Device,
    now: Timestamp,
    stale_after: Duration,
    retention: Option<Duration>,
) -> Sweep {
    match device.status {
        Status::Active if device.deleted_at.is_none() => {
            if now.since(device.last_seen_at) > stale_after {
                Sweep::MarkStale
            } else {
                Sweep::Keep
            }
        }
        Status::Stale => kept(device.updated_at, now, retention),
        Status::Invalid => {
            let since = device.invalidated_at.unwrap_or(device.updated_at);
            kept(since, now, retention)
        }
        Status::Active | Status::Inactive => Sweep::Keep,
    }
}

fn kept(since: Timestamp, now: Timestamp, retention: Option<Duration>) -> Sweep {
    match retention {
        Some(retention) if now.since(since) > retention => Sweep::Remove,
        _ => Sweep::Keep,
    }
}

#[cfg(test)]
mod tests;
