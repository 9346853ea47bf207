//! The supervisor of campaigns: each that is to run has an actor, and only those. It goes by what the store says, never
//! by what it was told: whoever changes a campaign's standing has it look.
//!
//! Parent: the root. Restarted by it; its runs end with it, and the walk over the store's unfinished campaigns begins
//! them again. A crash costs time only.

mod children;
mod tasks;

use std::fmt;
use std::time::Duration;

use fanfare_core::restart::Policy;
use fanfare_types::{AppId, CampaignId, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::Limits;
use super::run::Ways;
use crate::failpoint::{failpoint, failpoints, handling};
use crate::slot::Slot;
use crate::task;
use children::Children;
use tasks::Seen;

/// How often every unfinished campaign is looked at without being told.
const WALK_EVERY: Duration = Duration::from_secs(30);

/// Wait after the store failed.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CampaignsHandle(Slot<Msg>);

impl CampaignsHandle {
    pub(crate) fn new(slot: Slot<Msg>) -> Self {
        CampaignsHandle(slot)
    }

    /// A campaign's standing is another.
    pub(crate) fn changed(&self, app: &AppId, id: CampaignId) {
        // One that is not there begins with a walk when it is.
        drop(self.0.cast(Msg::Changed(app.clone(), id)));
    }

    /// Other apps are served.
    pub(crate) fn look_at_all(&self) {
        // One that is not there begins with a walk when it is.
        drop(self.0.cast(Msg::Walk));
    }
}

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) limits: Limits,
    pub(crate) ways: Ways,
    /// How often a campaign may crash before it is paused.
    pub(crate) restart: Policy,
}

#[derive(Debug)]
pub(crate) enum Msg {
    /// Look at every unfinished campaign.
    Walk,
    Walked(Result<Vec<Seen>, ()>),
    Changed(AppId, CampaignId),
    /// `None`: it is gone, or nothing is to be done.
    Looked(Option<Seen>),
    /// A campaign could not be looked at, or started, or paused.
    Failed(AppId, CampaignId),
    /// Runs nothing more; answers when nothing more is handed on.
    Drain(RpcReplyPort<()>),
}

failpoints!("campaigns", Msg: Walk, Walked, Changed, Looked, Failed, Drain);

pub(crate) struct State {
    args: Args,
    children: Children,
    /// The next walk's timer.
    timer: Option<Timestamp>,
    is_walking: bool,
    is_draining: bool,
}

pub(crate) struct Supervisor;

impl Actor for Supervisor {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        args: Args,
    ) -> Result<State, ActorProcessingErr> {
        failpoint!("campaigns", "pre_start");
        // What a former supervisor's runs handed on is dropped; the walk begins new ones.
        args.ways.runs.withdraw_all();
        myself.cast(Msg::Walk)?;
        Ok(State {
            children: Children::new(args.ways.clone(), args.restart.clone(), args.limits.window),
            args,
            timer: None,
            is_walking: false,
            is_draining: false,
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
            Msg::Drain(reply) => state.drain(reply),
            _ if state.is_draining => {}
            Msg::Walk => state.walk(&myself),
            Msg::Walked(seen) => state.walked(seen, &myself).await,
            Msg::Changed(app, id) => state.look(app, id, &myself),
            Msg::Looked(seen) => {
                if let Some(seen) = seen {
                    state.meet(seen, &myself).await;
                    state.children.share();
                }
            }
            Msg::Failed(app, id) => {
                drop(myself.send_after(RETRY_DELAY, move || Msg::Changed(app, id)));
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        failpoint!("campaigns", "supervision");
        match event {
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
            SupervisionEvent::ActorTerminated(who, ..) => {
                if let Some((app, id)) = state.children.ended(who.get_id()) {
                    // It may be wanted again by now.
                    myself.cast(Msg::Changed(app, id))?;
                }
            }
            SupervisionEvent::ActorFailed(who, error) => {
                tracing::error!(%error, "campaign crashed");
                let now = state.args.ways.clock.now();
                match state.children.died(who.get_id(), now) {
                    None => {}
                    Some((app, id, Some(delay))) => {
                        state.args.ways.telemetry.actor_restarted("campaign");
                        drop(myself.send_after(delay, move || Msg::Changed(app, id)));
                    }
                    Some((app, id, None)) => state.give_up(app, id, &myself),
                }
            }
        }
        if !state.is_draining {
            state.children.share();
        }
        Ok(())
    }
}

impl State {
    fn walk(&mut self, myself: &ActorRef<Msg>) {
        self.timer = None;
        if !self.is_walking {
            self.is_walking = true;
            let walk = tasks::walk(self.args.ways.store.clone());
            task::spawn(myself, ("campaigns", "walk"), Msg::Walked(Err(())), walk);
        }
    }

    async fn walked(&mut self, seen: Result<Vec<Seen>, ()>, myself: &ActorRef<Msg>) {
        self.is_walking = false;
        let delay = match seen {
            Err(()) => RETRY_DELAY,
            Ok(seen) => {
                for seen in seen {
                    self.meet(seen, myself).await;
                }
                self.children.share();
                WALK_EVERY
            }
        };
        let now = self.args.ways.clock.now();
        self.walk_at(now + delay, now, myself);
    }

    fn look(&mut self, app: AppId, id: CampaignId, myself: &ActorRef<Msg>) {
        let look = tasks::look(self.args.ways.store.clone(), app.clone(), id);
        let panicked = Msg::Failed(app, id);
        task::spawn(myself, ("campaigns", "look"), panicked, look);
    }

    /// Makes it so as its standing says.
    async fn meet(&mut self, seen: Seen, myself: &ActorRef<Msg>) {
        use fanfare_core::campaign::{Plan, plan};
        let now = self.args.ways.clock.now();
        let sight = self.children.sight(&seen);
        match plan(sight, now) {
            Plan::Nothing => {}
            Plan::Run => {
                self.children.set_rate(&seen, now);
                self.children.run(&seen, myself).await;
            }
            Plan::Cancel => {
                self.children.cancel(seen.id);
                self.children.run(&seen, myself).await;
            }
            Plan::Withdraw => {
                self.children.withdraw(seen.id);
                // Of one whose actor is gone another one sees to the end.
                self.children.run(&seen, myself).await;
            }
            Plan::Start => {
                let (app, id) = (seen.app.clone(), seen.id);
                let start = tasks::start(self.args.ways.clone(), app.clone(), id);
                let panicked = Msg::Failed(app, id);
                task::spawn(myself, ("campaigns", "start"), panicked, start);
            }
            Plan::LookAt(at) => self.walk_at(at, now, myself),
        }
    }

    /// Walks at that time, or earlier: the clock's pace may change.
    fn walk_at(&mut self, at: Timestamp, now: Timestamp, myself: &ActorRef<Msg>) {
        let at = at.min(now + WALK_EVERY);
        if self.timer.is_none_or(|timer| at < timer) {
            self.timer = Some(at);
            drop(myself.send_after(at.since(now), || Msg::Walk));
        }
    }

    /// One campaign that cannot be run is no reason for others to wait.
    fn give_up(&self, app: AppId, id: CampaignId, myself: &ActorRef<Msg>) {
        tracing::error!(campaign = %id, "the campaign keeps crashing, it is paused");
        let pause = tasks::pause(self.args.ways.clone(), app.clone(), id);
        let panicked = Msg::Failed(app, id);
        task::spawn(myself, ("campaigns", "pause"), panicked, pause);
    }

    fn drain(&mut self, reply: RpcReplyPort<()>) {
        self.is_draining = true;
        self.args.ways.runs.withdraw_all();
        self.children.stop();
        // Whoever asked may have stopped waiting.
        drop(reply.send(()));
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("campaigns::Args")
    }
}
