//! The threads that read, each with its own connection, fed from one queue.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::health::Health;
use super::lock::Lock;
use crate::Result;

/// What the readers are sent.
pub(super) enum Msg {
    Read(Job),
    /// Take no more, and finish what is queued.
    Close,
}

type Job = Box<dyn FnOnce(&mut Connection, &Health) + Send>;

/// The closure as a message, and where its answer comes.
pub(super) fn read<T, F>(work: F) -> (Msg, oneshot::Receiver<Result<T>>)
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
    (Msg::Read(Box::new(job)), answer)
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
    pub(super) queue: Arc<Mutex<mpsc::Receiver<Msg>>>,
    pub(super) health: Arc<Health>,
    pub(super) _lock: Arc<Lock>,
    /// Dropped last: tells `close` that the thread is done.
    pub(super) _alive: watch::Receiver<()>,
}

impl Reader {
    pub(super) fn run(mut self) {
        while let Some(msg) = self.next() {
            if let Msg::Read(job) = msg {
                job(&mut self.db, &self.health);
            }
        }
    }

    /// One reader waits in the queue, the others wait for its place.
    fn next(&self) -> Option<Msg> {
        let mut queue = self.queue.lock();
        let msg = queue.blocking_recv();
        if matches!(msg, Some(Msg::Close)) {
            queue.close();
        }
        msg
    }
}
