//! Retry: what follows a verdict. The table is section "Retry and expiry" of ARCHITECTURE.md.

use std::time::Duration;

use fanfare_types::{Channel, OnUnknown, Outcome, Timestamp, Verdict};

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
    /// No retry later than this after acceptance (FCM asks for 60 min), whatever the ttl. Default none for
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    End(Outcome),
    /// Back into its lane at once: it was surely not processed, or needs a fresh provider token.
    Again,
    /// Back into its lane at this instant.
    At(Timestamp),
}

/// What a delivery brings to the decision.
#[derive(Clone, Copy, Debug)]
pub struct Attempted {
    /// Attempts made, this one included.
    pub attempts: u32,
    /// Attempts lost to a stale provider token before this one.
    pub auth_refreshes: u32,
    pub on_unknown: OnUnknown,
    pub accepted_at: Timestamp,
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
    let _ = (verdict, attempted, policy, now, random);
    todo!("the sending room")
}
