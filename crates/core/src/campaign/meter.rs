//! How fast a campaign goes now, and when it will have ended.

use std::collections::VecDeque;
use std::time::Duration;

use fanfare_types::Timestamp;

/// The time that "now" is looked at over.
const SPAN: Duration = Duration::from_secs(2);

/// Endings within this long are counted together.
const STEP: Duration = Duration::from_millis(100);

/// Endings of the last seconds.
#[derive(Debug)]
pub struct Meter {
    begun: Timestamp,
    /// When a step began, and what ended in it; oldest first.
    steps: VecDeque<(Timestamp, u64)>,
}

impl Meter {
    pub fn new(now: Timestamp) -> Self {
        Meter {
            begun: now,
            steps: VecDeque::new(),
        }
    }

    /// So many more ended.
    pub fn on_ended(&mut self, count: u64, now: Timestamp) {
        self.forget(now);
        match self.steps.back_mut() {
            Some((began, ended)) if now.since(*began) < STEP => *ended += count,
            _ => self.steps.push_back((now, count)),
        }
    }

    /// Deliveries that ended in the last two seconds, a second.
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&mut self, now: Timestamp) -> f64 {
        self.forget(now);
        let ended: u64 = self.steps.iter().map(|(_, ended)| ended).sum();
        let over = now.since(self.begun).clamp(STEP, SPAN);
        ended as f64 / over.as_secs_f64()
    }

    fn forget(&mut self, now: Timestamp) {
        while self
            .steps
            .front()
            .is_some_and(|(began, _)| now.since(*began) >= SPAN)
        {
            self.steps.pop_front();
        }
    }
}

/// Until `left` have ended at this rate; `None` when nothing moves, or it is further off than anybody plans.
#[allow(clippy::cast_precision_loss, reason = "an estimate for people")]
pub fn eta(left: u64, rate: f64) -> Option<Duration> {
    if rate <= 0.0 {
        return None;
    }
    Duration::try_from_secs_f64(left as f64 / rate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_two_seconds() {
        let mut meter = Meter::new(Timestamp(0));
        for at in (0..10_000).step_by(10) {
            meter.on_ended(5, Timestamp(at));
        }
        let rate = meter.rate(Timestamp(9_999));
        assert!((475.0..=525.0).contains(&rate), "{rate}");
        assert!(meter.steps.len() <= 21);
        assert!(meter.rate(Timestamp(12_500)) < 1.0);
    }

    #[test]
    fn a_young_one_is_measured_over_its_life() {
        let mut meter = Meter::new(Timestamp(1_000));
        meter.on_ended(100, Timestamp(1_400));
        assert!((meter.rate(Timestamp(1_500)) - 200.0).abs() < 1e-9);
    }

    #[test]
    fn an_estimate_needs_movement() {
        assert_eq!(eta(100, 0.0), None);
        assert_eq!(eta(100, 50.0), Some(Duration::from_secs(2)));
        assert_eq!(eta(u64::MAX, f64::MIN_POSITIVE), None);
    }
}
