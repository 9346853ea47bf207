#![allow(unused)]
//! TODO room.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::held::Held;
use super::session::Db;
use super::{Config, Scylla};
use crate::campaigns::*;
use crate::fleet::*;
use crate::*;
use fanfare_types::*;

pub(super) const TABLES: &[&str] = &[];

pub(super) struct Room {
    _db: Arc<Db>,
}

impl Room {
    pub(super) async fn new(db: &Arc<Db>, _held: &Arc<Held>) -> Result<Self> {
        Ok(Room { _db: db.clone() })
    }
}

impl Registry for Scylla {
    fn devices_of(&self, app: &AppId, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Device>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn devices_by_id(&self, app: &AppId, ids: Vec<DeviceId>) -> BoxFuture<'_, Result<Vec<Device>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn holder(&self, app: &AppId, key: AddressKey) -> BoxFuture<'_, Result<Option<Device>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn scan(&self, after: Option<ScanCursor>, limit: usize) -> BoxFuture<'_, Result<DevicePage>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn listing(&self, query: DeviceQuery) -> BoxFuture<'_, Result<Listing>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn record_facts(&self, facts: Vec<Facts>) -> BoxFuture<'_, Result<Vec<Failing>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }
}
