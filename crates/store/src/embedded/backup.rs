//! Copies a store, serving or not, into one file: SQLite's online backup, checked before it gets its name.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::check::{Checked, Contents, check_copy};
use super::file::{self, Header, beside, empty, unavailable};
use super::lock::Lock;
use crate::{Error, Result};

/// Pages copied between two reports of the progress.
const STEP_PAGES: i32 = 1024;

/// How long a lock that the store's process holds for an instant is waited for.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A backup that is complete, checked and on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    pub contents: Contents,
}

/// Told of pages done and pages in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Copies the store at `from` into the file `to`: one state of it, with every write that was acknowledged before
/// the call. The store may serve meanwhile; its log grows until the copy is made. `to` appears whole and checked,
/// or not at all; one that is there is replaced only with `replace`.
///
/// Fails with [`Error::Corrupt`] when the store is damaged, so that no damaged backup takes a sound one's place.
pub fn backup(from: &Path, to: &Path, replace: bool, progress: Progress<'_>) -> Result<Copied> {
    let there = || Error::Unavailable(format!("{} is there already", to.display()));
    if !replace && to.exists() {
        return Err(there());
    }
    log_is_whole(from)?;
    let part = Part(beside(to, ".part"));
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, mode).map_err(Error::from);
    let contents = source
        .and_then(|source| copy(&source, &part.0, progress))
        .and_then(|()| sound(&part.0))
        .map_err(|error| file::in_file(from, error))?;
    if replace {
        file::rename(&part.0, to)?;
    } else {
        // A link is refused when something has the name by now; a renaming would replace it.
        std::fs::hard_link(&part.0, to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => there(),
            _ => unavailable(to, &error),
        })?;
        file::sync_directory(to)?;
    }
    Ok(Copied { contents })
}

/// A copy in the making; gone when it is given up.
pub(super) struct Part(pub(super) PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// A log that nobody has open is looked at as `open` would.
pub(super) fn log_is_whole(from: &Path) -> Result<()> {
    let header = Header::read(from)?;
    let Ok(lock) = Lock::take(from) else {
        return Ok(());
    };
    match file::read_log(from, header.page_bytes)? {
        None if lock.log_was_left => Err(Lock::log_missing(from)),
        Some(log) if log.is_damaged() => Err(file::damaged(from, &file::log_fault(from, &log))),
        _ => Ok(()),
    }
}

/// Copies one state of the source into a new file, and makes it durable.
pub(super) fn copy(source: &Connection, to: &Path, progress: Progress<'_>) -> Result<()> {
    empty(to)?;
    source.busy_timeout(BUSY_TIMEOUT)?;
    // What is written meanwhile neither gets in nor makes the copy begin anew.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // It is thrown away whole when anything fails, and made durable at the end.
    copy.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    copy.pragma_update(None, "synchronous", "off")?;
    let backup = Backup::new(source, &mut copy)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let at = backup.progress();
        let all = u64::try_from(at.pagecount).unwrap_or(0);
        progress(all - u64::try_from(at.remaining).unwrap_or(0).min(all), all);
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            _ => return Err(Error::Unavailable("the store is locked".to_owned())),
        }
    }
    drop(backup);
    copy.close().map_err(|(_, error)| error)?;
    let synced = File::open(to).and_then(|file| file.sync_all());
    synced.map_err(|error| unavailable(to, &error))
}

/// What is in a copy, if it is sound.
pub(super) fn sound(copy: &Path) -> Result<Contents> {
    let Checked { faults, contents } = check_copy(copy)?;
    match faults.as_slice() {
        [] => Ok(contents),
        faults => Err(Error::Corrupt(faults.join("; "))),
    }
}
