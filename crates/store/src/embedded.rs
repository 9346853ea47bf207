//! The embedded store: SQLite in WAL mode, one writer thread with group commit, readers of their own.
//!
//! ```text
//! calls ──▶ bounded queue ──▶ writer: BEGIN, everything waiting, COMMIT (one fsync) ──▶ answers
//!       └─▶ bounded queue ──▶ readers, one connection each ──────────────────────────▶ answers
//! ```
//!
//! An answer comes after the commit, and a read that begins after it sees the write. A call whose future is
//! dropped once it was polled is still carried out.

mod backup;
mod campaigns;
mod check;
mod config;
mod copy;
mod devices;
mod export;
mod fault;
mod file;
mod health;
mod history;
mod idempotency;
mod journal;
mod lock;
mod log;
mod readers;
mod restore;
mod schema;
#[cfg(test)]
mod tests;
mod values;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_types::{
    AddressKey, AppId, Device, DeviceId, Facts, Failing, NotificationId, Outcome, Timestamp, UserId,
};
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Semaphore, oneshot, watch};

pub use backup::{Copied, Progress, backup};
pub use check::{Checked, Contents, check, check_copy};
pub use config::{Config, OnCommit};
pub use copy::{Amount, Kept, Reader as CopyReader};
pub use export::devices_of_app;
pub use restore::{Restored, restore};

use crate::{
    Accept, Accepted, Applied, Change, DeliveryPage, DevicePage, DeviceQuery, Error, Journal,
    Listing, OutcomeBatch, Recovered, Registry, Result, ScanCursor, Store, Summary,
};
use health::Health;
use readers::{Reader, Reads};
use writer::{LogState, Work, Writer};

/// Opens or makes the store. A damaged or newer file is an error that names it and its fault, and stays untouched;
/// so does one whose log is damaged or gone.
pub fn open(config: &Config) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(Embedded::open(config)?))
}

/// The embedded store. Dropped without [`Store::close`] it finishes what is queued in the background, and
/// the file stays locked until then.
#[derive(Debug)]
pub struct Embedded {
    writes: mpsc::Sender<writer::Msg>,
    reads: Reads,
    commits: Arc<AtomicU64>,
    /// One listing at a time: with two readers, one is left for whoever waits for a push.
    listing: Semaphore,
    /// Each closes when the last of its threads has ended.
    writing: watch::Sender<()>,
    reading: watch::Sender<()>,
}

impl Embedded {
    /// Opens or makes the store and starts its threads. Blocks while it does.
    pub fn open(config: &Config) -> Result<Self> {
        let file::Prepared { lock, has_log_tail } = file::prepare(&config.path)?;
        let log = LogState {
            is_noted: lock.log_was_left,
            has_tail: has_log_tail,
        };
        let (lock, health) = (Arc::new(lock), Arc::new(Health::default()));
        let (writes, write_queue) = mpsc::channel(config.queue_max.max(1));
        let reads = Reads::new(config.queue_max);
        let (writing, writer_alive) = watch::channel(());
        let (reading, reader_alive) = watch::channel(());
        let commits = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            db: file::open_writer(config)?,
            queue: write_queue,
            group_max: config.group_max.max(1),
            commits: commits.clone(),
            on_commit: config.on_commit.clone(),
            health: health.clone(),
            log,
            lock: lock.clone(),
            alive: writer_alive,
        };
        for _ in 0..config.readers.max(1) {
            let reader = Reader {
                db: file::open_reader(config)?,
                queue: reads.reader(),
                health: health.clone(),
                _lock: lock.clone(),
                _alive: reader_alive.clone(),
            };
            spawn("store-reader", move || reader.run())?;
        }
        spawn("store-writer", move || writer.run())?;
        Ok(Embedded {
            writes,
            reads,
            commits,
            listing: Semaphore::new(1),
            writing,
            reading,
        })
    }

    /// Groups committed since the store was opened. Beside the number of writes it shows how many of them
    /// share an fsync.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Hands work to the writer and waits for its commit. The work may run twice (see [`writer::Call`]).
    fn write<T, F>(&self, work: F) -> BoxFuture<'_, Result<T>>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T> + Send + 'static,
    {
        Box::pin(async move {
            let (msg, answer) = Work::call(work);
            self.writes.try_send(msg).map_err(refused)?;
            answer
                .await
                .unwrap_or_else(|_| Err(Error::Unknown("the writer stopped".to_owned())))
        })
    }

    fn read<T, F>(&self, work: F) -> BoxFuture<'_, Result<T>>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        Box::pin(async move {
            let (job, answer) = readers::read(work);
            self.reads.push(job)?;
            answer
                .await
                .unwrap_or_else(|_| Err(Error::Unavailable("a reader stopped".to_owned())))
        })
    }

    async fn shut(&self) -> Result<()> {
        // Readers first: the log can be emptied only when nobody reads in it.
        self.reads.close();
        self.reading.closed().await;
        let (reply, answer) = oneshot::channel();
        let told = self.writes.send(writer::Msg::Close(reply)).await.is_ok();
        let end = if told { answer.await } else { Ok(Ok(())) };
        self.writing.closed().await;
        end.unwrap_or(Ok(()))
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    match thread.spawn(run) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Unavailable(format!("no thread for {name}: {error}"))),
    }
}

fn refused<T>(error: TrySendError<T>) -> Error {
    match error {
        TrySendError::Full(_) => Error::Overloaded,
        TrySendError::Closed(_) => Error::Closed,
    }
}

impl Registry for Embedded {
    fn devices_of(&self, app: &AppId, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Device>>> {
        let app = app.clone();
        self.read(move |db| readers::snapshot(db, || devices::of_users(db, &app, users)))
    }

    fn devices_by_id(&self, app: &AppId, ids: Vec<DeviceId>) -> BoxFuture<'_, Result<Vec<Device>>> {
        let app = app.clone();
        self.read(move |db| readers::snapshot(db, || devices::by_id(db, &app, ids)))
    }

    fn holder(&self, app: &AppId, key: AddressKey) -> BoxFuture<'_, Result<Option<Device>>> {
        let app = app.clone();
        self.read(move |db| devices::holder(db, &app, key))
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied>> {
        self.write(move |db| devices::apply(db, &change))
    }

    fn scan(&self, after: Option<ScanCursor>, limit: usize) -> BoxFuture<'_, Result<DevicePage>> {
        self.read(move |db| devices::scan(db, after.as_ref(), limit))
    }

    fn listing(&self, query: DeviceQuery) -> BoxFuture<'_, Result<Listing>> {
        Box::pin(async move {
            let _turn = self.listing.acquire().await.map_err(|_| Error::Closed)?;
            self.read(move |db| devices::listing(db, &query)).await
        })
    }

    fn record_facts(&self, facts: Vec<Facts>) -> BoxFuture<'_, Result<Vec<Failing>>> {
        self.write(move |db| devices::record(db, &facts))
    }
}

impl Journal for Embedded {
    fn accept(&self, accept: Accept) -> BoxFuture<'_, Result<Accepted>> {
        Box::pin(async move {
            let packed = crate::notification::Packed::new(accept)?;
            self.write(move |db| journal::accept(db, &packed)).await
        })
    }

    fn record(&self, batches: Vec<OutcomeBatch>) -> BoxFuture<'_, Result<()>> {
        self.write(move |db| {
            batches
                .iter()
                .try_for_each(|batch| journal::record(db, batch))
        })
    }

    fn cancel(&self, app: &AppId, id: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>> {
        let app = app.clone();
        self.write(move |db| journal::cancel(db, &app, id))
    }

    fn summary(&self, app: &AppId, id: NotificationId) -> BoxFuture<'_, Result<Option<Summary>>> {
        let app = app.clone();
        self.read(move |db| history::summary(db, &app, id))
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
        let asked = crate::notification::Asked {
            outcome,
            start,
            limit,
        };
        self.read(move |db| readers::snapshot(db, || history::deliveries(db, &app, id, &asked)))
    }

    fn unfinished(
        &self,
        due: Timestamp,
        after: Option<NotificationId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recovered>>> {
        self.read(move |db| history::unfinished(db, due, after, limit))
    }

    fn next_due(&self, due: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>>> {
        self.read(move |db| history::next_due(db, due))
    }

    fn purge(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<usize>> {
        self.write(move |db| journal::purge(db, before, now, limit))
    }
}

impl Store for Embedded {
    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.read(|db| schema::verify(db)).await?;
            self.write(journal::ping).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.shut())
    }
}
