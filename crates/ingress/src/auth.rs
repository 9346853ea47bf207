//! Who is calling: API keys of services and agents, JWTs of users.

use jsonwebtoken::{Algorithm, DecodingKey};

/// A configured API key: `ffk_<app>_<40 base62 characters>`, of which only the SHA-256 is kept.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub name: String,
    pub sha256: [u8; 32],
    pub kind: KeyKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Sends, and manages devices of any user.
    Service,
    /// May do nothing on `/v1/devices` (403).
    Agent,
}

/// How an app's user JWTs are checked.
#[derive(Clone)]
pub struct JwtDoor {
    /// The only algorithms accepted; never taken from the token alone.
    pub algorithms: Vec<Algorithm>,
    pub keys: JwtKeys,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    /// The JWT may come in this cookie.
    pub cookie: Option<String>,
    pub user_claim: String,
    pub permissions_claim: String,
    pub user_type_claim: String,
    pub tenant_claim: String,
}

/// Where the keys come from.
#[derive(Clone)]
pub enum JwtKeys {
    /// One shared secret (HS256).
    Secret(DecodingKey),
    /// A JWK set from a file, by `kid`.
    Set(Vec<(Option<String>, Algorithm, DecodingKey)>),
    /// A JWK set fetched from this URL, kept for `jwks_refresh` and read again for an unknown `kid` (at most
    /// once a minute).
    Url(String),
}

impl std::fmt::Debug for JwtDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtDoor")
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}
