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
    pub(super) async fn new(db: &Arc<Db>) -> Result<Self> {
        Ok(Room { _db: db.clone() })
    }
    pub(super) async fn ping(&self) -> Result<()> {
        Err(Error::Unavailable("room".to_owned()))
    }
}

impl Fleet for Scylla {
    fn census(&self) -> BoxFuture<'_, Result<Census>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn join(&self, id: NodeId, name: &str) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn beat<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn bury(&self, id: NodeId, beat: u64) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn leave(&self, id: NodeId) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn claim(&self, id: NodeId, seen: Vec<Lease>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn release(&self, slot: Slot, epoch: Epoch) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn take_up(&self, slot: Slot, epoch: Epoch) -> BoxFuture<'_, Result<()>> {
        self.held.set(slot, Some(epoch));
        Box::pin(async { Ok(()) })
    }

    fn give_up(&self, slot: Slot) {
        self.held.set(slot, None);
    }

    fn tell(&self, from: NodeId, notice: Notice) -> BoxFuture<'_, Result<usize>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn hear(&self, id: NodeId, inbox: u64) -> BoxFuture<'_, Result<Vec<(NoticeId, Notice)>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }
}
