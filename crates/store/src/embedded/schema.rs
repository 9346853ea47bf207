//! The tables of the embedded store, and which version of them a file has.

pub(super) mod versions;

use rusqlite::Connection;

use self::versions::{V1, V2, V3};
use crate::{Error, Result};

/// `PRAGMA application_id` of our files ("Fanf"), so that `file(1)` and we know them.
pub(super) const APPLICATION_ID: u32 = 0x4661_6e66;

/// `PRAGMA user_version` this build writes. An older file is upgraded, a newer one refused.
pub(super) const VERSION: u32 = 3;

/// The tables of a file, and the version since which it has them.
const TABLES: [(&str, u32); 15] = [
    ("devices", 1),
    ("notifications", 1),
    ("records", 1),
    ("outcomes", 1),
    ("idempotency", 1),
    ("pings", 1),
    ("campaigns", CAMPAIGNS_SINCE),
    ("campaign_records", CAMPAIGNS_SINCE),
    ("campaign_uploads", CAMPAIGNS_SINCE),
    ("campaign_blocks", CAMPAIGNS_SINCE),
    ("campaign_shards", CAMPAIGNS_SINCE),
    ("campaign_chunks", CAMPAIGNS_SINCE),
    ("campaign_recipients", CAMPAIGNS_SINCE),
    ("campaign_ended", CAMPAIGNS_SINCE),
    ("campaign_trash", CAMPAIGNS_SINCE),
];

pub(super) const CAMPAIGNS_SINCE: u32 = 3;

/// Makes the tables in a file that has none yet.
pub(super) fn create(db: &Connection) -> Result<()> {
    db.execute_batch(&format!(
        "BEGIN; {V1} {V2} {V3} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))?;
    Ok(())
}

/// Which version of the tables a file has.
pub(super) fn version(db: &Connection) -> Result<u32> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings the tables of an older version up to this one, in one step.
pub(super) fn upgrade(db: &Connection) -> Result<()> {
    let found = version(db)?;
    let steps = match found {
        VERSION => return Ok(()),
        1 => [V2, V3].as_slice(),
        _ => &[V3],
    };
    tracing::info!(found, version = VERSION, "upgrading the store");
    let batch = format!(
        "BEGIN IMMEDIATE; {} PRAGMA user_version = {VERSION}; COMMIT;",
        steps.concat()
    );
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
    let version = pragma("user_version")?;
    admit(pragma("application_id")?, version)?;
    for (table, since) in TABLES {
        if version < since {
            continue;
        }
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
