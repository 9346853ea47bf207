//! Exact accounts of what was asked and answered, to compare a gateway's own with.
//!
//! Totals never lose a count. Single requests, addresses and ids are kept up to
//! [`Limits::book_entries`](crate::config::Limits::book_entries); from then on `log_full` is true and `duplicates` and
//! the lists cover the kept part only.

mod ledger;
mod turn;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::Provider;
use ledger::Ledger;
pub(crate) use ledger::{format_uuid, parse_uuid};
pub(crate) use turn::Turn;

/// The totals, as `GET /books` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// APNs.
    pub apns: ProviderTotals,
    /// FCM.
    pub fcm: ProviderTotals,
    /// The token endpoint; `accepted` counts the tokens it issued.
    pub oauth: ProviderTotals,
    /// Requests kept one by one.
    pub logged: u64,
    /// Further requests were counted in the totals only.
    pub log_full: bool,
}

impl Totals {
    /// One provider's totals.
    #[must_use]
    pub const fn of(&self, provider: Provider) -> &ProviderTotals {
        match provider {
            Provider::Apns => &self.apns,
            Provider::Fcm => &self.fcm,
            Provider::Oauth => &self.oauth,
        }
    }
}

/// One provider's totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderTotals {
    /// Requests read whole, answered or not.
    pub requests: u64,
    /// Requests that were taken (200), their answer seen or not.
    pub accepted: u64,
    /// Requests that were judged but whose answer a rule kept back.
    pub lost: u64,
    /// APNs: accepted pushes whose `apns-id` had been accepted before.
    pub duplicates: u64,
    /// Different addresses with an accepted push.
    pub accepted_addresses: u64,
    /// Counts by answer; they add up to `requests`. Sorted by status and reason.
    pub answers: Vec<AnswerTotal>,
    /// Connections.
    pub connections: ConnectionTotals,
}

impl ProviderTotals {
    /// How often a status was answered, with this reason or (`None`) any.
    #[must_use]
    pub fn answered(&self, status: u16, reason: Option<&str>) -> u64 {
        let matches = |total: &&AnswerTotal| {
            total.status == status && reason.is_none_or(|reason| total.reason == reason)
        };
        self.answers
            .iter()
            .filter(matches)
            .map(|total| total.count)
            .sum()
    }
}

/// How often one answer was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnswerTotal {
    /// HTTP status; 0 when a rule kept the provider from judging, with `silence`, `reset`, `refused`, `goaway`,
    /// `close`, `freeze` or `gone` (the client gave up first) as the reason.
    pub status: u16,
    /// The vendor's reason; empty for 200.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// Connections of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTotals {
    /// Accepted by the socket.
    pub opened: u64,
    /// Open now.
    pub open: u64,
    /// Closed at once: over the limit.
    pub refused: u64,
    /// TLS or HTTP/2 handshakes that failed.
    pub handshakes_failed: u64,
    /// Most streams open at one time on one connection.
    pub streams_peak: u64,
    /// PING frames received.
    pub pings: u64,
    /// Connections that the client ended with GOAWAY, of those that have ended.
    pub goodbyes: u64,
    /// GOAWAY frames sent for a broken rule (streams, pings), not by a script.
    pub violations: u64,
}

/// One request, as `GET /books/requests` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the books, from 0.
    pub seq: u64,
    /// Who was asked.
    pub provider: Provider,
    /// Device token, registration token, `fid`, topic or condition; empty where there was none to read.
    pub address: String,
    /// As answered (canonical UUID). APNs only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub apns_id: Option<String>,
    /// As in [`AnswerTotal`].
    pub status: u16,
    /// As in [`AnswerTotal`].
    pub reason: String,
    /// The answer was kept back by a rule.
    pub lost: bool,
    /// When it was answered, milliseconds since 1970.
    pub at_ms: u64,
    /// `apns-collapse-id` or `android.collapse_key`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub collapse: Option<String>,
    /// `apns-expiration`, seconds since 1970; FCM: `android.ttl` in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expiration: Option<i64>,
    /// `apns-priority`; FCM: 10 for `HIGH`, 5 for `NORMAL`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub priority: Option<u8>,
    /// Size of the request's body.
    pub body_bytes: u64,
    /// APNs: how often this `apns-id` had been accepted before. 0 otherwise.
    pub duplicate_of_accepted: u32,
}

/// What happened to one address, as `GET /books/addresses` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressTotal {
    /// Who was asked.
    pub provider: Provider,
    /// The address.
    pub address: String,
    /// Requests.
    pub requests: u64,
    /// Accepted ones.
    pub accepted: u64,
    /// The last answer's status.
    pub last_status: u16,
    /// The last answer's reason.
    pub last_reason: String,
}

/// Which requests to list. Empty fields match everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// One provider.
    pub provider: Option<Provider>,
    /// One address.
    pub address: Option<String>,
    /// One `apns-id`.
    pub apns_id: Option<String>,
    /// One status.
    pub status: Option<u16>,
    /// Entries behind this `seq`.
    pub after: Option<u64>,
    /// At most so many; 1000 by default, 10,000 at most.
    pub limit: Option<usize>,
}

/// Most entries of one list.
pub(crate) const PAGE_MAX: usize = 10_000;

/// A request as the servers book it.
#[derive(Default)]
pub(crate) struct Record<'a> {
    pub(crate) address: &'a str,
    pub(crate) apns_id: Option<u128>,
    pub(crate) status: u16,
    pub(crate) reason: &'a str,
    pub(crate) lost: bool,
    pub(crate) collapse: Option<&'a str>,
    pub(crate) expiration: Option<i64>,
    pub(crate) priority: Option<u8>,
    pub(crate) body_bytes: u64,
}

/// The books of one simulator; cheap to clone, shared by all its connections.
#[derive(Clone)]
pub struct Books {
    ledger: Arc<Mutex<Ledger>>,
}

impl std::fmt::Debug for Books {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Books").finish_non_exhaustive()
    }
}

impl Books {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            ledger: Arc::new(Mutex::new(Ledger::new(limit))),
        }
    }

    /// The totals at this moment.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.ledger.lock().totals()
    }

    /// Kept requests, oldest first.
    #[must_use]
    pub fn requests(&self, query: &Query) -> Vec<Entry> {
        self.ledger.lock().requests(query)
    }

    /// Kept addresses in order of first sight: skips `after` of them, lists at most `limit` (10,000 at most).
    #[must_use]
    pub fn addresses(&self, after: usize, limit: usize) -> Vec<AddressTotal> {
        self.ledger.lock().addresses(after, limit)
    }

    /// Forgets everything but the connections that are open now.
    pub fn reset(&self) {
        self.ledger.lock().reset();
    }

    pub(crate) fn record(&self, provider: Provider, record: &Record<'_>) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let at_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.ledger.lock().record(provider, record, at_ms);
    }

    /// Books what the fast mode answered in one turn.
    pub(crate) fn turn(&self, provider: Provider, turn: &mut Turn) {
        self.ledger.lock().turn(provider, turn);
    }

    pub(crate) fn connections(
        &self,
        provider: Provider,
        change: impl FnOnce(&mut ConnectionTotals),
    ) {
        change(self.ledger.lock().connections(provider));
    }
}

#[cfg(test)]
mod tests;
