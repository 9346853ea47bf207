//! Delivery facts, added to the rows they are of.

use fanfare_types::{Facts, Failing};
use rusqlite::{Connection, OptionalExtension, params};

use crate::Result;
use crate::embedded::values::{integer, millis_opt};

/// Names no indexed column. The revision grows, so that a change decided on the row before is decided anew and
/// carries the facts on.
const SQL: &str = "UPDATE devices SET
    notification_count = notification_count + ?4,
    last_used_at = nullif(max(coalesce(last_used_at, 0), coalesce(?5, 0)), 0),
    consecutive_failures = min(?8, iif(?4 > 0, 0, consecutive_failures) + iif(registered_at <= ?7, ?6, 0)),
    revision = revision + 1
    WHERE app = ?1 AND id = ?2 AND user = ?3
    RETURNING consecutive_failures";

/// Adds them all, and returns the rows that failed (again). Rows that are gone, or another user's by now, are
/// passed over.
pub(in crate::embedded) fn record(db: &Connection, facts: &[Facts]) -> Result<Vec<Failing>> {
    let mut failing = Vec::new();
    let mut update = db.prepare_cached(SQL)?;
    for fact in facts {
        let row = params![
            fact.app.as_str(),
            &fact.device.id.0.0[..],
            fact.device.user.as_str(),
            integer(fact.delivered),
            millis_opt(fact.delivered_at),
            fact.failures,
            millis_opt(fact.failed_registration),
            u32::MAX,
        ];
        let failures: Option<u32> = update.query_row(row, |row| row.get(0)).optional()?;
        if let Some(consecutive_failures) = failures.filter(|count| *count > 0 && fact.failures > 0)
        {
            failing.push(Failing {
                app: fact.app.clone(),
                device: fact.device.clone(),
                consecutive_failures,
            });
        }
    }
    Ok(failing)
}
