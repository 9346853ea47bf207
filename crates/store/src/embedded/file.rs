//! Opening the database file: the lock, the checks that never write, and making a new file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Config, schema};
use crate::{Error, Result};

/// How long a connection waits for a lock that somebody's `sqlite3` shell holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages in the log at which the writer copies them back into the file.
const CHECKPOINT_PAGES: u32 = 4_000;

/// The log is cut back to this many bytes when it is reset.
const LOG_BYTES_KEPT: u32 = 64 * 1024 * 1024;

const STATEMENTS_CACHED: usize = 64;

/// Size of SQLite's header (<https://www.sqlite.org/fileformat2.html#the_database_header>).
const HEADER_BYTES: usize = 100;

/// Held as long as any connection is open. The operating system gives it back when the process dies.
///
/// A file of its own, because closing any other handle on the database file would drop the locks SQLite
/// holds on it (POSIX locks belong to the process, not to the handle).
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock and makes the file ready to be opened: made, or checked.
pub(super) fn prepare(path: &Path) -> Result<Lock> {
    let lock = lock(path)?;
    match std::fs::metadata(path) {
        Ok(found) if found.len() > 0 => inspect(path)?,
        Ok(_) => make(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
        Err(error) => return Err(unavailable(path, &error)),
    }
    Ok(lock)
}

/// The connection that writes. The file is checked before anything is written to it.
pub(super) fn open_writer(config: &Config) -> Result<Connection> {
    let db = open(config, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A file we refuse must stay as it is, log included.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    schema::verify(&db)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        let text = format!(
            "{}: no write-ahead log on this file system",
            path_of(config)
        );
        return Err(Error::Unavailable(text));
    }
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    schema::upgrade(&db)?;
    Ok(db)
}

/// A connection that only reads.
pub(super) fn open_reader(config: &Config) -> Result<Connection> {
    open(config, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open(config: &Config, mode: OpenFlags) -> Result<Connection> {
    let db = Connection::open_with_flags(&config.path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    let kibibytes = i64::try_from(config.cache_bytes / 1024).unwrap_or(i64::MAX);
    db.pragma_update(None, "cache_size", -kibibytes)?;
    db.pragma_update(None, "temp_store", "memory")?;
    Ok(db)
}

fn lock(path: &Path) -> Result<Lock> {
    let beside = beside(path, ".lock");
    let file = private()
        .truncate(false)
        .open(&beside)
        .map_err(|error| unavailable(&beside, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(Error::Unavailable(format!(
            "{} is in use by another process",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(unavailable(&beside, &error)),
    }
}

/// Makes the whole file under another name, so that a crash in between leaves nothing half made.
fn make(path: &Path) -> Result<()> {
    let log = beside(path, "-wal");
    if std::fs::metadata(&log).is_ok_and(|found| found.len() > 0) {
        return Err(Error::Corrupt(format!(
            "{} is there without its database: restore the database, or remove the log",
            log.display()
        )));
    }
    let draft = beside(path, ".new");
    let failed = |error: io::Error| unavailable(&draft, &error);
    private().truncate(true).open(&draft).map_err(failed)?;
    let db = Connection::open_with_flags(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update(None, "synchronous", "full")?;
    schema::create(&db)?;
    db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    db.close().map_err(|(_, error)| error)?;
    std::fs::rename(&draft, path).map_err(failed)?;
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    File::open(directory.unwrap_or_else(|| Path::new(".")))
        .and_then(|directory| directory.sync_all())
        .map_err(failed)
}

/// Reads the header without SQLite, which might write to a file it takes for half finished.
fn inspect(path: &Path) -> Result<()> {
    let mut header = [0; HEADER_BYTES];
    let mut file = File::open(path).map_err(|error| unavailable(path, &error))?;
    let damaged = |what: &str| Error::Corrupt(format!("{}: {what}", path.display()));
    match file.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(damaged("not a database"));
        }
        Err(error) => return Err(unavailable(path, &error)),
    }
    let number = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&header[at..at + 4]);
        u32::from_be_bytes(bytes)
    };
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(damaged("not a database"));
    }
    schema::admit(number(68), number(60))?;
    let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    // A file cut short shows when there is no log that could hold the missing end.
    let log_bytes = std::fs::metadata(beside(path, "-wal")).map_or(0, |found| found.len());
    let bytes = file.metadata().map_or(0, |found| found.len());
    let (pages, current) = (u64::from(number(28)), number(24) == number(92));
    if current && log_bytes == 0 && bytes < pages * page_bytes {
        return Err(damaged("the file is cut short"));
    }
    Ok(())
}

/// How our files are made: readable by the owner alone, because addresses are in them.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn path_of(config: &Config) -> String {
    config.path.display().to_string()
}

fn unavailable(path: &Path, error: &io::Error) -> Error {
    Error::Unavailable(format!("{}: {error}", path.display()))
}
