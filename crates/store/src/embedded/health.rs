//! Whether the store works: said once when that changes, however many calls fail meanwhile, and remembered when
//! the file turned out to be damaged.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::{Error, Result};

/// While writes fail, that is said again after this long.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Shared by the writer and the readers of one store.
#[derive(Debug, Default)]
pub(super) struct Health {
    damage: OnceLock<String>,
    outage: Mutex<Option<Outage>>,
}

/// Writes have failed since.
#[derive(Debug)]
struct Outage {
    since: Instant,
    said: Instant,
    groups: u64,
}

impl Health {
    /// Damage that was found earlier: from then on nothing is written, so that nothing is overwritten.
    pub(super) fn damage(&self) -> Result<()> {
        match self.damage.get() {
            Some(what) => Err(Error::Corrupt(what.clone())),
            None => Ok(()),
        }
    }

    /// Told of every failed call.
    pub(super) fn failed(&self, error: &Error) {
        if let Error::Corrupt(what) = error
            && self.damage.set(what.clone()).is_ok()
        {
            tracing::error!(
                fault = what,
                "the store is damaged and takes no writes any more; stop, look with `fanfare store check`, and bring a backup back with `fanfare store restore`"
            );
        }
    }

    /// Told how each group ended, as far as that says something about the disk.
    pub(super) fn wrote(&self, end: Result<(), &Error>) {
        let now = Instant::now();
        let mut outage = self.outage.lock();
        match (end, &mut *outage) {
            (Ok(()), None) => {}
            (Ok(()), Some(over)) => {
                let seconds = now.duration_since(over.since).as_secs();
                tracing::info!(
                    seconds,
                    groups_refused = over.groups,
                    "the store can be written again"
                );
                *outage = None;
            }
            (Err(cause), None) => {
                tracing::error!(error = cause.label(), %cause, "the store cannot be written; writes are refused until it can");
                *outage = Some(Outage {
                    since: now,
                    said: now,
                    groups: 1,
                });
            }
            (Err(cause), Some(lasting)) => {
                lasting.groups += 1;
                if now.duration_since(lasting.said) >= SAY_AGAIN_AFTER {
                    lasting.said = now;
                    tracing::error!(error = cause.label(), %cause, groups_refused = lasting.groups, "the store still cannot be written");
                }
            }
        }
    }
}
