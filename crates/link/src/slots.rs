//! The open streams of a connection, each in a slot with a waker of its own.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::body::{Bodies, Body};
use crate::exchange::Exchange;
use crate::signal::Signal;
use crate::{Answer, Lost};

pub(crate) struct Slots {
    signal: Arc<Signal>,
    bodies: Arc<Bodies>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Streams whose request has had no answer yet.
    unanswered: usize,
    /// When a stream's answer came last, in time or late.
    heard_at: Instant,
    answer_bytes_max: usize,
}

struct Slot {
    waker: Waker,
    open: Option<Open>,
}

struct Open {
    exchange: Exchange,
    key: u32,
    opened_at: Instant,
    deadline: Instant,
    /// Its request has been answered as lost; the stream may still end by itself. Resetting it at once would
    /// cost the connection when answers are late by the hundred: `h2` and peers count resets.
    late: bool,
}

/// What [`Slots::expire`] found.
pub(crate) struct Expired {
    /// The next deadline.
    pub(crate) next: Option<Instant>,
    /// A request's time was over, and no stream had an answer since its own was opened.
    pub(crate) is_silent: bool,
}

impl Slots {
    /// `most` streams at once.
    pub(crate) fn new(signal: Arc<Signal>, most: usize, answer_bytes_max: usize) -> Self {
        Slots {
            signal,
            bodies: Bodies::new(most),
            slots: Vec::new(),
            free: Vec::new(),
            unanswered: 0,
            heard_at: Instant::now(),
            answer_bytes_max,
        }
    }

    /// Streams open, those whose answer is late among them.
    pub(crate) fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// A free slot, for a request with this body. The caller keeps [`Slots::open`] below the number of slots there
    /// are, and fills it or gives it back.
    pub(crate) fn reserve(&mut self, body: Bytes) -> (usize, Body) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                waker: self.signal.slot_waker(self.slots.len()),
                open: None,
            });
            self.slots.len() - 1
        });
        (index, self.bodies.hold(index, body))
    }

    pub(crate) fn give_back(&mut self, index: usize) {
        self.free.push(index);
    }

    /// Takes a stream in whose slot was reserved.
    pub(crate) fn fill(
        &mut self,
        index: usize,
        stream: (u32, Exchange),
        now: Instant,
        deadline: Instant,
        answers: &mut Vec<Answer>,
    ) {
        let (key, exchange) = stream;
        self.slots[index].open = Some(Open {
            exchange,
            key,
            opened_at: now,
            deadline,
            late: false,
        });
        self.unanswered += 1;
        // The first poll hands the waker over.
        self.poll_slot(index, now, answers);
    }

    /// Polls the streams woken since the last call. `true` when one has ended.
    pub(crate) fn poll_woken(&mut self, now: Instant, answers: &mut Vec<Answer>) -> bool {
        let before = self.open();
        for word in 0..self.signal.words() {
            let mut marks = self.signal.take_word(word);
            while marks != 0 {
                self.poll_slot(word * 64 + marks.trailing_zeros() as usize, now, answers);
                marks &= marks - 1;
            }
        }
        self.open() < before
    }

    fn poll_slot(&mut self, index: usize, now: Instant, answers: &mut Vec<Answer>) {
        // A stream's last wake-up may come after its end.
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let Some(open) = &mut slot.open else { return };
        let mut cx = Context::from_waker(&slot.waker);
        let Poll::Ready(result) = open.exchange.poll(&mut cx, self.answer_bytes_max) else {
            return;
        };
        if result.is_ok() {
            self.heard_at = now;
        }
        if !open.late {
            let key = open.key;
            answers.push(Answer { key, result });
            self.unanswered -= 1;
        }
        slot.open = None;
        self.free.push(index);
    }

    /// Answers requests whose time is over as lost, and resets streams that have been late for another `grace`.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        grace: Duration,
        answers: &mut Vec<Answer>,
    ) -> Expired {
        let mut next: Option<Instant> = None;
        let mut is_silent = false;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(open) = &mut slot.open else { continue };
            if open.deadline <= now {
                if open.late {
                    slot.open = None;
                    self.free.push(index);
                    continue;
                }
                let why = unanswered(&self.bodies, index);
                answers.push(lost(open.key, why));
                self.unanswered -= 1;
                is_silent |= self.heard_at <= open.opened_at;
                if why == Lost::NotSent {
                    // It goes on elsewhere, and must not be sent here, too.
                    slot.open = None;
                    self.free.push(index);
                    continue;
                }
                open.late = true;
                open.deadline = now + grace;
            }
            next = Some(next.map_or(open.deadline, |earliest| earliest.min(open.deadline)));
        }
        Expired { next, is_silent }
    }

    /// Ends every stream; requests without an answer are lost.
    pub(crate) fn abandon(&mut self, answers: &mut Vec<Answer>) {
        for (index, slot) in self.slots.drain(..).enumerate() {
            let Some(open) = slot.open else { continue };
            if !open.late {
                answers.push(lost(open.key, unanswered(&self.bodies, index)));
            }
        }
        self.free.clear();
        self.unanswered = 0;
    }
}

/// What it means that a stream has no answer.
fn unanswered(bodies: &Bodies, slot: usize) -> Lost {
    match bodies.is_held(slot) {
        true => Lost::NotSent,
        false => Lost::Unknown,
    }
}

pub(crate) fn lost(key: u32, why: Lost) -> Answer {
    Answer {
        key,
        result: Err(why),
    }
}
