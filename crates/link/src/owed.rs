//! What is owed to requests that have a stream: one answer each, in time or as lost.

use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::Answers;
use crate::{Answer, Lost, Response};

/// A request on its stream.
pub(crate) struct Owed {
    key: u32,
    opened_at: Instant,
    deadline: Instant,
    /// It has been answered as lost; the stream may still end by itself. Resetting it at once would cost the
    /// connection when answers are late by the hundred: peers count resets.
    late: bool,
}

/// The books of one connection.
pub(crate) struct Books {
    unanswered: usize,
    /// When a stream's answer came last, in time or late.
    heard_at: Instant,
}

/// What came of looking at the clock.
#[derive(Default)]
pub(crate) struct Expired {
    /// The next deadline.
    pub(crate) next: Option<Instant>,
    /// A request's time was over, and no stream had an answer since its own was opened.
    pub(crate) is_silent: bool,
}

/// What becomes of a stream whose request's time is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Stays,
    /// Its time is over, the second time also.
    Reset,
}

impl Books {
    pub(crate) fn new() -> Self {
        Books {
            unanswered: 0,
            heard_at: Instant::now(),
        }
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// A request has got its stream.
    pub(crate) fn owe(&mut self, key: u32, now: Instant, deadline: Instant) -> Owed {
        self.unanswered += 1;
        Owed {
            key,
            opened_at: now,
            deadline,
            late: false,
        }
    }

    /// A stream has ended, with an answer or without.
    pub(crate) fn settle(
        &mut self,
        owed: &Owed,
        result: Result<Response, Lost>,
        now: Instant,
        answers: Answers<'_>,
    ) {
        if result.is_ok() {
            self.heard_at = now;
        }
        if !owed.late {
            let key = owed.key;
            answers.push(Answer { key, result });
            self.unanswered -= 1;
        }
    }

    /// Ends a stream without an answer.
    pub(crate) fn lose(&mut self, owed: &Owed, why: Lost, answers: Answers<'_>) {
        if !owed.late {
            answers.push(lost(owed.key, why));
            self.unanswered -= 1;
        }
    }

    /// Looks whether a request's time is over; `why` is what it means that there is no answer.
    pub(crate) fn expire(
        &mut self,
        owed: &mut Owed,
        why: impl FnOnce() -> Lost,
        (now, grace): (Instant, Duration),
        expired: &mut Expired,
        answers: Answers<'_>,
    ) -> Fate {
        if owed.deadline <= now {
            if owed.late {
                return Fate::Reset;
            }
            let why = why();
            self.lose(owed, why, answers);
            owed.late = true;
            expired.is_silent |= self.heard_at <= owed.opened_at;
            if why == Lost::NotSent {
                // It goes on elsewhere, and must not be sent here, too.
                return Fate::Reset;
            }
            owed.deadline = now + grace;
        }
        let next = expired.next.get_or_insert(owed.deadline);
        *next = owed.deadline.min(*next);
        Fate::Stays
    }
}

pub(crate) fn lost(key: u32, why: Lost) -> Answer {
    Answer {
        key,
        result: Err(why),
    }
}
