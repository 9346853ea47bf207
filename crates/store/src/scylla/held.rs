//! The slots this node works on, and the epoch that its writes carry.

use fanfare_types::{Epoch, Slot};
use parking_lot::RwLock;

/// Asked by every room; told by [`crate::Fleet::take_up`] and [`crate::Fleet::give_up`].
#[derive(Debug)]
pub(super) struct Held(RwLock<[Option<Epoch>; Slot::COUNT as usize]>);

impl Held {
    pub(super) fn none() -> Self {
        Held(RwLock::new([None; Slot::COUNT as usize]))
    }

    /// The epoch at which this node holds a slot; `None` when it does not.
    pub(super) fn epoch(&self, slot: Slot) -> Option<Epoch> {
        self.0.read()[usize::from(slot.number())]
    }

    pub(super) fn set(&self, slot: Slot, epoch: Option<Epoch>) {
        self.0.write()[usize::from(slot.number())] = epoch;
    }
}
