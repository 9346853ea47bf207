//! Several gateways on one store: nodes, the slots that all work is divided into, and until when a node may hand
//! anything over.
//!
//! ```text
//! notification ─ its id names ─▶ slot ─ leased by ─▶ node ─ beats ─▶ (others see it live)
//! shard of a campaign ─ its number ─▶ slot
//! ```

mod census;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::ids::Id96;
use crate::{NotificationId, Timestamp};

pub use census::{Census, Lease, Node};

/// One of the [`Slot::COUNT`] parts that all work of a store is divided into. A node works on the slots that it holds,
/// and on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(u8);

impl Slot {
    /// Enough to divide evenly among a few dozens of nodes: of three, one has 22 and two have 21.
    pub const COUNT: u8 = 64;

    /// `None` from [`Slot::COUNT`] on.
    pub fn new(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Slot(number))
    }

    pub fn number(self) -> u8 {
        self.0
    }

    pub fn all() -> impl Iterator<Item = Slot> {
        (0..Self::COUNT).map(Slot)
    }

    /// Whose notification this is. The last byte of its id says so, see [`Slot::name`].
    pub fn of(id: NotificationId) -> Self {
        Slot(id.0.0[11] % Self::COUNT)
    }

    /// The slot of a campaign's shard.
    pub fn of_shard(number: u32) -> Self {
        Slot((number % u32::from(Self::COUNT)) as u8)
    }

    /// An id that is this slot's, and otherwise as random as the one it is made of.
    pub fn name(self, id: NotificationId) -> NotificationId {
        let mut bytes = id.0.0;
        bytes[11] = bytes[11] - bytes[11] % Self::COUNT + self.0;
        NotificationId(Id96(bytes))
    }
}

/// A chunk's id has its shard in its last two bytes, so that its id alone says where it lies; and the slot of the one
/// ([`Slot::of`]) is that of the other ([`Slot::of_shard`]).
impl NotificationId {
    /// Shards of a campaign at most.
    pub const SHARDS_MAX: u32 = 1 << 16;

    /// An id of a chunk of this shard (below [`NotificationId::SHARDS_MAX`]), and otherwise as random as the one it is
    /// made of.
    pub fn in_shard(self, number: u32) -> Self {
        let mut bytes = self.0.0;
        bytes[10..].copy_from_slice(&(number as u16).to_be_bytes());
        NotificationId(Id96(bytes))
    }

    /// The shard of the chunk that this is the id of.
    pub fn shard(self) -> u32 {
        u32::from(u16::from_be_bytes([self.0.0[10], self.0.0[11]]))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One run of one process. Another start is another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub Id96);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

/// Grows by one whenever a slot gets another holder; what is written for a slot carries it, and the store refuses an
/// older one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// Until when this node may hand anything over: as long as no other node can have taken it for dead, and as it has
/// heard what the others said; and what part of the fleet's rates is its own. Asked before each hand-over.
#[derive(Debug)]
pub struct Tenure {
    until: AtomicU64,
    slots: AtomicU8,
}

impl Tenure {
    /// Of a node that shares its store with nobody.
    pub fn alone() -> Arc<Self> {
        Arc::new(Tenure {
            until: AtomicU64::new(u64::MAX),
            slots: AtomicU8::new(Slot::COUNT),
        })
    }

    /// Not yet.
    pub fn none() -> Arc<Self> {
        Arc::new(Tenure {
            until: AtomicU64::new(0),
            slots: AtomicU8::new(0),
        })
    }

    /// Until this instant, and not at it.
    pub fn extend(&self, until: Timestamp) {
        self.until.store(until.as_millis(), Ordering::Release);
    }

    pub fn is_over(&self, now: Timestamp) -> bool {
        now.as_millis() >= self.until.load(Ordering::Acquire)
    }

    /// It holds so many slots now.
    pub fn set_slots(&self, slots: usize) {
        let slots = u8::try_from(slots).unwrap_or(Slot::COUNT);
        self.slots.store(slots.min(Slot::COUNT), Ordering::Release);
    }

    /// This node's part of a rate that the fleet keeps together.
    pub fn portion(&self) -> Portion {
        Portion(self.slots.load(Ordering::Acquire))
    }
}

/// What part of the fleet's rates one node may use: as many of [`Slot::COUNT`] parts as it holds slots. No slot has two
/// holders, so all parts together are never more than the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion(u8);

impl Portion {
    pub const WHOLE: Portion = Portion(Slot::COUNT);

    /// In thousandths a second, of so many whole ones a second.
    pub fn of(self, rate: u32) -> u64 {
        u64::from(rate) * 1_000 * u64::from(self.0) / u64::from(Slot::COUNT)
    }
}

/// A node's hold on a slot, from when it took it up to when it gave it up; shared by all it has of it in memory.
#[derive(Debug)]
pub struct Hold {
    pub slot: Slot,
    is_lost: AtomicBool,
}

impl Hold {
    pub fn new(slot: Slot) -> Arc<Self> {
        Arc::new(Hold {
            slot,
            is_lost: AtomicBool::new(false),
        })
    }

    /// Whoever holds deliveries of it drops them: they are another node's.
    pub fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
    }

    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_slot() {
        for random in [0, 1, 0xff, 0xffff_ffff_ffff] {
            let id = NotificationId::new(Timestamp(77), random);
            for slot in Slot::all() {
                let named = slot.name(id);
                assert_eq!(Slot::of(named), slot);
                assert_eq!(named.0.0[..11], id.0.0[..11]);
            }
        }
        assert_eq!(Slot::all().count(), usize::from(Slot::COUNT));
        assert_eq!(Slot::of_shard(65), Slot(1));
        for shard in [0, 1, 63, 64, 300, NotificationId::SHARDS_MAX - 1] {
            let chunk = NotificationId::new(Timestamp(77), 0xffff_ffff_ffff).in_shard(shard);
            assert_eq!(chunk.shard(), shard);
            assert_eq!(Slot::of(chunk), Slot::of_shard(shard));
        }
        assert_eq!(Slot::new(Slot::COUNT), None);
    }

    #[test]
    fn a_tenure_ends_at_its_instant() {
        let tenure = Tenure::none();
        assert!(tenure.is_over(Timestamp(0)));
        tenure.extend(Timestamp(10));
        assert!(!tenure.is_over(Timestamp(9)) && tenure.is_over(Timestamp(10)));
        assert!(!Tenure::alone().is_over(Timestamp(u64::MAX - 1)));
    }

    #[test]
    fn all_portions_together_are_the_whole() {
        let tenure = Tenure::none();
        for held in [[22, 21, 21], [64, 0, 0], [1, 31, 32]] {
            let parts = held.map(|slots| {
                tenure.set_slots(slots);
                tenure.portion().of(100)
            });
            let sum: u64 = parts.iter().sum();
            assert!((99_990..=100_000).contains(&sum), "{parts:?}");
        }
        assert_eq!(Tenure::alone().portion(), Portion::WHOLE);
        assert_eq!(Portion::WHOLE.of(u32::MAX), u64::from(u32::MAX) * 1_000);
    }
}
