//! Breaker: stops a pool whose credential, project or topic the provider refuses, and tries now and then, with
//! one push at a time, whether it has been put right.

use std::time::Duration;

use fanfare_types::Timestamp;

use crate::jitter;

#[derive(Clone, Debug)]
pub struct Limits {
    /// Pause after the first refusal; doubles with each refused probe. Default 5 s.
    pub pause_min: Duration,
    /// Default 5 min.
    pub pause_max: Duration,
    /// Refusals in a row that open it when the provider has taken pushes before; if it never has, one does.
    /// Default 5: FCM refuses pushes to iOS alone when the project's APNs key is wrong, and the others go on.
    pub refusals_min: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            pause_min: Duration::from_secs(5),
            pause_max: Duration::from_secs(5 * 60),
            refusals_min: 5,
        }
    }
}

/// What may be handed over now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    All,
    /// One push, as a probe.
    Probe,
    Nothing,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The provider took the credential, whatever it said about the push.
    Good,
    Refused,
    /// An answer that says nothing about the credential, or none.
    Inconclusive,
    /// It never left.
    NotSent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    /// Nothing leaves until then.
    Open(Timestamp),
    /// One probe at a time; whether one is under way.
    HalfOpen(bool),
}

#[derive(Clone, Debug)]
pub struct Breaker {
    limits: Limits,
    state: State,
    /// Pauses since it was last closed.
    pauses: u32,
    /// Refusals since the last good answer.
    in_a_row: u32,
    /// Refusals in a row that open it now.
    patience: u32,
}

impl Breaker {
    pub fn new(limits: Limits) -> Self {
        Breaker {
            limits,
            state: State::Closed,
            pauses: 0,
            in_a_row: 0,
            patience: 1,
        }
    }

    pub fn allowance(&mut self, now: Timestamp) -> Allowance {
        if let State::Open(until) = self.state
            && now >= until
        {
            self.state = State::HalfOpen(false);
        }
        match self.state {
            State::Closed => Allowance::All,
            State::HalfOpen(false) => Allowance::Probe,
            State::Open(_) | State::HalfOpen(true) => Allowance::Nothing,
        }
    }

    /// The one push of [`Allowance::Probe`] was handed over.
    pub fn on_probe(&mut self) {
        if self.state == State::HalfOpen(false) {
            self.state = State::HalfOpen(true);
        }
    }

    /// The probe came back. Returns whether the breaker opened or closed for it.
    pub fn on_probed(&mut self, probed: Probed, now: Timestamp) -> bool {
        if self.state != State::HalfOpen(true) {
            return false;
        }
        match probed {
            Probed::Good => return self.on_good(),
            Probed::Refused => self.open(now),
            Probed::NotSent => self.state = State::HalfOpen(false),
            Probed::Inconclusive => {
                // The same pause once more.
                self.pauses = self.pauses.saturating_sub(1);
                self.open(now);
            }
        }
        false
    }

    /// A push that was no probe was refused. Returns whether the breaker opened for it.
    pub fn on_refused(&mut self, now: Timestamp) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.in_a_row >= self.patience && self.trip(now)
    }

    /// Opens without further patience. Returns whether it was closed.
    pub fn trip(&mut self, now: Timestamp) -> bool {
        let was_closed = self.state == State::Closed;
        if was_closed {
            self.open(now);
        }
        was_closed
    }

    /// The provider took the credential. Returns whether the breaker closed for it.
    pub fn on_good(&mut self) -> bool {
        let was_open = self.state != State::Closed;
        self.state = State::Closed;
        self.pauses = 0;
        self.in_a_row = 0;
        self.patience = self.limits.refusals_min.max(1);
        was_open
    }

    fn open(&mut self, now: Timestamp) {
        let Limits {
            pause_min,
            pause_max,
            ..
        } = self.limits;
        let pause = jitter::doubled(pause_min, self.pauses, pause_max);
        self.pauses = self.pauses.saturating_add(1);
        self.state = State::Open(now + pause);
    }

    /// When a probe may leave.
    pub fn wake_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Open(until) => Some(until),
            State::Closed | State::HalfOpen(_) => None,
        }
    }

    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// `closed`, `open` or `half_open`.
    pub fn label(&self) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::Open(_) => "open",
            State::HalfOpen(_) => "half_open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Timestamp {
        Timestamp(n * 1000)
    }

    fn breaker() -> Breaker {
        Breaker::new(Limits::default())
    }

    #[test]
    fn one_refusal_opens_and_further_ones_of_the_same_burst_change_nothing() {
        let mut breaker = breaker();
        assert!(breaker.on_refused(seconds(0)));
        assert!(!breaker.on_refused(seconds(4)));
        assert_eq!(breaker.wake_at(), Some(seconds(5)));
        assert_eq!(breaker.allowance(seconds(4)), Allowance::Nothing);
        assert_eq!(breaker.allowance(seconds(5)), Allowance::Probe);
        assert_eq!(breaker.label(), "half_open");
    }

    #[test]
    fn one_probe_at_a_time_with_doubling_pauses() {
        let mut breaker = breaker();
        let mut now = seconds(0);
        breaker.on_refused(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let until = breaker.wake_at().unwrap();
            pauses.push(until.since(now).as_secs());
            now = until;
            assert_eq!(breaker.allowance(now), Allowance::Probe);
            breaker.on_probe();
            assert_eq!(breaker.allowance(now), Allowance::Nothing);
            breaker.on_probed(Probed::Refused, now);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_good_answer_closes_and_forgets() {
        let mut breaker = breaker();
        breaker.on_refused(seconds(0));
        breaker.allowance(seconds(5));
        breaker.on_probe();
        assert!(breaker.on_probed(Probed::Good, seconds(6)));
        assert_eq!(breaker.allowance(seconds(6)), Allowance::All);
        breaker.trip(seconds(10));
        assert_eq!(breaker.wake_at(), Some(seconds(15)));
    }

    #[test]
    fn single_refusals_among_good_answers_change_nothing() {
        let mut breaker = breaker();
        breaker.on_good();
        for _ in 0..100 {
            for _ in 0..4 {
                assert!(!breaker.on_refused(seconds(1)));
            }
            breaker.on_good();
        }
        assert!(breaker.is_closed());
        let opened: Vec<_> = (0..6).map(|_| breaker.on_refused(seconds(2))).collect();
        assert_eq!(opened, [false, false, false, false, true, false]);
    }

    #[test]
    fn a_probe_that_says_nothing_waits_as_long_again_and_one_that_never_left_does_not() {
        let mut breaker = breaker();
        breaker.on_refused(seconds(0));
        breaker.allowance(seconds(5));
        breaker.on_probe();
        breaker.on_probed(Probed::NotSent, seconds(5));
        assert_eq!(breaker.allowance(seconds(5)), Allowance::Probe);
        breaker.on_probe();
        breaker.on_probed(Probed::Inconclusive, seconds(6));
        assert_eq!(breaker.wake_at(), Some(seconds(11)));
    }
}
