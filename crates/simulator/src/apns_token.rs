//! Provider tokens (Apple, "Establishing a token-based connection to APNs"): the signature is verified once per token,
//! and each connection remembers the tokens it was shown.

use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::SimulatorError;
use crate::config::ApnsConfig;
use crate::jwt::{self, Cache};
use crate::reply::now_s;

/// Oldest `iat`, seconds.
const AGE_MAX: i64 = 3600;
/// How far ahead a signer's clock may be, seconds.
const AHEAD_MAX: i64 = 60;
/// Verified tokens kept.
const CACHE: usize = 1024;
/// Tokens that a connection may go back to.
const REMEMBERED: usize = 8;

type Fault = (StatusCode, &'static str);

const INVALID: Fault = (StatusCode::FORBIDDEN, "InvalidProviderToken");
const EXPIRED: Fault = (StatusCode::FORBIDDEN, "ExpiredProviderToken");
const MISSING: Fault = (StatusCode::FORBIDDEN, "MissingProviderToken");
const TOO_MANY: Fault = (StatusCode::TOO_MANY_REQUESTS, "TooManyProviderTokenUpdates");

/// What a connection showed so far.
pub(crate) struct Memory {
    /// It showed a client certificate: tokens are not looked at.
    pub(crate) certificate: bool,
    /// The tokens accepted, the one in use last.
    tokens: Vec<Shown>,
    last_new: Option<Instant>,
}

#[derive(Clone)]
struct Shown {
    header: HeaderValue,
    claims: Claims,
}

#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    iat: i64,
}

impl Memory {
    pub(crate) const fn new(certificate: bool) -> Self {
        Self {
            certificate,
            tokens: Vec::new(),
            last_new: None,
        }
    }

    /// Whether the client has shown who it is.
    pub(crate) const fn known(&self) -> bool {
        self.certificate || !self.tokens.is_empty()
    }
}

/// Verifies tokens.
pub(crate) struct Verifier {
    keys: Vec<Key>,
    interval: Duration,
    verified: Mutex<Cache<Claims>>,
}

struct Key {
    key_id: String,
    team_id: String,
    key: DecodingKey,
}

impl Verifier {
    pub(crate) fn new(config: &ApnsConfig) -> Result<Self, SimulatorError> {
        let read = |trusted: &crate::config::ApnsKey| {
            let key =
                DecodingKey::from_ec_pem(trusted.public_key_pem.as_bytes()).map_err(|error| {
                    SimulatorError::config(format!("the APNs key {}", trusted.key_id), error)
                })?;
            Ok(Key {
                key_id: trusted.key_id.clone(),
                team_id: trusted.team_id.clone(),
                key,
            })
        };
        Ok(Self {
            keys: config
                .keys
                .iter()
                .map(read)
                .collect::<Result<_, SimulatorError>>()?,
            interval: config.token_update_interval,
            verified: Mutex::new(Cache::new(CACHE)),
        })
    }

    /// Whether a connection may push with this `authorization`.
    pub(crate) fn admit(
        &self,
        memory: &mut Memory,
        header: Option<&HeaderValue>,
    ) -> Result<(), Fault> {
        if memory.certificate {
            return Ok(());
        }
        let header = header.ok_or(MISSING)?;
        if let Some(current) = memory.tokens.last()
            && current.header == *header
        {
            return check_age(current.claims.iat);
        }
        let claims = self.claims(header)?;
        check_age(claims.iat)?;
        if let Some(index) = memory
            .tokens
            .iter()
            .position(|shown| shown.header == *header)
        {
            let shown = memory.tokens.remove(index);
            memory.tokens.push(shown);
            return Ok(());
        }
        if memory
            .tokens
            .last()
            .is_some_and(|shown| shown.claims.iss != claims.iss)
        {
            return Err(INVALID); // one connection, one team
        }
        if memory
            .last_new
            .is_some_and(|at| at.elapsed() < self.interval)
        {
            return Err(TOO_MANY);
        }
        memory.last_new = Some(Instant::now());
        if memory.tokens.len() == REMEMBERED {
            memory.tokens.remove(0);
        }
        memory.tokens.push(Shown {
            header: header.clone(),
            claims,
        });
        Ok(())
    }

    fn claims(&self, header: &HeaderValue) -> Result<Claims, Fault> {
        let (scheme, token) = header
            .to_str()
            .ok()
            .and_then(|header| header.split_once(' '))
            .ok_or(INVALID)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(INVALID);
        }
        if let Some(claims) = self.verified.lock().get(token) {
            return Ok(claims);
        }
        let key_id = jwt::key_id(token, Algorithm::ES256).ok_or(INVALID)?;
        let key = self
            .keys
            .iter()
            .find(|key| key.key_id == key_id)
            .ok_or(INVALID)?;
        let claims: Claims = jwt::verify(token, &key.key, Algorithm::ES256).ok_or(INVALID)?;
        if claims.iss != key.team_id {
            return Err(INVALID);
        }
        self.verified.lock().insert(token, claims.clone());
        Ok(claims)
    }
}

fn check_age(iat: i64) -> Result<(), Fault> {
    let age = now_s().saturating_sub(iat);
    if age > AGE_MAX {
        Err(EXPIRED)
    } else if age < -AHEAD_MAX {
        Err(INVALID)
    } else {
        Ok(())
    }
}
