//! Revocations: which routed deliveries may no longer be handed over, because their device moved, changed its
//! address, was switched off or deleted after they were routed.
//!
//! A registration is acknowledged only after its revocation stands here, and a connection asks here right before
//! it hands a push over; so no push for a former owner leaves after the acknowledgement. Memory is bounded: an
//! entry is kept for `fresh_for`, deliveries routed longer ago than that are read again anyway, and when
//! `entries_max` is reached one floor time stands for all entries (everything routed before it is read again).
//!
//! Two times meet here, and both err to the side of reading again: a routing carries the time taken *before* its
//! read, a revocation the time taken *after* its change was durable, and a tie within a millisecond is stale.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use fanfare_types::{DeviceId, Timestamp};

#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a routing may be relied upon. Default 30 s.
    pub fresh_for: Duration,
    /// Most entries kept. Default 100,000. At it, a floor time takes the place of all of them.
    pub entries_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            fresh_for: Duration::from_secs(30),
            entries_max: 100_000,
        }
    }
}

/// May a delivery be handed over now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As routed.
    Good,
    /// Read the device again first.
    Stale,
}

/// Parts of the map, each under its own lock, so that connections do not wait for each other.
const SHARDS: usize = 16;

type Shard = HashMap<DeviceId, Timestamp>;

/// Shared by registrations (which write) and connections (which ask). Asking costs two atomic loads while there
/// are no entries.
#[derive(Debug)]
pub struct Revocations {
    limits: Limits,
    entries: AtomicUsize,
    /// Everything routed up to this millisecond is stale; 0 for none.
    floor: AtomicU64,
    shards: [RwLock<Shard>; SHARDS],
}

impl Revocations {
    pub fn new(limits: Limits) -> Self {
        Revocations {
            limits,
            entries: AtomicUsize::new(0),
            floor: AtomicU64::new(0),
            shards: Default::default(),
        }
    }

    /// From now on whatever was routed for this device up to `now` is stale. `now` is read after the change
    /// was durable.
    pub fn revoke(&self, device: DeviceId, now: Timestamp) {
        if self.entries.load(Ordering::SeqCst) >= self.limits.entries_max {
            self.raise_floor(now);
            return;
        }
        let mut shard = write(self.shard(device));
        let before = shard.insert(device, now);
        match before {
            Some(before) if before > now => {
                shard.insert(device, before);
            }
            Some(_) => {}
            None => {
                self.entries.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// How a delivery routed at `routed_at` stands.
    pub fn standing(&self, device: DeviceId, routed_at: Timestamp, now: Timestamp) -> Standing {
        let too_old = now.since(routed_at) > self.limits.fresh_for;
        if too_old || routed_at.as_millis() <= self.floor.load(Ordering::SeqCst) {
            return Standing::Stale;
        }
        if self.entries.load(Ordering::SeqCst) == 0 {
            return Standing::Good;
        }
        match read(self.shard(device)).get(&device) {
            Some(revoked_at) if routed_at <= *revoked_at => Standing::Stale,
            _ => Standing::Good,
        }
    }

    /// Forgets entries older than `fresh_for`.
    pub fn prune(&self, now: Timestamp) {
        self.retain(|revoked_at| now.since(revoked_at) <= self.limits.fresh_for);
    }

    /// Entries kept now.
    pub fn entries(&self) -> usize {
        self.entries.load(Ordering::SeqCst)
    }

    /// The floor stands before the entries it stands for go; a later entry stays.
    fn raise_floor(&self, now: Timestamp) {
        let before = self.floor.fetch_max(now.as_millis(), Ordering::SeqCst);
        let floor = Timestamp(before.max(now.as_millis()));
        self.retain(|revoked_at| revoked_at > floor);
        if self.entries.load(Ordering::SeqCst) >= self.limits.entries_max {
            // A clock that stepped back left entries of the future: the floor takes their place, too.
            let newest = self.newest();
            self.floor.fetch_max(newest.as_millis(), Ordering::SeqCst);
            self.retain(|revoked_at| revoked_at > newest);
        }
    }

    fn newest(&self) -> Timestamp {
        let newest_of = |shard| read(shard).values().copied().max();
        self.shards
            .iter()
            .filter_map(newest_of)
            .max()
            .unwrap_or_default()
    }

    fn retain(&self, keep: impl Fn(Timestamp) -> bool) {
        for shard in &self.shards {
            let mut shard = write(shard);
            let before = shard.len();
            shard.retain(|_, revoked_at| keep(*revoked_at));
            self.entries
                .fetch_sub(before - shard.len(), Ordering::SeqCst);
        }
    }

    fn shard(&self, device: DeviceId) -> &RwLock<Shard> {
        // The last byte of an id is random.
        &self.shards[usize::from(device.0.0[11]) % SHARDS]
    }
}

/// A lock is only ever held over map operations, which leave the map whole even if one panicked.
fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn device(n: u64) -> DeviceId {
        DeviceId::new(NOW, n)
    }

    fn at(offset: u64) -> Timestamp {
        Timestamp(NOW.0 + offset)
    }

    fn revocations(entries_max: usize) -> Revocations {
        Revocations::new(Limits {
            fresh_for: Duration::from_secs(30),
            entries_max,
        })
    }

    #[test]
    fn a_tie_is_stale_and_a_later_routing_is_good() {
        let revocations = revocations(10);
        assert_eq!(
            revocations.standing(device(1), at(5), at(5)),
            Standing::Good
        );
        revocations.revoke(device(1), at(5));
        for (routed, standing) in [
            (4, Standing::Stale),
            (5, Standing::Stale),
            (6, Standing::Good),
        ] {
            assert_eq!(
                revocations.standing(device(1), at(routed), at(9)),
                standing,
                "routed at {routed}"
            );
        }
        assert_eq!(
            revocations.standing(device(2), at(5), at(9)),
            Standing::Good
        );
    }

    #[test]
    fn an_old_routing_is_stale_whatever_happened() {
        let revocations = revocations(10);
        assert_eq!(
            revocations.standing(device(1), at(0), at(30_000)),
            Standing::Good
        );
        assert_eq!(
            revocations.standing(device(1), at(0), at(30_001)),
            Standing::Stale
        );
    }

    #[test]
    fn a_second_revocation_never_turns_the_time_back() {
        let revocations = revocations(10);
        revocations.revoke(device(1), at(9));
        revocations.revoke(device(1), at(3));
        assert_eq!(
            revocations.standing(device(1), at(8), at(9)),
            Standing::Stale
        );
        assert_eq!(revocations.entries(), 1);
    }

    #[test]
    fn when_full_a_floor_stands_for_all() {
        let revocations = revocations(3);
        for n in 0..3 {
            revocations.revoke(device(n), at(n));
        }
        revocations.revoke(device(3), at(10));
        assert_eq!(revocations.entries(), 0);
        for n in 0..9 {
            assert_eq!(
                revocations.standing(device(n), at(10), at(11)),
                Standing::Stale
            );
            assert_eq!(
                revocations.standing(device(n), at(11), at(11)),
                Standing::Good
            );
        }
    }

    #[test]
    fn entries_of_a_clock_that_stepped_back_are_bounded_too() {
        let revocations = revocations(3);
        for n in 0..3 {
            revocations.revoke(device(n), at(100));
        }
        revocations.revoke(device(3), at(10));
        assert_eq!(revocations.entries(), 0);
        assert_eq!(
            revocations.standing(device(0), at(100), at(100)),
            Standing::Stale
        );
    }

    #[test]
    fn pruning_forgets_only_what_freshness_covers() {
        let revocations = revocations(10);
        revocations.revoke(device(1), at(0));
        revocations.revoke(device(2), at(20_000));
        revocations.prune(at(30_001));
        assert_eq!(revocations.entries(), 1);
        let standing = |n, routed| revocations.standing(device(n), routed, at(30_001));
        assert_eq!(standing(1, at(0)), Standing::Stale);
        assert_eq!(standing(2, at(20_000)), Standing::Stale);
    }
}
