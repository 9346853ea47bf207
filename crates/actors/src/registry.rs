//! The registry as the rest of the house sees it: every write goes through the user's own actor.

use fanfare_core::registration::{Patch, Register};
use fanfare_types::{AppId, Device, DeviceId, Timestamp, UserId};

use crate::Result;

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
