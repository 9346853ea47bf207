//! The threads that read, each with its own connection, fed from one queue.

mod queue;

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::health::Health;
use super::lock::Lock;
use crate::Result;
pub(super) use queue::{Reads, Taken};

pub(super) type Job = Box<dyn FnOnce(&mut Connection, &Health) + Send>;

/// The closure as a job, and where its answer comes.
pub(super) fn read<T, F>(work: F) -> (Job, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job = move |db: &mut Connection, health: &Health| {
        let end = work(db);
        if let Err(error) = &end {
            health.failed(error);
        }
        drop(reply.send(end));
    };
    (Box::new(job), answer)
}

/// Runs reads that must see one state of the store across several statements.
pub(super) fn snapshot<T>(db: &Connection, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let execute = |sql| db.prepare_cached(sql)?.execute([]).map(drop);
    execute("BEGIN")?;
    let value = read();
    execute("COMMIT")?;
    value
}

/// One reader thread. Everything it owns is let go in the order of the fields.
pub(super) struct Reader {
    pub(super) db: Connection,
    pub(super) queue: Taken,
    pub(super) health: Arc<Health>,
    pub(super) _lock: Arc<Lock>,
    /// Dropped last: tells `close` that the thread is done.
    pub(super) _alive: watch::Receiver<()>,
}

impl Reader {
    pub(super) fn run(mut self) {
        while let Some(job) = self.queue.next() {
            job(&mut self.db, &self.health);
        }
    }
}
