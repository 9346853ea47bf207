//! APNs: requests, the class of every answer, and provider tokens.

use std::time::Duration;

use bytes::Bytes;
use fanfare_types::{Delivery, Reason, Secret, Timestamp};
use http::{HeaderMap, HeaderValue, Request, StatusCode};

use crate::{Judged, Result};

/// How long a provider token is used; Apple refuses it after 60 minutes and wants no new one within 20.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(50 * 60);

/// Encodes for one topic.
#[derive(Debug)]
pub struct Codec {
    #[allow(dead_code, reason = "seam")]
    topic: String,
}

impl Codec {
    /// `authority` is the host (and port, unless 443) requests are for; `topic` the app's bundle id.
    pub fn new(authority: &str, topic: &str) -> Self {
        let _ = authority;
        Codec {
            topic: topic.to_owned(),
        }
    }

    /// See [`crate::Codec::encode`].
    pub fn encode(
        &mut self,
        delivery: &Delivery,
        token: Option<&Secret<HeaderValue>>,
        now: Timestamp,
    ) -> Result<Request<Bytes>, Reason> {
        let _ = (delivery, token, now);
        todo!("the providers' room")
    }
}

/// See [`crate::Codec::classify`].
pub fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Judged {
    let _ = (status, headers, body, now);
    todo!("the providers' room")
}

/// Signs provider tokens (ES256) with an Apple `.p8` key.
#[derive(Debug)]
pub struct Signer {}

impl Signer {
    /// `key_id` and `team_id` are 10 characters each.
    pub fn new(p8_pem: &[u8], key_id: &str, team_id: &str) -> Result<Self> {
        let _ = (p8_pem, key_id, team_id);
        todo!("the providers' room")
    }

    /// The `authorization` value (`bearer <jwt>`, marked sensitive) issued at `now`.
    pub fn sign(&self, now: Timestamp) -> Result<Secret<HeaderValue>> {
        let _ = now;
        todo!("the providers' room")
    }
}
