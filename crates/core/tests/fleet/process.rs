//! One process: a member with a clock of its own, and what it holds.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_core::fleet::{Limits, Member, Telling};
use fanfare_types::{Epoch, NodeId, Slot, Timestamp};

use crate::store::Word;

/// Where a telling is.
pub(crate) enum Stage {
    /// Since when, by its own clock, it has known who is there.
    Putting {
        begun: Timestamp,
        to: Vec<NodeId>,
    },
    Waiting(Telling),
}

pub(crate) struct Process {
    pub(crate) member: Member,
    pub(crate) is_alive: bool,
    /// Frozen until then.
    pub(crate) frozen_until: u64,
    /// Its clock: so much ahead, and so many thousandths as fast.
    ahead: u64,
    pace: u64,
    pub(crate) held: BTreeSet<Slot>,
    pub(crate) quietening: BTreeMap<Slot, Epoch>,
    pub(crate) tenure: Timestamp,
    pub(crate) knows: BTreeSet<Word>,
    /// When it joined as what it is now, in the world's time.
    pub(crate) joined_at: u64,
    /// The timer that counts.
    pub(crate) timer: u64,
    pub(crate) tellings: BTreeMap<Word, Stage>,
    pub(crate) is_gone: bool,
}

impl Process {
    pub(crate) fn new(number: usize, limits: &Limits, ahead: u64, pace: u64) -> Self {
        Process {
            member: Member::new(limits.clone(), format!("node-{number}")),
            is_alive: true,
            frozen_until: 0,
            ahead,
            pace,
            held: BTreeSet::new(),
            quietening: BTreeMap::new(),
            tenure: Timestamp::default(),
            knows: BTreeSet::new(),
            joined_at: 0,
            timer: 0,
            tellings: BTreeMap::new(),
            is_gone: false,
        }
    }

    pub(crate) fn clock(&self, world: u64) -> Timestamp {
        Timestamp(self.ahead + world * self.pace / 1_000)
    }

    /// When its clock will say so.
    pub(crate) fn world_time(&self, at: Timestamp) -> u64 {
        (at.0.saturating_sub(self.ahead) * 1_000).div_ceil(self.pace)
    }

    /// Whether it would hand something of this slot over now.
    pub(crate) fn sends(&self, slot: Slot, world: u64) -> bool {
        self.has_tenure(world) && self.held.contains(&slot)
    }

    pub(crate) fn has_tenure(&self, world: u64) -> bool {
        self.is_alive && self.clock(world) < self.tenure
    }
}
