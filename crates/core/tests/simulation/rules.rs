//! What an answer must lead to: the table "Retry and expiry" of ARCHITECTURE.md, written down a second time and
//! not taken from the code that is tested.

use std::time::Duration;

use fanfare_types::{Channel, Outcome, Verdict};

/// What the books know of a delivery when an answer comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) channel: Channel,
    /// This one included.
    pub(crate) attempts: u32,
    pub(crate) auth_refreshes: u32,
    /// In a row, this one included.
    pub(crate) not_sent: u32,
    pub(crate) drop: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    /// It waits for its first attempt, or was routed anew.
    Go,
    End(Outcome),
    /// The next attempt is no earlier than the first and no later asked for than the second.
    Wait(Duration, Duration),
}

const LONGEST: Duration = Duration::from_secs(15 * 60);
const ATTEMPTS_MAX: u32 = 20;

/// FCM is not tried later than this after acceptance.
pub(crate) const FCM_FOR: Duration = Duration::from_secs(3_600);

pub(crate) fn after(verdict: Verdict, known: Known) -> Must {
    let fcm = known.channel == Channel::Fcm;
    let server = if fcm { 10 } else { 15 };
    match verdict {
        Verdict::Accepted => Must::End(Outcome::Delivered),
        Verdict::TokenDead { .. } | Verdict::TokenSuspect => Must::End(Outcome::Dead),
        Verdict::BadRequest => Must::End(Outcome::Rejected),
        Verdict::Config => Must::End(Outcome::Failed),
        Verdict::AuthRefresh { .. } if known.auth_refreshes > 0 => Must::End(Outcome::Failed),
        Verdict::AuthRefresh { .. } => Must::Wait(Duration::ZERO, Duration::ZERO),
        Verdict::NotSent if known.not_sent <= 3 => Must::Wait(Duration::ZERO, Duration::ZERO),
        Verdict::NotSent => doubled(1, known.not_sent - 4),
        Verdict::Unknown if known.drop => Must::End(Outcome::Failed),
        _ if known.attempts >= ATTEMPTS_MAX => Must::End(Outcome::Failed),
        Verdict::Unknown | Verdict::ThrottleConnection => doubled(1, known.attempts - 1),
        Verdict::ThrottleDevice { after } => asked(after, 30, known),
        Verdict::ThrottleProject { after } => asked(after, 60, known),
        Verdict::Server { after } => asked(after, server, known),
    }
}

fn asked(after: Option<Duration>, seconds: u64, known: Known) -> Must {
    let Some(after) = after else {
        return doubled(seconds, known.attempts - 1);
    };
    let after = after.clamp(Duration::from_secs(1), LONGEST);
    Must::Wait(after, after + after / 10)
}

fn doubled(seconds: u64, times: u32) -> Must {
    let whole = Duration::from_secs(seconds << times.min(20)).min(LONGEST);
    Must::Wait(whole / 2, whole)
}
