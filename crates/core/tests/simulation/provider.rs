//! The model of the providers: what they think of a push, and what is wrong with them for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use fanfare_types::{Timestamp, Verdict};

use crate::books::Key;
use crate::coverage::Seen;
use crate::event::Event;
use crate::gateway::WAYS;
use crate::lines::LineEvent;
use crate::options::Options;
use crate::sim::Sim;

/// A provider token, as the provider knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Minted {
    pub(crate) serial: u64,
    pub(crate) good_until: u64,
}

/// A push on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) line: u64,
    pub(crate) flight: u64,
    pub(crate) key: Key,
    pub(crate) pool: usize,
    pub(crate) token: Option<Minted>,
    pub(crate) address: String,
    /// Whether its answer comes in time, comes late, or never.
    pub(crate) answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    InTime,
    Late,
    Never,
}

/// What a pool's provider suffers from, until when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    pub(crate) gone_until: u64,
    pub(crate) storm_until: u64,
    pub(crate) config_until: u64,
    /// It calls every token stale.
    pub(crate) auth_until: u64,
    pub(crate) throttle_until: u64,
    pub(crate) tokens_down_until: u64,
    pub(crate) tokens_refused_until: u64,
    pub(crate) tokens_slow_until: u64,
    /// Tokens minted before are not taken.
    pub(crate) serial_min: u64,
}

pub(crate) struct Provider {
    pub(crate) conditions: Vec<Condition>,
    /// Dead addresses of each app.
    pub(crate) dead: BTreeSet<(usize, String)>,
    /// Flights that were refused on their way.
    pub(crate) refused: BTreeSet<u64>,
    pub(crate) serials: u64,
}

/// `Retry-After` of an hour and a day, in seconds, as it is believed.
const ABSURD: [u64; 2] = [3_600, 86_400];

impl Provider {
    pub(crate) fn new(options: &Options) -> Self {
        Provider {
            conditions: vec![Condition::default(); options.apps * WAYS],
            dead: BTreeSet::new(),
            refused: BTreeSet::new(),
            serials: 0,
        }
    }
}

impl Sim {
    pub(crate) fn is_troubled(&self, pool: usize) -> bool {
        self.healed_at.is_none() && !self.options.is_quiet(pool / WAYS)
    }

    pub(crate) fn latency(&mut self, pool: usize) -> Duration {
        let most = match self.options.is_quiet(pool / WAYS) || self.healed_at.is_some() {
            true => 50,
            false => self.options.provider.latency_max,
        };
        self.dice.millis(0, most)
    }

    pub(crate) fn arrive(&mut self, push: Push) {
        if self.provider.refused.remove(&push.flight) {
            return;
        }
        let verdict = self.judge(&push);
        self.note(|| format!("the provider says {verdict:?} of {:?}", push.key));
        if verdict == Verdict::Accepted && self.books.took(push.key) {
            self.mark(Seen::Duplicate);
        }
        let delay = match push.answer {
            Answer::InTime => self.latency(push.pool),
            Answer::Late => Duration::from_secs(31),
            Answer::Never => return,
        };
        if self.g.lines.contains_key(&push.line) {
            let answer = LineEvent::Answer(push.flight, verdict);
            self.later(delay, Event::Line(push.line, answer));
        }
    }

    fn judge(&mut self, push: &Push) -> Verdict {
        if !self.is_troubled(push.pool) {
            return self.judge_token(push).unwrap_or(Verdict::Accepted);
        }
        let condition = &self.provider.conditions[push.pool];
        let at = self.at;
        if at < condition.storm_until {
            self.mark(Seen::Storm);
            let after = self.retry_after();
            return Verdict::Server { after };
        }
        if at < condition.config_until {
            self.mark(Seen::ConfigRefused);
            return Verdict::Config;
        }
        let is_throttled = at < condition.throttle_until;
        if let Some(verdict) = self.judge_token(push) {
            return verdict;
        }
        if is_throttled {
            return self.throttled();
        }
        let address = (push.pool / WAYS, push.address.clone());
        if self.provider.dead.contains(&address) {
            return self.token_dead();
        }
        self.judge_push(address)
    }

    fn judge_token(&mut self, push: &Push) -> Option<Verdict> {
        let token = push.token?;
        let condition = &self.provider.conditions[push.pool];
        let stale = self.at < condition.auth_until
            || self.at >= token.good_until
            || token.serial < condition.serial_min;
        if stale {
            self.mark(Seen::TokenExpired);
        }
        let reconnect = self.dice.chance(300);
        stale.then_some(Verdict::AuthRefresh { reconnect })
    }

    fn judge_push(&mut self, address: (usize, String)) -> Verdict {
        let faults = self.options.provider.clone();
        let roll = |sim: &mut Sim, rate| sim.dice.chance(rate);
        if roll(self, faults.server) {
            let after = self.retry_after();
            return Verdict::Server { after };
        }
        if roll(self, faults.throttle) {
            return self.throttled();
        }
        if roll(self, faults.bad_request) {
            return Verdict::BadRequest;
        }
        if roll(self, faults.suspect) {
            self.mark(Seen::Suspect);
            return Verdict::TokenSuspect;
        }
        if roll(self, faults.dead) {
            self.provider.dead.insert(address);
            return self.token_dead();
        }
        Verdict::Accepted
    }

    fn throttled(&mut self) -> Verdict {
        match self.dice.below(3) {
            0 => {
                self.mark(Seen::ThrottleDevice);
                let after = self.retry_after();
                Verdict::ThrottleDevice { after }
            }
            1 => {
                self.mark(Seen::ThrottleProject);
                let after = self.retry_after();
                Verdict::ThrottleProject { after }
            }
            _ => {
                self.mark(Seen::ThrottleConnection);
                Verdict::ThrottleConnection
            }
        }
    }

    fn token_dead(&mut self) -> Verdict {
        let now = self.now();
        let (seen, since) = match self.dice.below(5) {
            0 | 1 => (Seen::DeadDated, Some(now)),
            2 => (Seen::DeadUndated, None),
            3 => (Seen::DeadFuture, Some(now + Duration::from_secs(86_400))),
            _ => (Seen::DeadAncient, Some(Timestamp(1_000))),
        };
        self.mark(seen);
        Verdict::TokenDead { since }
    }

    fn retry_after(&mut self) -> Option<Duration> {
        let (seen, seconds) = match self.dice.below(5) {
            0 | 1 => (Seen::RetryAfterNone, None),
            2 | 3 => (Seen::RetryAfterGiven, Some(self.dice.between(0, 30))),
            _ => (Seen::RetryAfterAbsurd, Some(self.dice.pick(&ABSURD))),
        };
        self.mark(seen);
        seconds.map(Duration::from_secs)
    }

    /// The token endpoint is asked.
    pub(crate) fn mint(&mut self, pool: usize) -> (Duration, Result<(Duration, Duration), bool>) {
        let condition = &self.provider.conditions[pool];
        let at = self.at;
        let delay = self.dice.millis(0, 200);
        if self.is_troubled(pool) {
            if at < condition.tokens_slow_until {
                self.mark(Seen::TokenSlow);
                return (self.dice.millis(20_000, 50_000), Err(false));
            }
            if at < condition.tokens_refused_until {
                self.mark(Seen::TokenRefused);
                return (delay, Err(true));
            }
            let fails = self.dice.chance(self.options.provider.token_fails);
            if at < self.provider.conditions[pool].tokens_down_until || fails {
                self.mark(Seen::TokenDown);
                return (delay, Err(false));
            }
        }
        let life = match self.is_troubled(pool) {
            true => self.options.provider.token_life,
            false => 3_000,
        };
        let life = Duration::from_secs(life);
        (delay, Ok((life.mul_f64(0.8), life)))
    }
}
