//! Provider tokens (Apple, "Establishing a token-based connection to APNs").

use std::time::Duration;

use fanfare_types::{Secret, Timestamp};
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::{Error, Result};

/// How long a provider token is used; Apple refuses it after 60 minutes and wants no new one within 20.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(50 * 60);

/// Length of key ids and team ids, in characters.
const ID_CHARS: usize = 10;

/// Signs provider tokens (ES256) with an Apple `.p8` key. `Debug` shows the ids only.
pub struct Signer {
    key: EncodingKey,
    key_id: String,
    team_id: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    /// Seconds since 1970.
    iat: u64,
}

impl Signer {
    /// `key_id` and `team_id` are 10 characters each. The key is tried at once: what is made here can sign.
    pub fn new(p8_pem: &[u8], key_id: &str, team_id: &str) -> Result<Self> {
        for (what, id) in [("APNs key id", key_id), ("APNs team id", team_id)] {
            if id.len() != ID_CHARS || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                let why = format!("it must be {ID_CHARS} letters and digits");
                return Err(Error::Credential { what, why });
            }
        }
        let key = EncodingKey::from_ec_pem(p8_pem)
            .map_err(|_| unusable("it must be a PKCS#8 PEM file with an EC key"))?;
        let signer = Signer {
            key,
            key_id: key_id.to_owned(),
            team_id: team_id.to_owned(),
        };
        signer.sign(Timestamp(0))?;
        Ok(signer)
    }

    /// The `authorization` value (`bearer <jwt>`, marked sensitive) issued at `now`.
    pub fn sign(&self, now: Timestamp) -> Result<Secret<HeaderValue>> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        header.kid = Some(self.key_id.clone());
        let claims = Claims {
            iss: &self.team_id,
            iat: now.as_seconds(),
        };
        let jwt = jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|_| unusable("it must be a P-256 key"))?;
        let mut value = HeaderValue::try_from(format!("bearer {jwt}"))
            .map_err(|_| unusable("its signature is no header value"))?;
        value.set_sensitive(true);
        Ok(Secret::new(value))
    }
}

/// The same key under the same ids.
impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        let Signer {
            key,
            key_id,
            team_id,
        } = self;
        key.as_bytes() == other.key.as_bytes()
            && *key_id == other.key_id
            && *team_id == other.team_id
    }
}

fn unusable(why: &str) -> Error {
    Error::Credential {
        what: "APNs key",
        why: why.to_owned(),
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer(key {}, team {})", self.key_id, self.team_id)
    }
}
