//! The life of a provider token: missing, being renewed, fresh, renewed ahead of its end, or found stale.
//!
//! One renewal at most is under way, however many pushes wait, and none follows another at once, however short
//! tokens live and however often they are found stale. Each token has a generation, so that answers to pushes that
//! carried an older one cause no further renewal.

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
    /// Least age of a token when it is replaced, also when it is found stale. Default 1 s.
    pub spacing: Duration,
    /// A token that lives for less than this is replaced only when pushes wait; others are kept fresh. Default 60 s.
    pub keep_min: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            delay_min: Duration::from_secs(1),
            refused_delay_min: Duration::from_secs(5),
            delay_max: Duration::from_secs(60),
            patience: Duration::from_secs(30),
            spacing: Duration::from_secs(1),
            keep_min: Duration::from_secs(60),
        }
    }
}

/// The clock that a new token's time of issue is taken from. They differ after the machine's clock was set, and then
/// only the provider can say which is right: when it refuses what one has dated, the other is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dating {
    /// The machine's, as it is set now.
    Wall,
    /// The gateway's, which does not jump.
    Gateway,
}

impl Dating {
    fn other(self) -> Self {
        match self {
            Dating::Wall => Dating::Gateway,
            Dating::Gateway => Dating::Wall,
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
    /// A token that never was any good, right after another one was stale, or there is none: renewing is not the cure.
    Suspicious,
}

#[derive(Clone, Debug)]
struct Current {
    since: Timestamp,
    renew_at: Timestamp,
    expires_at: Timestamp,
    /// The provider has taken it at least once.
    proven: bool,
    stale: bool,
    /// Replaced ahead of its end though nothing waits.
    kept: bool,
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
    dating: Dating,
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
            dating: Dating::Wall,
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
        let may = match self.renewal {
            Renewal::Idle => true,
            Renewal::UnderWay(_) => false,
            Renewal::Resting(until) => now >= until,
        };
        let due = self.due_at(wanted).is_some_and(|due| now >= due);
        let begins = self.needed && due && may;
        if begins {
            self.renewal = Renewal::UnderWay(now + self.limits.patience);
        }
        begins
    }

    /// When there should be a new token; `None` while there is no need.
    fn due_at(&self, wanted: bool) -> Option<Timestamp> {
        let wanted = wanted || self.refusals > 0;
        let Some(current) = &self.current else {
            return wanted.then(Timestamp::default);
        };
        let not_before = current.since + self.limits.spacing;
        let due_at = match current.stale {
            true => not_before,
            false => current.renew_at.max(not_before),
        };
        (wanted || current.kept).then_some(due_at)
    }

    /// Which clock dates the token that is renewed now.
    pub fn dating(&self) -> Dating {
        self.dating
    }

    /// A new token, good for `lifetime`, to be replaced after `renew_after` (earlier).
    pub fn on_renewed(&mut self, renew_after: Duration, lifetime: Duration, now: Timestamp) {
        self.replaced_stale = self.current.as_ref().is_some_and(|current| current.stale);
        self.generation = self.generation.wrapping_add(1);
        self.current = Some(Current {
            since: now,
            renew_at: now + renew_after.min(lifetime),
            expires_at: now + lifetime,
            proven: false,
            stale: false,
            kept: lifetime >= self.limits.keep_min,
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
        if refused {
            self.dating = self.dating.other();
        }
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
        if !self.needed {
            return Stale::Suspicious;
        }
        let Some(current) = &mut self.current else {
            return Stale::Known;
        };
        if generation != self.generation || current.stale {
            return Stale::Known;
        }
        current.stale = true;
        // It would have been replaced before its time was over.
        self.dating = self.dating.other();
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
        match self.renewal {
            Renewal::UnderWay(until) => Some(until),
            Renewal::Resting(until) => self.due_at(wanted).map(|due| due.max(until)),
            Renewal::Idle => self.due_at(wanted),
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
    fn a_renewal_given_up_that_fails_late_wakes_nobody_before_the_next_one_is_due() {
        let mut token = fresh();
        let due = START + 50 * MINUTE;
        token.on_failed(false, START + MINUTE, 0);
        assert_eq!(token.wake_at(true), Some(due));
        assert!(!token.begin_renewal(true, due - Duration::from_millis(1), 0));
        assert!(token.begin_renewal(true, due, 0));
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
        let later = START + MINUTE;
        assert!(token.begin_renewal(true, later, 0));
        token.on_renewed(50 * MINUTE, 60 * MINUTE, later);
        assert_eq!(token.on_stale(1), Stale::Known);
        assert!(!token.begin_renewal(true, later, 0));
        assert_eq!(token.on_stale(2), Stale::Suspicious);
    }

    /// Asks for a token for a minute, woken as told; each lives so long. Returns the renewals.
    fn renewals(token: &mut Token, wanted: bool, life: Duration, stale: bool) -> u32 {
        let (mut now, mut renewals) = (START, 0);
        while now < START + MINUTE {
            if token.begin_renewal(wanted, now, 0) {
                renewals += 1;
                token.on_renewed(life.mul_f32(0.9), life, now);
                if stale {
                    token.on_proven(token.generation);
                    token.on_stale(token.generation);
                }
            }
            let next = token.wake_at(wanted).filter(|next| *next > now);
            now = next.unwrap_or(now + Duration::from_millis(5));
        }
        renewals
    }

    #[test]
    fn tokens_that_live_for_seconds_are_renewed_as_they_end_while_pushes_wait() {
        for (life, most) in [(1, 60), (3, 24), (30, 3)] {
            let life = Duration::from_secs(life);
            let mut token = Token::new(Limits::default());
            let made = renewals(&mut token, true, life, false);
            assert!((most - 2..=most).contains(&made), "{life:?}: {made}");
            assert_eq!(renewals(&mut token, false, life, false), 0, "{life:?}");
        }
        let mut token = Token::new(Limits::default());
        let instant = Duration::from_millis(1);
        assert!(renewals(&mut token, true, instant, false) <= 60);
    }

    #[test]
    fn tokens_that_are_always_stale_are_renewed_once_a_second() {
        let mut token = Token::new(Limits::default());
        assert_eq!(renewals(&mut token, true, 60 * MINUTE, true), 60);
    }

    #[test]
    fn what_one_clock_has_dated_in_vain_the_other_dates() {
        let mut token = fresh();
        assert_eq!(token.dating(), Dating::Wall);
        let later = START + 50 * MINUTE;
        token.begin_renewal(true, later, 0);
        token.on_renewed(50 * MINUTE, 60 * MINUTE, later);
        assert_eq!(token.dating(), Dating::Wall, "the first had grown old");
        token.on_stale(1);
        assert_eq!(token.dating(), Dating::Wall, "nobody uses it any more");
        token.on_stale(2);
        assert_eq!(token.dating(), Dating::Gateway);
        token.begin_renewal(true, later + MINUTE, 0);
        token.on_failed(false, later + MINUTE, 0);
        assert_eq!(token.dating(), Dating::Gateway, "nobody looked at it");
        token.on_failed(true, later + MINUTE, 0);
        assert_eq!(token.dating(), Dating::Wall);
    }

    #[test]
    fn a_token_that_was_good_once_is_above_suspicion() {
        let mut token = fresh();
        token.on_stale(1);
        let later = START + MINUTE;
        assert!(token.begin_renewal(true, later, 0));
        token.on_renewed(50 * MINUTE, 60 * MINUTE, later);
        token.on_proven(2);
        assert_eq!(token.on_stale(2), Stale::Retired);
    }

    #[test]
    fn certificates_need_none() {
        let mut token = Token::not_needed();
        assert_eq!(token.usable(START), Some(0));
        assert!(!token.begin_renewal(true, START, 0));
        assert_eq!(token.on_stale(0), Stale::Suspicious);
        assert_eq!(token.wake_at(true), None);
    }
}
