//! The thorough check of a file, for operators: reads all of it, writes nothing.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::file::{self, Header};
use super::lock::Lock;
use super::values::unsigned;
use super::{campaigns, devices, history, schema};
use crate::{Error, Result};

/// Faults of SQLite's own check that are listed at most.
const FAULTS_MAX: u32 = 1000;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Every fault, for people; none when the store is sound.
    pub faults: Vec<String>,
    /// What is in it, as far as it could be read.
    pub contents: Contents,
}

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub devices: u64,
    pub notifications: u64,
    /// Notifications with deliveries that have no outcome yet.
    pub unfinished: u64,
    pub campaigns: u64,
    /// Campaigns that are not over.
    pub campaigns_unfinished: u64,
    /// Size of the database, in bytes.
    pub bytes: u64,
}

/// Reads the whole store at `path` and lists its faults. It may be open elsewhere meanwhile. Damage is a fault,
/// not an error; an error means that it could not be looked at, or is from a newer version.
pub fn check(path: &Path) -> Result<Checked> {
    let log = log_faults(path);
    let checked = log.and_then(|log| {
        let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut checked = read_all(&Connection::open_with_flags(path, mode)?)?;
        checked.faults.splice(0..0, log);
        Ok(checked)
    });
    as_faults(checked, path)
}

/// The same of a copy that nobody writes to: a file alone, without a log.
pub fn check_copy(path: &Path) -> Result<Checked> {
    let checked = Header::read(path).and_then(|header| {
        if header.is_cut() {
            return Err(file::damaged(path, "the file is cut short"));
        }
        read_all(&open_copy(path)?)
    });
    as_faults(checked, path)
}

/// Opens a file that nobody writes to, so that nothing is made beside it, be it on a read-only medium.
pub(super) fn open_copy(path: &Path) -> Result<Connection> {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(uri, mode)?)
}

fn as_faults(checked: Result<Checked>, path: &Path) -> Result<Checked> {
    match checked {
        Err(Error::Corrupt(fault) | Error::Row(fault)) => Ok(Checked {
            faults: vec![fault],
            ..Checked::default()
        }),
        Err(error) => Err(file::in_file(path, error)),
        checked => checked,
    }
}

/// What is wrong with file and log before SQLite looks at them. The log of a store that is in use is its
/// process's business.
fn log_faults(path: &Path) -> Result<Vec<String>> {
    let header = Header::read(path)?;
    let Ok(lock) = Lock::take(path) else {
        return Ok(Vec::new());
    };
    let mut faults = Vec::new();
    match file::read_log(path, header.page_bytes)? {
        None if lock.log_was_left => faults.push(Lock::log_missing(path).to_string()),
        None if header.is_cut() => faults.push("the file is cut short".to_owned()),
        None => {}
        Some(log) => {
            if log.is_damaged() {
                faults.push(file::log_fault(path, &log));
            }
            if header.is_cut_beside(&log) {
                faults.push("the file is cut short".to_owned());
            }
        }
    }
    Ok(faults)
}

fn read_all(db: &Connection) -> Result<Checked> {
    let mut checked = Checked::default();
    match schema::verify(db) {
        Err(Error::Corrupt(fault)) => checked.faults.push(fault),
        end => end?,
    }
    // One state for all that follows; a page that is bad spoils only what needs it.
    db.execute_batch("BEGIN")?;
    match sqlite_faults(db) {
        Ok(faults) => checked.faults.extend(faults),
        Err(error) => checked.faults.push(error.to_string()),
    }
    checked.contents = Contents::read(db).unwrap_or_default();
    for (fault, sql) in BOOKS {
        count(number(db, sql), fault, &mut checked);
    }
    let rows = [
        (devices::unreadable(db), "devices that cannot be read"),
        (history::unreadable(db), "notifications that cannot be read"),
    ];
    for (found, fault) in rows {
        count(found, fault, &mut checked);
    }
    if has_campaigns(db) {
        for (fault, sql) in campaigns::check::BOOKS {
            count(number(db, sql), fault, &mut checked);
        }
        for (fault, found) in campaigns::check::unreadable(db) {
            count(found, fault, &mut checked);
        }
    }
    checked.faults.dedup();
    Ok(checked)
}

/// A file of an older version is sound without their tables.
fn has_campaigns(db: &Connection) -> bool {
    schema::version(db).is_ok_and(|version| version >= schema::CAMPAIGNS_SINCE)
}

fn number(db: &Connection, sql: &str) -> Result<u64> {
    Ok(db.query_row(sql, [], |row| row.get(0).map(unsigned))?)
}

/// Adds a fault for rows that were counted, or for a count that failed.
fn count(found: Result<u64>, fault: &str, checked: &mut Checked) {
    match found {
        Ok(0) => {}
        Ok(rows) => checked.faults.push(format!("{fault}: {rows}")),
        Err(error) => checked.faults.push(error.to_string()),
    }
}

fn sqlite_faults(db: &Connection) -> Result<Vec<String>> {
    let mut select = db.prepare(&format!("PRAGMA integrity_check({FAULTS_MAX})"))?;
    let lines = select.query_map([], |row| row.get::<_, String>(0))?;
    let mut faults: Vec<String> = lines.collect::<rusqlite::Result<_>>()?;
    faults.retain(|line| line != "ok");
    Ok(faults)
}

impl Contents {
    pub(super) fn read(db: &Connection) -> Result<Contents> {
        let one = |sql: &str| number(db, sql);
        let of_campaigns = |sql| match has_campaigns(db) {
            true => one(sql),
            false => Ok(0),
        };
        Ok(Contents {
            devices: one("SELECT count(*) FROM devices")?,
            notifications: one("SELECT count(*) FROM notifications")?,
            unfinished: one("SELECT count(*) FROM notifications WHERE finished = 0")?,
            campaigns: of_campaigns("SELECT count(*) FROM campaigns")?,
            campaigns_unfinished: of_campaigns(
                "SELECT count(*) FROM campaigns WHERE finished = 0",
            )?,
            bytes: one("PRAGMA page_count")? * one("PRAGMA page_size")?,
        })
    }
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
