//! Pacing: a project's rate, spread evenly, and what happens to it when the provider says "too many".
//!
//! A token bucket no larger than a tenth of a second, so that a quota is not spent at the beginning of its minute;
//! additive increase and multiplicative decrease (Google, "Scale FCM sends": no front-loading, slow ramps).

use std::time::Duration;

use fanfare_types::Timestamp;

/// What the bucket holds at most: a tenth of a second's worth.
const SLICE: Duration = Duration::from_millis(100);

/// From half to the whole rate in about half this time.
const RECOVERY: Duration = Duration::from_secs(60);

/// Slowest rate, in pushes a second.
const RATE_MIN: u64 = 1;

/// Thousandths of a push, so that slow rates add up exactly over milliseconds.
const WHOLE: u64 = 1000;

#[derive(Clone, Debug)]
pub struct Pacing {
    /// Pushes a second; `None` when the provider has no such quota.
    rate_max: Option<u64>,
    /// Present rate, in pushes a second.
    rate: u64,
    /// Thousandths of pushes that may leave now.
    credit: u64,
    refilled_at: Timestamp,
    recovered_at: Timestamp,
    paused_until: Option<Timestamp>,
}

impl Pacing {
    /// `rate_max` in pushes a second.
    pub fn new(rate_max: Option<u32>) -> Self {
        let rate_max = rate_max.map(|rate| u64::from(rate).max(RATE_MIN));
        Pacing {
            rate_max,
            rate: rate_max.unwrap_or(0),
            credit: WHOLE,
            refilled_at: Timestamp::default(),
            recovered_at: Timestamp::default(),
            paused_until: None,
        }
    }

    /// Another quota from now on. A rate that was lowered by throttling stays low and recovers towards it.
    pub fn set_rate_max(&mut self, rate_max: Option<u32>, now: Timestamp) {
        let rate_max = rate_max.map(|rate| u64::from(rate).max(RATE_MIN));
        if rate_max == self.rate_max {
            return;
        }
        // What was earned at the old rate.
        self.allowance(now);
        let is_whole = self.rate_max.is_none_or(|before| self.rate >= before);
        let rate = rate_max.unwrap_or(0);
        self.rate = match is_whole {
            true => rate,
            false => self.rate.min(rate),
        };
        self.rate_max = rate_max;
        self.credit = self.credit.min(self.credit_max());
        self.refilled_at = self.refilled_at.max(now);
    }

    /// How many pushes may leave now.
    pub fn allowance(&mut self, now: Timestamp) -> usize {
        if self.is_paused(now) {
            return 0;
        }
        let Some(rate_max) = self.rate_max else {
            return usize::MAX;
        };
        self.recover(rate_max, now);
        let earned = self
            .rate
            .saturating_mul(millis(now.since(self.refilled_at)));
        self.credit = self.credit.saturating_add(earned).min(self.credit_max());
        self.refilled_at = now;
        usize::try_from(self.credit / WHOLE).unwrap_or(usize::MAX)
    }

    /// So many left.
    pub fn take(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.credit = self.credit.saturating_sub(count.saturating_mul(WHOLE));
    }

    /// The provider said "too many for this project". Several such answers of one burst count once.
    pub fn on_throttled(&mut self, pause: Duration, now: Timestamp) {
        let until = now + pause;
        if !self.is_paused(now) {
            self.rate = (self.rate / 2).max(RATE_MIN);
            self.credit = 0;
        }
        self.paused_until = Some(self.paused_until.map_or(until, |before| before.max(until)));
        self.recovered_at = until.max(now);
        self.refilled_at = until.max(now);
    }

    /// When more may leave, if nothing may now.
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(until) = self.paused_until
            && until > now
        {
            return Some(until);
        }
        if self.rate_max.is_none() || self.credit >= WHOLE {
            return None;
        }
        // A slice's worth at once, or the next single push at slow rates.
        let next_push = Duration::from_millis((WHOLE - self.credit).div_ceil(self.rate.max(1)));
        Some(self.refilled_at + next_push.max(SLICE / 2))
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// A second's share of `rate_max` for each second that went well.
    fn recover(&mut self, rate_max: u64, now: Timestamp) {
        let seconds = now.since(self.recovered_at).as_secs();
        if self.rate >= rate_max {
            self.recovered_at = now;
        } else if seconds > 0 {
            let step = (rate_max / RECOVERY.as_secs()).max(RATE_MIN);
            self.rate = (self.rate + step.saturating_mul(seconds)).min(rate_max);
            self.recovered_at = self.recovered_at + Duration::from_secs(seconds);
        }
    }

    fn credit_max(&self) -> u64 {
        (self.rate * millis(SLICE)).max(WHOLE)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_000_000);

    /// Takes all there is, woken as asked, for this long; what left in each second.
    fn run(pacing: &mut Pacing, from: Timestamp, seconds: u64) -> Vec<usize> {
        let mut now = from;
        let mut left = vec![0; usize::try_from(seconds).unwrap()];
        while now < from + Duration::from_secs(seconds) {
            let allowed = pacing.allowance(now);
            pacing.take(allowed);
            left[usize::try_from(now.since(from).as_secs()).unwrap()] += allowed;
            let next = pacing.wake_at(now).expect("it has a rate");
            assert!(next > now);
            now = next;
        }
        left
    }

    #[test]
    fn a_rate_is_kept_and_not_spent_at_the_beginning() {
        for rate in [1, 3, 10, 1_000, 10_000] {
            let mut pacing = Pacing::new(Some(rate));
            assert!(pacing.allowance(START) <= usize::try_from(rate / 10).unwrap().max(1));
            for left in run(&mut pacing, START, 10) {
                let off = left.abs_diff(usize::try_from(rate).unwrap());
                assert!(
                    off <= usize::try_from(rate / 10).unwrap().max(1),
                    "{rate}: {left}"
                );
            }
        }
    }

    #[test]
    fn a_quiet_hour_saves_up_a_slice_and_no_more() {
        let mut pacing = Pacing::new(Some(1_000));
        pacing.allowance(START);
        assert_eq!(pacing.allowance(START + Duration::from_secs(3_600)), 100);
    }

    #[test]
    fn throttling_pauses_halves_once_and_recovers_step_by_step() {
        let mut pacing = Pacing::new(Some(600));
        pacing.allowance(START);
        for _ in 0..50 {
            pacing.on_throttled(Duration::from_secs(60), START);
        }
        let resumed = START + Duration::from_secs(60);
        assert_eq!(pacing.allowance(START + Duration::from_secs(59)), 0);
        assert_eq!(pacing.wake_at(START), Some(resumed));
        let left = run(&mut pacing, resumed, 40);
        assert!((270..=310).contains(&left[0]), "{left:?}");
        assert!((390..=430).contains(&left[11]), "{left:?}");
        assert!((570..=630).contains(&left[39]), "{left:?}");
    }

    #[test]
    fn without_a_quota_only_pauses_count() {
        let mut pacing = Pacing::new(None);
        assert_eq!(pacing.allowance(START), usize::MAX);
        assert_eq!(pacing.wake_at(START), None);
        pacing.on_throttled(Duration::from_secs(1), START);
        assert_eq!(pacing.allowance(START), 0);
        assert_eq!(pacing.allowance(START + Duration::from_secs(1)), usize::MAX);
    }

    #[test]
    fn another_quota_holds_at_once() {
        let mut pacing = Pacing::new(Some(1_000));
        let left = run(&mut pacing, START, 2);
        assert!((900..=1_100).contains(&left[1]), "{left:?}");
        for (rate, seconds) in [(50, 3), (4_000, 6)] {
            let now = START + Duration::from_secs(seconds);
            pacing.allowance(now);
            pacing.set_rate_max(Some(rate), now);
            let rate = usize::try_from(rate).unwrap();
            for left in run(&mut pacing, now, 2) {
                assert!(left.abs_diff(rate) <= rate / 10 + 1, "{rate}: {left}");
            }
        }
    }

    #[test]
    fn a_throttled_rate_stays_low_under_another_quota() {
        let mut pacing = Pacing::new(Some(600));
        pacing.on_throttled(Duration::from_secs(1), START);
        pacing.set_rate_max(Some(6_000), START);
        assert_eq!(pacing.allowance(START), 0, "the pause goes on");
        let resumed = START + Duration::from_secs(1);
        let left = run(&mut pacing, resumed, 3);
        assert!(
            (270..=450).contains(&left[0]) && left[2] > left[0],
            "{left:?}"
        );
        pacing.set_rate_max(Some(100), resumed + Duration::from_secs(3));
        let left = run(&mut pacing, resumed + Duration::from_secs(3), 1);
        assert!((90..=110).contains(&left[0]), "{left:?}");
    }
}
