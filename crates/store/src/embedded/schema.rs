//! The tables of the embedded store, and which version of them a file has.

use rusqlite::Connection;

use crate::{Error, Result};

/// `PRAGMA application_id` of our files ("Fanf"), so that `file(1)` and we know them.
pub(super) const APPLICATION_ID: u32 = 0x4661_6e66;

/// `PRAGMA user_version` this build writes. An older file is upgraded, a newer one refused.
pub(super) const VERSION: u32 = 2;

/// Columns that `sqlite3` shows as they are: words as text, instants in milliseconds since 1970.
///
/// Updates leave out the indexed columns where they can, because SQLite rewrites an index whenever one of
/// its columns is named, changed or not. A notification is two rows for the same reason: the one that
/// changes is small, and the record beside it is written once.
pub(super) const V1: &str = "
CREATE TABLE devices (
    row INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    id BLOB NOT NULL,
    user TEXT NOT NULL,
    address_key BLOB NOT NULL,
    tenant TEXT,
    device_key TEXT,
    platform TEXT NOT NULL,
    channel TEXT NOT NULL,
    address_kind TEXT NOT NULL,
    environment TEXT NOT NULL,
    address TEXT NOT NULL,
    app_version TEXT,
    device_name TEXT,
    device_model TEXT,
    os_version TEXT,
    locale TEXT,
    time_zone TEXT,
    device_info TEXT,
    display_order INTEGER,
    tags TEXT,
    status TEXT NOT NULL,
    invalidated_at INTEGER,
    deleted_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    token_refreshed_at INTEGER,
    last_used_at INTEGER,
    notification_count INTEGER NOT NULL,
    consecutive_failures INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX devices_id ON devices (app, id);
CREATE UNIQUE INDEX devices_address ON devices (app, address_key);
CREATE INDEX devices_user ON devices (app, user);

CREATE TABLE notifications (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    app TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    send_at INTEGER,
    due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    ended_delivered INTEGER NOT NULL DEFAULT 0,
    ended_rejected INTEGER NOT NULL DEFAULT 0,
    ended_dead INTEGER NOT NULL DEFAULT 0,
    ended_expired INTEGER NOT NULL DEFAULT 0,
    ended_cancelled INTEGER NOT NULL DEFAULT 0,
    ended_failed INTEGER NOT NULL DEFAULT 0,
    done BLOB,
    ended BLOB
) STRICT;
CREATE UNIQUE INDEX notifications_id ON notifications (id);
CREATE INDEX notifications_unfinished ON notifications (id, due_at) WHERE finished = 0;
CREATE INDEX notifications_scheduled ON notifications (send_at)
    WHERE finished = 0 AND send_at IS NOT NULL;

CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    targets BLOB NOT NULL
) STRICT;

CREATE TABLE outcomes (
    seq INTEGER NOT NULL,
    first INTEGER NOT NULL,
    ended BLOB NOT NULL,
    PRIMARY KEY (seq, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    app TEXT NOT NULL,
    key BLOB NOT NULL,
    body BLOB NOT NULL,
    notification BLOB NOT NULL,
    recipients INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (app, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE pings (
    id INTEGER PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;
";

/// Version 2 holds that a user's device keys are unique, and knows the rows of a tenant.
///
/// No version 1 wrote a key twice on purpose; of rows that share one all the same, the one seen last keeps it.
/// The key's index serves look-ups by user, too. Rows without a tenant are left out of the other one, so that
/// apps that know none do not pay for it; `deleted_at` is in it so that rows can be counted without being read.
const V2: &str = "
UPDATE devices SET device_key = NULL WHERE device_key IS NOT NULL AND EXISTS (
    SELECT 1 FROM devices AS other WHERE other.app = devices.app AND other.user = devices.user
        AND other.device_key = devices.device_key
        AND (other.last_seen_at, other.id) > (devices.last_seen_at, devices.id)
);
DROP INDEX devices_user;
CREATE UNIQUE INDEX devices_user ON devices (app, user, device_key);
CREATE INDEX devices_tenant ON devices (app, tenant, id, deleted_at)
    WHERE tenant IS NOT NULL AND deleted_at IS NULL;
";

const TABLES: [&str; 6] = [
    "devices",
    "notifications",
    "records",
    "outcomes",
    "idempotency",
    "pings",
];

/// Makes the tables in a file that has none yet.
pub(super) fn create(db: &Connection) -> Result<()> {
    db.execute_batch(&format!(
        "BEGIN; {V1} {V2} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))?;
    Ok(())
}

/// Brings the tables of an older version up to this one, in one step.
pub(super) fn upgrade(db: &Connection) -> Result<()> {
    let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == VERSION {
        return Ok(());
    }
    tracing::info!(found, version = VERSION, "upgrading the store");
    let batch = format!("BEGIN IMMEDIATE; {V2} PRAGMA user_version = {VERSION}; COMMIT;");
    let upgraded = db.execute_batch(&batch);
    if upgraded.is_err() && !db.is_autocommit() {
        db.execute_batch("ROLLBACK")?;
    }
    Ok(upgraded?)
}

/// Whether a file with these marks is ours and not from the future.
pub(super) fn admit(application_id: u32, version: u32) -> Result<()> {
    if application_id != APPLICATION_ID || version == 0 {
        return Err(Error::Corrupt("not a fanfare store".to_owned()));
    }
    if version > VERSION {
        return Err(Error::NewerSchema {
            found: version,
            known: VERSION,
        });
    }
    Ok(())
}

/// Checks an opened file (the log may hold a newer header than the file) without writing, and that each
/// table can be read at all.
pub(super) fn verify(db: &Connection) -> Result<()> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    admit(pragma("application_id")?, pragma("user_version")?)?;
    for table in TABLES {
        let known = db.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [table],
            |row| row.get::<_, u32>(0),
        )?;
        if known == 0 {
            return Err(Error::Corrupt(format!("the table {table} is missing")));
        }
        db.query_row(
            &format!("SELECT EXISTS (SELECT * FROM {table})"),
            [],
            |_| Ok(()),
        )?;
    }
    Ok(())
}
