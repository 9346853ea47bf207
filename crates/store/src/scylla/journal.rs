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
    pub(super) async fn new(db: &Arc<Db>, _held: &Arc<Held>, _config: &Config) -> Result<Self> {
        Ok(Room { _db: db.clone() })
    }
}

impl Journal for Scylla {
    fn accept(&self, accept: Accept) -> BoxFuture<'_, Result<Accepted>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn record(&self, batches: Vec<OutcomeBatch>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn cancel(&self, app: &AppId, id: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn summary(&self, app: &AppId, id: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn deliveries(
        &self,
        app: &AppId,
        id: NotificationId,
        outcome: Option<Outcome>,
        start: u32,
        limit: usize,
    ) -> BoxFuture<'_, Result<Option<DeliveryPage>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn unfinished(
        &self,
        due: Timestamp,
        after: Option<NotificationId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recovered>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn next_due(&self, due: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn purge(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<usize>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }
}
