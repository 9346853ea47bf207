//! Cleanup of dead addresses: the rule of the provider's timestamp, and the guard that keeps a wrong key from
//! emptying the registry.

use fanfare_types::{Device, Timestamp};

/// What an app wants done with a dead row (`on_dead_token`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDeadToken {
    /// The row becomes `invalid` and stays for the record.
    #[default]
    Invalidate,
    /// The row goes away.
    Delete,
}

/// Whether a row that a provider called dead is the registration the provider meant: not registered later than
/// `dead_since` (the provider's timestamp, or the start of the attempt where it gives none).
pub fn is_same_registration(device: &Device, dead_since: Timestamp) -> bool {
    device.registered_at <= dead_since
}
