//! What a node that joined knows of itself: its beats, its inbox, and where each slot is with it.

use std::time::Duration;

use fanfare_types::{Census, Epoch, Lease, Node, NodeId, Slot, Timestamp};

use super::member::World;
use super::shift::shift;
use super::sight::Sight;
use super::{Effect, Limits};

const SLOTS: usize = Slot::COUNT as usize;

/// At once under way: one that is late holds up no other.
pub(super) const HEARS_MAX: usize = 4;

/// Where a slot is with this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Not here.
    Free,
    TakingUp {
        epoch: Epoch,
        is_asked: bool,
    },
    Held(Epoch),
    Quietening(Epoch),
    Releasing {
        epoch: Epoch,
        is_asked: bool,
    },
}

/// As a node that joined.
#[derive(Debug)]
pub(super) struct Me {
    pub(super) id: NodeId,
    pub(super) beat: Beat,
    pub(super) inbox: Inbox,
    pub(super) hears: usize,
    /// When the listening began that was done last.
    pub(super) heard: Timestamp,
    pub(super) hear_at: Timestamp,
    /// The last look that was begun, and whether it is under way.
    pub(super) look: u64,
    pub(super) is_looking: bool,
    pub(super) look_at: Timestamp,
    pub(super) is_claiming: bool,
    pub(super) sight: Sight,
    pub(super) slots: [Place; SLOTS],
    /// The last look that was begun when a slot changed its place: what it says of that slot is of the past.
    pub(super) touched: [u64; SLOTS],
    pub(super) has_left: bool,
}

#[derive(Debug)]
pub(super) struct Beat {
    /// The last one that is known to be written, and when it was begun.
    pub(super) number: u64,
    pub(super) begun: Timestamp,
    /// When the next one was tried first; others may have seen it from then on.
    pub(super) tried: Option<Timestamp>,
    pub(super) is_under_way: bool,
    pub(super) at: Timestamp,
}

#[derive(Debug)]
pub(super) struct Inbox {
    /// Where it listens. Others put things there once a beat has said so.
    pub(super) number: u64,
    /// Since when a beat has said so.
    pub(super) since: Option<Timestamp>,
}

impl Me {
    pub(super) fn new(id: NodeId, now: Timestamp) -> Self {
        Me {
            id,
            beat: Beat {
                number: 0,
                begun: Timestamp::default(),
                tried: None,
                is_under_way: false,
                at: now,
            },
            inbox: Inbox {
                number: 0,
                since: Some(now),
            },
            hears: 0,
            heard: Timestamp::default(),
            hear_at: now,
            look: 0,
            is_looking: false,
            look_at: now,
            is_claiming: false,
            sight: Sight::default(),
            slots: [Place::Free; SLOTS],
            touched: [0; SLOTS],
            has_left: false,
        }
    }

    pub(super) fn place(&mut self, slot: Slot) -> &mut Place {
        &mut self.slots[usize::from(slot.number())]
    }

    pub(super) fn touch(&mut self, slot: Slot) {
        self.touched[usize::from(slot.number())] = self.look;
    }

    pub(super) fn holds_nothing(&self) -> bool {
        !self.is_claiming && self.slots.iter().all(|place| *place == Place::Free)
    }

    /// Nothing more of it is handed over, and it goes back when that is answered.
    pub(super) fn quieten(&mut self, slot: Slot, effects: &mut Vec<Effect>) {
        let place = self.place(slot);
        if let Place::Held(epoch) = *place {
            *place = Place::Quietening(epoch);
            effects.push(Effect::Quieten(slot, epoch));
        }
    }

    /// It is another's, or may be.
    pub(super) fn lose(&mut self, slot: Slot, effects: &mut Vec<Effect>) {
        if std::mem::replace(self.place(slot), Place::Free) != Place::Free {
            effects.push(Effect::Lose(slot));
            effects.push(Effect::GiveUp(slot));
        }
    }

    pub(super) fn take_up(
        &mut self,
        slot: Slot,
        epoch: Epoch,
        is_draining: bool,
        effects: &mut Vec<Effect>,
    ) {
        // Nothing of it is begun: it needs no taking up to be given back.
        *self.place(slot) = match is_draining {
            true => Place::Releasing {
                epoch,
                is_asked: true,
            },
            false => Place::TakingUp {
                epoch,
                is_asked: true,
            },
        };
        effects.push(match is_draining {
            true => Effect::Release(slot, epoch),
            false => Effect::TakeUp(slot, epoch),
        });
    }

    /// What a look says of a slot, beside what this node thinks.
    pub(super) fn compare(&mut self, lease: &Lease, look: u64, effects: &mut Vec<Effect>) {
        if look <= self.touched[usize::from(lease.slot.number())] {
            return;
        }
        let is_mine = lease.holder == Some(self.id);
        let (id, slot) = (lease.slot, lease.slot);
        let place = self.place(id);
        match place {
            Place::Free if !is_mine => {}
            // A claim was thought to have failed.
            Place::Free => self.take_up(slot, lease.epoch, false, effects),
            Place::TakingUp { epoch, .. }
            | Place::Held(epoch)
            | Place::Quietening(epoch)
            | Place::Releasing { epoch, .. }
                if !is_mine || *epoch != lease.epoch =>
            {
                self.lose(slot, effects);
            }
            Place::TakingUp { epoch, is_asked } if !*is_asked => {
                *is_asked = true;
                effects.push(Effect::TakeUp(slot, *epoch));
            }
            Place::Releasing { epoch, is_asked } if !*is_asked => {
                *is_asked = true;
                effects.push(Effect::Release(slot, *epoch));
            }
            Place::TakingUp { .. }
            | Place::Held(_)
            | Place::Quietening(_)
            | Place::Releasing { .. } => {}
        }
    }

    /// Takes and gives so that everybody comes to an even share.
    pub(super) fn share(
        &mut self,
        census: &Census,
        look: u64,
        lease: Duration,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        // Who has missed a beat or two is given nothing before it shows that it lives.
        let counts = |id| {
            let is_draining = census.node(id).is_none_or(|node| node.is_draining);
            !is_draining && self.sight.stands_still(id, now) < lease / 2
        };
        let mut shift = shift(self.id, census, counts);
        let is_of_the_past = |lease: &Lease| look <= self.touched[usize::from(lease.slot.number())];
        shift.claim.retain(|lease| !is_of_the_past(lease));
        if !shift.claim.is_empty() && !self.is_claiming {
            self.is_claiming = true;
            effects.push(Effect::Claim(shift.claim));
        }
        let goes = |place: &&Place| matches!(place, Place::Quietening(_) | Place::Releasing { .. });
        let going = self.slots.iter().filter(goes).count();
        let mut left = shift.give_up.saturating_sub(going);
        for slot in Slot::all() {
            if left > 0 && matches!(self.place(slot), Place::Held(_)) {
                self.quieten(slot, effects);
                left -= 1;
            }
        }
    }

    pub(super) fn go_on(
        &mut self,
        limits: &Limits,
        name: &str,
        is_draining: bool,
        world: &mut World<'_>,
    ) {
        let now = world.now;
        if !self.beat.is_under_way && self.beat.at <= now {
            self.beat.is_under_way = true;
            self.beat.at = now + limits.beat_every();
            let is_new = self.beat.tried.is_none();
            self.beat.tried.get_or_insert(now);
            // It listens where it is about to say that it does, and where it said so before. What is tried again says
            // the same again: the first try may stand.
            let is_over = |since: Timestamp| now.since(since) >= limits.inbox_kept;
            if is_new && self.inbox.since.is_some_and(is_over) {
                self.inbox.number += 1;
                self.inbox.since = None;
            }
            world.effects.push(Effect::Beat(Node {
                id: self.id,
                name: name.to_owned(),
                beat: self.beat.number + 1,
                is_draining,
                inbox: self.inbox.number,
                doing: (world.doing)(),
            }));
        }
        if self.hears < HEARS_MAX && self.hear_at <= now {
            self.hears += 1;
            self.hear_at = now + limits.poll;
            world.effects.push(Effect::Hear {
                inbox: self.inbox.number,
                begun: now,
            });
        }
        if !self.is_looking && !self.is_claiming && self.look_at <= now {
            self.is_looking = true;
            self.look += 1;
            self.look_at = now + limits.census_every();
            world.effects.push(Effect::Count(self.look));
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        let beat = (!self.beat.is_under_way).then_some(self.beat.at);
        let hear = (self.hears < HEARS_MAX).then_some(self.hear_at);
        let look = (!self.is_looking && !self.is_claiming).then_some(self.look_at);
        [beat, hear, look].into_iter().flatten().min()
    }
}
