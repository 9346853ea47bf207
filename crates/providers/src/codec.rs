//! The one face of all providers that a connection sees: encode and classify.

use fanfare_types::{Delivery, Reason, Request, Secret, Timestamp, Verdict};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::content::Refused;
use crate::{apns, fcm};

/// Encodes deliveries for one credential and classifies the answers. One per connection, because it remembers
/// what it rendered last: deliveries of one notification and locale share one rendering.
#[derive(Debug)]
pub enum Codec {
    Apns(apns::Codec),
    Fcm(fcm::Codec),
}

/// An answer, classified.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub verdict: Verdict,
    /// The provider's reason, or [`Reason::NONE`] when it accepted.
    pub reason: Reason,
}

impl Codec {
    /// The request for one attempt. `token` is the `authorization` value (none with certificate credentials).
    /// `Err` says why this message can never be sent (the door lets none such through; raw overrides and
    /// variables may still break a limit once rendered): it ends as `rejected`, or as `cancelled` when its campaign
    /// skips recipients without a value. The reasons are `payload_too_large`, `missing_variable`,
    /// `malformed_placeholder`, `bad_override` and `unwritable_value`.
    pub fn encode(
        &mut self,
        delivery: &Delivery,
        token: Option<&Secret<HeaderValue>>,
        now: Timestamp,
    ) -> Result<Request, Refused> {
        let encoded = match self {
            Codec::Apns(codec) => codec.encode(delivery, token),
            Codec::Fcm(codec) => codec.encode(delivery, token, now),
        };
        let missing = || delivery.live.run.as_ref().map(|run| run.missing_variable);
        encoded.map_err(|why| why.refused(missing()))
    }

    /// What the answer means. Total: unknown reasons fall back to the class of their status.
    pub fn classify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Judged {
        match self {
            Codec::Apns(_) => apns::classify(status, headers, body, now),
            Codec::Fcm(_) => fcm::classify(status, headers, body, now),
        }
    }
}
