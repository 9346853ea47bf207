//! Reaper: buries the addresses that providers call dead, through the owning user's actor, and switches off rows
//! that fail again and again. Suspects are held for a moment by the guard of their credential, so that a wrong key
//! cannot empty the registry.
//!
//! Parent: the root. Restarted by it, empty. A crash loses the burials that waited and the guards' windows; the
//! next push to a dead address finds it again.

mod burial;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use fanfare_core::cleanup::{self, Guard, Ruling, Turn};
use fanfare_store::Store;
use fanfare_telemetry::{Cleanup, Telemetry};
use fanfare_types::{
    Address, AppId, Channel, Clock, DeviceId, Environment, Failing, Timestamp, UserId,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::failpoint::{failpoint, failpoints, handling};
use crate::slot::Slot;
use crate::{Registry, task};
use burial::Burial;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ReaperHandle(Slot<Msg>);

/// What one account with a provider is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Credential {
    pub(crate) app: AppId,
    pub(crate) channel: Channel,
    pub(crate) environment: Environment,
}

/// An address that a provider would not have.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    pub(crate) device: Option<(DeviceId, UserId)>,
    pub(crate) address: Address,
    /// A registration after this is another one.
    pub(crate) since: Timestamp,
}

/// What a provider said of the addresses of one credential.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) credential: Credential,
    /// Answers that show the credential works: accepted, or dead beyond doubt.
    pub(crate) sound: u64,
    pub(crate) dead: Vec<Suspect>,
    pub(crate) suspects: Vec<Suspect>,
}

impl Answers {
    pub(crate) fn none_of(credential: Credential) -> Self {
        Answers {
            credential,
            sound: 0,
            dead: Vec::new(),
            suspects: Vec::new(),
        }
    }
}

impl ReaperHandle {
    pub(crate) fn new(slot: Slot<Msg>) -> Self {
        ReaperHandle(slot)
    }

    /// These apps are served from now on.
    pub(crate) fn served(&self, apps: HashSet<AppId>) {
        // One that is not there has nothing to forget.
        drop(self.0.cast(Msg::Served(apps)));
    }

    pub(crate) fn answers(&self, answers: Vec<Answers>) {
        if !answers.is_empty() {
            // Without a reaper the next push finds the dead again.
            drop(self.0.cast(Msg::Answers(answers)));
        }
    }

    /// Rows that failed once more; those that did too often in a row are switched off.
    pub(crate) fn failing(&self, failing: Vec<Failing>) {
        if !failing.is_empty() {
            // Without a reaper the next failure tells of it again.
            drop(self.0.cast(Msg::Failing(failing)));
        }
    }
}

/// How much the reaper does at once.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) guard: cleanup::Limits,
    /// Burials under way at once. Default 16.
    pub(crate) burials_max: usize,
    /// Burials that wait. Default 10,000. At it further ones are let go; the next push finds the dead again.
    pub(crate) waiting_max: usize,
    /// Tries of one burial while the store fails. Default 5.
    pub(crate) tries_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            guard: cleanup::Limits::default(),
            burials_max: 16,
            waiting_max: 10_000,
            tries_max: 5,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) limits: Limits,
    pub(crate) registry: Registry,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
}

#[derive(Debug)]
pub(crate) enum Msg {
    Answers(Vec<Answers>),
    Failing(Vec<Failing>),
    /// A held suspect of this credential is due.
    Due(Credential),
    /// A burial is over, carried out or not.
    Buried,
    /// These apps are served from now on: what is known of credentials of others is forgotten.
    Served(HashSet<AppId>),
    /// The credentials whose guard has tripped, as `app/channel/environment`.
    Misconfigured(RpcReplyPort<Vec<String>>),
    /// Answers when no burial waits; held suspects are let go.
    Drain(RpcReplyPort<()>),
}

failpoints!("reaper", Msg: Answers, Failing, Due, Buried, Served, Misconfigured, Drain);

pub(crate) struct State {
    args: Args,
    guards: HashMap<Credential, Guard<Suspect>>,
    waiting: VecDeque<Burial>,
    under_way: usize,
    drains: Vec<RpcReplyPort<()>>,
}

pub(crate) struct Reaper;

impl Actor for Reaper {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        failpoint!("reaper", "pre_start");
        Ok(State {
            args,
            guards: HashMap::new(),
            waiting: VecDeque::new(),
            under_way: 0,
            drains: Vec::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&message);
        let now = state.args.clock.now();
        match message {
            Msg::Answers(all) => {
                for answers in all {
                    state.take_in(answers, now, &myself);
                }
            }
            Msg::Failing(failing) => state.queue_failing(failing),
            Msg::Due(credential) => {
                if let Some(guard) = state.guards.get_mut(&credential) {
                    let ruling = guard.on_time(now);
                    state.follow(credential, ruling, now, &myself);
                }
            }
            Msg::Buried => state.under_way = state.under_way.saturating_sub(1),
            Msg::Served(apps) => state.forget_others(&apps),
            Msg::Misconfigured(reply) => drop(reply.send(state.misconfigured())),
            Msg::Drain(reply) => state.drains.push(reply),
        }
        state.bury_next(&myself);
        state.answer_drains();
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
    fn take_in(&mut self, answers: Answers, now: Timestamp, myself: &ActorRef<Msg>) {
        let credential = answers.credential;
        self.queue(&credential, answers.dead, Cleanup::Dead);
        let limits = &self.args.limits.guard;
        let guard = self
            .guards
            .entry(credential.clone())
            .or_insert_with(|| Guard::new(limits.clone()));
        let said = cleanup::Answers {
            sound: answers.sound,
            suspects: answers.suspects,
        };
        let ruling = guard.on_answers(said, now);
        self.follow(credential, ruling, now, myself);
    }

    fn follow(
        &mut self,
        credential: Credential,
        ruling: Ruling<Suspect>,
        now: Timestamp,
        myself: &ActorRef<Msg>,
    ) {
        if let Some(turn) = ruling.turn {
            self.report(&credential, turn);
        }
        self.queue(&credential, ruling.mark, Cleanup::Suspect);
        if let Some(at) = ruling.wake_at {
            myself.send_after(at.since(now), || Msg::Due(credential));
        }
    }

    fn report(&self, credential: &Credential, turn: Turn) {
        let Credential {
            app,
            channel,
            environment,
        } = credential;
        let tripped = matches!(turn, Turn::Misconfigured { .. });
        self.args.telemetry.suspects_guard(app, *channel, tripped);
        match turn {
            Turn::Misconfigured { held } => tracing::error!(
                %app, %channel, %environment, held,
                "too many addresses refused, nothing is marked: key, topic or environment is wrong"
            ),
            Turn::Sound => tracing::info!(
                %app, %channel, %environment,
                "addresses are accepted again, refused ones are marked again"
            ),
        }
    }

    fn queue(&mut self, credential: &Credential, suspects: Vec<Suspect>, cause: Cleanup) {
        let burial = |suspect| Burial::dead(&credential.app, suspect, cause);
        self.enqueue(suspects.into_iter().map(burial));
    }

    fn queue_failing(&mut self, failing: Vec<Failing>) {
        let registry = self.args.registry.clone();
        let is_failing = |row: &Failing| registry.is_failing(&row.app, row.consecutive_failures);
        self.enqueue(failing.into_iter().filter(is_failing).map(Burial::failing));
    }

    fn enqueue(&mut self, burials: impl Iterator<Item = Burial>) {
        let max = self.args.limits.waiting_max;
        let room = max.saturating_sub(self.waiting.len());
        self.waiting.extend(burials.take(room));
    }

    fn bury_next(&mut self, myself: &ActorRef<Msg>) {
        while self.under_way < self.args.limits.burials_max {
            let Some(burial) = self.waiting.pop_front() else {
                return;
            };
            self.under_way += 1;
            let args = self.args.clone();
            task::spawn(myself, ("reaper", "burial"), Msg::Buried, async move {
                burial.carry_out(&args).await;
                Msg::Buried
            });
        }
    }

    fn answer_drains(&mut self) {
        if self.under_way == 0 && self.waiting.is_empty() {
            for reply in self.drains.drain(..) {
                // Whoever asked may have stopped waiting.
                drop(reply.send(()));
            }
        }
    }

    fn forget_others(&mut self, apps: &HashSet<AppId>) {
        let telemetry = &self.args.telemetry;
        self.guards
            .retain(|Credential { app, channel, .. }, guard| {
                let is_served = apps.contains(app);
                if !is_served && guard.is_tripped() {
                    telemetry.suspects_guard(app, *channel, false);
                }
                is_served
            });
    }

    fn misconfigured(&self) -> Vec<String> {
        let tripped = self.guards.iter().filter(|(_, guard)| guard.is_tripped());
        let name = |credential: &Credential| {
            let Credential {
                app,
                channel,
                environment,
            } = credential;
            format!("{app}/{channel}/{environment}")
        };
        tripped.map(|(credential, _)| name(credential)).collect()
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reaper::Args")
    }
}
