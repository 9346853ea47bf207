//! Retry: what follows a verdict. The table is section "Retry and expiry" of ARCHITECTURE.md.

use std::time::Duration;

use fanfare_types::{Channel, OnUnknown, Outcome, Reason, Timestamp, Verdict};

use crate::dispatch::EXPIRED;
use crate::jitter;

/// Written, and no answer came, and the caller would rather lose the push than see it twice.
pub const NO_ANSWER: Reason = Reason::of("no_answer");
/// Tried `attempts_max` times.
pub const ATTEMPTS_USED_UP: Reason = Reason::of("attempts_used_up");

/// Times in a row that a push which was surely not processed goes out again at once.
pub const NOT_SENT_AT_ONCE: u32 = 3;
/// Afterwards its first wait; doubles up to `delay_max`.
const NOT_SENT_DELAY: Duration = Duration::from_secs(1);
/// First wait after a throttled connection: there are others, or one is opened.
const CONNECTION_DELAY: Duration = Duration::from_secs(1);
/// First wait after a push without an answer.
const UNKNOWN_DELAY: Duration = Duration::from_secs(1);
/// Shortest wait, whatever `Retry-After` says.
const DELAY_MIN: Duration = Duration::from_secs(1);

/// How long to wait, by provider and class; every delay gets full jitter above half of it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// First delay after a server error. Default: APNs 15 s, FCM 10 s.
    pub server_delay: Duration,
    /// First delay after a throttled device. Default 30 s.
    pub device_delay: Duration,
    /// Delay after a throttled project that names none. Default 60 s.
    pub project_delay: Duration,
    /// Longest delay between attempts. Default 15 min.
    pub delay_max: Duration,
    /// Attempts after which a delivery fails. Default 20.
    pub attempts_max: u32,
    /// No retry later than this after acceptance or `send_at` (FCM asks for 60 min), whatever the ttl. Default none for
    /// APNs, 60 min for FCM.
    pub retry_for: Option<Duration>,
}

impl Policy {
    /// The defaults for a channel (Apple's and Google's published advice).
    pub fn for_channel(channel: Channel) -> Self {
        let server_delay = match channel {
            Channel::IosPush => 15,
            Channel::Fcm => 10,
            Channel::WebPush => 5,
        };
        Policy {
            server_delay: Duration::from_secs(server_delay),
            device_delay: Duration::from_secs(30),
            project_delay: Duration::from_secs(60),
            delay_max: Duration::from_secs(15 * 60),
            attempts_max: 20,
            retry_for: (channel == Channel::Fcm).then_some(Duration::from_secs(60 * 60)),
        }
    }
}

/// What happens to the delivery now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// `reason` is ours; without one the provider's own stands.
    End {
        outcome: Outcome,
        reason: Option<Reason>,
    },
    /// Back into its lane at once: it was surely not processed, or needs a fresh provider token.
    Again,
    /// Back into its lane at this instant.
    At(Timestamp),
}

/// What a delivery brings to the decision.
#[derive(Clone, Copy, Debug)]
pub struct Attempted {
    /// Attempts made, this one included; such as were surely not processed do not count.
    pub attempts: u32,
    /// Attempts lost to a stale provider token before this one.
    pub auth_refreshes: u32,
    /// Hand-overs in a row that were surely not processed, this one included.
    pub not_sent: u32,
    pub on_unknown: OnUnknown,
    /// When it was accepted, or was to be sent.
    pub due_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Decides. `random` is uniform over `u64`; a retry that could only start at or after expiry ends as `expired` now.
pub fn after(
    verdict: Verdict,
    attempted: Attempted,
    policy: &Policy,
    now: Timestamp,
    random: u64,
) -> Next {
    let plan = Plan {
        attempted,
        policy,
        now,
        random,
    };
    match verdict {
        Verdict::Accepted => end(Outcome::Delivered),
        Verdict::TokenDead { .. } | Verdict::TokenSuspect => end(Outcome::Dead),
        Verdict::BadRequest => end(Outcome::Rejected),
        Verdict::Config => end(Outcome::Failed),
        Verdict::AuthRefresh { .. } if attempted.auth_refreshes > 0 => end(Outcome::Failed),
        Verdict::AuthRefresh { .. } => plan.at(now, Next::Again),
        Verdict::NotSent => plan.not_sent(),
        Verdict::Unknown if attempted.on_unknown == OnUnknown::Drop => Next::End {
            outcome: Outcome::Failed,
            reason: Some(NO_ANSWER),
        },
        Verdict::Unknown => plan.later(UNKNOWN_DELAY, None),
        Verdict::ThrottleConnection => plan.later(CONNECTION_DELAY, None),
        Verdict::ThrottleDevice { after } => plan.later(policy.device_delay, after),
        Verdict::ThrottleProject { after } => plan.later(policy.project_delay, after),
        Verdict::Server { after } => plan.later(policy.server_delay, after),
    }
}

fn end(outcome: Outcome) -> Next {
    Next::End {
        outcome,
        reason: None,
    }
}

/// What the delays are worked out from.
struct Plan<'a> {
    attempted: Attempted,
    policy: &'a Policy,
    now: Timestamp,
    random: u64,
}

impl Plan<'_> {
    fn not_sent(&self) -> Next {
        let waits = self.attempted.not_sent.saturating_sub(NOT_SENT_AT_ONCE);
        if waits == 0 {
            return self.at(self.now, Next::Again);
        }
        let delay = self.jittered(jitter::doubled(
            NOT_SENT_DELAY,
            waits - 1,
            self.policy.delay_max,
        ));
        self.at(self.now + delay, Next::At(self.now + delay))
    }

    /// A further attempt after a delay that doubles with the attempts, or that the provider named.
    fn later(&self, first: Duration, asked: Option<Duration>) -> Next {
        if self.attempted.attempts >= self.policy.attempts_max {
            return Next::End {
                outcome: Outcome::Failed,
                reason: Some(ATTEMPTS_USED_UP),
            };
        }
        let longest = self.policy.delay_max;
        let delay = match asked {
            // Not before the time asked for; a little later, so that not all come at once.
            Some(asked) => {
                let asked = asked.clamp(DELAY_MIN, longest.max(DELAY_MIN));
                asked + jitter::below(asked / 10, self.random)
            }
            None => {
                let doublings = self.attempted.attempts.saturating_sub(1);
                self.jittered(jitter::doubled(first, doublings, longest))
            }
        };
        self.at(self.now + delay, Next::At(self.now + delay))
    }

    fn jittered(&self, delay: Duration) -> Duration {
        jitter::upper_half(delay, self.random)
    }

    /// `next`, if an attempt may still start at `start`.
    fn at(&self, start: Timestamp, next: Next) -> Next {
        let too_old = self
            .policy
            .retry_for
            .is_some_and(|retry_for| start >= self.attempted.due_at + retry_for);
        match too_old || start >= self.attempted.expires_at {
            true => Next::End {
                outcome: Outcome::Expired,
                reason: Some(EXPIRED),
            },
            false => next,
        }
    }
}

#[cfg(test)]
mod tests;
