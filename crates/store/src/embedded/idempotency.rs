//! Idempotency keys, of notifications and campaigns alike: a key belongs to one request of an app.

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::values::{integer, millis, unsigned};
use crate::{Idempotency, Result};

/// What a key was used for before.
pub(super) struct Used {
    pub(super) is_same_body: bool,
    /// Of the notification or campaign.
    pub(super) id: Id96,
    pub(super) recipients: u64,
}

/// Looks a key up; at `at` it may have expired.
pub(super) fn used(
    db: &Connection,
    app: &AppId,
    idempotency: &Idempotency,
    at: Timestamp,
) -> Result<Option<Used>> {
    let sql = "SELECT body, notification, recipients FROM idempotency
        WHERE app = ?1 AND key = ?2 AND expires_at > ?3";
    let used = db.prepare_cached(sql)?.query_row(
        (app.as_str(), &idempotency.key[..], millis(at)),
        |row| {
            let body: [u8; 32] = row.get(0)?;
            Ok(Used {
                is_same_body: body == idempotency.body,
                id: Id96(row.get(1)?),
                recipients: unsigned(row.get(2)?),
            })
        },
    );
    Ok(used.optional()?)
}

pub(super) fn keep(
    db: &Connection,
    app: &AppId,
    idempotency: &Idempotency,
    id: Id96,
    recipients: u64,
) -> Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO idempotency
            (app, key, body, notification, recipients, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        app.as_str(),
        &idempotency.key[..],
        &idempotency.body[..],
        &id.0[..],
        integer(recipients),
        millis(idempotency.expires_at),
    ])?;
    Ok(())
}
