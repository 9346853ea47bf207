//! A delivery inside a pool, and how it comes back from a connection.

use fanfare_types::{Aside, Delivery, Finished, Lane, Outcome, Reason, Timestamp, Verdict};

use crate::token::Generation;

/// A delivery, with what only its pool knows about it. It changes hands a dozen times between its campaign and its
/// record, so that it is kept in one place and its pointer moves.
#[derive(Debug)]
pub struct Job {
    pub delivery: Box<Delivery>,
    /// Hand-overs in a row that were surely not processed.
    pub(crate) not_sent: u32,
    /// It tries out whether the provider takes the credential again.
    pub(crate) is_probe: bool,
    /// It waits out a throttle of its device, and its campaign reads on beside it.
    aside: Option<Aside>,
}

impl Job {
    /// One that was not handed over yet.
    pub fn new(delivery: impl Into<Box<Delivery>>) -> Self {
        Job {
            delivery: delivery.into(),
            not_sent: 0,
            is_probe: false,
            aside: None,
        }
    }

    /// It waits for its device's sake, and keeps nobody else of its campaign waiting.
    pub(super) fn set_aside(&mut self) {
        let run = self.delivery.live.run.as_ref();
        self.aside = run.map(|run| run.set_aside());
    }

    /// Its time has come.
    pub(super) fn come_back(&mut self) {
        self.aside = None;
    }

    /// It was taken to be handed over, and is not: another push of its campaign may leave in its place.
    pub fn give_leave_back(&self) {
        let live = &self.delivery.live;
        if let Some(run) = &live.run
            && live.options.lane == Lane::Bulk
        {
            run.pace.give_back();
        }
    }
}

/// A job that a connection gives back. It gives each one back exactly once.
#[derive(Debug)]
pub struct Returned {
    pub job: Job,
    pub how: How,
}

#[derive(Clone, Debug, PartialEq)]
pub enum How {
    /// It was written or at least counted as an attempt; this is the answer, or what its absence means.
    Answered {
        verdict: Verdict,
        reason: Reason,
        /// The provider token it carried.
        token: Generation,
    },
    /// Revoked meanwhile: read its device again.
    Stale,
    /// No request can be made of it: it ends so.
    Unsendable(Outcome, Reason),
    /// It was cancelled or withdrawn meanwhile, or this node's tenure is over. No attempt was made.
    Over,
    /// The connection took no more. No attempt was made.
    NotTaken,
}

/// A delivery that has ended, and the verdict it ended on, if one.
#[derive(Debug)]
pub struct Ended {
    pub finished: Finished,
    pub verdict: Option<Verdict>,
}

/// A delivery that goes on under another credential.
#[derive(Debug)]
pub struct Moved {
    pub delivery: Box<Delivery>,
    /// Not before then, if it waits for a retry.
    pub not_before: Option<Timestamp>,
}
