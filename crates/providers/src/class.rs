//! The classes of answers, as the tables of `apns` and `fcm` write them, and what both readers share.

use std::ops::RangeInclusive;
use std::time::Duration;

use fanfare_types::{Reason, Timestamp, Verdict};
use http::StatusCode;

/// A verdict without the times that one answer gives with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Accepted,
    TokenDead,
    TokenSuspect,
    BadRequest,
    /// A new provider token, on the same connection.
    AuthRefresh,
    /// A new provider token, on a new connection.
    AuthReconnect,
    Config,
    ThrottleDevice,
    ThrottleProject,
    ThrottleConnection,
    Server,
}

impl Class {
    /// `since`: the provider's time of death. `after`: how long it asks us to wait.
    pub(crate) fn verdict(self, since: Option<Timestamp>, after: Option<Duration>) -> Verdict {
        match self {
            Class::Accepted => Verdict::Accepted,
            Class::TokenDead => Verdict::TokenDead { since },
            Class::TokenSuspect => Verdict::TokenSuspect,
            Class::BadRequest => Verdict::BadRequest,
            Class::AuthRefresh => Verdict::AuthRefresh { reconnect: false },
            Class::AuthReconnect => Verdict::AuthRefresh { reconnect: true },
            Class::Config => Verdict::Config,
            Class::ThrottleDevice => Verdict::ThrottleDevice { after },
            Class::ThrottleProject => Verdict::ThrottleProject { after },
            Class::ThrottleConnection => Verdict::ThrottleConnection,
            Class::Server => Verdict::Server { after },
        }
    }
}

/// Classes by status, for answers that no row of a table knows. The first range that fits counts.
pub(crate) type ByStatus = [(RangeInclusive<u16>, Class)];

pub(crate) fn by_status(table: &ByStatus, status: StatusCode) -> Class {
    let fits = |(range, _): &&(RangeInclusive<u16>, Class)| range.contains(&status.as_u16());
    table
        .iter()
        .find(fits)
        .map_or(Class::Server, |(_, class)| *class)
}

/// The reason of an answer that gives none: `http_502`.
pub(crate) fn status_reason(status: StatusCode) -> Reason {
    Reason::from_wire(&format!("http_{}", status.as_u16()))
}

/// A provider's word as a reason, or the status when nothing of it can be shown.
pub(crate) fn word_or_status(word: Option<&str>, status: StatusCode) -> Reason {
    match word.map(Reason::from_wire) {
        Some(reason) if !reason.as_str().is_empty() => reason,
        _ => status_reason(status),
    }
}
