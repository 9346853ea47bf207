//! First come first served; but what has waited before goes before what has not.

use std::collections::VecDeque;
use std::time::Duration;

use crate::pool::Job;

/// A delivery routed this long after its notification was accepted has waited before.
const WAITED_BEFORE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Queue {
    before: VecDeque<Job>,
    fresh: VecDeque<Job>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.before.len() + self.fresh.len()
    }

    pub(super) fn push(&mut self, job: Job) {
        let delivery = &job.delivery;
        let routed_after = delivery.routed_at.since(delivery.live.created_at);
        match delivery.attempts > 0 || job.not_sent > 0 || routed_after > WAITED_BEFORE {
            true => self.before.push_back(job),
            false => self.fresh.push_back(job),
        }
    }

    pub(super) fn push_front(&mut self, job: Job) {
        self.before.push_front(job);
    }

    pub(super) fn pop(&mut self) -> Option<Job> {
        self.before.pop_front().or_else(|| self.fresh.pop_front())
    }

    /// Takes out what is over; the order of the others stays.
    pub(super) fn sweep(&mut self, mut is_over: impl FnMut(&Job) -> bool, over: &mut Vec<Job>) {
        for part in [&mut self.before, &mut self.fresh] {
            for _ in 0..part.len() {
                let Some(job) = part.pop_front() else { break };
                match is_over(&job) {
                    true => over.push(job),
                    false => part.push_back(job),
                }
            }
        }
    }

    pub(super) fn into_jobs(self) -> impl Iterator<Item = Job> + use<> {
        self.before.into_iter().chain(self.fresh)
    }
}
