//! What goes between a judge and the serving loop: a request read whole, its facts for the books, and an answer.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::rules::{Reply, Timestamp};

/// A request with its whole body.
pub(crate) struct Call {
    pub(crate) parts: Parts,
    /// Cut at [`BODY_MAX`].
    pub(crate) body: Bytes,
    /// Size of the body, cut or not.
    pub(crate) size: usize,
    /// FCM: the body, parsed once.
    pub(crate) json: Option<serde_json::Value>,
}

/// Body bytes kept of one request; what is longer is too long for every provider.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// What the books and the rules want to know of a request, whatever is answered.
#[derive(Default)]
pub(crate) struct Facts<'a> {
    pub(crate) address: Cow<'a, str>,
    pub(crate) apns_id: Option<u128>,
    pub(crate) collapse: Option<&'a str>,
    pub(crate) expiration: Option<i64>,
    pub(crate) priority: Option<u8>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// For the books.
    pub(crate) reason: Cow<'static, str>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Filler behind the body, bytes.
    pub(crate) filler: u64,
}

impl Answer {
    pub(crate) fn new(
        status: StatusCode,
        reason: impl Into<Cow<'static, str>>,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            status,
            reason: reason.into(),
            headers: HeaderMap::new(),
            body: body.into(),
            filler: 0,
        }
    }

    /// The answer a rule made up, around the vendor's body for its reason.
    pub(crate) fn scripted(reply: &Reply, body: impl FnOnce(StatusCode, &str) -> String) -> Self {
        let status =
            StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reason = reply.reason.clone().unwrap_or_default();
        let body = reply.body.clone().unwrap_or_else(|| body(status, &reason));
        let mut answer = Self::new(status, reason, body);
        for (name, value) in &reply.headers {
            // Checked when the rule was set.
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                answer.headers.insert(name, value);
            }
        }
        if let Some(bytes) = reply.header_bytes
            && let Ok(padding) = HeaderValue::try_from("x".repeat(bytes))
        {
            answer.headers.insert("x-padding", padding);
        }
        answer.filler = reply.body_bytes.unwrap_or(0);
        answer
    }

    /// The answer's head; the body is left to send.
    pub(crate) fn head(&mut self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = self.status;
        *response.headers_mut() = std::mem::take(&mut self.headers);
        response
    }

    pub(crate) fn has_body(&self) -> bool {
        !self.body.is_empty() || self.filler > 0
    }
}

impl Timestamp {
    pub(crate) fn value(self) -> i64 {
        match self {
            Self::AtMs(at) => at,
            Self::FromNowMs(ms) => now_ms().saturating_add(ms),
            Self::NowInSeconds => now_ms() / 1000,
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Seconds since 1970.
pub(crate) fn now_s() -> i64 {
    now_ms() / 1000
}
