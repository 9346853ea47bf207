//! The thorough check of a file, for operators: reads all of it, writes nothing.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::schema;
use crate::{Error, Result};

/// Faults reported at most.
const FAULTS_MAX: u32 = 100;

/// Reads the whole file and returns the faults found, none when it is sound. The store may be open
/// elsewhere meanwhile. Damage is a fault, not an error; an error means that it could not be looked at.
pub fn check(path: &Path) -> Result<Vec<String>> {
    match faults(path) {
        Err(Error::Corrupt(fault)) => Ok(vec![fault]),
        end => end,
    }
}

fn faults(path: &Path) -> Result<Vec<String>> {
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, mode)?;
    schema::verify(&db)?;
    let mut select = db.prepare(&format!("PRAGMA integrity_check({FAULTS_MAX})"))?;
    let lines = select.query_map([], |row| row.get::<_, String>(0))?;
    let mut faults: Vec<String> = lines.collect::<rusqlite::Result<_>>()?;
    faults.retain(|line| line != "ok");
    for (fault, sql) in BOOKS {
        let rows: i64 = db.query_row(sql, [], |row| row.get(0))?;
        if rows > 0 {
            faults.push(format!("{fault}: {rows}"));
        }
    }
    Ok(faults)
}

/// What SQLite cannot know: rows that must go together.
const BOOKS: [(&str, &str); 3] = [
    (
        "notifications without their record",
        "SELECT count(*) FROM notifications WHERE seq NOT IN (SELECT seq FROM records)",
    ),
    (
        "records without their notification",
        "SELECT count(*) FROM records WHERE seq NOT IN (SELECT seq FROM notifications)",
    ),
    (
        "notifications whose counts do not add up",
        "SELECT count(*) FROM notifications WHERE finished <> (recipients <= ended_delivered
            + ended_rejected + ended_dead + ended_expired + ended_cancelled + ended_failed)",
    ),
];
