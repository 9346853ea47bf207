//! What waits for a time of its own before the next attempt.

use std::collections::BTreeMap;

use fanfare_types::Timestamp;

use super::Job;

/// Ordered by time, and by arrival within a millisecond. Bounded by the permits that deliveries hold.
#[derive(Debug, Default)]
pub(super) struct Retries {
    jobs: BTreeMap<(Timestamp, u64), Job>,
    arrivals: u64,
}

impl Retries {
    pub(super) fn push(&mut self, at: Timestamp, job: Job) {
        self.arrivals += 1;
        self.jobs.insert((at, self.arrivals), job);
    }

    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Job> {
        let first = self.jobs.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.jobs.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Takes out those that are over.
    pub(super) fn take_out(&mut self, is_over: impl Fn(&Job) -> bool) -> Vec<Job> {
        let found = self.jobs.extract_if(.., |_, job| is_over(job));
        found.map(|(_, job)| job).collect()
    }

    /// Takes all, each with its time.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (Timestamp, Job)> + use<> {
        let jobs = std::mem::take(&mut self.jobs);
        jobs.into_iter().map(|((at, _), job)| (at, job))
    }

    pub(super) fn clear(&mut self) {
        self.jobs.clear();
    }
}
