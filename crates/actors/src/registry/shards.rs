//! The way from a seat to the supervisor that makes its actor.

use std::hash::{BuildHasher, RandomState};

use parking_lot::RwLock;
use ractor::{ActorId, ActorRef};

use crate::directory::Seat;
use crate::users::Msg;

/// Where each shard's supervisor is now; `None` while it is started again.
pub(super) struct Shards {
    slots: Box<[RwLock<Option<ActorRef<Msg>>>]>,
    hasher: RandomState,
}

impl Shards {
    pub(super) fn new(count: usize) -> Self {
        Shards {
            slots: (0..count.max(1)).map(|_| RwLock::new(None)).collect(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn set(&self, index: usize, shard: Option<ActorRef<Msg>>) {
        *self.slots[index].write() = shard;
    }

    #[cfg(test)]
    pub(super) fn get(&self, index: usize) -> Option<ActorRef<Msg>> {
        self.slots[index].read().clone()
    }

    /// Has the actor of this seat made. With no shard there, the seat is dropped, and its callers are told.
    pub(super) fn start(&self, seat: Seat) {
        let hash = usize::try_from(self.hasher.hash_one(seat.key()) >> 32).unwrap_or(0);
        if let Some(shard) = &*self.slots[hash % self.slots.len()].read() {
            drop(shard.cast(Msg::Start(seat)));
        }
    }

    pub(super) fn index_of(&self, id: ActorId) -> Option<usize> {
        let is_it = |slot: &RwLock<Option<ActorRef<Msg>>>| {
            slot.read()
                .as_ref()
                .is_some_and(|shard| shard.get_id() == id)
        };
        self.slots.iter().position(is_it)
    }
}
