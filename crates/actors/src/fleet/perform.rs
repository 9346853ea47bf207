//! What the core asks for, done.

use fanfare_core::fleet::{Effect, Failed};
use fanfare_store::{Fleet, Result};
use fanfare_types::{NodeId, Slot, Timestamp};
use ractor::ActorRef;

use super::actor::{Answer, Msg, State};
use super::hearing;
use crate::task;

/// A call that came to nothing is tried again by the core; what it was that failed is said here.
fn failed<T>(what: &'static str, result: Result<T>) -> Result<T, Failed> {
    result.map_err(|error| {
        tracing::debug!(
            what,
            error = error.label(),
            "the fleet's store call failed, tried again"
        );
        Failed
    })
}

impl State {
    pub(super) fn perform(&mut self, effect: Effect, id: Option<NodeId>, myself: &ActorRef<Msg>) {
        match effect {
            Effect::Hear { inbox, begun } => self.hear(id, inbox, begun, myself),
            Effect::Gain(slot) => {
                self.args.handle.0.held.write().gain(slot);
                self.changed.gained.push(slot);
            }
            Effect::Lose(slot) => self.lose(slot),
            Effect::Quieten(slot, epoch) => self.quieten(id, slot, epoch, myself),
            Effect::GiveUp(slot) => self.args.fleet.give_up(slot),
            Effect::Tenure(until) => self.args.handle.0.tenure.extend(until),
            Effect::Died(id) => {
                tracing::warn!(node = %id, "this gateway was taken for dead, it drops what it held");
            }
            Effect::Gone => self.is_gone = true,
            Effect::WakeAt(at) => {
                if let Some(timer) = self.timer.take() {
                    timer.abort();
                }
                let after = at.since(self.args.clock.now());
                let timer = myself.send_after(after, || Msg::Wake);
                self.timer = Some(timer.abort_handle());
            }
            Effect::Join(joining) => self.call(joining, effect, myself),
            Effect::Leave(leaving) => self.call(leaving, effect, myself),
            Effect::Beat(_)
            | Effect::Count(_)
            | Effect::Bury(..)
            | Effect::Claim(_)
            | Effect::TakeUp(..)
            | Effect::Release(..) => {
                // Only a node that is in asks for these.
                if let Some(id) = id {
                    self.call(id, effect, myself);
                }
            }
        }
    }

    /// A call of the store, beside the actor.
    fn call(&self, id: NodeId, effect: Effect, myself: &ActorRef<Msg>) {
        let (fleet, name) = (self.args.fleet.clone(), self.args.config.name.clone());
        let panicked = Msg::Answer(id, came_to_nothing(&effect));
        let call = async move { Msg::Answer(id, called(&*fleet, id, &name, effect).await) };
        task::spawn(myself, ("fleet", "call"), panicked, call);
    }

    fn hear(&mut self, id: Option<NodeId>, inbox: u64, begun: Timestamp, myself: &ActorRef<Msg>) {
        let Some(id) = id else { return };
        let hear = hearing::hear(self.args.clone(), self.known.clone(), id, inbox);
        let panicked = Msg::Heard(id, begun, Err(Failed));
        let hear = async move { Msg::Heard(id, begun, hear.await) };
        task::spawn(myself, ("fleet", "hear"), panicked, hear);
    }

    pub(super) fn lose(&mut self, slot: Slot) {
        self.quietening
            .retain(|quietening| quietening.hold.slot != slot);
        if self.args.handle.0.held.write().lose(slot) {
            self.changed.lost.push(slot);
        }
    }

    /// Once for all that one event brought.
    pub(super) fn tell_of_changes(&mut self) {
        let changed = std::mem::take(&mut self.changed);
        if changed.gained.is_empty() && changed.lost.is_empty() {
            return;
        }
        tracing::info!(
            gained = changed.gained.len(),
            lost = changed.lost.len(),
            held = self.args.handle.share(),
            "slots have moved"
        );
        self.args.handle.changed(&changed);
    }

    /// One that crashed holds nothing any more, and leaves.
    pub(super) fn forget_the_former(&mut self, myself: &ActorRef<Msg>) {
        self.args.handle.0.tenure.extend(Timestamp::default());
        for slot in Slot::all() {
            self.lose(slot);
            self.args.fleet.give_up(slot);
        }
        if let Some(id) = self.args.handle.0.id.lock().take() {
            let fleet = self.args.fleet.clone();
            let leave = async move {
                // Otherwise the others bury it.
                drop(fleet.leave(id).await);
                Msg::Answer(id, Answer::FormerLeft)
            };
            let panicked = Msg::Answer(id, Answer::FormerLeft);
            task::spawn(myself, ("fleet", "call"), panicked, leave);
        }
        self.tell_of_changes();
    }
}

async fn called(fleet: &dyn Fleet, id: NodeId, name: &str, effect: Effect) -> Answer {
    match effect {
        Effect::Join(id) => Answer::Joined(failed("join", fleet.join(id, name).await)),
        Effect::Beat(node) => Answer::Beaten(failed("beat", fleet.beat(&node).await)),
        Effect::Count(number) => Answer::Counted(number, failed("census", fleet.census().await)),
        Effect::Bury(whom, beat) => {
            if fleet.bury(whom, beat).await == Ok(true) {
                tracing::warn!(node = %whom, "a gateway does not live any more, its work is taken over");
            }
            Answer::Buried
        }
        Effect::Claim(seen) => {
            let claimed = fleet.claim(id, seen.clone()).await;
            Answer::Claimed(seen, failed("claim", claimed))
        }
        Effect::TakeUp(slot, epoch) => {
            let taken = fleet.take_up(slot, epoch).await;
            Answer::TakenUp(slot, epoch, failed("take_up", taken))
        }
        Effect::Release(slot, epoch) => {
            let released = fleet.release(slot, epoch).await;
            Answer::Released(slot, epoch, failed("release", released))
        }
        Effect::Leave(id) => {
            drop(fleet.leave(id).await);
            Answer::Left
        }
        Effect::Hear { .. }
        | Effect::Gain(_)
        | Effect::Lose(_)
        | Effect::Quieten(..)
        | Effect::GiveUp(_)
        | Effect::Tenure(_)
        | Effect::Died(_)
        | Effect::Gone
        | Effect::WakeAt(_) => unreachable!("no calls of the store"),
    }
}

/// What is known of a call that panicked.
fn came_to_nothing(effect: &Effect) -> Answer {
    match effect {
        Effect::Join(_) => Answer::Joined(Err(Failed)),
        Effect::Beat(_) => Answer::Beaten(Err(Failed)),
        Effect::Count(number) => Answer::Counted(*number, Err(Failed)),
        Effect::Claim(seen) => Answer::Claimed(seen.clone(), Err(Failed)),
        Effect::TakeUp(slot, epoch) => Answer::TakenUp(*slot, *epoch, Err(Failed)),
        Effect::Release(slot, epoch) => Answer::Released(*slot, *epoch, Err(Failed)),
        Effect::Leave(_) => Answer::Left,
        _ => Answer::Buried,
    }
}
