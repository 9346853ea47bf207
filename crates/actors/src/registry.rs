//! The registry as the rest of the house sees it: every write goes through the user's own actor.
//!
//! Parent: the root, which starts the supervisor again with empty shards. A shard that died is started again by
//! `core::restart`; when it dies too often the tree gives up. A crash loses the calls that wait (their callers are
//! told), and nothing that was acknowledged.

mod shards;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::cleanup::OnDeadToken;
use fanfare_core::registration::{self, Patch, Register};
use fanfare_core::restart;
use fanfare_core::revocations::Revocations;
use fanfare_store::{DeviceQuery, Listing, Store};
use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, Clock, Device, DeviceId, Timestamp, UserId};
use parking_lot::RwLock;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::directory::{Directory, Key};
use crate::failpoint::{failpoint, failpoints, handling};
use crate::fleet::FleetHandle;
use crate::slot::Slot;
use crate::system::RegistryConfig;
use crate::user::{Command, Context, Work};
use crate::users::{self, UsersActor};
use crate::{App, Error, GaveUp, Result};
use shards::Shards;

/// Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    shards: Arc<Shards>,
    rules: RuleBook,
    call_timeout: Duration,
    supervisor: Slot<Msg>,
}

/// A registration that is durable.
#[derive(Clone, Debug)]
pub struct Registered {
    pub device: Device,
    pub is_new: bool,
}

impl Registry {
    /// The handle, and what its supervisor is started with (again): into `supervisor`. Users' actors come on
    /// demand.
    pub(crate) fn new(args: Args, supervisor: Slot<Msg>) -> (Registry, Shelter) {
        let config = &args.config;
        let rules = RuleBook::default();
        rules.replace(args.apps);
        let directory = Directory::new(
            config.users_max,
            config.user_queue_max,
            args.telemetry.clone(),
        );
        let shards = Arc::new(Shards::new(config.shards));
        let shelter = Shelter {
            shards: shards.clone(),
            directory: directory.clone(),
            passivate_after: config.passivate_after,
            restart: args.restart,
            gave_up: args.gave_up,
            users: users::Args {
                rules: rules.clone(),
                context: Arc::new(Context {
                    store: args.store.clone(),
                    revocations: args.revocations,
                    fleet: args.fleet,
                    telemetry: args.telemetry,
                    clock: args.clock,
                    random: args.random,
                }),
            },
        };
        let registry = Registry(Arc::new(Inner {
            store: args.store,
            directory,
            shards,
            rules,
            call_timeout: args.call_timeout,
            supervisor,
        }));
        (registry, shelter)
    }

    /// No new calls; returns when all calls under way have their answers and every actor is gone. The caller
    /// bounds how long that may take.
    pub(crate) async fn drain(&self) {
        self.0.directory.close().await;
        if let Some(supervisor) = self.0.supervisor.get() {
            drop(supervisor.stop_and_wait(None, None).await);
        }
    }

    /// Other apps and rules, from each user's next call on.
    pub(crate) fn reload(&self, apps: HashMap<AppId, Rules>) {
        self.0.rules.replace(apps);
    }

    /// User actors alive now.
    pub(crate) fn users_active(&self) -> usize {
        self.0.directory.users_active()
    }

    /// Registers a device (rules 1 to 3); durable and seen by the next send when it answers.
    pub async fn register(
        &self,
        app: &AppId,
        user: &UserId,
        command: Register,
    ) -> Result<Registered> {
        let registered = self.call(app, user, Command::Register(command)).await?;
        registered.ok_or(Error::UnknownApp)
    }

    /// The user's rows that are not soft-deleted, newest `last_seen_at` first. A plain read; starts no actor.
    pub async fn list(&self, app: &AppId, user: &UserId) -> Result<Vec<Device>> {
        let mut rows = self
            .read(self.0.store.devices_of(app, vec![user.clone()]))
            .await?;
        rows.retain(|row| row.deleted_at.is_none());
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.last_seen_at, row.id)));
        Ok(rows)
    }

    /// One row of the user. A plain read; starts no actor.
    pub async fn get(&self, app: &AppId, user: &UserId, id: DeviceId) -> Result<Option<Device>> {
        let rows = self.read(self.0.store.devices_by_id(app, vec![id])).await?;
        Ok(rows.into_iter().find(|row| row.user == *user))
    }

    /// The rows with these ids, whoever holds them, soft-deleted ones too. A plain read; starts no actor.
    pub async fn find(&self, app: &AppId, ids: Vec<DeviceId>) -> Result<Vec<Device>> {
        self.read(self.0.store.devices_by_id(app, ids)).await
    }

    /// A page of a tenant's rows, for an administrator. A plain read, bounded in time by the store.
    pub async fn listing(&self, query: DeviceQuery) -> Result<Listing> {
        self.read(self.0.store.listing(query)).await
    }

    /// Marks the user's row with this device key `invalid`. Returns whether there was one that was not yet.
    pub async fn unregister(&self, app: &AppId, user: &UserId, device_key: &str) -> Result<bool> {
        let command = Command::Unregister(device_key.to_owned());
        Ok(self.call(app, user, command).await?.is_some())
    }

    /// Whether so many failures in a row switch a row of the app off.
    pub(crate) fn is_failing(&self, app: &AppId, consecutive_failures: u32) -> bool {
        let rules = self.0.rules.of(app);
        rules.is_some_and(|rules| rules.registration.is_failing(consecutive_failures))
    }

    /// Switches the row off if its failures in a row have reached the app's `deactivate_after`. Returns whether
    /// it was switched off.
    pub(crate) async fn deactivate(
        &self,
        app: &AppId,
        user: &UserId,
        id: DeviceId,
    ) -> Result<bool> {
        Ok(self
            .call(app, user, Command::Deactivate(id))
            .await?
            .is_some())
    }

    /// A read, for as long as a call may take.
    async fn read<T>(&self, read: impl Future<Output = fanfare_store::Result<T>>) -> Result<T> {
        let longest = self.0.call_timeout;
        match tokio::time::timeout(longest, read).await {
            Ok(rows) => Ok(rows?),
            Err(_) => Err(Error::Timeout(longest)),
        }
    }

    /// Changes one row of the user; `None` when it is missing or somebody else's.
    pub async fn patch(
        &self,
        app: &AppId,
        user: &UserId,
        id: DeviceId,
        patch: Patch,
    ) -> Result<Option<Device>> {
        let patched = self.call(app, user, Command::Patch(id, patch)).await?;
        Ok(patched.map(|patched| patched.device))
    }

    /// Removes one row of the user for good; `false` when it is missing or somebody else's.
    pub async fn delete(&self, app: &AppId, user: &UserId, id: DeviceId) -> Result<bool> {
        let removed = self.call(app, user, Command::Remove(id)).await?;
        Ok(removed.is_some())
    }

    /// The provider called the device's address dead: does what the app's `on_dead_token` says, if the row's
    /// registration is not later than `dead_since`. Returns whether the row was cleaned.
    pub async fn bury(
        &self,
        app: &AppId,
        user: &UserId,
        id: DeviceId,
        dead_since: Timestamp,
    ) -> Result<bool> {
        let buried = self.call(app, user, Command::Bury(id, dead_since)).await?;
        Ok(buried.is_some())
    }

    /// Removes the row for good if it has been `stale` or `invalid` since before `before` (the sweeper's
    /// retention). Returns whether it was removed.
    pub async fn purge(
        &self,
        app: &AppId,
        user: &UserId,
        id: DeviceId,
        before: Timestamp,
    ) -> Result<bool> {
        let purged = self.call(app, user, Command::Purge(id, before)).await?;
        Ok(purged.is_some())
    }

    /// Marks the row stale if it was last seen before `unseen_since`. Returns whether it was marked.
    pub async fn mark_stale(
        &self,
        app: &AppId,
        user: &UserId,
        id: DeviceId,
        unseen_since: Timestamp,
    ) -> Result<bool> {
        let command = Command::MarkStale(id, unseen_since);
        Ok(self.call(app, user, command).await?.is_some())
    }

    /// `None` when there was nothing to change, as in an app that is not served.
    async fn call(
        &self,
        app: &AppId,
        user: &UserId,
        command: Command,
    ) -> Result<Option<Registered>> {
        if self.0.rules.of(app).is_none() {
            return Ok(None);
        }
        let key = Key {
            app: app.clone(),
            user: user.clone(),
        };
        let (answer, answered) = oneshot::channel();
        let command = Box::new(command);
        let work = Work { command, answer };
        let longest = self.0.call_timeout;
        let deadline = Instant::now() + longest;
        let start = |seat| self.0.shards.start(seat);
        self.0.directory.send(&key, work, deadline, start).await?;
        match timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => Ok(answer?.map(|registered| *registered)),
            Ok(Err(_)) => Err(Error::ShuttingDown),
            Err(_) => Err(Error::Timeout(longest)),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("users_active", &self.users_active())
            .finish_non_exhaustive()
    }
}

/// What the registry is spawned with.
pub(crate) struct Args {
    pub(crate) store: Arc<dyn Store>,
    /// Told of every moved, changed or removed device before its change is acknowledged.
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) fleet: FleetHandle,
    /// The rules of each app that is served.
    pub(crate) apps: HashMap<AppId, Rules>,
    pub(crate) config: RegistryConfig,
    /// Longest wait of a call.
    pub(crate) call_timeout: Duration,
    /// How often a shard may die.
    pub(crate) restart: restart::Policy,
    /// Told why, when one dies too often.
    pub(crate) gave_up: GaveUp,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
    /// Uniform over `u64`; makes ids of new devices.
    pub(crate) random: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// How one app wants its devices kept.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) registration: registration::Policy,
    pub(crate) on_dead_token: OnDeadToken,
}

impl Rules {
    pub(crate) fn of(app: &App) -> (AppId, Self) {
        let rules = Rules {
            registration: app.registration.clone(),
            on_dead_token: app.on_dead_token,
        };
        (app.id.clone(), rules)
    }
}

/// The rules of every app that is served, as they are now. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct RuleBook(Arc<RwLock<HashMap<AppId, Arc<Rules>>>>);

impl RuleBook {
    pub(crate) fn of(&self, app: &AppId) -> Option<Arc<Rules>> {
        self.0.read().get(app).cloned()
    }

    fn replace(&self, apps: HashMap<AppId, Rules>) {
        let apps = apps.into_iter();
        *self.0.write() = apps.map(|(id, rules)| (id, Arc::new(rules))).collect();
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Msg {
    /// Start the shard with this index (again).
    Start(usize),
    /// Time to let idle users go.
    Passivate,
}

failpoints!("registry", Msg: Start, Passivate);

/// What the supervisor is started with, and what of the registry outlives it.
#[derive(Clone)]
pub(crate) struct Shelter {
    shards: Arc<Shards>,
    directory: Arc<Directory>,
    passivate_after: Duration,
    restart: restart::Policy,
    gave_up: GaveUp,
    users: users::Args,
}

pub(crate) struct State {
    shelter: Shelter,
    histories: Vec<restart::History>,
}

impl State {
    async fn start(
        &self,
        index: usize,
        myself: &ActorRef<Msg>,
    ) -> std::result::Result<(), ActorProcessingErr> {
        let args = self.shelter.users.clone();
        let (shard, _) = Actor::spawn_linked(None, UsersActor, args, myself.get_cell()).await?;
        self.shelter.shards.set(index, Some(shard));
        Ok(())
    }

    fn on_death(&mut self, shard: ActorId, why: &str, myself: &ActorRef<Msg>) {
        if let Some(index) = self.shelter.shards.index_of(shard) {
            self.down(index, why, myself);
        }
    }

    /// The shard is not there (any more): once more, or never again.
    fn down(&mut self, index: usize, why: &str, myself: &ActorRef<Msg>) {
        tracing::error!(error = why, "a shard of the registry died");
        let Shelter {
            shards,
            restart,
            users,
            gave_up,
            ..
        } = &self.shelter;
        shards.set(index, None);
        users.context.telemetry.actor_restarted("users");
        match self.histories[index].on_death(restart, users.context.clock.now()) {
            restart::Verdict::Restart(delay) => {
                drop(myself.send_after(delay, move || Msg::Start(index)));
            }
            restart::Verdict::GiveUp => {
                gave_up(format!("a shard of the registry dies too often: {why}"));
            }
        }
    }
}

pub(crate) struct RegistryActor;

impl Actor for RegistryActor {
    type Msg = Msg;
    type State = State;
    type Arguments = Shelter;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        shelter: Shelter,
    ) -> std::result::Result<State, ActorProcessingErr> {
        failpoint!("registry", "pre_start");
        let count = shelter.shards.count();
        let every = (shelter.passivate_after / 4).max(Duration::from_millis(10));
        let state = State {
            shelter,
            histories: vec![restart::History::default(); count],
        };
        for index in 0..count {
            state.start(index, &myself).await?;
        }
        drop(myself.send_interval(every, || Msg::Passivate));
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        msg: Msg,
        state: &mut State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        handling!(&msg);
        match msg {
            Msg::Start(index) => {
                if let Err(error) = state.start(index, &myself).await {
                    state.down(index, &error.to_string(), &myself);
                }
            }
            Msg::Passivate => {
                let idle_for = state.shelter.passivate_after;
                state.shelter.directory.passivate(idle_for, usize::MAX);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        failpoint!("registry", "supervision");
        match event {
            SupervisionEvent::ActorFailed(shard, error) => {
                state.on_death(shard.get_id(), &error.to_string(), &myself);
            }
            SupervisionEvent::ActorTerminated(shard, ..) => {
                state.on_death(shard.get_id(), "it ended", &myself);
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}
