//! The open buckets of a slot that this node holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare_types::{Epoch, Slot, Timestamp};
use parking_lot::Mutex;

use super::asleep::Asleep;
use super::bucket::Bucket;

pub(super) struct Shelf {
    pub(super) slot: Slot,
    pub(super) epoch: Epoch,
    /// Held by whoever changes the list in the store.
    pub(super) listing: tokio::sync::Mutex<()>,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    awake: BTreeMap<u64, Arc<Bucket>>,
    asleep: Asleep,
}

impl Shelf {
    /// With the buckets that the store lists.
    pub(super) fn new(
        slot: Slot,
        epoch: Epoch,
        listed: impl IntoIterator<Item = (u64, Timestamp)>,
    ) -> Self {
        let mut inside = Inside::default();
        for (minute, due) in listed {
            if due == Timestamp(0) {
                inside.awake.insert(minute, Bucket::listed(minute, due));
            } else {
                inside.asleep.insert(minute, due);
            }
        }
        Shelf {
            slot,
            epoch,
            listing: tokio::sync::Mutex::default(),
            inside: Mutex::new(inside),
        }
    }

    /// One that is awake.
    pub(super) fn awake(&self, minute: u64) -> Option<Arc<Bucket>> {
        self.inside.lock().awake.get(&minute).cloned()
    }

    /// One that is open; from now on it is awake.
    pub(super) fn open(&self, minute: u64) -> Option<Arc<Bucket>> {
        let mut inside = self.inside.lock();
        if let Some(bucket) = inside.awake.get(&minute) {
            return Some(bucket.clone());
        }
        let due = inside.asleep.remove(minute)?;
        let bucket = Bucket::listed(minute, due);
        inside.awake.insert(minute, bucket.clone());
        Some(bucket)
    }

    pub(super) fn insert(&self, bucket: Arc<Bucket>) {
        self.inside.lock().awake.insert(bucket.minute, bucket);
    }

    pub(super) fn retired(&self, minute: u64) {
        self.inside.lock().awake.remove(&minute);
    }

    pub(super) fn fell_asleep(&self, minute: u64, due: Timestamp) {
        let mut inside = self.inside.lock();
        inside.awake.remove(&minute);
        inside.asleep.insert(minute, due);
    }

    /// Those that are awake.
    pub(super) fn all_awake(&self) -> Vec<Arc<Bucket>> {
        self.inside.lock().awake.values().cloned().collect()
    }

    /// The minutes, from one on, of buckets in which something may be due.
    pub(super) fn due(&self, due: Timestamp, from: u64) -> Vec<u64> {
        let inside = self.inside.lock();
        let mut minutes = inside.asleep.due(due, from);
        minutes.extend(inside.awake.range(from..).map(|(minute, _)| *minute));
        minutes
    }

    /// When the first sleeping one wakes after `due`.
    pub(super) fn next_due(&self, due: Timestamp) -> Option<Timestamp> {
        self.inside.lock().asleep.next_due(due)
    }
}
