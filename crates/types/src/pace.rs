//! A rate that several hands keep together: a campaign's pushes a second, over all pools it goes through.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Portion, Timestamp};

/// What may leave late is made up for this long, and no longer: 1 % of the 5 s in which a rate is kept.
const SLACK: Duration = Duration::from_millis(50);

/// Millionths of a push, so that slow rates, and parts of them, add up exactly over milliseconds.
const WHOLE: u64 = 1_000_000;

/// What part of a rate is this node's may change: in milliseconds.
const WAIT_MAX: u64 = 1_000;

/// A token bucket. Time is told, never read; one that goes back earns nothing.
#[derive(Debug)]
pub struct Pace {
    bucket: Mutex<Bucket>,
    /// There is no rate: asked for every push, so without the lock.
    is_free: AtomicBool,
}

#[derive(Debug)]
struct Bucket {
    /// Pushes a second, of all nodes together; `None` for no limit.
    rate: Option<u32>,
    /// What part of that is this node's.
    portion: Portion,
    credit: u64,
    filled_at: Timestamp,
}

impl Pace {
    pub fn new(rate: Option<u32>) -> Self {
        Pace {
            bucket: Mutex::new(Bucket {
                rate,
                portion: Portion::WHOLE,
                credit: 0,
                filled_at: Timestamp::default(),
            }),
            is_free: AtomicBool::new(rate.is_none()),
        }
    }

    /// Of all nodes together.
    pub fn rate(&self) -> Option<u32> {
        self.lock().rate
    }

    /// Of this node, in thousandths of a push a second.
    pub fn thousandths(&self) -> Option<u64> {
        self.lock().thousandths()
    }

    /// This node's part is another from now on.
    pub fn set_portion(&self, portion: Portion, now: Timestamp) {
        let mut bucket = self.lock();
        bucket.fill(now);
        bucket.portion = portion;
        bucket.credit = bucket.credit.min(bucket.credit_max());
    }

    /// Another rate from now on; what was earned at the old one stays, within the new one's bounds.
    pub fn set_rate(&self, rate: Option<u32>, now: Timestamp) {
        let mut bucket = self.lock();
        bucket.fill(now);
        bucket.rate = rate;
        bucket.credit = bucket.credit.min(bucket.credit_max());
        self.is_free.store(rate.is_none(), Ordering::Release);
    }

    fn is_free(&self) -> bool {
        self.is_free.load(Ordering::Acquire)
    }

    /// Takes leave for one push.
    pub fn try_take(&self, now: Timestamp) -> bool {
        if self.is_free() {
            return true;
        }
        let mut bucket = self.lock();
        if bucket.rate.is_none() {
            return true;
        }
        bucket.fill(now);
        let left = bucket.credit.checked_sub(WHOLE);
        bucket.credit = left.unwrap_or(bucket.credit);
        left.is_some()
    }

    /// One that was taken and not used.
    pub fn give_back(&self) {
        if self.is_free() {
            return;
        }
        let mut bucket = self.lock();
        bucket.credit = (bucket.credit + WHOLE).min(bucket.credit_max());
    }

    /// When the next one may leave; `None` when one may now.
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let mut bucket = self.lock();
        let rate = bucket.thousandths()?;
        bucket.fill(now);
        let missing = WHOLE.checked_sub(bucket.credit).filter(|some| *some > 0)?;
        // A node without slots has none of it, and asks again.
        let wait = missing.div_ceil(rate.max(1)).min(WAIT_MAX);
        Some(now + Duration::from_millis(wait))
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        // Three numbers are whole whatever panicked.
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn fill(&mut self, now: Timestamp) {
        let Some(rate) = self.thousandths() else {
            self.filled_at = now;
            return;
        };
        let millis = u64::try_from(now.since(self.filled_at).as_millis()).unwrap_or(u64::MAX);
        let earned = rate.saturating_mul(millis);
        self.credit = self.credit.saturating_add(earned).min(self.credit_max());
        self.filled_at = now.max(self.filled_at);
    }

    fn credit_max(&self) -> u64 {
        let slack = u64::try_from(SLACK.as_millis()).unwrap_or(u64::MAX);
        let rate = self.thousandths();
        rate.map_or(0, |rate| WHOLE + rate.saturating_mul(slack))
    }

    fn thousandths(&self) -> Option<u64> {
        self.rate.map(|rate| self.portion.of(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_and_lateness_is_made_up_for_a_little() {
        let pace = Pace::new(Some(1_000));
        pace.set_rate(Some(1_000), Timestamp(0));
        let taken = |at: u64| {
            (0..10_000)
                .take_while(|_| pace.try_take(Timestamp(at)))
                .count()
        };
        assert_eq!(taken(10), 10);
        assert_eq!(taken(10), 0);
        assert_eq!(pace.wake_at(Timestamp(10)), Some(Timestamp(11)));
        assert_eq!(taken(1_000), 51);
        assert_eq!(taken(900), 0, "time that goes back earns nothing");
    }

    #[test]
    fn slow_rates_add_up() {
        let pace = Pace::new(Some(3));
        pace.set_rate(Some(3), Timestamp(0));
        let taken = (1..=10_000)
            .filter(|at| pace.try_take(Timestamp(*at)))
            .count();
        assert_eq!(taken, 30);
    }

    #[test]
    fn parts_of_a_rate_add_up() {
        let tenure = crate::Tenure::none();
        let paces = [22, 21, 21].map(|slots| {
            tenure.set_slots(slots);
            let pace = Pace::new(Some(5));
            pace.set_portion(tenure.portion(), Timestamp(0));
            pace
        });
        let taken = (1..=60_000).map(|at| {
            let taken = paces.iter().filter(|pace| pace.try_take(Timestamp(at)));
            taken.count()
        });
        let taken: usize = taken.sum();
        assert!((298..=300).contains(&taken), "{taken}");
        let pace = Pace::new(Some(5));
        tenure.set_slots(0);
        pace.set_portion(tenure.portion(), Timestamp(0));
        assert!(!pace.try_take(Timestamp(60_000)));
        assert_eq!(pace.wake_at(Timestamp(60_000)), Some(Timestamp(61_000)));
    }

    #[test]
    fn without_a_rate_everything_may_leave() {
        let pace = Pace::new(None);
        assert!(pace.try_take(Timestamp(0)) && pace.wake_at(Timestamp(0)).is_none());
        pace.set_rate(Some(10), Timestamp(100));
        assert!(!pace.try_take(Timestamp(100)));
        assert!(pace.try_take(Timestamp(200)));
    }
}
