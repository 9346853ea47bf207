//! Fleet: this node's part among several on one store. The shell around `core::fleet`: it beats, listens, takes slots up
//! and gives them back, and tells the others.
//!
//! Parent: the root. Restarted by it, as another node: it drops all that the former one held, and leaves in its name.
//! A crash loses who waits for others to be told; they tell again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::admission::Admission;
use fanfare_core::fleet::{Effect, Failed, Member, World};
use fanfare_core::revocations::Revocations;
use fanfare_store::Fleet;
use fanfare_store::fleet::{INBOX_KEPT, Notice};
use fanfare_types::{Census, Clock, Epoch, Lease, NodeId, Slot, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::hearing::Known;
use super::quiet::Quietening;
use super::telling::{Tellings, Untold};
use super::{Changed, Config, FleetHandle};
use crate::failpoint::{failpoint, failpoints, handling};
use crate::live::LiveBooks;
use crate::random::Random;
use crate::{Campaigns, Notifications};

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) config: Config,
    /// How long what was handed over may be without an answer and its record. Afterwards a slot is given back without.
    pub(crate) quiet_after: Duration,
    pub(crate) handle: FleetHandle,
    pub(crate) fleet: Arc<dyn Fleet>,
    pub(crate) live: LiveBooks,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) notifications: Notifications,
    pub(crate) campaigns: Campaigns,
    pub(crate) admission: Arc<Admission>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

#[derive(Debug)]
pub(crate) enum Msg {
    Wake,
    /// The store has answered.
    Answer(NodeId, Answer),
    /// This node has listened, from then on, and acted upon what it heard.
    Heard(NodeId, Timestamp, Result<(), Failed>),
    /// Whether slots that are given up are quiet.
    Look,
    Tell(Notice, oneshot::Sender<Result<(), Untold>>),
    /// Others were told, or could not be.
    Told,
    /// Takes nothing more, and gives up what it holds.
    Drain,
    /// Answers when it holds nothing and has left.
    Leave(RpcReplyPort<()>),
}

failpoints!("fleet", Msg: Wake, Answer, Heard, Look, Tell, Told, Drain, Leave);

/// To which call of the store.
#[derive(Debug)]
pub(crate) enum Answer {
    Joined(Result<(), Failed>),
    Beaten(Result<bool, Failed>),
    Counted(u64, Result<Census, Failed>),
    Buried,
    Claimed(Vec<Lease>, Result<bool, Failed>),
    TakenUp(Slot, Epoch, Result<(), Failed>),
    Released(Slot, Epoch, Result<(), Failed>),
    Left,
    /// In the name of a former node of this process: nobody waits for it.
    FormerLeft,
}

pub(crate) struct State {
    pub(super) args: Args,
    member: Member,
    effects: Vec<Effect>,
    pub(super) known: Known,
    pub(super) tellings: Tellings,
    pub(super) quietening: Vec<Quietening>,
    pub(super) is_looking: bool,
    pub(super) timer: Option<AbortHandle>,
    pub(super) changed: Changed,
    pub(super) leaving: Vec<RpcReplyPort<()>>,
    pub(super) is_gone: bool,
}

pub(crate) struct FleetActor;

impl Actor for FleetActor {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        args: Args,
    ) -> Result<State, ActorProcessingErr> {
        failpoint!("fleet", "pre_start");
        let mut limits = args.config.limits.clone();
        limits.inbox_kept = INBOX_KEPT;
        let mut state = State {
            member: Member::new(limits, args.config.name.clone()),
            effects: Vec::new(),
            known: Known::default(),
            tellings: Tellings::new(args.clock.now(), args.random.next()),
            quietening: Vec::new(),
            is_looking: false,
            timer: None,
            changed: Changed::default(),
            leaving: Vec::new(),
            is_gone: false,
            args,
        };
        state.forget_the_former(&myself);
        myself.cast(Msg::Wake)?;
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&message);
        match message {
            Msg::Wake => state.member(&myself, Member::on_wake),
            Msg::Answer(id, answer) => state.answer(&myself, id, answer),
            Msg::Heard(id, begun, heard) => {
                state.member(&myself, |m, world| m.on_heard(id, begun, heard, world));
            }
            Msg::Look => state.look(&myself),
            Msg::Tell(notice, answer) => state.tell(notice, answer, &myself),
            Msg::Told => state.told(&myself),
            Msg::Drain => state.member(&myself, Member::on_drain),
            Msg::Leave(reply) => {
                state.leaving.push(reply);
                state.member(&myself, Member::on_leave);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        _: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            // It has no children.
            SupervisionEvent::ActorStarted(_)
            | SupervisionEvent::ActorTerminated(..)
            | SupervisionEvent::ActorFailed(..)
            | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

impl State {
    fn answer(&mut self, myself: &ActorRef<Msg>, id: NodeId, answer: Answer) {
        self.member(myself, |member, world| match answer {
            Answer::Joined(joined) => member.on_joined(joined, world),
            Answer::Beaten(beaten) => member.on_beaten(id, beaten, world),
            Answer::Counted(number, census) => member.on_census(id, number, census, world),
            Answer::Buried => member.on_buried(world),
            Answer::Claimed(seen, claimed) => member.on_claimed(id, &seen, claimed, world),
            Answer::TakenUp(slot, epoch, taken) => {
                member.on_taken_up(id, slot, epoch, taken, world);
            }
            Answer::Released(slot, epoch, released) => {
                member.on_released(id, slot, epoch, released, world);
            }
            Answer::Left => member.on_left(world),
            Answer::FormerLeft => {}
        });
    }

    /// Has the member take an event, and does what follows.
    pub(super) fn member(
        &mut self,
        myself: &ActorRef<Msg>,
        event: impl FnOnce(&mut Member, &mut World<'_>),
    ) {
        let args = &self.args;
        let mut world = World {
            now: args.clock.now(),
            random: &mut || args.random.next(),
            doing: &mut || doing(args),
            effects: &mut self.effects,
        };
        event(&mut self.member, &mut world);
        let id = self.member.id();
        *self.args.handle.0.id.lock() = id;
        for effect in std::mem::take(&mut self.effects) {
            self.perform(effect, id, myself);
        }
        self.tell_of_changes();
        if self.is_gone {
            for reply in self.leaving.drain(..) {
                // Whoever asked may have stopped waiting.
                drop(reply.send(()));
            }
        }
    }
}

/// For whoever asks another node.
fn doing(args: &Args) -> String {
    let (taken, max) = (args.admission.taken(), args.admission.max());
    serde_json::json!({ "permits_taken": taken, "permits_max": max }).to_string()
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fleet::Args")
    }
}
