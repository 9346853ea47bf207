//! When the next connection may be tried, after some that came to nothing or a provider that has had enough.

use std::time::Duration;

use fanfare_types::Timestamp;

use super::Recovery;
use crate::jitter;

/// A connection that ends sooner than this by itself was of no use, whatever it answered: opening one after the other
/// in a hurry is an attack to a provider (Apple blocks it for a while).
pub(super) const LIFE_MIN: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Reopening {
    /// Connections in a row that came to nothing.
    failures: u32,
    /// After a failure, none is opened before.
    retry_at: Timestamp,
    /// The provider asked for calm: none is opened before.
    calm_until: Timestamp,
    /// How often it did so in a row.
    calms: u32,
}

impl Reopening {
    /// Whether one may be tried, while so many are being tried: after a failure one at a time.
    pub(super) fn is_open(&self, connecting: usize, now: Timestamp) -> bool {
        let calm = self.failures == 0 || (connecting == 0 && now >= self.retry_at);
        calm && now >= self.calm_until
    }

    /// When the next may be tried, if a failure or the provider's wish stands in the way now.
    pub(super) fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let after_failure = (self.failures > 0).then_some(self.retry_at);
        let next = after_failure.max(Some(self.calm_until));
        next.filter(|next| *next > now)
    }

    /// A connection of this age had an answer.
    pub(super) fn on_useful(&mut self, age: Duration) {
        if age >= LIFE_MIN {
            self.failures = 0;
        }
    }

    /// A connection came to nothing, or to little.
    pub(super) fn on_failed(&mut self, recovery: &Recovery, now: Timestamp, random: u64) {
        let longest = recovery.reconnect_max;
        let delay = jitter::doubled(recovery.reconnect_min, self.failures, longest);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + jitter::upper_half(delay, random);
    }

    /// The provider has had enough. Several connections that are told so at once count once.
    pub(super) fn on_calm(&mut self, recovery: &Recovery, now: Timestamp, random: u64) {
        if now < self.calm_until {
            return;
        }
        let longest = recovery.reconnect_max;
        let is_again = now.since(self.calm_until) < longest;
        self.calms = match is_again {
            true => self.calms.saturating_add(1),
            false => 0,
        };
        let delay = jitter::doubled(recovery.calm, self.calms, longest);
        self.calm_until = now + jitter::upper_half(delay, random);
    }
}
