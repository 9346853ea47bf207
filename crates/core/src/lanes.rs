//! Lanes: what waits to be handed over, urgent before bulk by weight, first come first served within a lane.
//!
//! A delivery that has waited before (a retry, or one that was routed anew) goes before those that have not.
//! Otherwise a queue longer than a routing stays fresh would send everything round and round.

use std::collections::VecDeque;
use std::time::Duration;

use fanfare_types::{Lane, Timestamp};

use crate::pool::Job;

/// A delivery routed this long after its notification was accepted has waited before.
const WAITED_BEFORE: Duration = Duration::from_secs(1);

/// How many of each lane may be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Streams, whoever uses them.
    pub(crate) all: usize,
    /// Of these, streams that bulk may use.
    pub(crate) bulk: usize,
}

#[derive(Debug, Default)]
struct Queue {
    before: VecDeque<Job>,
    fresh: VecDeque<Job>,
}

/// Bounded by the permits that deliveries hold.
#[derive(Debug)]
pub(crate) struct Lanes {
    urgent: Queue,
    bulk: Queue,
    weight: u32,
    /// Urgent ones taken in a row while bulk could have gone.
    streak: u32,
    /// What `streak` was before the last one was taken.
    streak_before: u32,
    /// Nothing that waits expires before this.
    earliest_expiry: Timestamp,
}

impl Lanes {
    /// `weight`: urgent deliveries that go before one of bulk goes.
    pub(crate) fn new(weight: u32) -> Self {
        Lanes {
            urgent: Queue::default(),
            bulk: Queue::default(),
            weight: weight.max(1),
            streak: 0,
            streak_before: 0,
            earliest_expiry: Timestamp::MAX,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.urgent.len() + self.bulk.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn has_urgent(&self) -> bool {
        self.urgent.len() > 0
    }

    pub(crate) fn push(&mut self, job: Job) {
        let expires_at = job.delivery.live.options.expires_at;
        self.earliest_expiry = self.earliest_expiry.min(expires_at);
        match job.delivery.live.options.lane {
            Lane::Urgent => self.urgent.push(job),
            Lane::Bulk => self.bulk.push(job),
        }
    }

    /// The one that was just taken does not go after all: its lane has not had its turn.
    pub(crate) fn give_turn_back(&mut self) {
        self.streak = self.streak_before;
    }

    /// Puts the one that was just taken back to the head of its lane.
    pub(crate) fn put_back(&mut self, job: Job) {
        self.give_turn_back();
        match job.delivery.live.options.lane {
            Lane::Urgent => self.urgent.before.push_front(job),
            Lane::Bulk => self.bulk.before.push_front(job),
        }
    }

    /// The next one there is room for.
    pub(crate) fn take(&mut self, room: Room) -> Option<Job> {
        if room.all == 0 {
            return None;
        }
        self.streak_before = self.streak;
        let bulk_may = room.bulk > 0 && self.bulk.len() > 0;
        if self.urgent.len() == 0 || (bulk_may && self.streak >= self.weight) {
            self.streak = 0;
            return match bulk_may {
                true => self.bulk.pop(),
                false => None,
            };
        }
        self.streak = match bulk_may {
            true => self.streak + 1,
            false => 0,
        };
        self.urgent.pop()
    }

    /// Takes out what is over. Walks all that waits, but only when something may have expired, or `thoroughly`
    /// (for cancelled ones).
    pub(crate) fn sweep(
        &mut self,
        now: Timestamp,
        thoroughly: bool,
        mut is_over: impl FnMut(&Job) -> bool,
    ) -> Vec<Job> {
        let mut over = Vec::new();
        if !thoroughly && now < self.earliest_expiry {
            return over;
        }
        let mut earliest = Timestamp::MAX;
        for queue in [&mut self.urgent, &mut self.bulk] {
            for part in [&mut queue.before, &mut queue.fresh] {
                for _ in 0..part.len() {
                    let Some(job) = part.pop_front() else { break };
                    if is_over(&job) {
                        over.push(job);
                    } else {
                        earliest = earliest.min(job.delivery.live.options.expires_at);
                        part.push_back(job);
                    }
                }
            }
        }
        self.earliest_expiry = earliest;
        over
    }

    /// Takes all, urgent first, in their order.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Job> + use<> {
        self.earliest_expiry = Timestamp::MAX;
        let queues = [&mut self.urgent, &mut self.bulk].map(std::mem::take);
        let parts = queues.into_iter().flat_map(|q| [q.before, q.fresh]);
        parts.flatten()
    }

    /// Drops all.
    pub(crate) fn clear(&mut self) {
        self.urgent = Queue::default();
        self.bulk = Queue::default();
        self.earliest_expiry = Timestamp::MAX;
    }
}

impl Queue {
    fn len(&self) -> usize {
        self.before.len() + self.fresh.len()
    }

    fn push(&mut self, job: Job) {
        let delivery = &job.delivery;
        let routed_after = delivery.routed_at.since(delivery.live.created_at);
        match delivery.attempts > 0 || job.not_sent > 0 || routed_after > WAITED_BEFORE {
            true => self.before.push_back(job),
            false => self.fresh.push_back(job),
        }
    }

    fn pop(&mut self) -> Option<Job> {
        self.before.pop_front().or_else(|| self.fresh.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::fixtures::{START, delivery};

    fn job(ordinal: u32, lane: Lane) -> Job {
        Job::new(delivery(ordinal, lane))
    }

    const WIDE: Room = Room {
        all: 1_000,
        bulk: 1_000,
    };

    fn drain(lanes: &mut Lanes, room: Room) -> Vec<u32> {
        std::iter::from_fn(|| lanes.take(room))
            .map(|job| job.delivery.ordinal)
            .collect()
    }

    #[test]
    fn eight_urgent_then_one_bulk() {
        let mut lanes = Lanes::new(8);
        for ordinal in 0..20 {
            lanes.push(job(100 + ordinal, Lane::Bulk));
            lanes.push(job(ordinal, Lane::Urgent));
        }
        let taken = drain(&mut lanes, WIDE);
        assert_eq!(taken[..10], [0, 1, 2, 3, 4, 5, 6, 7, 100, 8]);
        assert_eq!(taken[17], 101);
        assert_eq!(taken.len(), 40);
    }

    #[test]
    fn one_that_is_put_back_has_not_had_its_turn() {
        let mut lanes = Lanes::new(8);
        lanes.push(job(100, Lane::Bulk));
        lanes.push(job(0, Lane::Urgent));
        for _ in 0..20 {
            let urgent = lanes.take(WIDE).unwrap();
            assert_eq!(urgent.delivery.ordinal, 0);
            lanes.put_back(urgent);
        }
        assert_eq!(drain(&mut lanes, WIDE), [0, 100]);
    }

    #[test]
    fn without_room_for_bulk_only_urgent_goes() {
        let mut lanes = Lanes::new(8);
        for ordinal in 0..20 {
            lanes.push(job(100 + ordinal, Lane::Bulk));
            lanes.push(job(ordinal, Lane::Urgent));
        }
        let taken = drain(&mut lanes, Room { all: 9, bulk: 0 });
        assert_eq!(taken, (0..20).collect::<Vec<_>>());
        assert!(lanes.take(Room { all: 0, bulk: 0 }).is_none());
        assert_eq!(lanes.len(), 20);
    }

    #[test]
    fn those_that_waited_before_go_first() {
        let mut lanes = Lanes::new(8);
        lanes.push(job(1, Lane::Bulk));
        let mut again = job(2, Lane::Bulk);
        again.delivery.attempts = 1;
        lanes.push(again);
        let mut routed_anew = job(3, Lane::Bulk);
        routed_anew.delivery.routed_at = START + Duration::from_secs(40);
        lanes.push(routed_anew);
        assert_eq!(drain(&mut lanes, WIDE), [2, 3, 1]);
    }

    #[test]
    fn sweeping_walks_only_when_something_may_have_expired() {
        let mut lanes = Lanes::new(8);
        for ordinal in 0..5 {
            lanes.push(job(ordinal, Lane::Bulk));
        }
        let expires_at = delivery(0, Lane::Bulk).live.options.expires_at;
        let mut looked = 0;
        let over = lanes.sweep(START, false, |_| {
            looked += 1;
            false
        });
        assert_eq!((over.len(), looked), (0, 0));
        let over = lanes.sweep(expires_at, false, |job| job.delivery.ordinal % 2 == 0);
        assert_eq!(over.len(), 3);
        assert_eq!(drain(&mut lanes, WIDE), [1, 3]);
    }
}
