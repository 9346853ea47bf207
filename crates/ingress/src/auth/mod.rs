//! Who is calling: API keys of services and agents, JWTs of users.
//!
//! Credentials come as `Authorization: Bearer`, which counts before everything else, or, for users, in the
//! cookie an app names. A caller belongs to exactly one app: a key names it, a JWT's issuer and audience do.

mod caller;
mod credential;
mod jwks;
mod jwt;
mod key;
#[cfg(test)]
mod tests;

pub(crate) use caller::{Service, User, user};
#[cfg(test)]
pub(crate) use jwks::http2_client;
pub use jwks::{Limits as JwksLimits, key_set};
pub use jwt::VerifyingKey;

use std::sync::Arc;

use fanfare_types::{Timestamp, UserId};
use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::config::AppDoor;
use crate::problem::Problem;
use credential::Credential;
pub(crate) use credential::is_bearer;

/// A configured API key: `ffk_<app>_<40 base62 characters>`, of which only the SHA-256 is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, PartialEq)]
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
    Set(Vec<VerifyingKey>),
    /// A JWK set fetched from this URL, kept for [`JwksLimits::refresh`] and read again for an unknown `kid`.
    Url(String, JwksLimits),
}

impl PartialEq for JwtKeys {
    fn eq(&self, other: &Self) -> bool {
        let same_key = |(id, of, key): &VerifyingKey, (id2, of2, key2): &VerifyingKey| {
            id == id2 && of == of2 && is_same_key(key, key2)
        };
        match (self, other) {
            (JwtKeys::Secret(one), JwtKeys::Secret(other)) => is_same_key(one, other),
            (JwtKeys::Set(one), JwtKeys::Set(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same_key(a, b))
            }
            (JwtKeys::Url(one, limits), JwtKeys::Url(other, limits2)) => {
                one == other && limits == limits2
            }
            _ => false,
        }
    }
}

fn is_same_key(one: &DecodingKey, other: &DecodingKey) -> bool {
    use jsonwebtoken::DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
    let is_same = match (one.kind(), other.kind()) {
        (SecretOrDer(one), SecretOrDer(other)) => one == other,
        (RsaModulusExponent { n, e }, RsaModulusExponent { n: n2, e: e2 }) => n == n2 && e == e2,
        _ => false,
    };
    one.family() == other.family() && is_same
}

impl std::fmt::Debug for JwtDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtDoor")
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

/// The apps, and where each one's JWT keys are read from.
#[derive(Debug)]
pub(crate) struct Doors(Vec<Door>);

#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) app: Arc<AppDoor>,
    /// The fetched keys, for [`JwtKeys::Url`].
    jwks: Option<Arc<jwks::Source>>,
}

/// Somebody whose credential was verified.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) app: Arc<AppDoor>,
    pub(crate) who: Who,
}

#[derive(Clone, Debug)]
pub(crate) enum Who {
    Key(KeyKind),
    User(Claims),
}

/// What a user's JWT says of the user; bounded by the longest token that is looked at (8 KiB).
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) id: UserId,
    /// Organisation inside the app, from the tenant claim.
    pub(crate) tenant: Option<String>,
    /// Which population of the app the user belongs to (`staff`, `customer`). A claim that is no text is none.
    pub(crate) user_type: Option<String>,
    /// What the user may do, as a list or one space-separated text; anything else grants nothing.
    pub(crate) permissions: Vec<String>,
}

impl Doors {
    /// Keys that were fetched `before` for the same app, URL and limits are kept.
    ///
    /// # Errors
    /// When an app's keys come from a URL and no TLS client can be made (no trusted roots on this machine).
    pub(crate) fn new(apps: &[AppDoor], before: Option<&Doors>) -> Result<Self, jwks::Unusable> {
        let known = |app: &AppDoor, url: &str, limits: &JwksLimits| {
            let source = before?.app(app.id.as_str())?.jwks.as_ref()?;
            source.is_of(url, limits).then(|| source.clone())
        };
        let door = |app: &AppDoor| {
            let jwks = match app.jwt.as_ref().map(|jwt| &jwt.keys) {
                Some(JwtKeys::Url(url, limits)) => Some(match known(app, url, limits) {
                    Some(source) => source,
                    None => jwks::Source::new(&app.id, url, limits.clone())?,
                }),
                _ => None,
            };
            Ok(Door {
                app: Arc::new(app.clone()),
                jwks,
            })
        };
        apps.iter().map(door).collect::<Result<_, _>>().map(Doors)
    }

    /// Whoever sent these headers. The answer to a wrong credential never says which part of it was wrong.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        match credential::of(headers, self.cookies()) {
            Some(Credential::Key(text)) => key::check(self, &text),
            Some(Credential::Jwt(token)) => jwt::check(self.0.iter(), &token, now).await,
            Some(Credential::Cookies(found)) => self.any_cookie(&found, now).await,
            None => Err(Problem::unauthorized(
                "missing_credentials",
                "give an API key or a user's JWT as `Authorization: Bearer`",
            )),
        }
    }

    /// Several apps on one site may each have left a cookie: the first whose app verifies it counts, and the
    /// first one's fault is told when none does.
    async fn any_cookie(
        &self,
        found: &[(String, String)],
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        let mut fault = None;
        for (name, token) in found {
            let takes = |door: &&Door| door.cookie() == Some(name.as_str());
            match jwt::check(self.0.iter().filter(takes), token, now).await {
                Ok(caller) => return Ok(caller),
                Err(problem) => fault = fault.or(Some(problem)),
            }
        }
        Err(fault.unwrap_or_else(invalid_token))
    }

    fn cookies(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(Door::cookie)
    }

    fn app(&self, id: &str) -> Option<&Door> {
        self.0.iter().find(|door| door.app.id.as_str() == id)
    }
}

impl Door {
    fn cookie(&self) -> Option<&str> {
        self.app.jwt.as_ref()?.cookie.as_deref()
    }
}

/// The one answer to a JWT that does not hold.
fn invalid_token() -> Problem {
    Problem::unauthorized("invalid_token", "the token could not be verified")
}
