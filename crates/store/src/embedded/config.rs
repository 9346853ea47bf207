//! What the embedded store is opened with.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How the embedded store is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database file; made when absent. Its directory must exist.
    pub path: PathBuf,
    /// Threads that read (each with its own connection), at least 1.
    pub readers: usize,
    /// Calls that may wait for the writer, and as many again for the readers; the next one is answered
    /// [`crate::Error::Overloaded`].
    pub queue_max: usize,
    /// Writes that share one commit at most.
    pub group_max: usize,
    /// Page cache of each connection, in bytes. Default 2 MiB: the upper levels of the indexes of millions of devices;
    /// the rest is left to the machine.
    pub cache_bytes: usize,
    /// Told of every commit; for metrics.
    pub on_commit: OnCommit,
}

/// Is told how many writes a commit made durable, and how long it took. Runs on the writer thread, before the
/// answers.
#[derive(Clone)]
pub struct OnCommit(pub(super) Arc<dyn Fn(usize, Duration) + Send + Sync>);

impl OnCommit {
    pub fn new(told: impl Fn(usize, Duration) + Send + Sync + 'static) -> Self {
        OnCommit(Arc::new(told))
    }
}

impl Default for OnCommit {
    /// Nobody wants to know.
    fn default() -> Self {
        OnCommit::new(|_, _| ())
    }
}

impl fmt::Debug for OnCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnCommit")
    }
}

impl Config {
    pub fn at(path: &Path) -> Self {
        Config {
            path: path.to_owned(),
            readers: 2,
            queue_max: 65_536,
            group_max: 1024,
            cache_bytes: 2 * 1024 * 1024,
            on_commit: OnCommit::default(),
        }
    }
}
