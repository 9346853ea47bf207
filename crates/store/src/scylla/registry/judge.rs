//! The one point of decision: compare-and-set on an address's row, and what became of it.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use fanfare_types::{AddressKey, AppId};

use super::Room;
use super::address::{Decision, State};
use super::row::Row;
use crate::scylla::session::Cas;
use crate::{Error, Result};

/// Most times a compare-and-set is sent whose outcome is not known.
const TRIES_MAX: u32 = 3;

/// How an address's row stands, beside the row of the device that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Free,
    /// By the device, and all of it is written.
    Held,
    /// Something is left to be written; [`Room::settle`] does.
    Unsettled,
}

impl Standing {
    pub(super) fn of(key: &AddressKey, decision: Option<&Decision>, row: Option<&Row>) -> Self {
        let Some(decision) = decision else {
            return Standing::Free;
        };
        match (&decision.state, row) {
            (State::Held(held), Some(row)) if row.at >= held.at && row.key == *key => {
                Standing::Held
            }
            _ => Standing::Unsettled,
        }
    }
}

/// What the row says of a compare-and-set whose answer never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadBack {
    Ours,
    Theirs,
    AsItWas,
    /// So much happened since that it does not say.
    Doubtful,
}

fn read_back(now: Option<&Decision>, seen: Option<i64>, change: i64) -> ReadBack {
    match now {
        Some(now) if now.change == change || now.previous == Some(change) => ReadBack::Ours,
        now if now.map(|now| now.change) == seen => ReadBack::AsItWas,
        Some(now) if now.previous == seen => ReadBack::Theirs,
        _ => ReadBack::Doubtful,
    }
}

impl Room {
    /// Makes a decision where the last one was `seen` (`None`: there was none). `false`: it was another, or has
    /// become so.
    ///
    /// # Errors
    /// [`Error::Unknown`] when it was not heard what became of it, nor could that be read back.
    pub(super) async fn decide(
        &self,
        app: &AppId,
        key: &AddressKey,
        seen: Option<i64>,
        decision: &Decision,
    ) -> Result<bool> {
        let mut is_sent = false;
        for _ in 0..TRIES_MAX {
            match self.compare_and_set(app, key, seen, decision).await {
                Ok(Cas::Applied) => return Ok(true),
                Ok(Cas::Refused) if !is_sent => return Ok(false),
                Ok(Cas::Refused) | Err(Error::Unknown(_)) => {}
                Err(error) if !is_sent => return Err(error),
                Err(_) => break,
            }
            is_sent = true;
            let now = self.address_serially(app, key).await;
            let now = now.map_err(unknown)?;
            match read_back(now.as_ref(), seen, decision.change) {
                ReadBack::Ours => return Ok(true),
                ReadBack::Theirs => return Ok(false),
                // The one that was sent may still come; with the same name it does no harm.
                ReadBack::AsItWas => {}
                ReadBack::Doubtful => break,
            }
        }
        Err(Error::Unknown(
            "whether an address was decided on".to_owned(),
        ))
    }

    async fn compare_and_set(
        &self,
        app: &AppId,
        key: &AddressKey,
        seen: Option<i64>,
        decision: &Decision,
    ) -> Result<Cas> {
        let (app, key) = (app.as_str(), &key.0[..]);
        let (change, ts, decided) = (decision.change, decision.ts, decision.pack());
        match seen {
            None => {
                let values = (change, ts, decided, app, key);
                self.db.cas(&self.statements.decide_first, values).await
            }
            Some(seen) => {
                let values = (change, ts, decided, app, key, seen);
                self.db.cas(&self.statements.decide, values).await
            }
        }
    }

    /// Removes the row of an address that is free. Left undone it does no harm, so that it failed is nobody's concern.
    pub(super) async fn forget(&self, app: &AppId, key: &AddressKey, change: i64) {
        let values = (app.as_str(), &key.0[..], change);
        drop(self.db.cas(&self.statements.forget, values).await);
    }
}

/// Names a decision: no two are alike.
pub(super) fn name() -> i64 {
    RandomState::new().hash_one(now()).cast_signed()
}

/// A timestamp for what is written now over rows of these timestamps, µs. It does not depend on the clock being
/// right: it is later than all of them in any case.
pub(super) fn later_than(timestamps: impl IntoIterator<Item = i64>) -> i64 {
    let after = timestamps.into_iter().max().unwrap_or_default();
    now().max(after.saturating_add(1))
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

/// What failed after something may have been written.
pub(super) fn unknown(error: Error) -> Error {
    match error {
        Error::Unavailable(what) => Error::Unknown(what),
        Error::Overloaded => Error::Unknown("the store was overloaded halfway".to_owned()),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Gone;
    use super::*;
    use crate::contract::fixtures::device;

    fn decision(change: i64, previous: Option<i64>) -> Decision {
        let holder = device(1, "ada", "t").as_ref();
        Decision {
            change,
            previous,
            ts: 1,
            state: State::Freed(Gone {
                name: holder.clone(),
                key: None,
                tenant: None,
            }),
            holder,
        }
    }

    #[test]
    fn an_unheard_answer_is_read_off_the_row() {
        for (now, seen, expected) in [
            (Some((9, Some(1))), Some(1), ReadBack::Ours),
            (Some((9, None)), None, ReadBack::Ours),
            // Somebody decided over ours.
            (Some((5, Some(9))), Some(1), ReadBack::Ours),
            (Some((1, None)), Some(1), ReadBack::AsItWas),
            (None, None, ReadBack::AsItWas),
            (Some((5, Some(1))), Some(1), ReadBack::Theirs),
            (Some((5, None)), None, ReadBack::Theirs),
            (Some((5, Some(4))), Some(1), ReadBack::Doubtful),
            (Some((5, Some(4))), None, ReadBack::Doubtful),
            (None, Some(1), ReadBack::Doubtful),
        ] {
            let now = now.map(|(change, previous)| decision(change, previous));
            assert_eq!(read_back(now.as_ref(), seen, 9), expected);
        }
    }

    #[test]
    fn a_timestamp_is_later_than_what_is_there_whatever_the_clock_says() {
        assert_eq!(later_than([3, i64::MAX - 7, 5]), i64::MAX - 6);
        assert!(later_than([]) > 1_600_000_000_000_000);
        assert_ne!(name(), name());
    }
}
