//! How fast a campaign goes on all nodes together: by what each look at the store finds, since a node hears of its own
//! deliveries only.

use std::collections::VecDeque;
use std::time::Duration;

use fanfare_types::Timestamp;

/// Looks that are further back say nothing about now.
const SPAN: Duration = Duration::from_secs(5);

/// Outcomes are written in batches: looks that are closer together say nothing about a rate.
const APART: Duration = Duration::from_millis(500);

/// What the last looks found: a few for each second of `SPAN`.
#[derive(Debug, Default)]
pub struct Pulse {
    looks: VecDeque<(Timestamp, u64)>,
}

impl Pulse {
    /// So many have ended by now. How many did a second, since the first look of the last seconds; `None` without one.
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn on_look(&mut self, ended: u64, now: Timestamp) -> Option<f64> {
        while self
            .looks
            .front()
            .is_some_and(|(at, _)| now.since(*at) > SPAN)
        {
            self.looks.pop_front();
        }
        let is_apart = |at: Timestamp| now.since(at) >= APART;
        if self.looks.back().is_none_or(|(at, _)| is_apart(*at)) {
            self.looks.push_back((now, ended));
        }
        let (at, before) = self.looks.front().filter(|(at, _)| is_apart(*at))?;
        let ended = ended.saturating_sub(*before);
        Some(ended as f64 / now.since(*at).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_looks_tell_a_rate() {
        let mut pulse = Pulse::default();
        let mut look = |millis, ended| {
            let rate = pulse.on_look(ended, Timestamp(millis));
            rate.map(|rate| rate.round())
        };
        assert_eq!(look(1_000, 500), None);
        assert_eq!(look(1_100, 800), None, "too close");
        assert_eq!(look(2_000, 1_500), Some(1_000.0));
        assert_eq!(look(2_000, 1_500), Some(1_000.0));
        assert_eq!(look(6_000, 1_500), Some(200.0));
        assert_eq!(look(6_900, 1_500), Some(0.0), "nothing moves");
        assert_eq!(look(20_000, 9_000), None, "nobody looked for long");
    }
}
