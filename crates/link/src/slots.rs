//! The open streams of a connection, each in a slot with a waker of its own.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::signal::Signal;
use crate::{Answer, Lost};

pub(crate) struct Slots {
    signal: Arc<Signal>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Streams whose request has had no answer yet.
    unanswered: usize,
    answer_bytes_max: usize,
}

struct Slot {
    waker: Waker,
    open: Option<Open>,
}

struct Open {
    exchange: Exchange,
    key: u32,
    deadline: Instant,
    /// Its request has been answered as lost; the stream may still end by itself. Resetting it at once would
    /// cost the connection when answers are late by the hundred: `h2` and peers count resets.
    late: bool,
}

impl Slots {
    pub(crate) fn new(signal: Arc<Signal>, answer_bytes_max: usize) -> Self {
        Slots {
            signal,
            slots: Vec::new(),
            free: Vec::new(),
            unanswered: 0,
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

    /// Takes a stream in. The caller keeps [`Slots::open`] below the number of slots the signal was made for.
    pub(crate) fn insert(
        &mut self,
        key: u32,
        exchange: Exchange,
        deadline: Instant,
        answers: &mut Vec<Answer>,
    ) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                waker: self.signal.slot_waker(self.slots.len()),
                open: None,
            });
            self.slots.len() - 1
        });
        self.slots[index].open = Some(Open {
            exchange,
            key,
            deadline,
            late: false,
        });
        self.unanswered += 1;
        // The first poll hands the waker over.
        self.poll_slot(index, answers);
    }

    /// Polls the streams woken since the last call. `true` when one has ended.
    pub(crate) fn poll_woken(&mut self, answers: &mut Vec<Answer>) -> bool {
        let before = self.open();
        for word in 0..self.signal.words() {
            let mut marks = self.signal.take_word(word);
            while marks != 0 {
                self.poll_slot(word * 64 + marks.trailing_zeros() as usize, answers);
                marks &= marks - 1;
            }
        }
        self.open() < before
    }

    fn poll_slot(&mut self, index: usize, answers: &mut Vec<Answer>) {
        // A stream's last wake-up may come after its end.
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let Some(open) = &mut slot.open else { return };
        let mut cx = Context::from_waker(&slot.waker);
        let Poll::Ready(result) = open.exchange.poll(&mut cx, self.answer_bytes_max) else {
            return;
        };
        if !open.late {
            let key = open.key;
            answers.push(Answer { key, result });
            self.unanswered -= 1;
        }
        slot.open = None;
        self.free.push(index);
    }

    /// Answers requests whose time is over as lost, and resets streams that have been late for another `grace`.
    /// Returns the next deadline.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        grace: Duration,
        answers: &mut Vec<Answer>,
    ) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(open) = &mut slot.open else { continue };
            if open.deadline <= now {
                if open.late {
                    slot.open = None;
                    self.free.push(index);
                    continue;
                }
                answers.push(lost(open.key, Lost::Unknown));
                self.unanswered -= 1;
                open.late = true;
                open.deadline = now + grace;
            }
            next = Some(next.map_or(open.deadline, |earliest| earliest.min(open.deadline)));
        }
        next
    }

    /// Ends every stream; requests without an answer are lost.
    pub(crate) fn abandon(&mut self, answers: &mut Vec<Answer>) {
        for open in self.slots.drain(..).filter_map(|slot| slot.open) {
            if !open.late {
                answers.push(lost(open.key, Lost::Unknown));
            }
        }
        self.free.clear();
        self.unanswered = 0;
    }
}

pub(crate) fn lost(key: u32, why: Lost) -> Answer {
    Answer {
        key,
        result: Err(why),
    }
}
