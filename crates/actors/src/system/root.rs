//! Root: the supervisor of the tree. Builds it sink first; starts a dead child again, within limits.
//!
//! Parent: none. Not restarted: when a child dies too often, or the registry gives up, the process
//! should end, and the journal has everything for the next one.

mod child;

use std::sync::Arc;
use std::time::Duration;

use fanfare_core::admission::Admission;
use fanfare_core::restart::Verdict;
use fanfare_core::revocations::Revocations;
use fanfare_core::{dispatch, feeder};
use ractor::rpc::CallResult;
use ractor::{
    Actor, ActorCell, ActorProcessingErr, ActorRef, Message, RpcReplyPort, SupervisionEvent,
};
use tokio::sync::{oneshot, watch};

use super::sending::{Make, Parts, Sending};
use super::{Config, PoolStats, Ways};
use crate::dispatcher::{self, Dispatcher, DispatcherHandle};
use crate::feeder::{Feeder, FeederHandle};
use crate::live::LiveBooks;
use crate::outcomes::{self, Outcomes, OutcomesHandle};
use crate::random::Random;
use crate::reaper::{self, Reaper, ReaperHandle};
use crate::registry::{self, Registry, Rules};
use crate::slot::Slot;
use crate::sweeper::{self, Sweeper};
use crate::{App, Error, Notifications, Result, notifications};
use child::Child;

pub(super) struct Args {
    pub(super) config: Config,
    pub(super) apps: Vec<App>,
    pub(super) ways: Ways,
    pub(super) admission: Arc<Admission>,
    pub(super) sending: Make,
    /// Where the built tree's handles go.
    pub(super) handles: oneshot::Sender<Handles>,
    pub(super) give_up: watch::Sender<Option<String>>,
}

#[derive(Debug)]
pub(super) enum Msg {
    /// Start this child again.
    Restart(usize),
    /// From now on a child that ends has done its work.
    Draining,
}

pub(super) struct State {
    children: Vec<Child>,
    feeder: FeederHandle,
    ways: Ways,
    give_up: watch::Sender<Option<String>>,
    draining: bool,
}

/// What leaves the tree.
pub(super) struct Handles {
    pub(super) registry: Registry,
    pub(super) notifications: Notifications,
    sending: Arc<dyn Sending>,
    slots: Slots,
    call_timeout: Duration,
}

/// Where the root's children are found.
#[derive(Clone)]
struct Slots {
    outcomes: Slot<outcomes::Msg>,
    reaper: Slot<reaper::Msg>,
    dispatcher: Slot<dispatcher::Msg>,
    feeder: Slot<crate::feeder::Msg>,
    sweeper: Slot<sweeper::Msg>,
}

pub(super) struct Root;

impl Actor for Root {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        args: Args,
    ) -> Result<State, ActorProcessingErr> {
        let (ways, give_up) = (args.ways.clone(), args.give_up.clone());
        let out = args.handles;
        let plan = Plan {
            config: args.config,
            apps: args.apps.into(),
            ways: args.ways,
            admission: args.admission,
            root: myself.get_cell(),
            give_up: args.give_up,
        };
        let (handles, children) = plan.build(args.sending).await?;
        let feeder = FeederHandle::new(handles.slots.feeder.clone());
        drop(out.send(handles));
        Ok(State {
            children,
            feeder,
            ways,
            give_up,
            draining: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Restart(index) => state.restart(index, &myself).await,
            Msg::Draining => state.draining = true,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
            SupervisionEvent::ActorTerminated(who, _, reason) => {
                let why = reason.unwrap_or_else(|| "it ended".to_owned());
                state.on_death(&who, &why, &myself);
            }
            SupervisionEvent::ActorFailed(who, error) => {
                state.on_death(&who, &error.to_string(), &myself);
            }
        }
        Ok(())
    }
}

impl State {
    fn on_death(&mut self, who: &ActorCell, why: &str, myself: &ActorRef<Msg>) {
        if self.draining {
            return;
        }
        let id = who.get_id();
        match self.children.iter().position(|child| child.id == Some(id)) {
            Some(index) => self.on_child_death(index, why, myself),
            // The registry replaces its own actors, and ends only when that does not help.
            None => self.give_up(format!("a part of the tree gave up: {why}")),
        }
    }

    fn on_child_death(&mut self, index: usize, why: &str, myself: &ActorRef<Msg>) {
        let child = &mut self.children[index];
        match child
            .history
            .on_death(&self.ways.restart, self.ways.clock.now())
        {
            Verdict::Restart(delay) => {
                tracing::error!(actor = child.name, error = why, "actor died, started again");
                drop(myself.send_after(delay, move || Msg::Restart(index)));
            }
            Verdict::GiveUp => {
                let name = child.name;
                self.give_up(format!("{name} died too often: {why}"));
            }
        }
    }

    async fn restart(&mut self, index: usize, myself: &ActorRef<Msg>) {
        if self.draining {
            return;
        }
        let child = &mut self.children[index];
        match child.start(myself.get_cell()).await {
            Ok(()) => {
                self.ways.telemetry.actor_restarted(child.name);
                self.feeder.look_for_orphans();
            }
            Err(error) => self.on_child_death(index, &error.to_string(), myself),
        }
    }

    fn give_up(&self, why: String) {
        tracing::error!(error = why, "the tree gives up");
        self.give_up.send_replace(Some(why));
    }
}

/// What the tree is built from, once the root is there.
struct Plan {
    config: Config,
    apps: Arc<[App]>,
    ways: Ways,
    admission: Arc<Admission>,
    root: ActorCell,
    give_up: watch::Sender<Option<String>>,
}

impl Plan {
    /// Sink first, so that whoever sends finds its receiver.
    async fn build(self, make: Make) -> Result<(Handles, Vec<Child>)> {
        let revocations = Arc::new(Revocations::new(self.config.revocations.clone()));
        let live = LiveBooks::default();
        let slots = Slots::empty();
        let random = Random::from_system();
        let registry = self.registry(&revocations, &random).await?;
        let reaper = self.reaper(&registry, &slots);
        let outcomes = self.outcomes(&live, &slots);
        let sending = make(self.parts(&random, &revocations, &slots));
        let pools = Child::sending(sending.clone());
        let dispatcher = self.dispatcher(&sending, &revocations, &slots);
        let feeder = self.feeder(&live, &slots);
        let sweeper = self.sweeper(&registry, &revocations, &slots);
        let mut children = vec![reaper, outcomes, dispatcher, pools, feeder, sweeper];
        for child in &mut children {
            let started = child.start(self.root.clone()).await;
            started.map_err(|error| Error::Start(format!("{}: {error}", child.name)))?;
        }
        let handles = Handles {
            notifications: self.notifications(live, random, &slots),
            registry,
            sending,
            slots,
            call_timeout: self.config.call_timeout,
        };
        Ok((handles, children))
    }

    async fn registry(&self, revocations: &Arc<Revocations>, random: &Random) -> Result<Registry> {
        let rules = |app: &App| {
            let rules = Rules {
                registration: app.registration.clone(),
                on_dead_token: app.on_dead_token,
            };
            (app.id.clone(), rules)
        };
        let random = random.clone();
        Registry::spawn(registry::Args {
            store: self.ways.store.clone(),
            revocations: revocations.clone(),
            apps: self.apps.iter().map(rules).collect(),
            config: self.config.registry.clone(),
            call_timeout: self.config.call_timeout,
            restart: self.ways.restart.clone(),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
            random: Arc::new(move || random.next()),
            parent: Some(self.root.clone()),
        })
        .await
    }

    fn reaper(&self, registry: &Registry, slots: &Slots) -> Child {
        let args = reaper::Args {
            limits: reaper::Limits::default(),
            registry: registry.clone(),
            store: self.ways.store.clone(),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
        };
        Child::new("reaper", || Reaper, args, slots.reaper.clone())
    }

    fn outcomes(&self, live: &LiveBooks, slots: &Slots) -> Child {
        let args = outcomes::Args {
            flush_after: self.config.journal.flush_after,
            flush_count: self.config.journal.flush_count,
            store: self.ways.store.clone(),
            live: live.clone(),
            reaper: ReaperHandle::new(slots.reaper.clone()),
            telemetry: self.ways.telemetry.clone(),
        };
        Child::new("outcomes", || Outcomes, args, slots.outcomes.clone())
    }

    fn parts(&self, random: &Random, revocations: &Arc<Revocations>, slots: &Slots) -> Parts {
        let give_up = self.give_up.clone();
        Parts {
            random: random.clone(),
            gave_up: Arc::new(move |why| {
                give_up.send_replace(Some(why));
            }),
            config: self.config.clone(),
            apps: self.apps.clone(),
            ways: self.ways.clone(),
            revocations: revocations.clone(),
            dispatcher: DispatcherHandle::new(slots.dispatcher.clone()),
            outcomes: OutcomesHandle::new(slots.outcomes.clone()),
        }
    }

    fn dispatcher(
        &self,
        sending: &Arc<dyn Sending>,
        revocations: &Arc<Revocations>,
        slots: &Slots,
    ) -> Child {
        let sending = sending.clone();
        let args = dispatcher::Args {
            limits: dispatch::Limits::default(),
            store: self.ways.store.clone(),
            revocations: revocations.clone(),
            outcomes: OutcomesHandle::new(slots.outcomes.clone()),
            exit: Arc::new(move |batch| sending.deliver(batch)),
            clock: self.ways.clock.clone(),
        };
        Child::new("dispatcher", || Dispatcher, args, slots.dispatcher.clone())
    }

    fn feeder(&self, live: &LiveBooks, slots: &Slots) -> Child {
        let args = crate::feeder::Args {
            limits: feeder::Limits::default(),
            store: self.ways.store.clone(),
            admission: self.admission.clone(),
            live: live.clone(),
            dispatcher: DispatcherHandle::new(slots.dispatcher.clone()),
            clock: self.ways.clock.clone(),
        };
        Child::new("feeder", || Feeder, args, slots.feeder.clone())
    }

    fn sweeper(&self, registry: &Registry, revocations: &Arc<Revocations>, slots: &Slots) -> Child {
        let config = &self.config;
        let args = sweeper::Args {
            limits: sweeper::Limits {
                sweep_every: config.registry.sweep_every,
                stale_after: config.registry.stale_after,
                retention: config.registry.retention,
                journal_retention: config.journal.retention,
                ..sweeper::Limits::default()
            },
            registry: registry.clone(),
            store: self.ways.store.clone(),
            revocations: revocations.clone(),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
        };
        Child::new("sweeper", || Sweeper, args, slots.sweeper.clone())
    }

    fn notifications(&self, live: LiveBooks, random: Random, slots: &Slots) -> Notifications {
        Notifications::new(notifications::Parts {
            limits: self.config.notifications.clone(),
            admission: self.admission.clone(),
            store: self.ways.store.clone(),
            live,
            dispatcher: DispatcherHandle::new(slots.dispatcher.clone()),
            feeder: FeederHandle::new(slots.feeder.clone()),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
            random,
            draining: false.into(),
        })
    }
}

impl Slots {
    fn empty() -> Self {
        Slots {
            outcomes: Slot::empty(),
            reaper: Slot::empty(),
            dispatcher: Slot::empty(),
            feeder: Slot::empty(),
            sweeper: Slot::empty(),
        }
    }
}

impl Handles {
    /// From source to sink. Returns whether every actor did its part.
    pub(super) async fn drain(&self, root: &ActorRef<Msg>, timeout: Duration) -> bool {
        drop(root.cast(Msg::Draining));
        self.notifications.refuse();
        let fed = ask(&self.slots.feeder, crate::feeder::Msg::Drain, None).await;
        let routed = ask(&self.slots.dispatcher, dispatcher::Msg::Drain, None).await;
        // A fifth of the time is kept for what follows.
        let sent = self.sending.drain(timeout - timeout / 5).await;
        let journaled = ask(&self.slots.outcomes, outcomes::Msg::Drain, None).await;
        let buried = ask(&self.slots.reaper, reaper::Msg::Drain, None).await;
        self.registry.drain().await;
        fed.is_some() && routed.is_some() && sent && journaled.is_some() && buried.is_some()
    }

    #[cfg(test)]
    pub(super) fn kill_dispatcher(&self) {
        if let Some(dispatcher) = self.slots.dispatcher.get() {
            dispatcher.kill();
        }
    }

    pub(super) async fn stats(&self) -> Result<Vec<PoolStats>> {
        self.sending.stats(self.call_timeout).await
    }

    /// Credentials whose guard has tripped.
    pub(super) async fn misconfigured(&self) -> Result<Vec<String>> {
        let timeout = self.call_timeout;
        ask(
            &self.slots.reaper,
            reaper::Msg::Misconfigured,
            Some(timeout),
        )
        .await
        .ok_or(Error::Timeout(timeout))
    }
}

/// A call of an actor of the tree; `None` when it is not there, or gave no answer in time.
async fn ask<M: Message, R: Send + 'static>(
    slot: &Slot<M>,
    message: impl FnOnce(RpcReplyPort<R>) -> M,
    timeout: Option<Duration>,
) -> Option<R> {
    match slot.get()?.call(message, timeout).await {
        Ok(CallResult::Success(answer)) => Some(answer),
        Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => None,
    }
}
