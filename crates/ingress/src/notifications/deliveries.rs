//! The deliveries of a notification, a page at a time.

use fanfare_store::{DeliveryPage, DeliveryRow};
use fanfare_types::{NotificationId, Outcome};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::paging::Pages;

pub(super) const PAGES: Pages = Pages {
    limit_default: 100,
    limit_max: 1000,
    outcomes: Outcome::ALL,
};

/// Which deliveries, and how many.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documentation of the query that `Page` reads")]
pub(super) struct PageDoc {
    /// Only those that ended so: `delivered`, `rejected`, `dead`, `expired`, `cancelled` or `failed`.
    outcome: Option<String>,
    /// 1 to 1000; 100 by default.
    limit: Option<u64>,
    /// The `next_cursor` of the page before, with the same `outcome`.
    cursor: Option<String>,
}

/// The cursors of this list.
pub(super) mod cursor {
    use fanfare_types::{NotificationId, Outcome};

    use crate::cursor;

    /// Where the next page starts.
    pub(crate) fn write(id: NotificationId, outcome: Option<Outcome>, ordinal: u32) -> String {
        cursor::write(&[&id.0.0[..], word(outcome)], &ordinal.to_be_bytes())
    }

    /// `None` for a text that is not a cursor of this list.
    pub(crate) fn read(id: NotificationId, outcome: Option<Outcome>, text: &str) -> Option<u32> {
        cursor::read(&[&id.0.0[..], word(outcome)], text).map(u32::from_be_bytes)
    }

    fn word(outcome: Option<Outcome>) -> &'static [u8] {
        outcome.map_or("", Outcome::as_str).as_bytes()
    }
}

/// A page of deliveries.
#[derive(Serialize, ToSchema)]
pub(super) struct Deliveries {
    deliveries: Vec<DeliveryView>,
    /// For the next page; `null` at the end.
    next_cursor: Option<String>,
}

/// One delivery. `device_id` and `user_id` are `null` for an address named by the caller; `outcome`, `reason`,
/// `attempts` and `finished_at` while it has not ended.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryView {
    device_id: Option<String>,
    user_id: Option<String>,
    channel: &'static str,
    /// `delivered`, `rejected`, `dead`, `expired`, `cancelled` or `failed`.
    outcome: Option<&'static str>,
    /// The provider's reason, or the gateway's (lower case).
    reason: Option<String>,
    /// How often it was handed to a provider; `null` until it has ended.
    attempts: Option<u32>,
    /// When the notification was accepted: RFC 3339, UTC.
    created_at: String,
    /// RFC 3339, UTC.
    finished_at: Option<String>,
}

impl Deliveries {
    pub(super) fn of(id: NotificationId, outcome: Option<Outcome>, page: DeliveryPage) -> Self {
        let created_at = id.0.created_at().to_rfc3339();
        let view = |row| DeliveryView::of(row, created_at.clone());
        Deliveries {
            deliveries: page.rows.into_iter().map(view).collect(),
            next_cursor: page.next.map(|ordinal| cursor::write(id, outcome, ordinal)),
        }
    }
}

impl DeliveryView {
    fn of(row: DeliveryRow, created_at: String) -> Self {
        let (device_id, user_id) = match row.device {
            Some((device, user)) => (Some(device.to_string()), Some(user.to_string())),
            None => (None, None),
        };
        let ended = row.ended.as_ref();
        let reason = ended.map(|ended| ended.reason.as_str());
        DeliveryView {
            device_id,
            user_id,
            channel: row.channel.as_str(),
            outcome: ended.map(|ended| ended.outcome.as_str()),
            reason: reason
                .filter(|reason| !reason.is_empty())
                .map(str::to_owned),
            attempts: ended.map(|ended| ended.attempts),
            created_at,
            finished_at: ended.map(|ended| ended.at.to_rfc3339()),
        }
    }
}
