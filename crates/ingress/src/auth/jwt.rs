//! JWTs of an app's users (RFC 7519): whose they are, whether they hold, and which user they name.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_types::{Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde_json::{Map, Value};

use super::{Caller, Claims, Door, JwtDoor, JwtKeys, Who, invalid_token};
use crate::problem::Problem;

/// How far the clocks of issuer and gateway may differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// Longest token looked at, in bytes. Beyond it 401.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// Longest tenant, in bytes.
const TENANT_BYTES_MAX: usize = 128;

/// A public key to verify JWTs with: its `kid`, if it has one, the one algorithm it is for, and the key.
pub type VerifyingKey = (Option<String>, Algorithm, DecodingKey);

type Members = Map<String, Value>;

/// Verifies `token` with the keys of the one app it is for, of those given.
pub(super) async fn check(
    doors: impl Iterator<Item = &Door>,
    token: &str,
    now: Timestamp,
) -> Result<Caller, Problem> {
    let parts = Parts::of(token).ok_or_else(invalid_token)?;
    let (door, jwt) = addressee(doors, &parts.claims).ok_or_else(invalid_token)?;
    parts.verify(door, jwt).await?;
    times(&parts.claims, now)?;
    let id = user(&parts.claims, &jwt.user_claim)
        .ok_or_else(|| Problem::unauthorized("invalid_token", "the token names no valid user"))?;
    let tenant = tenant(&parts.claims, &jwt.tenant_claim).map_err(|NotATenant| {
        Problem::unauthorized("invalid_token", "the token names no valid tenant")
    })?;
    Ok(Caller {
        app: door.app.clone(),
        who: Who::User(Claims {
            id,
            tenant,
            user_type: parts.claims.get(&jwt.user_type_claim).and_then(plain),
            permissions: permissions(parts.claims.get(&jwt.permissions_claim)),
        }),
    })
}

/// A token taken apart; nothing of it is trusted before [`Parts::verify`].
struct Parts<'t> {
    header: Header,
    claims: Members,
    signed: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    fn of(token: &'t str) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, payload) = signed.split_once('.')?;
        // An algorithm the library does not know, `none` among them, is an error here.
        let header = jsonwebtoken::decode_header(token).ok()?;
        // What must be understood and is not (RFC 7515 section 4.1.11).
        if header.crit.is_some() {
            return None;
        }
        let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
        Some(Parts {
            header,
            claims: serde_json::from_slice(&claims).ok()?,
            signed,
            signature,
        })
    }

    async fn verify(&self, door: &Door, jwt: &JwtDoor) -> Result<(), Problem> {
        if !jwt.algorithms.contains(&self.header.alg) {
            return Err(invalid_token());
        }
        let holds = match &jwt.keys {
            JwtKeys::Secret(key) => self.header.alg == Algorithm::HS256 && self.is_signed_by(key),
            JwtKeys::Set(keys) => self.is_signed_by_one(keys),
            JwtKeys::Url(..) => {
                let source = door.jwks.as_ref().ok_or_else(invalid_token)?;
                let keys = source.keys(self.header.kid.as_deref()).await?;
                self.is_signed_by_one(&keys)
            }
        };
        if holds { Ok(()) } else { Err(invalid_token()) }
    }

    /// Keys of another algorithm than the header's never count, nor does a key with another `kid`.
    fn is_signed_by_one(&self, keys: &[VerifyingKey]) -> bool {
        let fits = |(kid, algorithm, _): &&VerifyingKey| {
            let same = self.header.kid.is_none() || kid.is_none() || *kid == self.header.kid;
            same && *algorithm == self.header.alg
        };
        let mut fitting = keys.iter().filter(fits);
        fitting.any(|(_, _, key)| self.is_signed_by(key))
    }

    fn is_signed_by(&self, key: &DecodingKey) -> bool {
        let signed = self.signed.as_bytes();
        jsonwebtoken::crypto::verify(self.signature, signed, key, self.header.alg).unwrap_or(false)
    }
}

/// The app a token is for: by issuer, then by audience. An app that names neither takes what nobody else
/// claims, if it is the only such app.
fn addressee<'d>(
    doors: impl Iterator<Item = &'d Door>,
    claims: &Members,
) -> Option<(&'d Door, &'d JwtDoor)> {
    let doors = doors.filter_map(|door| Some((door, door.app.jwt.as_ref()?)));
    let fitting = doors.filter(|(_, jwt)| {
        let issuer = jwt.issuer.as_deref();
        let audience = jwt.audience.as_deref();
        issuer.is_none_or(|issuer| names(claims.get("iss"), issuer))
            && audience.is_none_or(|audience| names(claims.get("aud"), audience))
    });
    let mut ranked: Vec<_> = fitting
        .map(|found| {
            (
                (found.1.issuer.is_some(), found.1.audience.is_some()),
                found,
            )
        })
        .collect();
    let best = ranked.iter().map(|(rank, _)| *rank).max()?;
    ranked.retain(|(rank, _)| *rank == best);
    match ranked.as_slice() {
        [(_, found)] => Some(*found),
        _ => None,
    }
}

/// Whether a claim is this text, or a list with it (RFC 7519 section 4.1.3).
fn names(claim: Option<&Value>, text: &str) -> bool {
    match claim {
        Some(Value::String(one)) => one == text,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(text)),
        _ => false,
    }
}

/// `exp` is required, `nbf` honoured, both with [`LEEWAY`].
fn times(claims: &Members, now: Timestamp) -> Result<(), Problem> {
    let expires = claims.get("exp").and_then(instant);
    let expires = expires.ok_or_else(invalid_token)?;
    if now >= expires + LEEWAY {
        return Err(Problem::unauthorized(
            "token_expired",
            "the token has expired",
        ));
    }
    match claims.get("nbf") {
        None => Ok(()),
        Some(value) => {
            let starts = instant(value).ok_or_else(invalid_token)?;
            if now + LEEWAY < starts {
                let detail = "the token does not hold yet";
                return Err(Problem::unauthorized("token_not_yet_valid", detail));
            }
            Ok(())
        }
    }
}

/// A NumericDate: seconds, perhaps with a fraction (RFC 7519 section 2).
fn instant(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64()?;
    let in_range = (0.0..=Timestamp::MAX.as_seconds() as f64).contains(&seconds);
    in_range.then_some(Timestamp((seconds * 1000.0) as u64))
}

/// The user: a text or a whole number.
fn user(claims: &Members, claim: &str) -> Option<UserId> {
    UserId::new(&plain(claims.get(claim)?)?).ok()
}

struct NotATenant;

fn tenant(claims: &Members, claim: &str) -> Result<Option<String>, NotATenant> {
    let value = match claims.get(claim) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let tenant = plain(value).ok_or(NotATenant)?;
    if tenant.is_empty() || tenant.len() > TENANT_BYTES_MAX || tenant.contains(char::is_control) {
        return Err(NotATenant);
    }
    Ok(Some(tenant))
}

/// A list of texts, or one space-separated text (as OAuth's `scope`, RFC 8693 section 4.2).
fn permissions(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(entries)) => {
            let texts = entries.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// A text, or a whole number as its digits.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}
