//! Accepted notifications and their outcomes, by slot and minute.
//!
//! ```text
//! accept   the minute's bucket is listed and fenced once ─▶ one plain insert (▶ one read, one compare-and-set with a key)
//! record   read what the outcomes are of ─▶ merge ─▶ one conditional batch a bucket: IF fence = mine AND revision = seen
//! over     all ended, the minute gone: retired; past its retention: removed whole
//! ```
//!
//! Only a slot's holder inserts into its buckets, so it knows in memory which of their notifications are unfinished
//! (`shelf`); what it does not know, it reads once. What is scheduled for later lets its bucket sleep: of it only the
//! time of the next one is kept. Cells are written either plainly, by the insert, or by compare-and-set, never by both:
//! their timestamps come from different clocks.
//!
//! The tables are described in `docs/tables/journal.md`.

mod accept;
mod asleep;
mod bucket;
mod fence;
mod history;
mod keys;
mod list;
mod load;
mod merge;
mod purge;
mod record;
mod relist;
mod shelf;
mod statements;
mod tables;
mod unfinished;

use std::sync::Arc;

use fanfare_types::{AppId, Epoch, NotificationId, Outcome, Slot, Timestamp};
use futures_util::future::BoxFuture;
use parking_lot::RwLock;

use super::held::Held;
use super::session::Db;
use super::{Config, Scylla};
use crate::notification::Asked;
use crate::{
    Accept, Accepted, DeliveryPage, Error, Journal, OutcomeBatch, Recovered, Result, Summary,
};
use shelf::Shelf;
use statements::Statements;
pub(super) use tables::TABLES;

/// Buckets that one call reads or writes at a time.
const AT_ONCE: usize = 32;

/// Tries of a compare-and-set that somebody else came before, or whose answer did not come.
const TRIES: usize = 6;

pub(super) struct Room {
    db: Arc<Db>,
    held: Arc<Held>,
    statements: Statements,
    shelves: [RwLock<Option<Arc<Shelf>>>; Slot::COUNT as usize],
}

impl Room {
    pub(super) async fn new(db: &Arc<Db>, held: &Arc<Held>, _config: &Config) -> Result<Self> {
        Ok(Room {
            statements: Box::pin(Statements::prepare(db)).await?,
            db: db.clone(),
            held: held.clone(),
            shelves: std::array::from_fn(|_| RwLock::default()),
        })
    }

    /// What this node knows of a slot; `None` when it does not hold it.
    fn shelf(&self, slot: Slot) -> Option<Arc<Shelf>> {
        let epoch = self.held.epoch(slot)?;
        let shelf = self.shelves[usize::from(slot.number())].read().clone();
        shelf.filter(|shelf| shelf.epoch == epoch)
    }

    fn shelves(&self) -> Vec<Arc<Shelf>> {
        Slot::all().filter_map(|slot| self.shelf(slot)).collect()
    }

    /// After this no write of an earlier epoch is taken for the slot's work. To be called before it is held.
    pub(super) async fn take_up(&self, slot: Slot, epoch: Epoch) -> Result<()> {
        self.raise_slot(slot, epoch).await?;
        let shelf = Arc::new(self.listed(slot, epoch).await?);
        self.raise_buckets(&shelf).await?;
        *self.shelves[usize::from(slot.number())].write() = Some(shelf);
        Ok(())
    }

    /// Forgets what is known of a slot.
    pub(super) fn give_up(&self, slot: Slot) {
        *self.shelves[usize::from(slot.number())].write() = None;
    }
}

fn not_held(slot: Slot) -> Error {
    Error::Unavailable(format!("slot {slot} is not held"))
}

impl Journal for Scylla {
    fn accept(&self, accept: Accept) -> BoxFuture<'_, Result<Accepted>> {
        Box::pin(self.journal.accept(accept))
    }

    fn record(&self, batches: Vec<OutcomeBatch>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.journal.record(batches))
    }

    fn cancel(&self, app: &AppId, id: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>> {
        let app = app.clone();
        Box::pin(async move { self.journal.cancel(&app, id).await })
    }

    fn summary(&self, app: &AppId, id: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>> {
        let app = app.clone();
        Box::pin(async move { self.journal.summary(&app, id).await })
    }

    fn deliveries(
        &self,
        app: &AppId,
        id: NotificationId,
        outcome: Option<Outcome>,
        start: u32,
        limit: usize,
    ) -> BoxFuture<'_, Result<Option<DeliveryPage>>> {
        let app = app.clone();
        let asked = Asked {
            outcome,
            start,
            limit,
        };
        Box::pin(async move { self.journal.deliveries(&app, id, &asked).await })
    }

    fn unfinished(
        &self,
        due: Timestamp,
        after: Option<NotificationId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recovered>>> {
        Box::pin(self.journal.unfinished(due, after, limit))
    }

    fn next_due(&self, due: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>>> {
        Box::pin(self.journal.next_due(due))
    }

    fn purge(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<usize>> {
        Box::pin(self.journal.purge(before, now, limit))
    }
}
