//! What a provider's answer means. Answers are values, never errors.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The class of one answer (or of its absence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The provider took the message; never proof of display.
    Accepted,
    /// This address will never work again. `since` is the provider's own time for it (APNs 410), if it gave one.
    TokenDead { since: Option<Timestamp> },
    /// The address is dead, or our credential, topic or environment is wrong.
    TokenSuspect,
    /// Our message is wrong: no retry, the address stands.
    BadRequest,
    /// The short-lived provider token is stale: renew it and try once more. With `reconnect` the
    /// connection it was shown on is spoilt, too.
    AuthRefresh { reconnect: bool },
    /// Credential, project or topic is set up wrong: open the breaker for the credential.
    Config,
    /// Wait before the next push to this device.
    ThrottleDevice { after: Option<Duration> },
    /// Wait before the next push with this credential.
    ThrottleProject { after: Option<Duration> },
    /// This connection cannot be used for a while: go on with another.
    ThrottleConnection,
    /// The provider is in trouble: back off.
    Server { after: Option<Duration> },
    /// Surely not processed (refused stream, GOAWAY above the last id, no connection): go on at once elsewhere.
    NotSent,
    /// Written, and no answer came: it may or may not have been processed.
    Unknown,
}

impl Verdict {
    /// Stable word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::TokenDead { .. } => "token_dead",
            Verdict::TokenSuspect => "token_suspect",
            Verdict::BadRequest => "bad_request",
            Verdict::AuthRefresh { .. } => "auth_refresh",
            Verdict::Config => "config",
            Verdict::ThrottleDevice { .. } => "throttle_device",
            Verdict::ThrottleProject { .. } => "throttle_project",
            Verdict::ThrottleConnection => "throttle_connection",
            Verdict::Server { .. } => "server",
            Verdict::NotSent => "not_sent",
            Verdict::Unknown => "unknown",
        }
    }
}

/// A provider's reason string, or one of our own (lower case, `snake_case`): at most 64 printable ASCII
/// characters, whatever the provider sent, so that it is safe to store and show.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    pub const BYTES_MAX: usize = 64;
    pub const NONE: Reason = Reason(Cow::Borrowed(""));

    pub const fn of(text: &'static str) -> Self {
        Reason(Cow::Borrowed(text))
    }

    /// Keeps letters, digits, `_`, `-` and `.` of what a provider sent, 64 of them at most.
    pub fn from_wire(text: &str) -> Self {
        let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        Reason(Cow::Owned(
            text.chars().filter(kept).take(Self::BYTES_MAX).collect(),
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
