//! The pools: one for each (app, provider, environment, credential), the way to them, and their supervisor.
//!
//! Parent: the root, which starts the supervisor again with all pools empty. A pool that dies is started again,
//! within limits. What a crash loses is in the pool's own file.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::pool::Recovery;
use fanfare_core::restart::{History, Policy, Verdict};
use fanfare_core::revocations::Revocations;
use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, Channel, Clock, Delivery, Environment, Finished, Outcome, Reason};
use futures_util::future::join_all;
use ractor::rpc::CallResult;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::runtime::Handle;

use crate::dispatcher::DispatcherHandle;
use crate::outcomes::{Ending, OutcomesHandle};
use crate::pool::credential::{self, Credential};
use crate::pool::{self, Pool};
use crate::random::Random;
use crate::slot::Slot;
use crate::system::PoolStats;
use crate::{App, Error, Result};

/// The delivery's app has no credential for its channel.
const NO_CREDENTIAL: Reason = Reason::of("no_credential");

/// Hands deliveries to the pool that sends them. Cheap to clone.
#[derive(Clone)]
pub struct Pools(Arc<Ways>);

struct Ways {
    slots: Vec<Slot<pool::Msg>>,
    /// Index into `slots`, by way, for each app.
    apps: HashMap<AppId, [Option<usize>; WAYS]>,
    outcomes: OutcomesHandle,
    clock: Clock,
}

const WAYS: usize = 3;

/// Which of an app's pools sends to such an address; none for a channel that is not sent to.
fn way(channel: Channel, environment: Environment) -> Option<usize> {
    match (channel, environment) {
        (Channel::IosPush, Environment::Production) => Some(0),
        (Channel::IosPush, Environment::Sandbox) => Some(1),
        (Channel::Fcm, _) => Some(2),
        (Channel::WebPush, _) => None,
    }
}

impl Pools {
    /// The handle, before anything runs: what is delivered meanwhile is dropped and stays in the journal.
    pub(crate) fn new(apps: &[App], outcomes: OutcomesHandle, clock: Clock) -> Self {
        let mut slots = Vec::new();
        let mut index = HashMap::new();
        for app in apps {
            let mut ways = [None; WAYS];
            // In the order of `credential::all`.
            for (way, is_there) in [app.apns.is_some(), app.apns.is_some(), app.fcm.is_some()]
                .into_iter()
                .enumerate()
            {
                if is_there {
                    ways[way] = Some(slots.len());
                    slots.push(Slot::empty());
                }
            }
            index.insert(app.id.clone(), ways);
        }
        Pools(Arc::new(Ways {
            slots,
            apps: index,
            outcomes,
            clock,
        }))
    }

    /// Spawns the supervisor and every pool under `parent`.
    pub(crate) async fn spawn(args: Args, parent: ActorCell) -> Result<ActorCell> {
        let spawned = Actor::spawn_linked(None, Supervisor, args, parent).await;
        let (supervisor, _) = spawned.map_err(|error| Error::Start(error.to_string()))?;
        Ok(supervisor.get_cell())
    }

    /// Hands a batch over, whatever mix of apps and channels; each delivery finds its pool. One without a pool
    /// (its app has no credential for the channel) ends as `failed` with reason `no_credential`.
    pub fn deliver(&self, batch: Vec<Delivery>) {
        let Some(first) = batch.first().map(|delivery| self.pool_of(delivery)) else {
            return;
        };
        // Most batches are of one app and channel.
        if batch.iter().all(|delivery| self.pool_of(delivery) == first) {
            return self.deliver_to(first, batch);
        }
        let mut parts: Vec<(Option<usize>, Vec<Delivery>)> = Vec::new();
        for delivery in batch {
            let pool = self.pool_of(&delivery);
            match parts.iter_mut().find(|(of, _)| *of == pool) {
                Some((_, part)) => part.push(delivery),
                None => parts.push((pool, vec![delivery])),
            }
        }
        for (pool, part) in parts {
            self.deliver_to(pool, part);
        }
    }

    fn pool_of(&self, delivery: &Delivery) -> Option<usize> {
        let ways = self.0.apps.get(&delivery.live.app)?;
        ways[way(delivery.address.channel, delivery.address.environment)?]
    }

    fn deliver_to(&self, pool: Option<usize>, batch: Vec<Delivery>) {
        let Some(pool) = pool else {
            return self.fail(batch);
        };
        if let Err(pool::Msg::Work(batch)) = self.0.slots[pool].cast(pool::Msg::Work(batch)) {
            // They stay in the journal, and the feeder brings them back.
            let deliveries = batch.len();
            tracing::warn!(deliveries, "pool is down, deliveries wait in the journal");
        }
    }

    /// A notification of this app was cancelled, and says so by now: what its pools hold of it ends.
    pub(crate) fn cancelled(&self, app: &AppId) {
        for pool in self.0.apps.get(app).into_iter().flatten().flatten() {
            // One that is down holds nothing.
            drop(self.0.slots[*pool].cast(pool::Msg::Cancelled));
        }
    }

    fn fail(&self, batch: Vec<Delivery>) {
        let at = self.0.clock.now();
        let ending = |delivery| Ending {
            finished: Finished {
                delivery,
                outcome: Outcome::Failed,
                reason: NO_CREDENTIAL,
                at,
            },
            verdict: None,
        };
        self.0
            .outcomes
            .ended(batch.into_iter().map(ending).collect());
    }

    /// One entry a pool, in the order of the apps.
    ///
    /// # Errors
    /// [`Error::Timeout`] when a pool does not answer in time, [`Error::ShuttingDown`] when one is down.
    pub(crate) async fn stats(&self, timeout: Duration) -> Result<Vec<PoolStats>> {
        let asked = self.0.slots.iter().map(|slot| async move {
            let pool = slot.get().ok_or(Error::ShuttingDown)?;
            match pool.call(pool::Msg::Stats, Some(timeout)).await {
                Ok(CallResult::Success(stats)) => Ok(stats),
                Ok(CallResult::Timeout) => Err(Error::Timeout(timeout)),
                Ok(CallResult::SenderError) | Err(_) => Err(Error::ShuttingDown),
            }
        });
        join_all(asked).await.into_iter().collect()
    }

    /// Hands nothing over any more, waits for the answers of what was, closes the connections. Returns whether
    /// all ended within `timeout`; what was not handed over is dropped and stays in the journal.
    pub(crate) async fn drain(&self, timeout: Duration) -> bool {
        let drained = self.0.slots.iter().map(|slot| async move {
            let Some(pool) = slot.get() else {
                return true;
            };
            let answer = pool.call(pool::Msg::Drain, Some(timeout)).await;
            matches!(answer, Ok(CallResult::Success(())))
        });
        join_all(drained).await.into_iter().all(|ended| ended)
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pools({})", self.0.slots.len())
    }
}

/// What the pools are made from. The root makes [`Pools::new`] first (the dispatcher's exit), then spawns
/// the supervisor with [`Pools::spawn`], and again with the same args when it died.
#[derive(Clone)]
pub(crate) struct Args {
    /// Whose slots are filled.
    pub(crate) pools: Pools,
    pub(crate) apps: Arc<[App]>,
    pub(crate) outcomes: OutcomesHandle,
    pub(crate) dispatcher: DispatcherHandle,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) link: fanfare_link::Config,
    pub(crate) recovery: Recovery,
    pub(crate) restart: Policy,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) telemetry: Telemetry,
    /// Runtimes that connections are spread over; the caller's when empty.
    pub(crate) senders: Arc<[Handle]>,
    /// Told why, when a pool dies too often.
    pub(crate) gave_up: Arc<dyn Fn(String) + Send + Sync>,
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pools::Args")
    }
}

pub(crate) enum Msg {
    /// Start this pool again.
    Restart(usize),
}

pub(crate) struct State {
    args: Args,
    pools: Vec<Child>,
}

struct Child {
    credential: Credential,
    history: History,
    actor: Option<ActorId>,
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
        let child = |credential| Child {
            credential,
            history: History::default(),
            actor: None,
        };
        let pools = credential::all(&args.apps, &args.link.resolver)?;
        let mut state = State {
            pools: pools.into_iter().map(child).collect(),
            args,
        };
        for index in 0..state.pools.len() {
            state.start(index, &myself).await?;
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Restart(index) => state.start(index, &myself).await,
        }
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(who, error) => {
                tracing::error!(%error, "pool crashed");
                state.died(who.get_id(), &myself);
            }
            // Nobody stops a pool but its supervisor's end.
            SupervisionEvent::ActorTerminated(who, ..) => state.died(who.get_id(), &myself),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl State {
    async fn start(
        &mut self,
        index: usize,
        myself: &ActorRef<Msg>,
    ) -> Result<(), ActorProcessingErr> {
        let args = pool::Args {
            credential: self.pools[index].credential.clone(),
            outcomes: self.args.outcomes.clone(),
            dispatcher: self.args.dispatcher.clone(),
            revocations: self.args.revocations.clone(),
            link: self.args.link.clone(),
            recovery: self.args.recovery.clone(),
            clock: self.args.clock.clone(),
            random: self.args.random.clone(),
            telemetry: self.args.telemetry.clone(),
            senders: self.args.senders.clone(),
            first_sender: index,
        };
        let (pool, _) = Actor::spawn_linked(None, Pool, args, myself.get_cell()).await?;
        self.pools[index].actor = Some(pool.get_id());
        self.args.pools.0.slots[index].set(pool);
        Ok(())
    }

    fn died(&mut self, who: ActorId, myself: &ActorRef<Msg>) {
        let is_it = |child: &Child| child.actor == Some(who);
        let Some(index) = self.pools.iter().position(is_it) else {
            return;
        };
        let child = &mut self.pools[index];
        child.actor = None;
        let now = self.args.clock.now();
        match child.history.on_death(&self.args.restart, now) {
            Verdict::Restart(delay) => {
                self.args.telemetry.actor_restarted("pool");
                drop(myself.send_after(delay, move || Msg::Restart(index)));
            }
            Verdict::GiveUp => {
                let app = &child.credential.app().id;
                let provider = child.credential.channel();
                (self.args.gave_up)(format!("pool of {app} ({provider}) keeps crashing"));
            }
        }
    }
}
