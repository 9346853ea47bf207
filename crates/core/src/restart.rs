//! Restart policy: how often a child may die before its parent gives up.

use std::collections::VecDeque;
use std::time::Duration;

use fanfare_types::Timestamp;

/// `restarts_max` within `window`, with a back-off that doubles from `delay_min` to `delay_max`.
#[derive(Clone, Debug)]
pub struct Policy {
    pub restarts_max: usize,
    pub window: Duration,
    pub delay_min: Duration,
    pub delay_max: Duration,
}

impl Default for Policy {
    /// 10 within a minute, from 10 ms to 5 s.
    fn default() -> Self {
        Policy {
            restarts_max: 10,
            window: Duration::from_secs(60),
            delay_min: Duration::from_millis(10),
            delay_max: Duration::from_secs(5),
        }
    }
}

/// What a supervisor does about a dead child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again after this long.
    Restart(Duration),
    /// Too many deaths: escalate to the parent; at the root, end the process with a message.
    GiveUp,
}

/// The deaths of one child.
#[derive(Clone, Debug, Default)]
pub struct History {
    deaths: VecDeque<Timestamp>,
}

impl History {
    pub fn on_death(&mut self, policy: &Policy, now: Timestamp) -> Verdict {
        while self
            .deaths
            .front()
            .is_some_and(|at| now.since(*at) > policy.window)
        {
            self.deaths.pop_front();
        }
        if self.deaths.len() >= policy.restarts_max {
            return Verdict::GiveUp;
        }
        let doublings = u32::try_from(self.deaths.len()).unwrap_or(u32::MAX);
        self.deaths.push_back(now);
        let delay = policy
            .delay_min
            .saturating_mul(2u32.saturating_pow(doublings));
        Verdict::Restart(delay.min(policy.delay_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backs_off_gives_up_and_forgets() {
        let policy = Policy {
            restarts_max: 3,
            ..Policy::default()
        };
        let mut history = History::default();
        let delays: Vec<_> = (0..4)
            .map(|n| history.on_death(&policy, Timestamp(n)))
            .collect();
        let millis = |n| Verdict::Restart(Duration::from_millis(n));
        assert_eq!(
            delays,
            [millis(10), millis(20), millis(40), Verdict::GiveUp]
        );
        assert_eq!(history.on_death(&policy, Timestamp(120_000)), millis(10));
    }
}
