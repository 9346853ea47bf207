//! The queue that readers share: bounded, and each read wakes one of them.
//!
//! An asynchronous channel behind a lock would do, but then each read wakes two threads: the one that waits in the
//! channel, and the next one, which waits for the lock.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::Job;
use crate::{Error, Result};

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    jobs_max: usize,
}

struct State {
    jobs: VecDeque<Job>,
    /// No more are taken.
    closed: bool,
    readers: usize,
}

/// The callers' end. Dropped, it takes no more, and what is queued is still read.
pub(in crate::embedded) struct Reads(Arc<Shared>);

/// One reader's end. With the last one goes what is queued.
pub(in crate::embedded) struct Taken(Arc<Shared>);

impl Reads {
    /// At `jobs_max` reads that wait, the next one is refused.
    pub(in crate::embedded) fn new(jobs_max: usize) -> Self {
        Reads(Arc::new(Shared {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                closed: false,
                readers: 0,
            }),
            wake: Condvar::new(),
            jobs_max: jobs_max.max(1),
        }))
    }

    /// An end for one more reader.
    pub(in crate::embedded) fn reader(&self) -> Taken {
        self.0.state.lock().readers += 1;
        Taken(self.0.clone())
    }

    pub(in crate::embedded) fn push(&self, job: Job) -> Result<()> {
        let mut state = self.0.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        if state.jobs.len() >= self.0.jobs_max {
            return Err(Error::Overloaded);
        }
        state.jobs.push_back(job);
        drop(state);
        self.0.wake.notify_one();
        Ok(())
    }

    /// Takes no more.
    pub(in crate::embedded) fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.wake.notify_all();
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.close();
    }
}

impl Taken {
    /// The read that has waited longest; waits for one. `None` when no more will come.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.0.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            self.0.wake.wait(&mut state);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.readers -= 1;
        if state.readers == 0 {
            state.closed = true;
            // Their callers learn that nobody reads any more.
            let jobs = std::mem::take(&mut state.jobs);
            drop(state);
            drop(jobs);
        }
    }
}

impl std::fmt::Debug for Reads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reads({} waiting)", self.0.state.lock().jobs.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A read that is never made; its caller waits at the other end.
    fn waiting() -> (Job, mpsc::Receiver<()>) {
        let (reply, answer) = mpsc::channel();
        (
            Box::new(move |_, _| reply.send(()).unwrap_or_default()),
            answer,
        )
    }

    #[test]
    fn a_full_queue_refuses_and_a_closed_one_is_still_read() {
        let reads = Reads::new(2);
        let taken = reads.reader();
        reads.push(waiting().0).unwrap();
        reads.push(waiting().0).unwrap();
        assert!(matches!(reads.push(waiting().0), Err(Error::Overloaded)));
        reads.close();
        assert!(matches!(reads.push(waiting().0), Err(Error::Closed)));
        assert!(taken.next().is_some() && taken.next().is_some());
        assert!(taken.next().is_none());
    }

    #[test]
    fn each_read_finds_a_reader_that_waits_and_the_end_finds_all() {
        let reads = Reads::new(8);
        let (told, tells) = mpsc::channel();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (taken, told) = (reads.reader(), told.clone());
                std::thread::spawn(move || {
                    while taken.next().is_some() {
                        told.send(()).unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            reads.push(waiting().0).unwrap();
            tells.recv().unwrap();
        }
        drop(reads);
        for reader in readers {
            reader.join().unwrap();
        }
    }

    #[test]
    fn with_the_last_reader_gone_nobody_waits() {
        let reads = Reads::new(8);
        let (one, other) = (reads.reader(), reads.reader());
        let (job, answer) = waiting();
        reads.push(job).unwrap();
        drop(one);
        assert_eq!(answer.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(other);
        assert_eq!(answer.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        assert!(matches!(reads.push(waiting().0), Err(Error::Closed)));
    }
}
