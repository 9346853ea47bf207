//! What is counted for every push, with its series looked up beforehand.

use std::array;
use std::time::Duration;

use fanfare_types::{Outcome, Verdict};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use crate::series::Histogram;
use crate::telemetry::Families;

/// One of each verdict, in the order of their counters.
const VERDICTS: [Verdict; 12] = [
    Verdict::Accepted,
    Verdict::TokenDead { since: None },
    Verdict::TokenSuspect,
    Verdict::BadRequest,
    Verdict::AuthRefresh { reconnect: false },
    Verdict::Config,
    Verdict::ThrottleDevice { after: None },
    Verdict::ThrottleProject { after: None },
    Verdict::ThrottleConnection,
    Verdict::Server { after: None },
    Verdict::NotSent,
    Verdict::Unknown,
];

fn index(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Accepted => 0,
        Verdict::TokenDead { .. } => 1,
        Verdict::TokenSuspect => 2,
        Verdict::BadRequest => 3,
        Verdict::AuthRefresh { .. } => 4,
        Verdict::Config => 5,
        Verdict::ThrottleDevice { .. } => 6,
        Verdict::ThrottleProject { .. } => 7,
        Verdict::ThrottleConnection => 8,
        Verdict::Server { .. } => 9,
        Verdict::NotSent => 10,
        Verdict::Unknown => 11,
    }
}

/// The events of one app on one channel. A pool or connection keeps one (behind an `Arc`): telling it costs an
/// atomic addition, without a look-up, however many it is told of at once.
#[derive(Debug)]
pub struct Sender {
    verdicts: [Counter; 12],
    ended: [Counter; 6],
    latency: Histogram,
    pub(crate) open: Gauge,
    pub(crate) opened: Counter,
}

impl Sender {
    pub(crate) fn new(families: &Families, app: &str, channel: &str) -> Self {
        Sender {
            verdicts: array::from_fn(|at| {
                families
                    .verdicts
                    .with(&[app, channel, VERDICTS[at].label()])
            }),
            ended: array::from_fn(|at| {
                families
                    .deliveries_ended
                    .with(&[app, channel, Outcome::ALL[at].as_str()])
            }),
            latency: families.provider_seconds.with(&[channel]),
            open: families.connections_open.with(&[app, channel]),
            opened: families.connections_opened.with(&[app, channel]),
        }
    }

    /// So many attempts came back, with this meaning.
    pub fn verdict(&self, verdict: Verdict, count: u64) {
        self.verdicts[index(verdict)].inc_by(count);
    }

    /// So many attempts were answered this long after they were handed to their connection.
    pub fn latency(&self, time: Duration, count: u64) {
        self.latency.observe(time, count);
    }

    /// So many deliveries have this outcome.
    pub fn ended(&self, outcome: Outcome, count: u64) {
        self.ended[outcome.index()].inc_by(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_and_outcome_has_its_own_counter() {
        for (at, verdict) in VERDICTS.into_iter().enumerate() {
            assert_eq!(index(verdict), at);
        }
        for (at, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(outcome.index(), at);
        }
    }
}
