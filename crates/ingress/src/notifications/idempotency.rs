//! The `Idempotency-Key` header: the same key and body get the first answer again.

use fanfare_actors::notifications::IdempotencyKey;
use fanfare_providers::Fault;
use fanfare_types::AppId;
use http::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::fields::FAULTS_MAX;
use crate::json;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest key, in characters of visible ASCII.
const KEY_CHARS_MAX: usize = 255;

/// What a key belongs to beside its app: one that was used for another kind of thing is a new one.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    Notifications,
    Campaigns,
}

impl Scope {
    fn bytes(self) -> &'static [u8] {
        match self {
            Scope::Notifications => b"",
            // No key has a zero in it, so that no two scopes make the same text.
            Scope::Campaigns => b"campaigns\0",
        }
    }
}

/// The key, as SHA-256 of app, scope and key, with the SHA-256 of what the body means; or what is wrong with it.
pub(crate) fn of(
    headers: &HeaderMap,
    app: &AppId,
    scope: Scope,
    body: &Value,
) -> Result<Option<IdempotencyKey>, Fault> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = given.next() else {
        return Ok(None);
    };
    let key = key.as_bytes();
    let is_key = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if !is_key || given.next().is_some() {
        return Err(Fault {
            field: "Idempotency-Key".to_owned(),
            code: "malformed",
            detail: format!("must be one header of 1 to {KEY_CHARS_MAX} visible ASCII characters"),
        });
    }
    Ok(Some(IdempotencyKey {
        key: json::sha256(&[app.as_str().as_bytes(), &[0], scope.bytes(), key]),
        body: json::digest(body),
    }))
}

/// What was asked for and its key, or the faults of both.
pub(crate) fn keyed<T>(
    key: Result<Option<IdempotencyKey>, Fault>,
    new: Result<T, Vec<Fault>>,
) -> Result<(T, Option<IdempotencyKey>), Vec<Fault>> {
    match (key, new) {
        (Ok(key), Ok(new)) => Ok((new, key)),
        (key, new) => {
            let faults = new.err().into_iter().flatten();
            Err(key
                .err()
                .into_iter()
                .chain(faults)
                .take(FAULTS_MAX)
                .collect())
        }
    }
}
