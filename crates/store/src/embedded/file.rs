//! Opening the database file: the lock, the checks that never write, and making a new file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::lock::Lock;
use super::log::{self, Log};
use super::{Config, restore, schema};
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

/// Takes the lock and makes the file ready to be opened: made, or checked. A restore that was broken off behind
/// its last point of return is finished first.
pub(super) fn prepare(path: &Path) -> Result<Prepared> {
    let mut lock = Lock::take(path)?;
    restore::finish(path, &mut lock)?;
    let has_log_tail = match std::fs::metadata(path) {
        Ok(_) => inspect(path, lock.log_was_left)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if lock.log_was_left {
                return Err(damaged(path, "the file is gone, and its log was not empty"));
            }
            make(path)?;
            false
        }
        Err(error) => return Err(unavailable(path, &error)),
    };
    Ok(Prepared { lock, has_log_tail })
}

/// A file that may be opened.
pub(super) struct Prepared {
    pub(super) lock: Lock,
    /// The log ends in a commit that was torn. It is to be emptied, so that what is left of it is never taken
    /// for part of later ones.
    pub(super) has_log_tail: bool,
}

/// The connection that writes. The file is checked before anything is written to it.
pub(super) fn open_writer(config: &Config) -> Result<Connection> {
    writer(config).map_err(|error| in_file(&config.path, error))
}

fn writer(config: &Config) -> Result<Connection> {
    let db = open(config, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A file we refuse must stay as it is, log included.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    schema::verify(&db)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        let text = "no write-ahead log on this file system";
        return Err(Error::Unavailable(text.to_owned()));
    }
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    schema::upgrade(&db)?;
    Ok(db)
}

/// A connection that only reads.
pub(super) fn open_reader(config: &Config) -> Result<Connection> {
    open(config, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| in_file(&config.path, error))
}

fn open(config: &Config, mode: OpenFlags) -> Result<Connection> {
    let db = Connection::open_with_flags(&config.path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    // A statement is planned once: beside partial indexes SQLite would otherwise do so again for each new value of a
    // parameter, which was a sixth of what a page of an audience cost. No plan of ours depends on a value.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    let kibibytes = i64::try_from(config.cache_bytes / 1024).unwrap_or(i64::MAX);
    db.pragma_update(None, "cache_size", -kibibytes)?;
    db.pragma_update(None, "temp_store", "memory")?;
    Ok(db)
}

/// Makes the whole file under another name, so that a crash in between leaves nothing half made.
fn make(path: &Path) -> Result<()> {
    let log = beside(path, "-wal");
    if std::fs::metadata(&log).is_ok_and(|found| found.len() > 0) {
        return Err(damaged(
            path,
            &format!(
                "the file is gone and its log {} is there: put the file back, restore a backup, or remove the log to begin anew",
                log.display()
            ),
        ));
    }
    let draft = beside(path, ".new");
    empty(&draft)?;
    let db = Connection::open_with_flags(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update(None, "synchronous", "full")?;
    schema::create(&db)?;
    db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    db.close().map_err(|(_, error)| error)?;
    rename(&draft, path)
}

/// Makes an empty file in the place of whatever was there.
pub(super) fn empty(path: &Path) -> Result<()> {
    let made = private().truncate(true).open(path);
    made.map(drop).map_err(|error| unavailable(path, &error))
}

/// Gives a finished file its name, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| unavailable(from, &error))?;
    sync_directory(to)
}

/// Makes what happened to names in the directory of `path` durable.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    let directory = directory.unwrap_or_else(|| Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| unavailable(directory, &error))
}

/// Reads header and log without SQLite, which might write to a file it takes for half finished, and forgets a
/// damaged log. Returns whether the log has a torn end.
fn inspect(path: &Path, log_was_left: bool) -> Result<bool> {
    let header = Header::read(path)?;
    let Some(log) = read_log(path, header.page_bytes)? else {
        return match (log_was_left, header.is_cut()) {
            (true, _) => Err(Lock::log_missing(path)),
            (false, true) => Err(damaged(path, "the file is cut short")),
            (false, false) => Ok(false),
        };
    };
    if log.is_damaged() {
        return Err(damaged(path, &log_fault(path, &log)));
    }
    if header.is_cut_beside(&log) {
        return Err(damaged(path, "the file is cut short"));
    }
    Ok(log.has_tail)
}

pub(super) fn read_log(path: &Path, page_bytes: u64) -> Result<Option<Log>> {
    let page_bytes = u32::try_from(page_bytes).unwrap_or(4096);
    let beside = beside(path, "-wal");
    log::read(&beside, page_bytes).map_err(|error| unavailable(&beside, &error))
}

/// What is wrong with a damaged log.
pub(super) fn log_fault(path: &Path, log: &Log) -> String {
    format!(
        "the log {} is damaged behind frame {}, and {} commits behind that cannot be reached",
        beside(path, "-wal").display(),
        log.frames,
        log.lost_commits
    )
}

/// What the file says of itself.
pub(super) struct Header {
    pub(super) page_bytes: u64,
    /// Pages the file must have, unless the log has them.
    pages: u64,
    /// Pages that are there.
    pages_there: u64,
    /// `pages` was written by the last version that wrote to the file.
    current: bool,
}

impl Header {
    pub(super) fn read(path: &Path) -> Result<Header> {
        let mut header = [0; HEADER_BYTES];
        let mut file = File::open(path).map_err(|error| unavailable(path, &error))?;
        let bytes = file.metadata().map_or(0, |found| found.len());
        if bytes == 0 {
            return Err(damaged(path, "the file is empty"));
        }
        match file.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged(path, "not a database"));
            }
            Err(error) => return Err(unavailable(path, &error)),
        }
        let number = |at: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&header[at..at + 4]);
            u32::from_be_bytes(bytes)
        };
        if !header.starts_with(b"SQLite format 3\0") {
            return Err(damaged(path, "not a database"));
        }
        schema::admit(number(68), number(60)).map_err(|error| in_file(path, error))?;
        let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            0 => return Err(damaged(path, "not a database")),
            size => u64::from(size),
        };
        Ok(Header {
            page_bytes,
            pages: u64::from(number(28)),
            pages_there: bytes / page_bytes,
            current: number(24) == number(92),
        })
    }

    /// Whether a file without a log lacks its end.
    pub(super) fn is_cut(&self) -> bool {
        self.current && self.pages_there < self.pages
    }

    /// Whether it lacks pages that the log does not have either.
    pub(super) fn is_cut_beside(&self, log: &Log) -> bool {
        let pages = match log.database_pages {
            0 if self.current => self.pages,
            0 => return false,
            pages => u64::from(pages),
        };
        (self.pages_there + 1..=pages)
            .any(|page| !u32::try_from(page).is_ok_and(|page| log.pages.contains(&page)))
    }
}

/// How our files are made: readable by the owner alone, because addresses are in them.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Gives a file that an operator made (perhaps as root) to whoever owns the store, or else its directory: the
/// gateway has to open it. Where that is not allowed it belongs to the gateway's own user already.
pub(super) fn own_like(file: &Path, store: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        let directory = store.parent().filter(|parent| *parent != Path::new(""));
        let directory = directory.unwrap_or_else(|| Path::new("."));
        let like = std::fs::metadata(store).or_else(|_| std::fs::metadata(directory));
        if let (Ok(like), Ok(own)) = (like, std::fs::metadata(file))
            && like.uid() != own.uid()
        {
            drop(chown(file, Some(like.uid()), Some(like.gid())));
        }
    }
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::Corrupt(format!("{}: {what}", path.display()))
}

pub(super) fn unavailable(path: &Path, error: &io::Error) -> Error {
    Error::Unavailable(format!("{}: {error}", path.display()))
}

/// An error that does not say which file it is about.
pub(super) fn in_file(path: &Path, error: Error) -> Error {
    match error {
        Error::Corrupt(what) => damaged(path, &what),
        Error::Unavailable(what) => Error::Unavailable(format!("{}: {what}", path.display())),
        other => other,
    }
}
