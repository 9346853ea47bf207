//! Lanes: what waits to be handed over, urgent before bulk by weight, first come first served within a lane, or within
//! a flow of the bulk lane.
//!
//! A delivery that has waited before (a retry, or one that was routed anew) goes before those that have not.
//! Otherwise a queue longer than a routing stays fresh would send everything round and round.

mod flows;
mod queue;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod tests;

use fanfare_types::{Lane, Timestamp};

use crate::pool::Job;
use flows::Flows;
use queue::Queue;

/// How many of each lane may be taken.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Streams, whoever uses them.
    pub all: usize,
    /// Of these, streams that bulk may use.
    pub bulk: usize,
}

/// Bounded by the permits that deliveries hold.
#[derive(Debug)]
pub struct Lanes {
    urgent: Queue,
    bulk: Flows,
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
    pub fn new(weight: u32) -> Self {
        Lanes {
            urgent: Queue::default(),
            bulk: Flows::default(),
            weight: weight.max(1),
            streak: 0,
            streak_before: 0,
            earliest_expiry: Timestamp::MAX,
        }
    }

    pub fn len(&self) -> usize {
        self.urgent.len() + self.bulk.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn has_urgent(&self) -> bool {
        self.urgent.len() > 0
    }

    pub fn push(&mut self, job: Job) {
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
    pub fn put_back(&mut self, job: Job) {
        self.give_turn_back();
        match job.delivery.live.options.lane {
            Lane::Urgent => self.urgent.push_front(job),
            Lane::Bulk => self.bulk.put_back(job),
        }
    }

    /// Whether there is anything whose pace does not say that it must wait. Flows that have waited for theirs are
    /// asked again by the next [`Lanes::take`].
    pub fn look(&mut self, now: Timestamp) -> bool {
        self.bulk.look_again(now);
        self.has_urgent() || self.bulk.have_turn()
    }

    /// When [`Lanes::look`] may find more, if a pace keeps something waiting.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.bulk.wake_at()
    }

    /// How many would leave now if there were streams: a slow campaign asks for few, whatever waits of it.
    pub fn demand(&self) -> usize {
        self.urgent.len().saturating_add(self.bulk.demand())
    }

    /// The next one there is room for. If its campaign has a pace, leave was taken for it: whoever does not hand it
    /// over gives that back ([`Job::give_leave_back`]).
    pub fn take(&mut self, room: Room, now: Timestamp) -> Option<Job> {
        if room.all == 0 {
            return None;
        }
        self.streak_before = self.streak;
        let bulk_may = room.bulk > 0 && self.bulk.have_turn();
        if bulk_may
            && (self.urgent.len() == 0 || self.streak >= self.weight)
            && let Some(job) = self.bulk.pop(now)
        {
            self.streak = 0;
            return Some(job);
        }
        self.streak = match bulk_may {
            true => self.streak + 1,
            false => 0,
        };
        self.urgent.pop()
    }

    /// Takes out what is over. Walks all that waits, but only when something may have expired, or `thoroughly`
    /// (for cancelled and withdrawn ones).
    pub fn sweep(
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
        let mut look = |job: &Job| {
            let is_over = is_over(job);
            if !is_over {
                earliest = earliest.min(job.delivery.live.options.expires_at);
            }
            is_over
        };
        self.urgent.sweep(&mut look, &mut over);
        self.bulk.sweep(&mut look, &mut over);
        self.earliest_expiry = earliest;
        over
    }

    /// Takes all, urgent first, in their order.
    pub fn take_all(&mut self) -> impl Iterator<Item = Job> + use<> {
        self.earliest_expiry = Timestamp::MAX;
        let (urgent, bulk) = (
            std::mem::take(&mut self.urgent),
            std::mem::take(&mut self.bulk),
        );
        urgent.into_jobs().chain(bulk.into_jobs())
    }

    /// Drops all.
    pub fn clear(&mut self) {
        drop(self.take_all());
    }
}
