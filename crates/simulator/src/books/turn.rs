//! What the fast mode books: the totals of many pushes at once, and their ids so that none counts twice unnoticed.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use super::ledger::Ledger;
use crate::Provider;

/// Of one turn of a connection.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) accepted: u64,
    pub(crate) not_found: u64,
    /// The client gave up before they were whole.
    pub(crate) gone: u64,
    /// APNs: the ids of the accepted pushes.
    pub(crate) ids: Vec<u128>,
    pub(crate) pings: u64,
    pub(crate) streams_peak: u64,
}

/// Half of an id, folded: two of ten million fall together once in half a million runs.
pub(super) type Ids = HashSet<u64, BuildHasherDefault<Folded>>;

/// What is already mixed needs no hashing.
#[derive(Default)]
pub(super) struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, folded: u64) {
        self.0 = folded;
    }
}

fn fold(id: u128) -> u64 {
    let [high, low] = [(id >> 64) as u64, id as u64];
    // Times are in the high half, counters may be in the low one.
    high.rotate_left(32).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ low.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

impl Ledger {
    /// Books a turn and empties it.
    pub(super) fn turn(&mut self, provider: Provider, turn: &mut Turn) {
        let Turn {
            accepted,
            not_found,
            gone,
            ids,
            pings,
            streams_peak,
        } = turn;
        let mut duplicates = 0;
        for id in ids.drain(..) {
            let id = fold(id);
            if self.accepted_ids.len() < self.limit {
                duplicates += u64::from(!self.accepted_ids.insert(id));
            } else {
                self.log_full = true;
                duplicates += u64::from(self.accepted_ids.contains(&id));
            }
        }
        let side = self.side(provider);
        side.duplicates += duplicates;
        side.accepted += *accepted;
        for (status, reason, count) in [
            (200, "", *accepted),
            (404, "path", *not_found),
            (0, "gone", *gone),
        ] {
            side.requests += count;
            if count > 0 {
                let answer = side.answer(status, reason);
                side.answers[answer].count += count;
            }
        }
        side.connections.pings += *pings;
        side.connections.streams_peak = side.connections.streams_peak.max(*streams_peak);
        (*accepted, *not_found, *gone, *pings) = (0, 0, 0, 0);
    }
}
