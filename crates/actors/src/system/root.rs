//! Root: the supervisor of the tree. Builds it sink first; starts a dead child again, within limits.
//!
//! Parent: none. Not restarted: when it dies, or something below it dies too often, the process should end, and the
//! journal has everything for the next one.

mod child;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use fanfare_core::admission::Admission;
use fanfare_core::restart::Verdict;
use fanfare_types::Timestamp;
use ractor::rpc::CallResult;
use ractor::{
    Actor, ActorCell, ActorProcessingErr, ActorRef, Message, RpcReplyPort, SupervisionEvent,
};
use tokio::sync::{oneshot, watch};

use super::sending::{Make, Sending};
use super::{Config, PoolStats, Ways};
use crate::campaigns::supervisor::{self, CampaignsHandle};
use crate::failpoint::{failpoint, failpoints, handling};
use crate::feeder::FeederHandle;
use crate::fleet::{self, FleetHandle};
use crate::reaper::ReaperHandle;
use crate::registry::Rules;
use crate::slot::Slot;
use crate::{
    App, Campaigns, Error, Notifications, Registry, Result, dispatcher, outcomes, reaper, registry,
    sweeper,
};
use child::Child;
use plan::Plan;

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

failpoints!("root", Msg: Restart, Draining);

pub(super) struct State {
    children: Vec<Child>,
    ways: Ways,
    give_up: watch::Sender<Option<String>>,
    draining: bool,
}

/// What leaves the tree.
pub(super) struct Handles {
    pub(super) registry: Registry,
    pub(super) notifications: Notifications,
    pub(super) campaigns: Campaigns,
    pub(super) fleet: FleetHandle,
    sending: Arc<dyn Sending>,
    pub(super) slots: Slots,
    call_timeout: Duration,
}

/// Where the root's children are found.
#[derive(Clone)]
pub(super) struct Slots {
    pub(super) registry: Slot<registry::Msg>,
    pub(super) outcomes: Slot<outcomes::Msg>,
    pub(super) reaper: Slot<reaper::Msg>,
    pub(super) dispatcher: Slot<dispatcher::Msg>,
    pub(super) feeder: Slot<crate::feeder::Msg>,
    pub(super) sweeper: Slot<sweeper::Msg>,
    pub(super) campaigns: Slot<supervisor::Msg>,
    pub(super) fleet: Slot<crate::fleet::actor::Msg>,
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
        failpoint!("root", "pre_start");
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
        drop(out.send(handles));
        Ok(State {
            children,
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
        handling!(&message);
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
        failpoint!("root", "supervision");
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
        if let Some(index) = self.children.iter().position(|child| child.id == Some(id)) {
            self.on_child_death(index, why, myself);
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
            Ok(()) => self.ways.telemetry.actor_restarted(child.name),
            Err(error) => self.on_child_death(index, &error.to_string(), myself),
        }
    }

    fn give_up(&self, why: String) {
        tracing::error!(error = why, "the tree gives up");
        self.give_up.send_replace(Some(why));
    }
}

impl Drop for State {
    /// Nobody supervises the root: its own crash is told here.
    fn drop(&mut self) {
        if !self.draining && self.give_up.borrow().is_none() {
            self.give_up("the root of the actors crashed".to_owned());
        }
    }
}

impl Slots {
    fn empty() -> Self {
        Slots {
            registry: Slot::empty(),
            outcomes: Slot::empty(),
            reaper: Slot::empty(),
            dispatcher: Slot::empty(),
            feeder: Slot::empty(),
            sweeper: Slot::empty(),
            campaigns: Slot::empty(),
            fleet: Slot::empty(),
        }
    }
}

impl Handles {
    /// From source to sink. Returns whether every actor did its part.
    pub(super) async fn drain(&self, root: &ActorRef<Msg>, timeout: Duration) -> bool {
        drop(root.cast(Msg::Draining));
        self.notifications.refuse().await;
        // Other nodes take over what is not handed over yet while this one waits for its answers.
        drop(self.slots.fleet.cast(fleet::actor::Msg::Drain));
        let fed = ask(&self.slots.feeder, crate::feeder::Msg::Drain, None).await;
        let withdrawn = ask(&self.slots.campaigns, supervisor::Msg::Drain, None).await;
        let routed = ask(&self.slots.dispatcher, dispatcher::Msg::Drain, None).await;
        // A fifth of the time is kept for what follows.
        let sent = self.sending.drain(timeout - timeout / 5).await;
        let journaled = ask(&self.slots.outcomes, outcomes::Msg::Drain, None).await;
        let buried = ask(&self.slots.reaper, reaper::Msg::Drain, None).await;
        self.registry.drain().await;
        let left = match self.fleet.is_alone() {
            true => Some(()),
            false => ask(&self.slots.fleet, fleet::actor::Msg::Leave, None).await,
        };
        let asked = [fed, withdrawn, routed, journaled, buried, left];
        sent && asked.iter().all(Option::is_some)
    }

    /// Other apps from now on: their credentials, rules and unfinished work. On an error nothing is changed.
    pub(super) async fn reload(&self, apps: &[App], admit: impl FnOnce()) -> Result<()> {
        self.sending.reload(apps).await?;
        admit();
        self.registry.reload(apps.iter().map(Rules::of).collect());
        let served = apps.iter().map(|app| app.id.clone()).collect();
        ReaperHandle::new(self.slots.reaper.clone()).served(served);
        let feeder = FeederHandle::new(self.slots.feeder.clone());
        feeder.look_for_lost();
        // An app that came back finds its work, that of one which went away waits.
        feeder.wanted(Timestamp::default());
        CampaignsHandle::new(self.slots.campaigns.clone()).look_at_all();
        Ok(())
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
