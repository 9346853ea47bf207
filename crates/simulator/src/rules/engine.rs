//! Which rule applies: counting, chance and time. Rules are read often and changed rarely.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use super::{Moment, Reaction, Reply, Rule, RuleState, Span, Stage, When};
use crate::{Provider, SimulatorError};

/// The script in force.
pub(crate) struct Rules {
    /// So that a request costs one load when there is nothing to do.
    any: AtomicBool,
    active: RwLock<Vec<Arc<Active>>>,
    limit: usize,
    certificates: bool,
    is_fast: bool,
}

struct Active {
    rule: Rule,
    since: Instant,
    seen: AtomicU64,
    fired: AtomicU64,
}

/// A rule that applies now.
pub(crate) struct Fired {
    active: Arc<Active>,
    pub(crate) delay: Duration,
}

impl Fired {
    pub(crate) fn reaction(&self) -> &Reaction {
        &self.active.rule.then
    }
}

impl Rules {
    pub(crate) fn new(limit: usize, certificates: bool, is_fast: bool) -> Self {
        Self {
            any: AtomicBool::new(false),
            active: RwLock::default(),
            limit,
            certificates,
            is_fast,
        }
    }

    pub(crate) fn set(&self, rules: Vec<Rule>) -> Result<(), SimulatorError> {
        let fresh = self.prepare(rules, 0)?;
        self.replace(&mut self.active.write(), fresh);
        Ok(())
    }

    pub(crate) fn add(&self, rules: Vec<Rule>) -> Result<(), SimulatorError> {
        let mut active = self.active.write();
        let fresh = self.prepare(rules, active.len())?;
        let all = active.iter().cloned().chain(fresh).collect();
        self.replace(&mut active, all);
        Ok(())
    }

    fn replace(&self, active: &mut Vec<Arc<Active>>, rules: Vec<Arc<Active>>) {
        self.any.store(!rules.is_empty(), Ordering::Release);
        *active = rules;
    }

    pub(crate) fn state(&self) -> Vec<RuleState> {
        let state = |active: &Arc<Active>| RuleState {
            rule: active.rule.clone(),
            seen: active.seen.load(Ordering::Relaxed),
            fired: active.fired.load(Ordering::Relaxed),
        };
        self.active.read().iter().map(state).collect()
    }

    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// The first rule that applies, if any; counts as fired.
    pub(crate) fn find(&self, stage: Stage, provider: Provider, address: &str) -> Option<Fired> {
        if !self.any() {
            return None;
        }
        let active = self.active.read();
        let found = active
            .iter()
            .find(|active| active.applies(stage, provider, address))?;
        let lot = lot(
            found.rule.when.seed.unwrap_or(1),
            found.fired.load(Ordering::Relaxed),
        );
        let delay = found
            .rule
            .delay_ms
            .map_or(Duration::ZERO, |span| span.draw(lot));
        Some(Fired {
            active: Arc::clone(found),
            delay,
        })
    }

    fn prepare(&self, rules: Vec<Rule>, before: usize) -> Result<Vec<Arc<Active>>, SimulatorError> {
        if self.is_fast && !rules.is_empty() {
            return Err(SimulatorError::Rule {
                index: 0,
                reason: "there are no rules in the fast mode".to_owned(),
            });
        }
        if rules.len() + before > self.limit {
            let reason = format!("too many rules, the limit is {}", self.limit);
            return Err(SimulatorError::Rule {
                index: self.limit - before,
                reason,
            });
        }
        let since = Instant::now();
        let prepare = |(index, rule): (usize, Rule)| match check(&rule, self.certificates) {
            Ok(()) => Ok(Arc::new(Active {
                rule,
                since,
                seen: AtomicU64::new(0),
                fired: AtomicU64::new(0),
            })),
            Err(reason) => Err(SimulatorError::Rule {
                index,
                reason: reason.into(),
            }),
        };
        rules.into_iter().enumerate().map(prepare).collect()
    }
}

impl Active {
    fn applies(&self, stage: Stage, provider: Provider, address: &str) -> bool {
        let Rule {
            on, when, times, ..
        } = &self.rule;
        if *on != stage || !when.holds(provider, address, self.since.elapsed()) {
            return false;
        }
        let count = self.seen.fetch_add(1, Ordering::Relaxed);
        if !when.counts(count) {
            return false;
        }
        let limit = times.unwrap_or(u64::MAX);
        let fire = |fired: u64| (fired < limit).then_some(fired + 1);
        self.fired
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fire)
            .is_ok()
    }
}

impl When {
    /// The conditions that don't count.
    fn holds(&self, provider: Provider, address: &str, elapsed: Duration) -> bool {
        let ms = elapsed.as_millis();
        self.provider.is_none_or(|wanted| wanted == provider)
            && self.address.as_ref().is_none_or(|wanted| wanted == address)
            && self
                .address_prefix
                .as_ref()
                .is_none_or(|prefix| starts_with(address, prefix))
            && self.from_ms.is_none_or(|from| ms >= u128::from(from))
            && self.until_ms.is_none_or(|until| ms < u128::from(until))
    }

    fn counts(&self, count: u64) -> bool {
        let Some(after) = count.checked_sub(self.skip.unwrap_or(0)) else {
            return false;
        };
        self.first.is_none_or(|first| after < first)
            && self
                .every
                .is_none_or(|every| (after + 1).is_multiple_of(every))
            && self
                .probability
                .is_none_or(|chance| fraction(lot(self.seed.unwrap_or(0), count)) < chance)
    }
}

pub(crate) fn starts_with(address: &str, prefix: &str) -> bool {
    address
        .as_bytes()
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// `SplitMix64`: an even lot for each count, the same for the same seed.
pub(crate) fn lot(seed: u64, count: u64) -> u64 {
    let mut z = seed.wrapping_add(count.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

pub(super) fn fraction(lot: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let top = (lot >> 11) as f64;
    top / 9_007_199_254_740_992.0
}

/// What serde cannot refuse.
fn check(rule: &Rule, certificates: bool) -> Result<(), &'static str> {
    let when = &rule.when;
    if when.every == Some(0) {
        return Err("every must be at least 1");
    }
    if when
        .probability
        .is_some_and(|chance| !(0.0..=1.0).contains(&chance))
    {
        return Err("probability must be between 0 and 1");
    }
    if rule.delay_ms.and_then(Span::fault).is_some() {
        return Err("delay_ms: min and median are at most max and p99, median is at least 1");
    }
    match (&rule.then, rule.on) {
        (Reaction::Answer(reply), Stage::Request) => check_reply(reply),
        (Reaction::Hang | Reaction::Certificate(_), Stage::Request) => {
            Err("this reaction needs on: connection")
        }
        (Reaction::Answer(_) | Reaction::Reset(_) | Reaction::Refuse, Stage::Connection) => {
            Err("this reaction needs on: request")
        }
        (_, Stage::Connection) if when.address.is_some() || when.address_prefix.is_some() => {
            Err("a connection has no address")
        }
        (Reaction::Close(close), Stage::Request) if close.after == Moment::Handshake => {
            Err("after: handshake needs on: connection")
        }
        (Reaction::Close(close), Stage::Connection) if close.after == Moment::Headers => {
            Err("after: headers needs on: request")
        }
        (Reaction::Certificate(_), Stage::Connection) if !certificates => {
            Err("the simulator was started without wrong certificates")
        }
        _ => Ok(()),
    }
}

fn check_reply(reply: &Reply) -> Result<(), &'static str> {
    if !(200..=599).contains(&reply.status) {
        return Err("status must be between 200 and 599");
    }
    if reply.header_bytes.is_some_and(|bytes| bytes > 1 << 20) {
        return Err("header_bytes is at most 1048576");
    }
    if reply.body_bytes.is_some_and(|bytes| bytes > 1 << 40) {
        return Err("body_bytes is at most 1099511627776");
    }
    for (name, value) in &reply.headers {
        let name = http::HeaderName::try_from(name).map_err(|_| "not a header name")?;
        if ["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
            return Err("this header is the simulator's to set");
        }
        http::HeaderValue::try_from(value).map_err(|_| "not a header value")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
