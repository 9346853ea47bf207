//! The one thread that writes: it takes everything waiting, commits it as one group, and only then answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::fault;
use super::file::Lock;
use crate::{Error, Result};

/// What the writer is sent.
pub(super) enum Msg {
    Call(Box<dyn Call>),
    /// Take no more, finish what is queued, empty the log, say how that went.
    Close(oneshot::Sender<Result<()>>),
}

/// One call's share of a group.
pub(super) trait Call: Send {
    /// Does the work in the open transaction. It is done again, alone, when its group had to be rolled back.
    fn run(&mut self, db: &Connection) -> Result<()>;

    /// Tells the caller. `end` is how the transaction ended.
    fn answer(self: Box<Self>, end: Result<()>);
}

/// A closure as a [`Call`].
pub(super) struct Work<T, F> {
    work: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Work<T, F>
where
    T: Send + 'static,
    F: FnMut(&Connection) -> Result<T> + Send + 'static,
{
    pub(super) fn call(work: F) -> (Msg, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        let call = Work {
            work,
            value: None,
            reply,
        };
        (Msg::Call(Box::new(call)), answer)
    }
}

impl<T, F> Call for Work<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T> + Send,
{
    fn run(&mut self, db: &Connection) -> Result<()> {
        self.value = Some((self.work)(db)?);
        Ok(())
    }

    fn answer(self: Box<Self>, end: Result<()>) {
        let Work { value, reply, .. } = *self;
        let answer = end.and_then(|()| value.ok_or(Error::Closed));
        // A caller that went away does not want to know.
        drop(reply.send(answer));
    }
}

/// The writer thread. Everything it owns is let go in the order of the fields.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) queue: mpsc::Receiver<Msg>,
    pub(super) group_max: usize,
    pub(super) commits: Arc<AtomicU64>,
    pub(super) lock: Arc<Lock>,
    /// Dropped last: tells `close` that the thread is done.
    pub(super) alive: watch::Receiver<()>,
}

impl Writer {
    pub(super) fn run(mut self) {
        let mut waiting = Vec::new();
        let mut closing = Vec::new();
        while self.queue.blocking_recv_many(&mut waiting, self.group_max) > 0 {
            let mut group = Vec::with_capacity(waiting.len());
            for msg in waiting.drain(..) {
                match msg {
                    Msg::Call(call) => group.push(call),
                    Msg::Close(reply) => {
                        self.queue.close();
                        closing.push(reply);
                    }
                }
            }
            self.commit(group);
        }
        let end = self.empty_log();
        let Writer {
            db, lock, alive, ..
        } = self;
        drop((db, lock));
        for reply in closing {
            drop(reply.send(end.clone()));
        }
        drop(alive);
    }

    /// Commits a group and answers it. When it cannot be committed whole, each call is tried by itself, so
    /// that one call's failure is not another's.
    fn commit(&self, mut group: Vec<Box<dyn Call>>) {
        if group.is_empty() {
            return;
        }
        match self.attempt(&mut group) {
            Ok(()) => group.into_iter().for_each(|call| call.answer(Ok(()))),
            Err(error) if group.len() == 1 => group
                .into_iter()
                .for_each(|call| call.answer(Err(error.clone()))),
            Err(error) => {
                tracing::warn!(%error, calls = group.len(), "group rolled back, writing call by call");
                for mut call in group {
                    let end = self.attempt(std::slice::from_mut(&mut call));
                    call.answer(end);
                }
            }
        }
    }

    fn attempt(&self, calls: &mut [Box<dyn Call>]) -> Result<()> {
        self.execute("BEGIN IMMEDIATE")?;
        let done = calls
            .iter_mut()
            .try_for_each(|call| call.run(&self.db))
            .and_then(|()| self.execute("COMMIT").map_err(fault::commit_failed));
        match &done {
            Ok(()) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
            }
            // Some failures have rolled back by themselves.
            Err(_) if self.db.is_autocommit() => {}
            Err(_) => self.execute("ROLLBACK")?,
        }
        done
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Copies the log back into the file, so that the file alone is the store.
    fn empty_log(&self) -> Result<()> {
        self.db.flush_prepared_statement_cache();
        self.db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}
