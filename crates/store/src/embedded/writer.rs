//! The one thread that writes: it takes everything waiting, commits it as one group, and only then answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot, watch};

use super::health::Health;
use super::lock::Lock;
use super::{OnCommit, fault};
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
    pub(super) on_commit: OnCommit,
    pub(super) health: Arc<Health>,
    pub(super) log: LogState,
    pub(super) lock: Arc<Lock>,
    /// Dropped last: tells `close` that the thread is done.
    pub(super) alive: watch::Receiver<()>,
}

/// What the writer knows of the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogState {
    /// The lock file says that the log holds commits.
    pub(super) is_noted: bool,
    /// It may end in a commit nobody was told of. It has to be emptied before more is written behind it: else a
    /// later look could take the rest of it for lost commits.
    pub(super) has_tail: bool,
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
        let emptied = self.empty_log();
        if emptied != Ok(true) {
            // Else SQLite may remove a log of which the lock file says that it is there.
            let keep = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            drop(self.db.set_db_config(keep, true));
        }
        let end = emptied.map(drop);
        let Writer {
            db, lock, alive, ..
        } = self;
        drop((db, lock));
        for reply in closing {
            drop(reply.send(end.clone()));
        }
        drop(alive);
    }

    /// Commits a group and answers it. When a call of it fails for a reason of its own, each is tried by itself,
    /// so that one call's failure is not another's. When the disk refuses, all have the same answer: trying each
    /// alone would only ask a failing disk a thousand times.
    fn commit(&mut self, mut group: Vec<Box<dyn Call>>) {
        if group.is_empty() {
            return;
        }
        match self.attempt(&mut group) {
            Err(error) if group.len() > 1 && fault::is_the_calls_own(&error) => {
                tracing::warn!(%error, calls = group.len(), "group rolled back, writing call by call");
                self.commit_each(group);
            }
            end => group.into_iter().for_each(|call| call.answer(end.clone())),
        }
    }

    fn commit_each(&mut self, group: Vec<Box<dyn Call>>) {
        let mut refused = Ok(());
        for mut call in group {
            let end = match &refused {
                Ok(()) => self.attempt(std::slice::from_mut(&mut call)),
                refused => refused.clone(),
            };
            if end
                .as_ref()
                .is_err_and(|error| !fault::is_the_calls_own(error))
            {
                refused.clone_from(&end);
            }
            call.answer(end);
        }
    }

    /// One transaction, and what its end says of the disk.
    fn attempt(&mut self, calls: &mut [Box<dyn Call>]) -> Result<()> {
        self.health.damage()?;
        let started = Instant::now();
        let done = self.mend_log().and_then(|()| self.transaction(calls));
        match &done {
            Ok(()) => {
                (self.on_commit.0)(calls.len(), started.elapsed());
                self.commits.fetch_add(1, Ordering::Relaxed);
                self.note_log(true);
                self.health.wrote(Ok(()));
            }
            Err(error) if fault::is_the_calls_own(error) => {}
            Err(error) => {
                self.log.has_tail |= matches!(error, Error::Unknown(_));
                self.health.failed(error);
                self.health.wrote(Err(error));
            }
        }
        done
    }

    fn transaction(&self, calls: &mut [Box<dyn Call>]) -> Result<()> {
        self.execute("BEGIN IMMEDIATE")?;
        let done = calls
            .iter_mut()
            .try_for_each(|call| call.run(&self.db))
            .and_then(|()| self.execute("COMMIT").map_err(fault::commit_failed));
        // Some failures have rolled back by themselves.
        if done.is_err() && !self.db.is_autocommit() {
            self.execute("ROLLBACK")?;
        }
        done
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Empties a log that may end in an unknown commit.
    fn mend_log(&mut self) -> Result<()> {
        if self.log.has_tail {
            // A long reader in the way (a backup) is no reason to refuse writes.
            self.empty_log()?;
            self.log.has_tail = false;
        }
        Ok(())
    }

    /// Copies the log back into the file, so that the file alone is the store. `false`: somebody reads in it.
    ///
    /// The note goes first: a process that is killed in between has a log that nobody would miss, which costs
    /// nothing, and never an empty one that is taken for lost.
    fn empty_log(&mut self) -> Result<bool> {
        self.db.flush_prepared_statement_cache();
        let was_left = self.log.is_noted;
        self.note_log(false);
        let busy = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        if busy != Ok(false) {
            self.note_log(was_left);
        }
        Ok(!busy?)
    }

    fn note_log(&mut self, left: bool) {
        if self.log.is_noted != left {
            self.log.is_noted = left;
            self.lock.log_left(left);
        }
    }
}
