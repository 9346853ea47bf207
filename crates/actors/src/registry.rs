//! The registry as the rest of the house sees it: every write goes through the user's own actor.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::cleanup::OnDeadToken;
use fanfare_core::registration::{self, Patch, Register};
use fanfare_core::restart;
use fanfare_core::revocations::Revocations;
use fanfare_store::Store;
use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, Clock, Device, DeviceId, Timestamp, UserId};
use ractor::ActorCell;

use crate::Result;
use crate::system::RegistryConfig;

/// What the registry is spawned with.
pub(crate) struct Args {
    pub(crate) store: Arc<dyn Store>,
    /// Told of every moved, changed or removed device before its change is acknowledged.
    pub(crate) revocations: Arc<Revocations>,
    /// The rules of each app; a call for any other app is answered as if it had no devices, or refused.
    pub(crate) apps: HashMap<AppId, Rules>,
    pub(crate) config: RegistryConfig,
    /// Longest wait of a call.
    pub(crate) call_timeout: Duration,
    /// How often a shard may die before the registry gives up (and its parent hears of it).
    pub(crate) restart: restart::Policy,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
    /// Uniform over `u64`; makes ids of new devices.
    pub(crate) random: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The supervisor that the registry's own is linked to; `None` in tests.
    pub(crate) parent: Option<ActorCell>,
}

/// How one app wants its devices kept.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) registration: registration::Policy,
    pub(crate) on_dead_token: OnDeadToken,
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Args")
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {}

/// A registration that is durable.
#[derive(Clone, Debug)]
pub struct Registered {
    pub device: Device,
    pub is_new: bool,
}

impl Registry {
    /// Spawns the supervisors; users' actors come on demand.
    pub(crate) async fn spawn(args: Args) -> Result<Registry> {
        let _ = args;
        todo!("the registry room")
    }

    /// No new calls; returns when all calls under way have their answers and every actor is gone.
    pub(crate) async fn drain(&self) {
        todo!("the registry room")
    }

    /// User actors alive now.
    pub(crate) fn users_active(&self) -> usize {
        todo!("the registry room")
    }

    /// Registers a device (rules 1 to 3); durable and seen by the next send when it answers.
    pub async fn register(
        &self,
        app: &AppId,
        user: &UserId,
        command: Register,
    ) -> Result<Registered> {
        let _ = (app, user, command);
        todo!("the registry room")
    }

    /// The user's rows that are not soft-deleted, newest `last_seen_at` first. A plain read; starts no actor.
    pub async fn list(&self, app: &AppId, user: &UserId) -> Result<Vec<Device>> {
        let _ = (app, user);
        todo!("the registry room")
    }

    /// One row of the user. A plain read; starts no actor.
    pub async fn get(&self, app: &AppId, user: &UserId, id: DeviceId) -> Result<Option<Device>> {
        let _ = (app, user, id);
        todo!("the registry room")
    }

    /// Changes one row of the user; `None` when it is missing or somebody else's.
    pub async fn patch(
        &self,
        app: &AppId,
        user: &UserId,
        id: DeviceId,
        patch: Patch,
    ) -> Result<Option<Device>> {
        let _ = (app, user, id, patch);
        todo!("the registry room")
    }

    /// Removes one row of the user for good; `false` when it is missing or somebody else's.
    pub async fn delete(&self, app: &AppId, user: &UserId, id: DeviceId) -> Result<bool> {
        let _ = (app, user, id);
        todo!("the registry room")
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
        let _ = (app, user, id, dead_since);
        todo!("the registry room")
    }

    /// Removes the row for good if it is `stale` or `invalid` and was last written before `before` (the sweeper's
    /// retention). Returns whether it was removed.
    pub async fn purge(
        &self,
        app: &AppId,
        user: &UserId,
        id: DeviceId,
        before: Timestamp,
    ) -> Result<bool> {
        let _ = (app, user, id, before);
        todo!("the registry room")
    }

    /// Marks the row stale if it was last seen before `unseen_since`. Returns whether it was marked.
    pub async fn mark_stale(
        &self,
        app: &AppId,
        user: &UserId,
        id: DeviceId,
        unseen_since: Timestamp,
    ) -> Result<bool> {
        let _ = (app, user, id, unseen_since);
        todo!("the registry room")
    }
}
