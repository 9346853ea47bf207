//! How far a copy came: a file beside the store, so that one that was cut off goes on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use fanfare_types::ids::Id96;
use serde::{Deserialize, Serialize};

/// Everything before was copied and read back.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Came {
    /// The keyspace.
    into: String,
    /// Where the scan of devices goes on; `None` before its first page.
    devices_cursor: Option<Vec<u8>>,
    devices_done: bool,
    devices: u64,
    /// The last notification.
    notification: Option<Id96>,
    notifications: u64,
}

pub(super) struct Place {
    path: PathBuf,
    came: Came,
}

impl Place {
    pub(super) fn beside(file: &Path, into: &str, anew: bool) -> anyhow::Result<Place> {
        let path = file.with_extension("copy-progress");
        let begun = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice::<Came>(&text).ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", path.display()));
            }
        };
        let came = begun.filter(|_| !anew).unwrap_or_else(|| Came {
            into: into.to_owned(),
            ..Came::default()
        });
        ensure!(
            came.into == into,
            "{} tells of a copy into keyspace {}; --anew begins anew",
            path.display(),
            came.into
        );
        Ok(Place { path, came })
    }

    /// Where the scan of devices goes on, and how many were copied; `None` when all were.
    pub(super) fn devices(&self) -> (Option<Option<Vec<u8>>>, u64) {
        let cursor = (!self.came.devices_done).then(|| self.came.devices_cursor.clone());
        (cursor, self.came.devices)
    }

    pub(super) fn note_devices(
        &mut self,
        next: Option<Vec<u8>>,
        copied: u64,
    ) -> anyhow::Result<()> {
        self.came.devices_done = next.is_none();
        self.came.devices_cursor = next;
        self.came.devices = copied;
        self.write()
    }

    pub(super) fn notifications(&self) -> (Option<Id96>, u64) {
        (self.came.notification, self.came.notifications)
    }

    pub(super) fn note_notifications(&mut self, last: Id96, copied: u64) -> anyhow::Result<()> {
        self.came.notification = Some(last);
        self.came.notifications = copied;
        self.write()
    }

    /// It need not be durable: what is copied twice is the same.
    fn write(&self) -> anyhow::Result<()> {
        let part = self.path.with_extension("copy-progress.new");
        let write = || {
            std::fs::write(&part, serde_json::to_vec(&self.came)?)?;
            std::fs::rename(&part, &self.path)
        };
        write().with_context(|| format!("writing {}", self.path.display()))
    }

    pub(super) fn forget(&self) -> anyhow::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}
