//! One node's part in the fleet: events in, [`Effect`]s out.
//!
//! ```text
//! out ─join─▶ in ─(buried)─▶ out …        a new start is another node
//! slot: free ─claim─▶ taking up ─▶ held ─▶ quietening ─▶ releasing ─▶ free
//! ```
//!
//! Beats, listening and looks at the census go on beside each other. A look says nothing of a slot that was on its way
//! while it was taken, and an unknown outcome is settled by the next look.

use fanfare_types::ids::Id96;
use fanfare_types::{Census, Epoch, Lease, NodeId, Slot, Timestamp};

use super::me::{Me, Place};
use super::{Effect, Failed, Limits};

#[derive(Debug)]
pub struct Member {
    limits: Limits,
    name: String,
    phase: Phase,
    is_draining: bool,
    /// It is to leave once it holds nothing.
    is_leaving: bool,
    tenure: Timestamp,
    armed: Option<Timestamp>,
}

#[derive(Debug)]
enum Phase {
    Out {
        join_at: Timestamp,
    },
    Joining {
        id: NodeId,
        is_asked: bool,
        ask_at: Timestamp,
    },
    In(Box<Me>),
    Gone,
}

/// What an event is told, and where its effects go.
pub struct World<'a> {
    pub now: Timestamp,
    pub random: &'a mut dyn FnMut() -> u64,
    /// What this node is doing, for its next beat.
    pub doing: &'a mut dyn FnMut() -> String,
    pub effects: &'a mut Vec<Effect>,
}

impl Member {
    pub fn new(limits: Limits, name: String) -> Self {
        Member {
            limits,
            name,
            phase: Phase::Out {
                join_at: Timestamp::default(),
            },
            is_draining: false,
            is_leaving: false,
            tenure: Timestamp::default(),
            armed: None,
        }
    }

    /// As which node it is in, if it is.
    pub fn id(&self) -> Option<NodeId> {
        match &self.phase {
            Phase::In(me) => Some(me.id),
            Phase::Out { .. } | Phase::Joining { .. } | Phase::Gone => None,
        }
    }

    pub fn on_wake(&mut self, world: &mut World<'_>) {
        self.armed = None;
        self.settle(world);
    }

    pub fn on_joined(&mut self, joined: Result<(), Failed>, world: &mut World<'_>) {
        if let Phase::Joining {
            id,
            is_asked,
            ask_at,
        } = &mut self.phase
        {
            match joined {
                Ok(()) => self.phase = Phase::In(Box::new(Me::new(*id, world.now))),
                Err(Failed) => {
                    *is_asked = false;
                    *ask_at = world.now + self.limits.poll;
                }
            }
        }
        self.settle(world);
    }

    /// `Ok(false)`: this node was buried.
    pub fn on_beaten(&mut self, id: NodeId, beaten: Result<bool, Failed>, world: &mut World<'_>) {
        let (limits, now) = (&self.limits, world.now);
        let Some(me) = self.phase.me(id) else {
            return;
        };
        me.beat.is_under_way = false;
        match beaten {
            Ok(true) => {
                me.beat.number += 1;
                me.beat.begun = me.beat.tried.take().unwrap_or(me.beat.begun);
                me.inbox.since.get_or_insert(now);
            }
            Ok(false) => self.die(world),
            Err(Failed) => me.beat.at = now + limits.poll,
        }
        self.settle(world);
    }

    /// It listened from `begun` on, and has acted upon all it heard.
    pub fn on_heard(
        &mut self,
        id: NodeId,
        begun: Timestamp,
        heard: Result<(), Failed>,
        world: &mut World<'_>,
    ) {
        if let Some(me) = self.phase.me(id) {
            me.hears -= 1;
            if heard.is_ok() {
                me.heard = me.heard.max(begun);
            }
        }
        self.settle(world);
    }

    pub fn on_census(
        &mut self,
        id: NodeId,
        number: u64,
        census: Result<Census, Failed>,
        world: &mut World<'_>,
    ) {
        let (lease, now) = (self.limits.lease, world.now);
        let Some(me) = self.phase.me(id) else {
            return;
        };
        me.is_looking = false;
        let Ok(census) = census else {
            return self.settle(world);
        };
        if census.node(id).is_none() {
            self.die(world);
            return self.settle(world);
        }
        me.sight.look(&census, lease, now);
        for node in census.nodes.iter().filter(|node| node.id != id) {
            if me.sight.stands_still(node.id, now) >= lease {
                world.effects.push(Effect::Bury(node.id, node.beat));
            }
        }
        for lease in &census.slots {
            me.compare(lease, number, world.effects);
        }
        if !self.is_draining && now < self.tenure {
            me.share(&census, number, lease, now, world.effects);
        }
        self.settle(world);
    }

    /// Whether it is gone shows at the next look.
    pub fn on_buried(&mut self, world: &mut World<'_>) {
        self.look_soon(world);
    }

    /// `Ok(false)`: others were first.
    pub fn on_claimed(
        &mut self,
        id: NodeId,
        seen: &[Lease],
        claimed: Result<bool, Failed>,
        world: &mut World<'_>,
    ) {
        let is_draining = self.is_draining;
        let Some(me) = self.phase.me(id) else {
            return;
        };
        me.is_claiming = false;
        for lease in seen {
            me.touch(lease.slot);
            if claimed == Ok(true) {
                let epoch = Epoch(lease.epoch.0 + 1);
                me.take_up(lease.slot, epoch, is_draining, world.effects);
            }
        }
        self.look_soon(world);
    }

    pub fn on_taken_up(
        &mut self,
        id: NodeId,
        slot: Slot,
        epoch: Epoch,
        taken_up: Result<(), Failed>,
        world: &mut World<'_>,
    ) {
        let is_draining = self.is_draining;
        let mut nowhere = Place::Free;
        let place = match self.phase.me(id) {
            Some(me) => me.place(slot),
            None => &mut nowhere,
        };
        match (*place, taken_up) {
            (Place::TakingUp { epoch: at, .. }, Ok(())) if at == epoch && is_draining => {
                *place = Place::Releasing {
                    epoch,
                    is_asked: true,
                };
                world.effects.push(Effect::GiveUp(slot));
                world.effects.push(Effect::Release(slot, epoch));
            }
            (Place::TakingUp { epoch: at, .. }, Ok(())) if at == epoch => {
                *place = Place::Held(epoch);
                world.effects.push(Effect::Gain(slot));
            }
            // Tried again after the next look, if it is this node's still.
            (Place::TakingUp { epoch: at, .. }, Err(Failed)) if at == epoch => {
                *place = Place::TakingUp {
                    epoch,
                    is_asked: false,
                };
            }
            // It was lost meanwhile.
            (Place::Free, _) => world.effects.push(Effect::GiveUp(slot)),
            _ => {}
        }
        self.settle(world);
    }

    /// What was handed over of a slot is answered and recorded, or has had its time.
    pub fn on_quiet(&mut self, id: NodeId, slot: Slot, epoch: Epoch, world: &mut World<'_>) {
        if let Some(me) = self.phase.me(id) {
            let place = me.place(slot);
            if *place == Place::Quietening(epoch) {
                *place = Place::Releasing {
                    epoch,
                    is_asked: true,
                };
                world.effects.push(Effect::GiveUp(slot));
                world.effects.push(Effect::Release(slot, epoch));
            }
        }
        self.settle(world);
    }

    pub fn on_released(
        &mut self,
        id: NodeId,
        slot: Slot,
        epoch: Epoch,
        released: Result<(), Failed>,
        world: &mut World<'_>,
    ) {
        if let Some(me) = self.phase.me(id)
            && matches!(me.place(slot), Place::Releasing { epoch: at, .. } if *at == epoch)
        {
            me.touch(slot);
            *me.place(slot) = match released {
                Ok(()) => Place::Free,
                // Tried again after the next look, if it is this node's still.
                Err(Failed) => Place::Releasing {
                    epoch,
                    is_asked: false,
                },
            };
        }
        self.settle(world);
    }

    /// From now on it gives all it holds up, and takes nothing.
    pub fn on_drain(&mut self, world: &mut World<'_>) {
        self.is_draining = true;
        if let Phase::In(me) = &mut self.phase {
            me.beat.at = world.now;
            for slot in Slot::all() {
                me.quieten(slot, world.effects);
            }
        }
        self.settle(world);
    }

    /// Goes when it holds nothing any more; then [`Effect::Gone`].
    pub fn on_leave(&mut self, world: &mut World<'_>) {
        self.is_leaving = true;
        self.settle(world);
    }

    /// Whatever became of it: otherwise others bury this node.
    pub fn on_left(&mut self, world: &mut World<'_>) {
        self.phase = Phase::Gone;
        world.effects.push(Effect::Gone);
        self.tenure(world);
    }

    fn look_soon(&mut self, world: &mut World<'_>) {
        if let Phase::In(me) = &mut self.phase {
            me.look_at = world.now;
        }
        self.settle(world);
    }

    /// It was taken for dead, and others may hold all it held: it drops everything and is another node.
    fn die(&mut self, world: &mut World<'_>) {
        let again = Phase::Out {
            join_at: world.now + self.limits.beat_every(),
        };
        let Phase::In(mut me) = std::mem::replace(&mut self.phase, again) else {
            return;
        };
        for slot in Slot::all() {
            me.lose(slot, world.effects);
        }
        world.effects.push(Effect::Died(me.id));
    }

    /// Does what is due after any event.
    fn settle(&mut self, world: &mut World<'_>) {
        let now = world.now;
        match &mut self.phase {
            Phase::Out { .. } if self.is_leaving => {
                self.phase = Phase::Gone;
                world.effects.push(Effect::Gone);
            }
            Phase::Out { join_at } if *join_at <= now && !self.is_draining => {
                let id = NodeId(Id96::new(now, (world.random)()));
                self.phase = Phase::Joining {
                    id,
                    is_asked: true,
                    ask_at: now,
                };
                world.effects.push(Effect::Join(id));
            }
            // It is nobody's yet.
            Phase::Joining { id, is_asked, .. } if self.is_leaving && !*is_asked => {
                *is_asked = true;
                world.effects.push(Effect::Leave(*id));
            }
            Phase::Joining {
                id,
                is_asked,
                ask_at,
            } if !*is_asked && *ask_at <= now => {
                *is_asked = true;
                world.effects.push(Effect::Join(*id));
            }
            Phase::In(me) => {
                if self.is_leaving && me.holds_nothing() {
                    self.is_leaving = false;
                    // From now on nobody tells it anything.
                    me.has_left = true;
                    world.effects.push(Effect::Leave(me.id));
                }
                me.go_on(&self.limits, &self.name, self.is_draining, world);
            }
            Phase::Out { .. } | Phase::Joining { .. } | Phase::Gone => {}
        }
        self.tenure(world);
        self.arm(world);
    }

    fn tenure(&mut self, world: &mut World<'_>) {
        let until = match &self.phase {
            Phase::In(me) if me.has_left => Timestamp::default(),
            Phase::In(me) if me.beat.number > 0 && me.heard > Timestamp::default() => {
                let beaten = me.beat.begun + self.limits.good_for();
                beaten.min(me.heard + self.limits.settle)
            }
            _ => Timestamp::default(),
        };
        if until != self.tenure {
            self.tenure = until;
            world.effects.push(Effect::Tenure(until));
        }
    }

    fn arm(&mut self, world: &mut World<'_>) {
        let next = match &self.phase {
            Phase::Out { join_at } => (!self.is_draining).then_some(*join_at),
            Phase::Joining {
                is_asked, ask_at, ..
            } => (!*is_asked).then_some(*ask_at),
            Phase::In(me) => me.next(),
            Phase::Gone => None,
        };
        let Some(next) = next.map(|at| at.max(world.now)) else {
            return;
        };
        if self.armed.is_none_or(|armed| next < armed) {
            self.armed = Some(next);
            world.effects.push(Effect::WakeAt(next));
        }
    }
}

impl Phase {
    /// If it is in as this node: what comes for a former one is of the past.
    fn me(&mut self, id: NodeId) -> Option<&mut Me> {
        match self {
            Phase::In(me) if me.id == id => Some(me),
            _ => None,
        }
    }
}
