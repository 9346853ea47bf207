//! The embedded store: SQLite in WAL mode, one writer thread with group commit, readers of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Result, Store};

/// How the embedded store is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database file; made when absent. Its directory must exist.
    pub path: PathBuf,
    /// Threads that read (each with its own connection).
    pub readers: usize,
    /// Calls that may wait for the writer; the next one is answered [`crate::Error::Overloaded`].
    pub queue_max: usize,
    /// Writes that share one commit at most.
    pub group_max: usize,
    /// Page cache of each connection, in bytes.
    pub cache_bytes: usize,
}

impl Config {
    pub fn at(path: &Path) -> Self {
        Config {
            path: path.to_owned(),
            readers: 2,
            queue_max: 65_536,
            group_max: 1024,
            cache_bytes: 8 * 1024 * 1024,
        }
    }
}

/// Opens or makes the store. A damaged or newer file is an error and stays untouched.
pub fn open(config: &Config) -> Result<Arc<dyn Store>> {
    let _ = config;
    todo!("the store's room")
}
