//! The registry half: devices by user, and who holds an address.
//!
//! ```text
//! devices      (app, user) → id        one read for a send to a user
//! device_ids   (app, id) → user
//! addresses    (app, key)              decides who holds an address: the only compare-and-set
//! tenants      (app, tenant, bucket) → id
//! ```
//!
//! A change is decided on the row of its address ([`address`]) and written to the others at the timestamp decided
//! there ([`settle`]); whoever finds a decision that was not carried out carries it out first. So a step that is
//! done twice, or late, changes nothing.

mod address;
mod apply;
mod counted;
mod facts;
mod judge;
mod listing;
mod lookups;
mod plan;
mod remove;
pub(super) mod row;
mod rows;
mod scan;
mod settle;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::{AddressKey, AppId, Device, DeviceId, Facts, Failing, UserId};
use futures_util::future::BoxFuture;

use self::rows::Statements;
pub(super) use self::tables::TABLES;
use super::held::Held;
use super::session::Db;
use super::{Config, Scylla};
use crate::{Applied, Change, DevicePage, DeviceQuery, Listing, Registry, Result, ScanCursor};

/// Partitions of one call that are read or written at once.
const AT_ONCE: usize = 32;

/// The registry's statements, and what it shares with the other rooms.
pub(super) struct Room {
    db: Arc<Db>,
    held: Arc<Held>,
    statements: Statements,
    /// Longest time for one change, all of its steps.
    patience: Duration,
}

impl Room {
    pub(super) async fn new(db: &Arc<Db>, held: &Arc<Held>, config: &Config) -> Result<Self> {
        Ok(Room {
            db: db.clone(),
            held: held.clone(),
            statements: Statements::prepare(db).await?,
            patience: config.request_timeout.mul_f32(1.25),
        })
    }
}

impl Registry for Scylla {
    fn devices_of(&self, app: &AppId, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Device>>> {
        let app = app.clone();
        Box::pin(async move { self.registry.devices_of(&app, users).await })
    }

    fn devices_by_id(&self, app: &AppId, ids: Vec<DeviceId>) -> BoxFuture<'_, Result<Vec<Device>>> {
        let app = app.clone();
        Box::pin(async move { self.registry.devices_by_id(&app, ids).await })
    }

    fn holder(&self, app: &AppId, key: AddressKey) -> BoxFuture<'_, Result<Option<Device>>> {
        let app = app.clone();
        Box::pin(async move { self.registry.holder(&app, key).await })
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied>> {
        Box::pin(self.registry.apply(change))
    }

    fn scan(&self, after: Option<ScanCursor>, limit: usize) -> BoxFuture<'_, Result<DevicePage>> {
        Box::pin(self.registry.scan(after, limit))
    }

    fn listing(&self, query: DeviceQuery) -> BoxFuture<'_, Result<Listing>> {
        Box::pin(self.registry.listing(query))
    }

    fn record_facts(&self, facts: Vec<Facts>) -> BoxFuture<'_, Result<Vec<Failing>>> {
        Box::pin(self.registry.record_facts(facts))
    }
}
