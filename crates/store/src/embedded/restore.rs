//! Puts a backup in the place of a store.
//!
//! The copy is made and checked beside the store before anything of the store is touched, and what was there
//! stays under another name. From the moment the copy has the name `….restored` the store is the restored one:
//! whoever opens it next finishes what a crash left undone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fanfare_types::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::backup::{Part, Progress, copy, sound};
use super::check::{Contents, open_copy};
use super::file::{self, Header, beside, unavailable};
use super::lock::Lock;
#[cfg(doc)]
use crate::Error;
use crate::Result;

/// A backup that is the store now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub contents: Contents,
    /// What was there before, if anything was; its log, if it had one, has the same name with `-wal`.
    pub kept: Option<PathBuf>,
}

/// Makes the backup `from` the store at `path`. Fails with [`Error::Unavailable`] while a process has that store
/// open, and with [`Error::Corrupt`] when the backup is damaged; the store is as it was then. `now` names what is
/// kept of the old one.
pub fn restore(
    from: &Path,
    path: &Path,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Restored> {
    let mut lock = Lock::take(path)?;
    finish(path, &mut lock)?;
    let part = Part(beside(path, ".restore"));
    let contents = Header::read(from)
        .and_then(|_| open_backup(from))
        .and_then(|backup| copy(&backup, &part.0, progress))
        .and_then(|()| sound(&part.0))
        .map_err(|error| file::in_file(from, error))?;
    file::own_like(&part.0, path);
    let kept = keep(path, now)?;
    file::rename(&part.0, &beside(path, ".restored"))?;
    finish(path, &mut lock)?;
    Ok(Restored { contents, kept })
}

/// A backup of ours is one file; a copy of a store's files may have its log beside it.
fn open_backup(from: &Path) -> Result<Connection> {
    let log = fs::metadata(beside(from, "-wal"));
    if log.is_ok_and(|log| log.len() > 0) {
        let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        return Ok(Connection::open_with_flags(from, mode)?);
    }
    open_copy(from)
}

/// Gives file and log a second name each. No byte is copied, and nothing is taken away.
fn keep(path: &Path, now: Timestamp) -> Result<Option<PathBuf>> {
    let time = now.to_rfc3339().replace(['-', ':'], "");
    let time = time.split(['.', 'Z']).next().unwrap_or_default().to_owned();
    let kept = beside(path, &format!(".before-restore-{time}Z"));
    let mut any = false;
    for suffix in ["", "-wal"] {
        let (old, new) = (beside(path, suffix), beside(&kept, suffix));
        match fs::hard_link(&old, &new) {
            Ok(()) => any = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unavailable(&new, &error)),
        }
    }
    file::sync_directory(path)?;
    Ok(any.then_some(kept))
}

/// Finishes a restore that has passed its point of no return: the old log goes first, because SQLite would take
/// it for the new file's.
pub(super) fn finish(path: &Path, lock: &mut Lock) -> Result<()> {
    let restored = beside(path, ".restored");
    if !restored.exists() {
        return Ok(());
    }
    for suffix in ["-wal", "-shm"] {
        let old = beside(path, suffix);
        match fs::remove_file(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unavailable(&old, &error));
            }
            _ => {}
        }
    }
    file::sync_directory(path)?;
    lock.forget_log();
    file::rename(&restored, path)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Embedded};
    use super::*;
    use crate::contract::fixtures::{NOW, accept, app};
    use crate::{Accepted, Journal, Store};
    use fanfare_types::NotificationId;

    async fn store_with(path: &Path, number: u64) {
        let store = Embedded::open(&Config::at(path)).unwrap();
        assert_eq!(
            store.accept(accept(NOW, number, 1)).await,
            Ok(Accepted::New)
        );
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_restore_cut_short_is_finished_at_the_next_opening() {
        let directory = tempfile::tempdir().unwrap();
        let (path, backup) = (
            directory.path().join("fanfare.db"),
            directory.path().join("b.db"),
        );
        store_with(&path, 1).await;
        store_with(&backup, 2).await;
        // A crash right after the copy got its name, with the old log still there.
        fs::copy(&backup, beside(&path, ".restored")).unwrap();
        fs::write(beside(&path, "-wal"), b"the old file's log").unwrap();
        let store = Embedded::open(&Config::at(&path)).unwrap();
        for (number, there) in [(1, false), (2, true)] {
            let id = NotificationId::new(NOW, number);
            let found = store.summary(&app("shop"), id).await.unwrap();
            assert_eq!(found.is_some(), there, "{number}");
        }
        store.close().await.unwrap();
        assert!(!beside(&path, ".restored").exists());
    }
}
