//! The deliveries of a notification, a page at a time.

use fanfare_store::{DeliveryPage, DeliveryRow};
use fanfare_types::{NotificationId, Outcome};
use http::StatusCode;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use crate::fields::{Faults, shown};
use crate::problem::Problem;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// Which deliveries, and how many.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "documentation of `Page::read`; a test compares the two"
)]
pub(super) struct PageDoc {
    /// Only those that ended so: `delivered`, `rejected`, `dead`, `expired`, `cancelled` or `failed`.
    outcome: Option<String>,
    /// 1 to 1000; 100 by default.
    limit: Option<u64>,
    /// The `next_cursor` of the page before, with the same `outcome`.
    cursor: Option<String>,
}

/// A page that was asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    pub(super) outcome: Option<Outcome>,
    pub(super) limit: usize,
    pub(super) start: u32,
}

impl Page {
    pub(super) fn read(id: NotificationId, query: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let [mut outcome, mut limit, mut cursor] = [None, None, None];
        for (name, value) in query {
            let known = match name.as_str() {
                "outcome" => &mut outcome,
                "limit" => &mut limit,
                "cursor" => &mut cursor,
                _ => {
                    faults.add(
                        shown(&name),
                        "unknown",
                        "is not a parameter of this request",
                    );
                    continue;
                }
            };
            // A form's empty field: nothing was asked for.
            if !value.is_empty() && known.replace(value).is_some() {
                faults.add(name, "duplicate", "may be given once");
            }
        }
        let outcome = outcome.and_then(|word| {
            let outcome = Outcome::parse(&word);
            if outcome.is_none() {
                let words: Vec<_> = Outcome::ALL.iter().map(|word| word.as_str()).collect();
                let detail = format!("must be one of {}", words.join(", "));
                faults.add("outcome", "unknown", detail);
            }
            outcome
        });
        let limit = limit.map_or(Some(LIMIT_DEFAULT), |text| {
            let limit = text
                .parse()
                .ok()
                .filter(|limit| (1..=LIMIT_MAX).contains(limit));
            if limit.is_none() {
                let detail = format!("must be a whole number from 1 to {LIMIT_MAX}");
                faults.add("limit", "out_of_range", detail);
            }
            limit
        });
        let start = cursor.map_or(Some(0), |text| {
            let start = cursor::read(id, outcome, &text);
            if start.is_none() && !faults.concern("outcome") {
                faults.add("cursor", "malformed", "is not a `next_cursor` of this list");
            }
            start
        });
        match (limit, start) {
            (Some(limit), Some(start)) if faults.is_empty() => Ok(Page {
                outcome,
                limit,
                start,
            }),
            _ => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Err(Problem::invalid(status, faults.into_vec()))
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare_types::Timestamp;

    fn read(query: &[(&str, &str)]) -> Result<Page, String> {
        let id = NotificationId::new(Timestamp(1), 1);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Page::read(id, query.iter().map(owned).collect())
            .map_err(|problem| serde_json::to_string(&problem).unwrap())
    }

    #[test]
    fn a_page_has_defaults_and_bounds() {
        let page = read(&[]).unwrap();
        assert_eq!((page.limit, page.start, page.outcome), (100, 0, None));
        let page = read(&[("limit", "1000"), ("outcome", "dead")]).unwrap();
        assert_eq!((page.limit, page.outcome), (1000, Some(Outcome::Dead)));
        let empty = [
            ("outcome", ""),
            ("limit", ""),
            ("cursor", ""),
            ("limit", "7"),
        ];
        let page = read(&empty).unwrap();
        assert_eq!((page.limit, page.start, page.outcome), (7, 0, None));
        let query = [
            ("limit", "0"),
            ("outcome", "lost"),
            ("cursor", "x"),
            ("page", "2"),
        ];
        let problem = read(&query).unwrap_err();
        for field in ["limit", "outcome", "page"] {
            assert!(
                problem.contains(&format!(r#""field":"{field}""#)),
                "{problem}"
            );
        }
        assert!(read(&[("cursor", "x")]).unwrap_err().contains("cursor"));
        assert!(
            read(&[("limit", "1"), ("limit", "2")])
                .unwrap_err()
                .contains("duplicate")
        );
    }
}
