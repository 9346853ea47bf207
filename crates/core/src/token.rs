//! The life of a provider token: missing, being renewed, fresh, renewed ahead of its end, or found stale.
//!
//! One renewal at most is under way, however many pushes wait. Each token has a generation, so that answers to
//! pushes that carried an older one cause no further renewal.

use std::time::Duration;

use fanfare_types::Timestamp;

use crate::jitter;

#[derive(Clone, Debug)]
pub struct Limits {
    /// Wait after a renewal that failed; doubles up to `delay_max`. Default 1 s.
    pub delay_min: Duration,
    /// Wait after the endpoint refused the credential; doubles up to `delay_max`. Default 5 s.
    pub refused_delay_min: Duration,
    /// Default 60 s.
    pub delay_max: Duration,
    /// A renewal that has not come back by then counts as failed. Default 30 s.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            delay_min: Duration::from_secs(1),
            refused_delay_min: Duration::from_secs(5),
            delay_max: Duration::from_secs(60),
            patience: Duration::from_secs(30),
        }
    }
}

/// Which token a push carried; 0 where none is needed.
pub type Generation = u32;

/// What a stale token means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// The push carried an older token than the present one, or its renewal is under way.
    Known,
    /// Tokens age: this one is not used any more.
    Retired,
    /// A token that never was any good, right after another one was stale: renewing is not the cure.
    Suspicious,
}

#[derive(Clone, Debug)]
struct Current {
    renew_at: Timestamp,
    expires_at: Timestamp,
    /// The provider has taken it at least once.
    proven: bool,
    stale: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    Idle,
    /// Given up for lost then.
    UnderWay(Timestamp),
    /// Not before then.
    Resting(Timestamp),
}

#[derive(Clone, Debug)]
pub struct Token {
    limits: Limits,
    needed: bool,
    generation: Generation,
    current: Option<Current>,
    renewal: Renewal,
    /// Renewals since the last good one that came to nothing …
    failures: u32,
    /// … and such that the endpoint refused.
    refusals: u32,
    /// The token before this one was found stale.
    replaced_stale: bool,
}

impl Token {
    /// For certificate credentials: always usable, never renewed.
    pub fn not_needed() -> Self {
        Token {
            needed: false,
            ..Token::new(Limits::default())
        }
    }

    /// Missing at first.
    pub fn new(limits: Limits) -> Self {
        Token {
            limits,
            needed: true,
            generation: 0,
            current: None,
            renewal: Renewal::Idle,
            failures: 0,
            refusals: 0,
            replaced_stale: false,
        }
    }

    /// The token to show now, if there is one.
    pub fn usable(&self, now: Timestamp) -> Option<Generation> {
        let usable = |current: &Current| !current.stale && now < current.expires_at;
        match self.needed && !self.current.as_ref().is_some_and(usable) {
            true => None,
            false => Some(self.generation),
        }
    }

    /// Whether a renewal begins now; the caller then makes one. `wanted`: pushes wait. A token that was never
    /// wanted is not made; one that was is kept fresh, and a refused credential is tried until it is good again.
    pub fn begin_renewal(&mut self, wanted: bool, now: Timestamp, random: u64) -> bool {
        if let Renewal::UnderWay(until) = self.renewal
            && now >= until
        {
            self.on_failed(false, now, random);
        }
        let due = match &self.current {
            None => wanted || self.refusals > 0,
            Some(current) => current.stale || now >= current.renew_at,
        };
        let may = match self.renewal {
            Renewal::Idle => true,
            Renewal::UnderWay(_) => false,
            Renewal::Resting(until) => now >= until,
        };
        let begins = self.needed && due && may;
        if begins {
            self.renewal = Renewal::UnderWay(now + self.limits.patience);
        }
        begins
    }

    /// A new token, good for `lifetime`, to be replaced after `renew_after` (earlier).
    pub fn on_renewed(&mut self, renew_after: Duration, lifetime: Duration, now: Timestamp) {
        self.replaced_stale = self.current.as_ref().is_some_and(|current| current.stale);
        self.generation = self.generation.wrapping_add(1);
        self.current = Some(Current {
            renew_at: now + renew_after.min(lifetime),
            expires_at: now + lifetime,
            proven: false,
            stale: false,
        });
        self.renewal = Renewal::Idle;
        self.failures = 0;
        self.refusals = 0;
    }

    /// No new token. `refused`: the credential itself is; tried again now and then, since somebody may put it right.
    pub fn on_failed(&mut self, refused: bool, now: Timestamp, random: u64) {
        let Limits {
            delay_min,
            refused_delay_min,
            delay_max,
            ..
        } = self.limits;
        let (first, count) = match refused {
            true => (refused_delay_min, &mut self.refusals),
            false => (delay_min, &mut self.failures),
        };
        let delay = jitter::doubled(first, *count, delay_max);
        *count = count.saturating_add(1);
        self.renewal = Renewal::Resting(now + jitter::upper_half(delay, random));
    }

    /// The provider took a push that carried this token.
    pub fn on_proven(&mut self, generation: Generation) {
        if let Some(current) = &mut self.current
            && generation == self.generation
        {
            current.proven = true;
        }
    }

    /// The provider called the token of a push stale.
    pub fn on_stale(&mut self, generation: Generation) -> Stale {
        let Some(current) = &mut self.current else {
            return Stale::Known;
        };
        if generation != self.generation || current.stale {
            return Stale::Known;
        }
        current.stale = true;
        match self.replaced_stale && !current.proven {
            true => Stale::Suspicious,
            false => Stale::Retired,
        }
    }

    /// When a renewal may begin, is lost, or a usable token ends.
    pub fn wake_at(&self, wanted: bool) -> Option<Timestamp> {
        if !self.needed {
            return None;
        }
        match (self.renewal, &self.current) {
            (Renewal::UnderWay(until), _) => Some(until),
            (Renewal::Resting(until), None) => (wanted || self.refusals > 0).then_some(until),
            (Renewal::Resting(until), Some(_)) => Some(until),
            (Renewal::Idle, Some(current)) => Some(current.renew_at),
            (Renewal::Idle, None) => None,
        }
    }

    /// Whether the endpoint refused the credential, and no earlier token is left. An endpoint that cannot be
    /// reached, or is in trouble, says nothing about the credential.
    pub fn is_refused(&self, now: Timestamp) -> bool {
        self.refusals > 0 && self.usable(now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const START: Timestamp = Timestamp(1_000_000);

    fn fresh() -> Token {
        let mut token = Token::new(Limits::default());
        assert!(token.begin_renewal(true, START, 0));
        token.on_renewed(50 * MINUTE, 60 * MINUTE, START);
        token
    }

    #[test]
    fn one_renewal_however_many_wait() {
        let mut token = Token::new(Limits::default());
        assert!(!token.begin_renewal(false, START, 0));
        assert!(!token.is_refused(START));
        assert!(token.begin_renewal(true, START, 0));
        assert!(!token.begin_renewal(true, START, 0));
        assert_eq!(token.usable(START), None);
        token.on_renewed(50 * MINUTE, 60 * MINUTE, START);
        assert_eq!(token.usable(START), Some(1));
        assert!(!token.begin_renewal(true, START, 0));
    }

    #[test]
    fn it_is_renewed_ahead_and_used_meanwhile() {
        let mut token = fresh();
        let ahead = START + 50 * MINUTE;
        assert_eq!(token.wake_at(false), Some(ahead));
        assert!(token.begin_renewal(false, ahead, 0));
        assert_eq!(token.usable(ahead), Some(1));
        token.on_failed(false, ahead, u64::MAX);
        assert_eq!(token.usable(START + 59 * MINUTE), Some(1));
        assert_eq!(token.usable(START + 60 * MINUTE), None);
        assert!(!token.is_refused(START + 60 * MINUTE), "only out of reach");
        token.on_failed(true, ahead, u64::MAX);
        assert!(!token.is_refused(START + 59 * MINUTE), "one is left");
        assert!(token.is_refused(START + 60 * MINUTE));
    }

    #[test]
    fn failures_back_off_and_so_do_refusals() {
        let waits = |refused: bool| {
            let mut token = Token::new(Limits::default());
            let mut now = START;
            let mut waits = Vec::new();
            for _ in 0..8 {
                assert!(token.begin_renewal(true, now, 0));
                token.on_failed(refused, now, u64::MAX);
                let next = token.wake_at(true).unwrap();
                waits.push(next.since(now).as_secs());
                assert!(!token.begin_renewal(true, now, 0));
                now = next;
            }
            assert_eq!(token.is_refused(now), refused);
            waits
        };
        assert_eq!(waits(false), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits(true), [5, 10, 20, 40, 60, 60, 60, 60]);
    }

    #[test]
    fn a_refused_credential_is_tried_though_nothing_waits_any_more() {
        let mut token = Token::new(Limits::default());
        token.begin_renewal(true, START, 0);
        token.on_failed(true, START, u64::MAX);
        let next = token.wake_at(false).unwrap();
        assert!(token.begin_renewal(false, next, 0));
        token.on_failed(false, next, u64::MAX);
        assert!(token.is_refused(next), "nobody took it back");
        token.on_renewed(50 * MINUTE, 60 * MINUTE, next);
        assert!(!token.is_refused(next + 60 * MINUTE));
    }

    #[test]
    fn a_renewal_that_never_comes_back_is_begun_again() {
        let mut token = Token::new(Limits::default());
        token.begin_renewal(true, START, 0);
        let late = token.wake_at(true).unwrap();
        assert!(!token.begin_renewal(true, late, 0));
        let again = token.wake_at(true).unwrap();
        assert!(token.begin_renewal(true, again, 0));
    }

    #[test]
    fn stale_once_a_token() {
        let mut token = fresh();
        token.on_proven(1);
        assert_eq!(token.on_stale(1), Stale::Retired);
        assert_eq!(token.on_stale(1), Stale::Known);
        assert_eq!(token.usable(START), None);
        assert!(token.begin_renewal(true, START, 0));
        token.on_renewed(50 * MINUTE, 60 * MINUTE, START);
        assert_eq!(token.on_stale(1), Stale::Known);
        assert!(!token.begin_renewal(true, START, 0));
        assert_eq!(token.on_stale(2), Stale::Suspicious);
    }

    #[test]
    fn a_token_that_was_good_once_is_above_suspicion() {
        let mut token = fresh();
        token.on_stale(1);
        token.begin_renewal(true, START, 0);
        token.on_renewed(50 * MINUTE, 60 * MINUTE, START);
        token.on_proven(2);
        assert_eq!(token.on_stale(2), Stale::Retired);
    }

    #[test]
    fn certificates_need_none() {
        let mut token = Token::not_needed();
        assert_eq!(token.usable(START), Some(0));
        assert!(!token.begin_renewal(true, START, 0));
        assert_eq!(token.on_stale(0), Stale::Known);
        assert_eq!(token.wake_at(true), None);
    }
}
