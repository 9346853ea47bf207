//! Who has the store open, and whether the log holds commits that the file does not have yet.
//!
//! Both are told by the file `….lock`: its lock belongs to the process that has the store open (the operating
//! system gives it back when that dies), its text says which process, and how it left the log. So a store whose
//! log has gone missing is known for what it is, instead of being opened without its newest writes.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::file::{beside, damaged, own_like, private, unavailable};
use crate::{Error, Result};

/// Held as long as any connection is open.
///
/// A file of its own, because closing any other handle on the database file would drop the locks SQLite
/// holds on it (POSIX locks belong to the process, not to the handle).
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// The last holder left commits in the log.
    pub(super) log_was_left: bool,
}

/// How the holder's text ends.
const LOG_LEFT: &str = "log\n";
const LOG_EMPTY: &str = "-  \n";

impl Lock {
    /// Takes the store at `path` for this process, or says who has it.
    pub(super) fn take(path: &Path) -> Result<Lock> {
        let beside = beside(path, ".lock");
        let opened = private().truncate(false).open(&beside);
        let mut file = opened.map_err(|error| unavailable(&beside, &error))?;
        let mut text = String::new();
        // Somebody else's text changes nothing about the lock.
        drop(file.read_to_string(&mut text));
        match file.try_lock() {
            Ok(()) => {
                let log_was_left = text.ends_with(LOG_LEFT);
                own_like(&beside, path);
                let lock = Lock { file, log_was_left };
                lock.write(log_was_left);
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => Err(Error::Unavailable(format!(
                "{} is in use by another process{}",
                path.display(),
                holder(&text)
            ))),
            Err(TryLockError::Error(error)) => Err(unavailable(&beside, &error)),
        }
    }

    /// The log that was left is of no use any more.
    pub(super) fn forget_log(&mut self) {
        self.log_was_left = false;
        self.write(false);
    }

    /// Notes whether the log holds commits from now on.
    pub(super) fn log_left(&self, left: bool) {
        self.write(left);
    }

    /// The log that must be there is not.
    pub(super) fn log_missing(path: &Path) -> Error {
        damaged(
            path,
            &format!(
                "the log {} is missing or empty, and with it the newest writes: put it back beside the file, or restore a backup; \
                 if the sqlite3 shell was used on the store (which empties the log), remove {} and start again",
                beside(path, "-wal").display(),
                beside(path, ".lock").display()
            ),
        )
    }

    /// One write of always the same length. A disk that refuses it costs only what it would have told.
    fn write(&self, log_left: bool) {
        let left = if log_left { LOG_LEFT } else { LOG_EMPTY };
        let text = format!("{:>10} {left}", std::process::id());
        let mut file = &self.file;
        let written = file.rewind().and_then(|()| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            tracing::debug!(%error, "the lock file could not be written");
        }
    }
}

/// The holder's process id, if it wrote one.
fn holder(text: &str) -> String {
    let id = text.split_whitespace().next();
    match id.and_then(|id| id.parse::<u32>().ok()) {
        Some(id) => format!(" (process {id})"),
        None => String::new(),
    }
}
