//! Pacing: a project's rate, spread evenly, and what happens to it when the provider says "too many".
//!
//! A token bucket no larger than a tenth of a second, so that a quota is not spent at the beginning of its minute;
//! additive increase and multiplicative decrease (Google, "Scale FCM sends": no front-loading, slow ramps).
//!
//! Without a quota of our own the provider's "too many" tells of one: what was sent then is taken for it until the
//! rate has climbed to twice as much without another such answer.

use std::time::Duration;

use fanfare_types::{Portion, Timestamp};

/// What the bucket holds at most: a tenth of a second's worth.
const SLICE: Duration = Duration::from_millis(100);

/// From half to the whole rate in about half this time.
const RECOVERY: Duration = Duration::from_secs(60);

/// What part of a quota is this node's may change.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Slowest rate, in thousandths of a push a second.
const RATE_MIN: u64 = 1_000;

/// Millionths of a push, so that slow rates, and parts of them, add up exactly over milliseconds.
const WHOLE: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub struct Pacing {
    /// The project's quota in pushes a second, of all nodes together; `None` when the provider has no such quota.
    quota: Option<u32>,
    /// What part of it is this node's.
    portion: Portion,
    /// This node's part, in thousandths of a push a second; so are all rates below.
    rate_max: Option<u64>,
    /// Without a quota: how far a lowered rate climbs before it is none again.
    climbs_to: Option<u64>,
    /// Present rate.
    rate: u64,
    /// What leaves, without a quota.
    sent: Sent,
    /// Millionths of pushes that may leave now.
    credit: u64,
    refilled_at: Timestamp,
    recovered_at: Timestamp,
    paused_until: Option<Timestamp>,
}

/// Pushes in the second under way and in the last one in which any left.
#[derive(Clone, Debug, Default)]
struct Sent {
    since: Timestamp,
    now: u64,
    before: u64,
}

impl Pacing {
    /// `rate_max` in pushes a second.
    pub fn new(rate_max: Option<u32>) -> Self {
        let portion = Portion::WHOLE;
        let quota = rate_max;
        let rate_max = part(quota, portion);
        Pacing {
            quota,
            portion,
            rate_max,
            climbs_to: None,
            rate: rate_max.unwrap_or(0),
            sent: Sent::default(),
            credit: WHOLE,
            refilled_at: Timestamp::default(),
            recovered_at: Timestamp::default(),
            paused_until: None,
        }
    }

    /// Another quota from now on. A rate that was lowered by throttling stays low and recovers towards it.
    pub fn set_rate_max(&mut self, rate_max: Option<u32>, now: Timestamp) {
        self.quota = rate_max;
        self.set_part(now);
    }

    /// This node's part of the quota is another from now on.
    pub fn set_portion(&mut self, portion: Portion, now: Timestamp) {
        if portion != self.portion {
            self.portion = portion;
            self.set_part(now);
        }
    }

    fn set_part(&mut self, now: Timestamp) {
        let rate_max = part(self.quota, self.portion);
        if rate_max == self.rate_max {
            return;
        }
        // What was earned at the old rate.
        self.allowance(now);
        let is_whole = self.ceiling().is_none_or(|before| self.rate >= before);
        self.climbs_to = match rate_max {
            None if !is_whole => self.ceiling(),
            _ => None,
        };
        self.rate = match (is_whole, rate_max) {
            (false, None) => self.rate,
            (false, Some(rate)) => self.rate.min(rate),
            (true, rate) => rate.unwrap_or(0),
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
        if let Some(ceiling) = self.ceiling() {
            self.recover(ceiling, now);
        }
        if self.ceiling().is_none() {
            return usize::MAX;
        }
        let earned = self
            .rate
            .saturating_mul(millis(now.since(self.refilled_at)));
        self.credit = self.credit.saturating_add(earned).min(self.credit_max());
        self.refilled_at = now;
        usize::try_from(self.credit / WHOLE).unwrap_or(usize::MAX)
    }

    /// So many left.
    pub fn take(&mut self, count: usize, now: Timestamp) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.sent.add(count, now);
        self.credit = self.credit.saturating_sub(count.saturating_mul(WHOLE));
    }

    /// The provider said "too many for this project". Several such answers of one burst count once.
    pub fn on_throttled(&mut self, pause: Duration, now: Timestamp) {
        let until = now + pause;
        if !self.is_paused(now) {
            if self.ceiling().is_none() {
                self.rate = self.sent.a_second().max(RATE_MIN);
            }
            if self.rate_max.is_none() {
                self.climbs_to = Some(self.rate.saturating_mul(2));
            }
            let least = self.rate_max.map_or(RATE_MIN, |most| most.min(RATE_MIN));
            self.rate = (self.rate / 2).max(least);
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
        if self.ceiling().is_none() || self.credit >= WHOLE {
            return None;
        }
        // A slice's worth at once, or the next single push at slow rates; a node without slots asks again.
        let next_push = (WHOLE - self.credit).div_ceil(self.rate.max(1));
        let next_push = Duration::from_millis(next_push).min(WAIT_MAX);
        Some(self.refilled_at + next_push.max(SLICE / 2))
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// The quota, or what is taken for it.
    fn ceiling(&self) -> Option<u64> {
        self.rate_max.or(self.climbs_to)
    }

    /// A second's share of `ceiling` for each second that went well.
    fn recover(&mut self, ceiling: u64, now: Timestamp) {
        let seconds = now.since(self.recovered_at).as_secs();
        if self.rate < ceiling && seconds > 0 {
            let step = (ceiling / RECOVERY.as_secs()).max(RATE_MIN);
            self.rate = (self.rate + step.saturating_mul(seconds)).min(ceiling);
            self.recovered_at = self.recovered_at + Duration::from_secs(seconds);
        }
        if self.rate >= ceiling {
            self.recovered_at = now;
            self.climbs_to = None;
        }
    }

    fn credit_max(&self) -> u64 {
        (self.rate * millis(SLICE)).max(WHOLE)
    }
}

impl Sent {
    fn add(&mut self, count: u64, now: Timestamp) {
        if now.since(self.since) >= Duration::from_secs(1) {
            self.before = self.now;
            self.now = 0;
            self.since = now;
        }
        self.now = self.now.saturating_add(count);
    }

    /// In thousandths.
    fn a_second(&self) -> u64 {
        self.now.max(self.before).saturating_mul(1_000)
    }
}

/// A quota is 1 a second at least; a part of it may be less.
fn part(quota: Option<u32>, portion: Portion) -> Option<u64> {
    quota.map(|quota| portion.of(quota.max(1)))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use fanfare_types::Tenure;

    use super::*;

    const START: Timestamp = Timestamp(1_000_000);

    /// Takes all there is, woken as asked, for this long; what left in each second.
    fn run(pacing: &mut Pacing, from: Timestamp, seconds: u64) -> Vec<usize> {
        let mut now = from;
        let mut left = vec![0; usize::try_from(seconds).unwrap()];
        while now < from + Duration::from_secs(seconds) {
            let allowed = pacing.allowance(now);
            pacing.take(allowed, now);
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
    fn nodes_keep_a_quota_together() {
        let tenure = Tenure::none();
        let mut all = 0;
        for slots in [22, 21, 21] {
            tenure.set_slots(slots);
            let mut pacing = Pacing::new(Some(10));
            pacing.set_portion(tenure.portion(), START);
            pacing.take(1, START);
            all += run(&mut pacing, START, 60).iter().sum::<usize>();
        }
        assert!((580..=620).contains(&all), "{all}");
        let mut pacing = Pacing::new(Some(10));
        tenure.set_slots(0);
        pacing.set_portion(tenure.portion(), START);
        pacing.take(1, START);
        let later = START + Duration::from_secs(60);
        assert_eq!(pacing.allowance(later), 0);
        assert!(
            pacing.wake_at(later).is_some_and(|at| at > later),
            "it asks again"
        );
        pacing.set_portion(Portion::WHOLE, later);
        assert_eq!(pacing.allowance(later + Duration::from_secs(1)), 1);
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
    fn without_a_quota_the_provider_tells_of_one_for_a_while() {
        let mut pacing = Pacing::new(None);
        assert_eq!(pacing.allowance(START), usize::MAX);
        assert_eq!(pacing.wake_at(START), None);
        // 1,000 a second until the provider has too many.
        for ms in (0..3_000).step_by(10) {
            pacing.take(10, START + Duration::from_millis(ms));
        }
        let throttled = START + Duration::from_secs(3);
        for _ in 0..20 {
            pacing.on_throttled(Duration::from_secs(1), throttled);
        }
        assert_eq!(pacing.allowance(throttled), 0);
        let resumed = throttled + Duration::from_secs(1);
        let left = run(&mut pacing, resumed, 40);
        assert!((450..=560).contains(&left[0]), "{left:?}");
        assert!((950..=1_100).contains(&left[16]), "{left:?}");
        assert!(
            left.is_sorted_by(|a, b| *b + 60 > *a),
            "it climbs: {left:?}"
        );
        // Again too many: at half of what it had come to.
        let again = resumed + Duration::from_secs(40);
        let before = left[39];
        pacing.on_throttled(Duration::from_secs(1), again);
        let resumed = again + Duration::from_secs(1);
        let left = run(&mut pacing, resumed, 2);
        assert!(left[0].abs_diff(before / 2) < before / 10, "{left:?}");
        // And after all went well for long enough there is no limit any more.
        let later = resumed + Duration::from_secs(120);
        assert_eq!(pacing.allowance(later), usize::MAX);
        assert_eq!(pacing.wake_at(later), None);
    }

    #[test]
    fn a_quota_that_comes_or_goes_leaves_a_lowered_rate_low() {
        let mut pacing = Pacing::new(Some(600));
        pacing.on_throttled(Duration::from_secs(1), START);
        pacing.set_rate_max(None, START);
        let resumed = START + Duration::from_secs(1);
        let left = run(&mut pacing, resumed, 3);
        assert!((270..=330).contains(&left[0]), "{left:?}");
        let now = resumed + Duration::from_secs(3);
        pacing.set_rate_max(Some(100), now);
        let left = run(&mut pacing, now, 1);
        assert!((90..=110).contains(&left[0]), "{left:?}");
        pacing.set_rate_max(None, now + Duration::from_secs(1));
        assert_eq!(pacing.allowance(now + Duration::from_secs(1)), usize::MAX);
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
