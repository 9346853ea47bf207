//! A notification as the API shows it.

use fanfare_actors::notifications::{Acceptance, View};
use fanfare_types::Counts;
use serde::Serialize;
use utoipa::ToSchema;

/// What became of a request that was accepted.
#[derive(Serialize, ToSchema)]
pub(super) struct AcceptedNotification {
    #[schema(example = "0190c42f-0d6a-8000-8000-0123456789ab")]
    pub(super) id: String,
    /// Devices (or addresses) found.
    pub(super) recipients: u64,
}

/// Where a notification stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
pub(super) struct NotificationView {
    id: String,
    /// `scheduled`, `sending`, `completed` or `cancelled`.
    state: &'static str,
    /// RFC 3339, UTC.
    #[schema(example = "2024-01-15T10:00:00.000Z")]
    created_at: String,
    recipients: u64,
    counts: CountsView,
}

/// Deliveries by where they stand; they add up to `recipients`.
#[derive(Serialize, ToSchema)]
#[schema(as = Counts)]
pub(super) struct CountsView {
    waiting: u64,
    in_flight: u64,
    /// The provider took the message.
    delivered: u64,
    /// The provider refused the message; the address stands.
    rejected: u64,
    /// The provider says the address is dead.
    dead: u64,
    /// The `ttl` passed first.
    expired: u64,
    /// Cancelled, or the device went away first.
    cancelled: u64,
    /// Given up.
    failed: u64,
}

impl From<Acceptance> for AcceptedNotification {
    fn from(acceptance: Acceptance) -> Self {
        AcceptedNotification {
            id: acceptance.id.to_string(),
            recipients: acceptance.recipients,
        }
    }
}

impl From<View> for NotificationView {
    fn from(view: View) -> Self {
        NotificationView {
            id: view.id.to_string(),
            state: view.state.as_str(),
            created_at: view.created_at.to_rfc3339(),
            recipients: view.recipients,
            counts: view.counts.into(),
        }
    }
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        CountsView {
            waiting: counts.waiting,
            in_flight: counts.in_flight,
            delivered: counts.delivered,
            rejected: counts.rejected,
            dead: counts.dead,
            expired: counts.expired,
            cancelled: counts.cancelled,
            failed: counts.failed,
        }
    }
}
