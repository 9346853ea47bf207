//! JWK sets (RFC 7517) fetched from a URL: cached, refreshed, and read again for a `kid` nobody has seen.
//!
//! One source an app. A slow or dead identity provider costs its own app's callers a bounded wait, once a
//! minute at most, and nobody else anything; keys once fetched stay in use while it cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::AppId;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::VerifyingKey;
use crate::problem::Problem;

/// The bounds of one source of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a fetched set is used before it is fetched anew. Default 10 min.
    pub refresh: Duration,
    /// Least time between two fetches, whatever callers send. Default 1 min; until then an unknown `kid` is
    /// refused from what is known.
    pub retry: Duration,
    /// Longest fetch. Default 5 s; afterwards the old keys stay in use.
    pub timeout: Duration,
    /// Largest set, in bytes. Default 256 KiB; a larger one is not read.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            refresh: Duration::from_secs(600),
            retry: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
            bytes_max: 256 << 10,
        }
    }
}

/// Most keys taken from one set; the rest is passed over.
const KEYS_MAX: usize = 100;

/// No client for HTTPS can be made on this machine.
#[derive(Debug, thiserror::Error)]
#[error("no HTTPS client for JWK sets: {0}")]
pub(crate) struct Unusable(String);

/// The keys behind one URL.
pub(super) struct Source {
    app: AppId,
    url: String,
    client: reqwest::Client,
    limits: Limits,
    cache: parking_lot::RwLock<Cache>,
    /// Held by the one caller that looks whether a fetch is due, and while it runs.
    fetching: Mutex<()>,
}

#[derive(Default)]
struct Cache {
    /// `None` before the first success.
    keys: Option<Arc<[VerifyingKey]>>,
    fetched_at: Option<Instant>,
    tried_at: Option<Instant>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({})", self.app)
    }
}

impl Source {
    pub(super) fn new(app: &AppId, url: &str, limits: Limits) -> Result<Arc<Self>, Unusable> {
        let client = client(url, limits.timeout)?;
        Ok(Arc::new(Source {
            app: app.clone(),
            url: url.to_owned(),
            client,
            limits,
            cache: parking_lot::RwLock::default(),
            fetching: Mutex::new(()),
        }))
    }

    /// Whether it reads this URL within these limits.
    pub(super) fn is_of(&self, url: &str, limits: &Limits) -> bool {
        self.url == url && self.limits == *limits
    }

    /// The keys to verify a token of this `kid` with.
    pub(super) async fn keys(
        self: &Arc<Self>,
        kid: Option<&str>,
    ) -> Result<Arc<[VerifyingKey]>, Problem> {
        match self.state(kid) {
            State::Fresh(keys) => return Ok(keys),
            State::Old(keys) => {
                // Others go on with the old keys while one caller's fetch runs.
                self.refresh_aside();
                return Ok(keys);
            }
            State::Wanting => {}
        }
        let source = self.clone();
        let kid = kid.map(str::to_owned);
        // A task of its own: the fetch goes on when this caller hangs up, since others wait for it, too.
        let fetch = tokio::spawn(async move { source.fetch_once(kid.as_deref()).await });
        if fetch.await.is_err() {
            tracing::error!(app = %self.app, "fetching a jwk set panicked");
        }
        self.cache.read().keys.clone().ok_or_else(|| {
            Problem::unavailable(
                "keys_unavailable",
                "the keys to verify tokens with cannot be fetched now",
            )
            .retry_after(self.limits.retry)
        })
    }

    fn state(&self, kid: Option<&str>) -> State {
        let cache = self.cache.read();
        let may_try = cache
            .tried_at
            .is_none_or(|at| at.elapsed() >= self.limits.retry);
        let is_old = cache
            .fetched_at
            .is_none_or(|at| at.elapsed() >= self.limits.refresh);
        match &cache.keys {
            Some(keys) if !may_try => State::Fresh(keys.clone()),
            Some(keys) if !knows(keys, kid) => State::Wanting,
            Some(keys) if is_old => State::Old(keys.clone()),
            Some(keys) => State::Fresh(keys.clone()),
            None => State::Wanting,
        }
    }

    fn refresh_aside(self: &Arc<Self>) {
        let source = self.clone();
        tokio::spawn(async move {
            if let Ok(_alone) = source.fetching.try_lock() {
                source.fetch().await;
            }
        });
    }

    /// Waits for the fetch under way, or fetches, if that is still needed and allowed.
    async fn fetch_once(&self, kid: Option<&str>) {
        let _alone = self.fetching.lock().await;
        let may_try = {
            let cache = self.cache.read();
            cache
                .tried_at
                .is_none_or(|at| at.elapsed() >= self.limits.retry)
        };
        if may_try && matches!(self.state(kid), State::Wanting) {
            self.fetch().await;
        }
    }

    async fn fetch(&self) {
        self.cache.write().tried_at = Some(Instant::now());
        match self.read().await {
            Ok(keys) => {
                let mut cache = self.cache.write();
                cache.keys = Some(keys.into());
                cache.fetched_at = Some(Instant::now());
            }
            Err(cause) => tracing::warn!(app = %self.app, cause, "jwk set could not be fetched"),
        }
    }

    async fn read(&self) -> Result<Vec<VerifyingKey>, &'static str> {
        let answer = self.client.get(&self.url).send().await;
        let mut answer = answer.map_err(|_| "unreachable")?;
        if !answer.status().is_success() {
            return Err("refused");
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| "broken off")? {
            if body.len() + chunk.len() > self.limits.bytes_max {
                return Err("too large");
            }
            body.extend_from_slice(&chunk);
        }
        key_set(&body).ok_or("not a jwk set with a usable key")
    }
}

enum State {
    /// To be used as they are.
    Fresh(Arc<[VerifyingKey]>),
    /// To be used, and fetched anew meanwhile.
    Old(Arc<[VerifyingKey]>),
    /// To be fetched before anything can be said.
    Wanting,
}

fn knows(keys: &[VerifyingKey], kid: Option<&str>) -> bool {
    kid.is_none() || keys.iter().any(|(known, ..)| known.as_deref() == kid)
}

/// No redirects: the configured URL is the one that is trusted.
fn client(url: &str, timeout: Duration) -> Result<reqwest::Client, Unusable> {
    let mut roots = RootCertStore::empty();
    if url.starts_with("https://") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Unusable("no trusted roots on this machine".to_owned()));
        }
    }
    builder(roots)?
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Unusable(error.to_string()))
}

/// With the provider given explicitly: a process-wide default may be missing, or be another crate's choice.
fn builder(roots: RootCertStore) -> Result<reqwest::ClientBuilder, Unusable> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls))
}

/// A client that speaks HTTP/2 in clear, for the tests of the server.
#[cfg(test)]
pub(crate) fn http2_client() -> reqwest::Client {
    let builder = builder(RootCertStore::empty()).expect("a client without roots");
    builder.http2_prior_knowledge().build().expect("a client")
}

/// The keys of a JWK set that can verify RS256, ES256 or EdDSA signatures; others are passed over. `None` when
/// the text is no JWK set, or none of its keys can be used.
pub fn key_set(json: &[u8]) -> Option<Vec<VerifyingKey>> {
    let set: Value = serde_json::from_slice(json).ok()?;
    let keys = set.get("keys")?.as_array()?.iter().take(KEYS_MAX);
    let keys: Vec<_> = keys.filter_map(|key| verifying_key(key.clone())).collect();
    (!keys.is_empty()).then_some(keys)
}

fn verifying_key(json: Value) -> Option<VerifyingKey> {
    let named = json.get("alg").and_then(Value::as_str).map(str::to_owned);
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    if !matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    ) {
        return None;
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, "RS256"),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, "ES256")
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, "EdDSA")
        }
        _ => return None,
    };
    if named.is_some_and(|named| named != name) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id, algorithm, key))
}
