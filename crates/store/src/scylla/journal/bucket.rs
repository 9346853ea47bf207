//! A bucket as its slot's holder knows it in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use fanfare_types::{NotificationId, Timestamp};
use parking_lot::Mutex;

/// When an unfinished notification is due: 0 for at once.
pub(super) type Unfinished = BTreeMap<NotificationId, Timestamp>;

pub(super) struct Bucket {
    pub(super) minute: u64,
    /// Held while outcomes are recorded, and while it is looked through.
    pub(super) work: tokio::sync::Mutex<Work>,
    state: Mutex<State>,
}

pub(super) struct Work {
    /// Writes of earlier epochs are refused.
    pub(super) is_fenced: bool,
}

struct State {
    /// It is surely listed as open, with nothing due before this.
    listed: Option<Timestamp>,
    /// Notifications that are being inserted.
    under_way: usize,
    known: Known,
    /// Of which it is not certain whether they hold their idempotency key.
    doubts: HashMap<NotificationId, Doubt>,
}

/// Which notifications are unfinished: about 40 bytes each.
enum Known {
    No,
    /// It is being looked through; what happens meanwhile counts, too.
    Loading {
        added: Unfinished,
        ended: HashSet<NotificationId>,
    },
    Yes {
        unfinished: Unfinished,
        /// How many notifications there are, finished ones with them.
        total: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Whoever accepts it settles it.
    UnderWay,
    /// Whoever meets it settles it.
    Open,
    /// It holds its key.
    Settled,
}

/// What is to be done with a bucket whose minute is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Stay,
    /// All of it has ended.
    Retire {
        total: u64,
    },
    /// Nothing is due before this, which the list says already or not.
    Sleep {
        due: Timestamp,
        is_listed: bool,
    },
}

impl Bucket {
    /// One that the store lists.
    pub(super) fn listed(minute: u64, due: Timestamp) -> Arc<Self> {
        Self::with(minute, Some(due), Known::No, false)
    }

    /// One that nobody has inserted anything into.
    pub(super) fn new(minute: u64) -> Arc<Self> {
        let known = Known::Yes {
            unfinished: Unfinished::new(),
            total: 0,
        };
        Self::with(minute, Some(Timestamp(0)), known, true)
    }

    /// One that was retired, and is open again.
    pub(super) fn reopened(minute: u64) -> Arc<Self> {
        Self::with(minute, Some(Timestamp(0)), Known::No, true)
    }

    fn with(minute: u64, listed: Option<Timestamp>, known: Known, is_fenced: bool) -> Arc<Self> {
        Arc::new(Bucket {
            minute,
            work: tokio::sync::Mutex::new(Work { is_fenced }),
            state: Mutex::new(State {
                listed,
                under_way: 0,
                known,
                doubts: HashMap::new(),
            }),
        })
    }

    pub(super) fn list(&self) {
        self.state.lock().listed = Some(Timestamp(0));
    }

    /// Begins an insert, if the bucket is listed for what is due then; `keyed`: with an idempotency key.
    pub(super) fn enter(
        self: &Arc<Self>,
        id: NotificationId,
        due: Timestamp,
        keyed: bool,
    ) -> Option<Entered> {
        let mut state = self.state.lock();
        state.listed.filter(|listed| *listed <= due)?;
        state.under_way += 1;
        if keyed {
            state.doubts.insert(id, Doubt::UnderWay);
        }
        Some(Entered {
            bucket: self.clone(),
            id,
            due,
            ends: Ends::Unknown,
        })
    }

    /// All have their outcome, or are not there.
    pub(super) fn ended(&self, ids: impl IntoIterator<Item = NotificationId>) {
        let mut state = self.state.lock();
        for id in ids {
            state.doubts.remove(&id);
            match &mut state.known {
                Known::No => {}
                Known::Loading { added, ended } => {
                    added.remove(&id);
                    ended.insert(id);
                }
                Known::Yes { unfinished, .. } => drop(unfinished.remove(&id)),
            }
        }
    }

    pub(super) fn doubt(&self, id: NotificationId) -> Option<Doubt> {
        self.state.lock().doubts.get(&id).copied()
    }

    pub(super) fn settled(&self, id: NotificationId) {
        self.state.lock().doubts.insert(id, Doubt::Settled);
    }

    /// Otherwise it has to be looked through.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.state.lock().known, Known::Yes { .. })
    }

    pub(super) fn loading(&self) {
        self.state.lock().known = Known::Loading {
            added: Unfinished::new(),
            ended: HashSet::new(),
        };
    }

    /// What was found, with how many notifications there are. `false`: something came between, and it is to be looked
    /// through again.
    pub(super) fn loaded(&self, mut found: Unfinished, total: u64) -> bool {
        let mut state = self.state.lock();
        let Known::Loading { added, ended } = std::mem::replace(&mut state.known, Known::No) else {
            return false;
        };
        found.retain(|id, _| !ended.contains(id));
        let missed = added.keys().filter(|id| !found.contains_key(id)).count() as u64;
        found.extend(added);
        // What is not there holds no key, either.
        let doubts = &mut state.doubts;
        doubts.retain(|id, doubt| *doubt == Doubt::UnderWay || found.contains_key(id));
        state.known = Known::Yes {
            unfinished: found,
            total: total + missed,
        };
        true
    }

    /// Unfinished ones after an id that are due, at most so many.
    pub(super) fn due(
        &self,
        due: Timestamp,
        after: Option<NotificationId>,
        limit: usize,
    ) -> Vec<NotificationId> {
        let state = self.state.lock();
        let Known::Yes { unfinished, .. } = &state.known else {
            return Vec::new();
        };
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let found = unfinished.range((from, std::ops::Bound::Unbounded));
        let found = found.filter(|(_, at)| **at <= due).map(|(id, _)| *id);
        found.take(limit).collect()
    }

    pub(super) fn next_due(&self, due: Timestamp) -> Option<Timestamp> {
        let state = self.state.lock();
        let Known::Yes { unfinished, .. } = &state.known else {
            return None;
        };
        unfinished.values().copied().filter(|at| *at > due).min()
    }

    /// What to do with it, its minute being over; `wakes` is the time before which it does not pay to sleep. It is then
    /// no longer surely listed: whoever wants to insert waits until that is done, and lists it again.
    pub(super) fn settle(&self, wakes: Timestamp) -> Next {
        let mut state = self.state.lock();
        let Known::Yes { unfinished, total } = &state.known else {
            return Next::Stay;
        };
        let is_quiet =
            state.under_way == 0 && !state.doubts.values().any(|doubt| *doubt == Doubt::Open);
        let next = match unfinished.values().min() {
            _ if !is_quiet => Next::Stay,
            None => Next::Retire { total: *total },
            Some(due) if *due > wakes => Next::Sleep {
                due: *due,
                is_listed: state.listed == Some(*due),
            },
            Some(_) => Next::Stay,
        };
        if next != Next::Stay {
            state.listed = None;
        }
        next
    }
}

/// An insert under way. Dropped before it is said how it ended, the store may have the notification or not.
pub(super) struct Entered {
    bucket: Arc<Bucket>,
    id: NotificationId,
    due: Timestamp,
    ends: Ends,
}

enum Ends {
    Unknown,
    /// It is there, to be sent.
    Kept,
    /// It is there, and has nothing to be sent.
    Finished,
    /// It is not there.
    Annulled,
}

impl Entered {
    pub(super) fn kept(mut self) {
        self.ends = Ends::Kept;
    }

    pub(super) fn finished(mut self) {
        self.ends = Ends::Finished;
    }

    pub(super) fn annulled(mut self) {
        self.ends = Ends::Annulled;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut state = self.bucket.state.lock();
        let state = &mut *state;
        state.under_way -= 1;
        if let Ends::Unknown = self.ends {
            state.known = Known::No;
            if let Some(doubt) = state.doubts.get_mut(&self.id) {
                *doubt = Doubt::Open;
            }
            return;
        }
        state.doubts.remove(&self.id);
        match (&self.ends, &mut state.known) {
            (Ends::Kept, Known::Loading { added, .. }) => drop(added.insert(self.id, self.due)),
            (Ends::Kept, Known::Yes { unfinished, total }) => {
                unfinished.insert(self.id, self.due);
                *total += 1;
            }
            (Ends::Finished, Known::Yes { total, .. }) => *total += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(0);

    fn id(number: u64) -> NotificationId {
        NotificationId::new(Timestamp(60_000), number)
    }

    fn kept(bucket: &Arc<Bucket>, number: u64, due: u64) {
        let entered = bucket.enter(id(number), Timestamp(due), false);
        entered.expect("it is listed").kept();
    }

    #[test]
    fn it_is_retired_when_all_has_ended() {
        let bucket = Bucket::new(1);
        let entered = bucket.enter(id(1), NOW, false).expect("it is listed");
        assert_eq!(bucket.settle(NOW), Next::Stay, "an insert is under way");
        entered.kept();
        assert_eq!(bucket.settle(NOW), Next::Stay);
        assert_eq!(bucket.due(NOW, None, 9), [id(1)]);
        bucket.ended([id(1)]);
        assert_eq!(bucket.settle(NOW), Next::Retire { total: 1 });
        assert!(
            bucket.enter(id(2), NOW, false).is_none(),
            "not until it is listed again"
        );
        bucket.list();
        assert!(bucket.enter(id(2), NOW, false).is_some());
    }

    #[test]
    fn it_sleeps_when_all_is_for_later() {
        let bucket = Bucket::new(1);
        kept(&bucket, 1, 900);
        kept(&bucket, 2, 700);
        assert_eq!(bucket.settle(Timestamp(700)), Next::Stay);
        assert_eq!(bucket.next_due(Timestamp(700)), Some(Timestamp(900)));
        let sleeps = Next::Sleep {
            due: Timestamp(700),
            is_listed: false,
        };
        assert_eq!(bucket.settle(Timestamp(600)), sleeps);
        let asleep = Bucket::listed(1, Timestamp(700));
        assert!(asleep.enter(id(3), Timestamp(699), false).is_none());
        assert!(asleep.enter(id(3), Timestamp(700), false).is_some());
    }

    #[test]
    fn what_happens_while_it_is_looked_through_counts() {
        let bucket = Bucket::listed(1, NOW);
        assert!(!bucket.is_known());
        bucket.loading();
        kept(&bucket, 1, 0);
        kept(&bucket, 2, 0);
        bucket.ended([id(2), id(3)]);
        let found = [(id(3), NOW), (id(4), NOW)];
        assert!(bucket.loaded(found.into(), 3));
        assert_eq!(bucket.due(NOW, None, 9), [id(1), id(4)]);
        assert_eq!(bucket.due(NOW, Some(id(1)), 9), [id(4)]);
        assert_eq!(bucket.due(NOW, None, 1), [id(1)]);
    }

    #[test]
    fn an_insert_without_an_end_makes_it_unknown() {
        let bucket = Bucket::new(1);
        drop(bucket.enter(id(1), NOW, true));
        assert!(!bucket.is_known());
        assert_eq!(bucket.doubt(id(1)), Some(Doubt::Open));
        bucket.loading();
        drop(bucket.enter(id(2), NOW, false));
        assert!(
            !bucket.loaded([(id(1), NOW)].into(), 1),
            "to be looked through again"
        );
        bucket.loading();
        assert!(bucket.loaded([(id(1), NOW)].into(), 1));
        assert_eq!(bucket.settle(NOW), Next::Stay, "it is unfinished");
        bucket.ended([id(1)]);
        assert_eq!(bucket.doubt(id(1)), None);
        assert_eq!(bucket.settle(NOW), Next::Retire { total: 1 });
    }

    #[test]
    fn what_is_not_there_is_not_doubted() {
        let bucket = Bucket::new(1);
        drop(bucket.enter(id(1), NOW, true));
        bucket.loading();
        assert!(bucket.loaded([].into(), 0));
        assert_eq!(bucket.doubt(id(1)), None);
        assert_eq!(bucket.settle(NOW), Next::Retire { total: 0 });
    }
}
