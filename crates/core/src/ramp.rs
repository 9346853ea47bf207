//! Ramp: how a pool comes back to a provider that was away.
//!
//! While it is in doubt whether the provider is there, a few pushes probe it, so that few are lost to it; when one is
//! answered, what has gathered meanwhile goes out at a rate that begins low and doubles, so that a provider that has
//! just got up is not thrown over again (Google, "Scale FCM sends": ramp up slowly).

use std::time::Duration;

use fanfare_types::Timestamp;

#[derive(Clone, Debug)]
pub struct Limits {
    /// Pushes under way at once while in doubt. Default 4.
    pub probes: usize,
    /// Pushes in the first second after it; doubles with each further one. Default 1,000.
    pub start: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            probes: 4,
            start: 1_000,
        }
    }
}

/// So many seconds it rises; then the thousandfold of the start is reached, and there is no limit any more.
const SECONDS: u64 = 10;

/// While rising, pushes leave in portions of so much time.
const SLICE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
enum State {
    Level,
    Doubt,
    Rising { since: Timestamp, left: u64 },
}

#[derive(Clone, Debug)]
pub struct Ramp {
    limits: Limits,
    state: State,
}

impl Ramp {
    pub fn new(limits: Limits) -> Self {
        Ramp {
            limits,
            state: State::Level,
        }
    }

    /// No connection is left that the provider answers on.
    pub fn on_away(&mut self) {
        self.state = State::Doubt;
    }

    /// The provider answered a push, and not with an error of its own.
    pub fn on_good(&mut self, now: Timestamp) {
        if matches!(self.state, State::Doubt) {
            self.state = State::Rising {
                since: now,
                left: 0,
            };
        }
    }

    /// How many pushes may leave now, with so many under way.
    pub fn allowance(&mut self, in_flight: usize, now: Timestamp) -> usize {
        match self.state {
            State::Level => usize::MAX,
            State::Doubt => self.limits.probes.max(1).saturating_sub(in_flight),
            State::Rising { since, .. } if now.since(since).as_secs() >= SECONDS => {
                self.state = State::Level;
                usize::MAX
            }
            State::Rising { since, left } => {
                let allowed = self.allowed(now.since(since) + SLICE);
                usize::try_from(allowed.saturating_sub(left)).unwrap_or(usize::MAX)
            }
        }
    }

    /// So many left.
    pub fn take(&mut self, count: usize) {
        if let State::Rising { left, .. } = &mut self.state {
            *left = left.saturating_add(count as u64);
        }
    }

    /// When more may leave, if nothing may now and no answer says so.
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.state {
            State::Rising { .. } => Some(now + SLICE),
            State::Level | State::Doubt => None,
        }
    }

    /// Pushes that may have left after so much time: whole seconds add up to the next one's rate less the start.
    fn allowed(&self, elapsed: Duration) -> u64 {
        let start = u64::from(self.limits.start.max(1));
        let rate = start << elapsed.as_secs().min(SECONDS);
        rate - start + (rate * u64::from(elapsed.subsec_millis())).div_ceil(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_000_000);

    fn ramp() -> Ramp {
        Ramp::new(Limits::default())
    }

    #[test]
    fn without_an_outage_there_is_no_limit() {
        let mut ramp = ramp();
        ramp.on_good(START);
        assert_eq!(ramp.allowance(5_000, START), usize::MAX);
        assert_eq!(ramp.wake_at(START), None);
    }

    #[test]
    fn in_doubt_a_few_probe() {
        let mut ramp = ramp();
        ramp.on_away();
        let later = START + Duration::from_secs(3_600);
        assert_eq!(ramp.allowance(0, later), 4);
        ramp.take(4);
        assert_eq!(ramp.allowance(4, later), 0);
        assert_eq!(ramp.allowance(9, later), 0);
        assert_eq!(ramp.wake_at(later), None, "their answers wake it");
    }

    #[test]
    fn then_each_second_takes_twice_as_many_as_the_one_before() {
        let mut ramp = ramp();
        ramp.on_away();
        ramp.on_good(START);
        let mut left = [0; 10];
        let mut now = START;
        while now < START + Duration::from_secs(10) {
            let allowed = ramp.allowance(0, now);
            ramp.take(allowed);
            left[usize::try_from(now.since(START).as_secs()).unwrap()] += allowed;
            assert_eq!(ramp.allowance(0, now), 0);
            now = ramp.wake_at(now).unwrap();
        }
        for (second, left) in left.into_iter().enumerate() {
            let expected = 1_000 << second;
            assert!(
                (expected..=expected * 11 / 10).contains(&left),
                "{left} in second {second}"
            );
        }
        assert_eq!(ramp.allowance(0, now), usize::MAX);
    }

    #[test]
    fn a_relapse_begins_anew() {
        let mut ramp = ramp();
        ramp.on_away();
        ramp.on_good(START);
        let later = START + Duration::from_secs(5);
        assert!(ramp.allowance(0, later) > 30_000);
        ramp.on_away();
        assert_eq!(ramp.allowance(0, later), 4);
        ramp.on_good(later);
        assert_eq!(ramp.allowance(0, later), 50);
        ramp.on_good(later + Duration::from_secs(1));
        assert!(ramp.allowance(0, later + Duration::from_secs(1)) > 1_000);
    }
}
