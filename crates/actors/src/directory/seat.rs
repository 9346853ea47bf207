//! What an actor and a call hold while they are in the directory; both give it back on drop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ractor::ActorRef;
use tokio::sync::OwnedSemaphorePermit;

use super::{Directory, Entry, Key, Stage};
use crate::user::Call;

/// A call's place in its user's queue; comes back on drop.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    /// For a call that was counted in `pending` just now.
    pub(super) fn taken(pending: &Arc<AtomicUsize>) -> Self {
        Ticket(pending.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An actor's place in the directory. It goes with the actor, whatever ends that: dropping it removes the entry
/// and gives the room back.
#[derive(Debug)]
pub(crate) struct Seat {
    directory: Arc<Directory>,
    key: Key,
    generation: u64,
    _room: OwnedSemaphorePermit,
}

impl Seat {
    pub(super) fn new(
        directory: Arc<Directory>,
        key: Key,
        generation: u64,
        room: OwnedSemaphorePermit,
    ) -> Self {
        Seat {
            directory,
            key,
            generation,
            _room: room,
        }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// The actor is there: what waited for it is sent, in order.
    pub(crate) fn occupy(&self, actor: ActorRef<Call>) {
        let Some(mut entry) = self.directory.entries.get_mut(&self.key) else {
            return;
        };
        if entry.generation == self.generation {
            let stage = std::mem::replace(&mut entry.stage, Stage::Running(actor.clone()));
            if let Stage::Starting(calls) = stage {
                for call in calls {
                    // One that is dead already drops the call, which tells its caller.
                    drop(actor.cast(call));
                }
            }
        }
    }

    /// Leaves the directory, if no call is under way and somebody waits for the room.
    pub(crate) fn leave_if_wanted(&self) -> bool {
        self.directory.is_room_wanted()
            && self
                .directory
                .remove_idle(&self.key, self.generation, u64::MAX)
                .is_some()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let is_mine = |_: &Key, entry: &Entry| entry.generation == self.generation;
        // What waited for an actor that never came is dropped outside the lock.
        drop(self.directory.entries.remove_if(&self.key, is_mine));
        self.directory.telemetry.user_stopped();
    }
}
