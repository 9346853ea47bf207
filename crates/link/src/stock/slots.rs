//! The open streams of a connection, each in a slot with a waker of its own.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::body::{Bodies, Body};
use super::exchange::Exchange;
use crate::Lost;
use crate::owed::{Books, Expired, Fate, Owed};
use crate::protocol::Answers;
use crate::signal::Signal;

pub(crate) struct Slots {
    signal: Arc<Signal>,
    bodies: Arc<Bodies>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    books: Books,
    answer_bytes_max: usize,
}

struct Slot {
    waker: Waker,
    open: Option<Open>,
}

struct Open {
    exchange: Exchange,
    owed: Owed,
}

impl Slots {
    /// `most` streams at once.
    pub(crate) fn new(signal: Arc<Signal>, most: usize, answer_bytes_max: usize) -> Self {
        Slots {
            signal,
            bodies: Bodies::new(most),
            slots: Vec::new(),
            free: Vec::new(),
            books: Books::new(),
            answer_bytes_max,
        }
    }

    /// Streams open, those whose answer is late among them.
    pub(crate) fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.books.unanswered()
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
        answers: Answers<'_>,
    ) {
        let (key, exchange) = stream;
        let owed = self.books.owe(key, now, deadline);
        self.slots[index].open = Some(Open { exchange, owed });
        // The first poll hands the waker over.
        self.poll_slot(index, now, answers);
    }

    /// Polls the streams woken since the last call. `true` when one has ended.
    pub(crate) fn poll_woken(&mut self, now: Instant, answers: Answers<'_>) -> bool {
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

    fn poll_slot(&mut self, index: usize, now: Instant, answers: Answers<'_>) {
        // A stream's last wake-up may come after its end.
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let Some(open) = &mut slot.open else { return };
        let mut cx = Context::from_waker(&slot.waker);
        let Poll::Ready(result) = open.exchange.poll(&mut cx, self.answer_bytes_max) else {
            return;
        };
        self.books.settle(&open.owed, result, now, answers);
        slot.open = None;
        self.free.push(index);
    }

    /// Answers requests whose time is over as lost, and resets streams that have been late for another `grace`.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        grace: Duration,
        answers: Answers<'_>,
    ) -> Expired {
        let mut expired = Expired::default();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(open) = &mut slot.open else { continue };
            let why = || unanswered(&self.bodies, index);
            let time = (now, grace);
            let books = &mut self.books;
            if books.expire(&mut open.owed, why, time, &mut expired, answers) == Fate::Reset {
                slot.open = None;
                self.free.push(index);
            }
        }
        expired
    }

    /// Ends every stream; requests without an answer are lost.
    pub(crate) fn abandon(&mut self, answers: Answers<'_>) {
        for (index, slot) in self.slots.drain(..).enumerate() {
            let Some(open) = slot.open else { continue };
            let why = unanswered(&self.bodies, index);
            self.books.lose(&open.owed, why, answers);
        }
        self.free.clear();
    }
}

/// What it means that a stream has no answer.
fn unanswered(bodies: &Bodies, slot: usize) -> Lost {
    match bodies.is_held(slot) {
        true => Lost::NotSent,
        false => Lost::Unknown,
    }
}
