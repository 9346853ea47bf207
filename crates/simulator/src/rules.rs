//! Scripts: what a simulator does instead of the documented answer, and when.
//!
//! Rules are tried in order and the first that applies wins; without one the request is judged as the vendor documents.
//! A rule with `on: connection` applies when a connection is accepted, the others when a request has been read whole.
//!
//! ```json
//! {"rules": [
//!   {"name": "storm", "when": {"provider": "apns", "every": 3, "until_ms": 60000},
//!    "then": {"answer": {"status": 503, "reason": "ServiceUnavailable", "headers": {"retry-after": "2"}}}},
//!   {"when": {"provider": "fcm", "address_prefix": "slow"}, "delay_ms": {"min": 50, "max": 200}},
//!   {"on": "connection", "when": {"provider": "apns"}, "times": 1, "then": {"certificate": "expired"}}
//! ]}
//! ```

mod engine;
mod span;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Provider;

pub(crate) use engine::{Fired, Rules, lot, starts_with};
pub use span::Span;

/// One line of a script.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// For people and reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At a request (default) or when a connection is accepted.
    #[serde(default)]
    pub on: Stage,
    /// All conditions must hold; none means always.
    #[serde(default)]
    pub when: When,
    /// Fires at most so often. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Waits before the reaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<Span>,
    /// What happens. Default: the documented answer (useful with `delay_ms`).
    #[serde(default)]
    pub then: Reaction,
}

/// When a rule is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A request has been read whole.
    #[default]
    Request,
    /// A connection has been accepted, before TLS.
    Connection,
}

/// Conditions. The counted ones (`skip`, `first`, `every`, `probability`) count what the other conditions let through
/// and no earlier rule took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Only this provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// The device token, registration token, `fid`, FCM topic or condition equals this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// It starts with this (ASCII case is ignored).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_prefix: Option<String>,
    /// From this time on, milliseconds since the rule was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<u64>,
    /// Before this time, milliseconds since the rule was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// Lets so many pass first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<u64>,
    /// Only the first so many (after `skip`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Every n-th (after `skip`): the n-th, the 2n-th, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// With this chance, 0 to 1, drawn from `seed` and the count: the same script draws the same lots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What a rule does. In JSON a word where there is nothing to set (`"refuse"`), else an object with one field, whose own
/// fields have defaults (`{"silence": {}}`, `{"reset": {"code": "CANCEL"}}`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// The documented answer.
    #[default]
    Pass,
    /// This answer, without looking at the request. Requests only.
    Answer(Reply),
    /// No answer, ever. On a connection: after the TLS handshake there is not a byte of HTTP/2, and nothing is read.
    Silence(Loss),
    /// `RST_STREAM`. Requests only.
    Reset(Reset),
    /// `RST_STREAM` with `REFUSED_STREAM`: surely not processed. Requests only.
    Refuse,
    /// `GOAWAY`, then the connection ends once the streams up to the last id are answered.
    Goaway(Goaway),
    /// `SETTINGS` with `MAX_CONCURRENT_STREAMS`, then the documented answer.
    Streams(u32),
    /// `SETTINGS` with `INITIAL_WINDOW_SIZE`, then the documented answer. 0 shuts later requests' bodies out.
    Window(u32),
    /// The socket is closed. On a connection: at once, before TLS, or after the handshake. At the token endpoint resets, refusals and GOAWAY
    /// close, too.
    Close(Close),
    /// The connection neither reads nor writes any more and stays open. On a connection: after the TLS handshake.
    Freeze,
    /// The TLS handshake hangs. Connections only.
    Hang,
    /// The TLS handshake shows a wrong certificate. Connections only.
    Certificate(CertificateFault),
}

/// An answer made up by a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// APNs: `reason`. FCM: `errorCode` of an `FcmError` detail (or, when it is a canonical status such as
    /// `UNAUTHENTICATED`, `error.status` alone). OAuth: `error`. Booked in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `timestamp` of an APNs answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// Further headers, such as `retry-after`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A header `x-padding` of so many bytes, at most 1,048,576.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_bytes: Option<usize>,
    /// The body as it is, instead of the vendor's JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// So many bytes of filler after the body; more than 1,099,511,627,776 is refused. For "endless" use that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
}

impl Reply {
    /// An answer with a status and the vendor's body for a reason.
    #[must_use]
    pub fn new(status: u16, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: Some(reason.into()).filter(|reason: &String| !reason.is_empty()),
            timestamp: None,
            headers: BTreeMap::new(),
            header_bytes: None,
            body: None,
            body_bytes: None,
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }
}

/// The `timestamp` of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timestamp {
    /// Milliseconds since 1970, as Apple documents.
    AtMs(i64),
    /// Milliseconds from now: negative is the past.
    FromNowMs(i64),
    /// The present time in seconds, which is wrong.
    NowInSeconds,
}

/// Whether the provider acted on a request whose answer never comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loss {
    /// The request is judged and booked (with `lost: true`) as if it had been answered. Default: not.
    pub processed: bool,
}

/// `RST_STREAM` of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reset {
    /// Error code.
    pub code: Code,
    /// As in [`Loss`].
    pub processed: bool,
}

/// `GOAWAY`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Goaway {
    /// Error code; `NO_ERROR` by default.
    pub code: Code,
    /// Debug data, such as APNs' `{"reason": "Shutdown"}`.
    pub debug: String,
    /// Up to which stream the connection still answers.
    pub last: Last,
    /// Close the socket right behind the frame, whatever is still open.
    pub abrupt: bool,
}

/// The last stream id of a GOAWAY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Last {
    /// This request and those before it.
    #[default]
    This,
    /// Those before it; this one was not processed.
    Before,
    /// Nothing was processed, not even what is being answered.
    None,
}

/// How a socket is closed at a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Close {
    /// What still goes out.
    pub after: Moment,
    /// As in [`Loss`].
    pub processed: bool,
}

/// Where an answer is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Nothing of the answer.
    #[default]
    Request,
    /// The headers, and a body that never ends. Such a request is always judged and booked as lost.
    Headers,
    /// Connections only: the TLS handshake, and nothing of HTTP/2.
    Handshake,
}

/// A wrong server certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateFault {
    /// Its time is over.
    Expired,
    /// For another host.
    WrongName,
    /// Signed by an unknown authority.
    Untrusted,
}

/// HTTP/2 error codes (RFC 9113 §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "named by the RFC")]
pub enum Code {
    #[default]
    NoError,
    ProtocolError,
    InternalError,
    FlowControlError,
    SettingsTimeout,
    StreamClosed,
    FrameSizeError,
    RefusedStream,
    Cancel,
    CompressionError,
    ConnectError,
    EnhanceYourCalm,
    InadequateSecurity,
    #[serde(rename = "HTTP_1_1_REQUIRED")]
    Http11Required,
}

/// A rule with what it has done so far, as `GET /rules` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// The rule.
    pub rule: Rule,
    /// What its plain conditions let through.
    pub seen: u64,
    /// How often it fired.
    pub fired: u64,
}
