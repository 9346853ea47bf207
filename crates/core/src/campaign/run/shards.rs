//! The shards of a run: each is read page by page, a few at once, the first ones first.

use super::Effect;

#[derive(Debug)]
pub(super) struct Shards {
    all: Vec<Shard>,
    at_once: usize,
    /// Nothing more is read or opened.
    is_stopped: bool,
}

#[derive(Debug)]
struct Shard {
    number: u32,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Idle,
    /// A page of at most so many is being read.
    Reading(usize),
    /// It had so many, and is to be opened.
    Read(usize),
    Opening(usize),
    Done,
}

impl Shards {
    pub(super) fn new(at_once: usize) -> Self {
        Shards {
            all: Vec::new(),
            at_once: at_once.max(1),
            is_stopped: false,
        }
    }

    pub(super) fn set(&mut self, shards: &[(u32, bool)]) {
        let shard = |(number, is_done): &(u32, bool)| Shard {
            number: *number,
            at: if *is_done { At::Done } else { At::Idle },
        };
        self.all = shards.iter().map(shard).collect();
    }

    /// Recipients that room is kept for.
    pub(super) fn held(&self) -> usize {
        let held = |shard: &Shard| match shard.at {
            At::Idle | At::Done => 0,
            At::Reading(most) => most,
            At::Read(count) | At::Opening(count) => count,
        };
        self.all.iter().map(held).sum()
    }

    /// Whether tasks are under way.
    pub(super) fn is_busy(&self) -> bool {
        let is_busy = |shard: &Shard| matches!(shard.at, At::Reading(_) | At::Opening(_));
        self.all.iter().any(is_busy)
    }

    pub(super) fn are_done(&self) -> bool {
        self.all.iter().all(|shard| shard.at == At::Done)
    }

    /// What is under way ends, and is the last.
    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
        for shard in &mut self.all {
            if let At::Read(_) = shard.at {
                shard.at = At::Idle;
            }
        }
    }

    /// `None` when it could not be read.
    pub(super) fn on_page(&mut self, number: u32, recipients: Option<usize>) {
        let is_stopped = self.is_stopped;
        if let Some(shard) = self.find(number) {
            shard.at = match recipients {
                Some(count) if !is_stopped => At::Read(count),
                Some(_) | None => At::Idle,
            };
        }
    }

    pub(super) fn on_opened(&mut self, number: u32, is_last: bool) {
        if let Some(shard) = self.find(number) {
            shard.at = if is_last { At::Done } else { At::Idle };
        }
    }

    /// It is tried again, as it may have been opened.
    pub(super) fn on_not_opened(&mut self, number: u32) {
        let is_stopped = self.is_stopped;
        if let Some(shard) = self.find(number)
            && let At::Opening(count) = shard.at
        {
            shard.at = if is_stopped {
                At::Idle
            } else {
                At::Read(count)
            };
        }
    }

    /// Opens what was read, and reads on while there is room for `chunk` more.
    pub(super) fn pump(&mut self, room: usize, chunk: usize, effects: &mut Vec<Effect>) {
        if self.is_stopped {
            return;
        }
        for shard in &mut self.all {
            if let At::Read(count) = shard.at {
                shard.at = At::Opening(count);
                effects.push(Effect::Open {
                    shard: shard.number,
                });
            }
        }
        let under_way = |shard: &&Shard| matches!(shard.at, At::Reading(_) | At::Opening(_));
        let mut more = self
            .at_once
            .saturating_sub(self.all.iter().filter(under_way).count());
        more = more.min(room / chunk);
        let idle = self.all.iter_mut().filter(|shard| shard.at == At::Idle);
        for shard in idle.take(more) {
            shard.at = At::Reading(chunk);
            effects.push(Effect::ReadPage {
                shard: shard.number,
                limit: chunk,
            });
        }
    }

    fn find(&mut self, number: u32) -> Option<&mut Shard> {
        self.all.iter_mut().find(|shard| shard.number == number)
    }
}
