//! How an app's user JWTs are checked.

use fanfare_ingress::auth::{JwksLimits, JwtDoor, JwtKeys};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::section::Section;

pub(crate) fn read(section: Section<'_>) -> Option<JwtDoor> {
    let algorithms = algorithms(&section);
    let keys = keys(&section, &algorithms);
    let optional = |name| section.text(name).map(str::to_owned);
    let claim = |name, default: &str| section.text(name).unwrap_or(default).to_owned();
    let (issuer, audience, cookie) = (optional("issuer"), optional("audience"), optional("cookie"));
    let user_claim = claim("user_claim", "sub");
    let permissions_claim = claim("permissions_claim", "permissions");
    let user_type_claim = claim("user_type_claim", "user_type");
    let tenant_claim = claim("tenant_claim", "tenant_id");
    section.finish();
    Some(JwtDoor {
        algorithms,
        keys: keys?,
        issuer,
        audience,
        cookie,
        user_claim,
        permissions_claim,
        user_type_claim,
        tenant_claim,
    })
}

fn algorithms(section: &Section<'_>) -> Vec<Algorithm> {
    let Some(words) = section.words("algorithms") else {
        return vec![Algorithm::HS256];
    };
    let algorithm = |word: &str| match word {
        "HS256" => Some(Algorithm::HS256),
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => {
            section.fault("algorithms", "may hold HS256, RS256, ES256 and EdDSA");
            None
        }
    };
    let algorithms: Vec<_> = words.into_iter().filter_map(algorithm).collect();
    if algorithms.contains(&Algorithm::HS256) && algorithms.len() > 1 {
        section.fault(
            "algorithms",
            "must not mix HS256 with public-key algorithms",
        );
    }
    if algorithms.is_empty() {
        section.fault("algorithms", "must name at least one algorithm");
    }
    algorithms
}

/// Shortest HS256 secret taken, in bytes: what can be guessed lets anyone be any user. RFC 7518 section 3.2 asks
/// for 32, which is told when the gateway starts.
const SECRET_BYTES_MIN: usize = 8;
const SECRET_BYTES_ADVISED: usize = 32;

fn shared_secret(section: &Section<'_>, secret: &[u8]) -> Option<JwtKeys> {
    if secret.len() < SECRET_BYTES_MIN {
        let name = if section.has("hs256_secret") {
            "hs256_secret"
        } else {
            "hs256_secret_file"
        };
        section.fault(name, format!("must have at least {SECRET_BYTES_MIN} bytes, and should have {SECRET_BYTES_ADVISED}"));
        return None;
    }
    if secret.len() < SECRET_BYTES_ADVISED {
        tracing::warn!(
            bytes = secret.len(),
            "an hs256 secret is shorter than the 32 bytes that RFC 7518 asks for"
        );
    }
    Some(JwtKeys::Secret(DecodingKey::from_secret(secret)))
}

fn keys(section: &Section<'_>, algorithms: &[Algorithm]) -> Option<JwtKeys> {
    let secret = section.secret("hs256_secret", "hs256_secret_file");
    let set = section.file("jwks_file");
    let url = section.text("jwks_url").map(str::to_owned);
    let limits = fetching(section);
    let shared = algorithms.contains(&Algorithm::HS256);
    let given = |name| section.has(name);
    if shared {
        if !given("hs256_secret") && !given("hs256_secret_file") {
            section.fault("hs256_secret_file", "is required for HS256");
        }
        return secret.and_then(|secret| shared_secret(section, secret.expose()));
    }
    match (set, url) {
        (Some(_), Some(_)) => {
            section.fault("jwks_url", "is given beside jwks_file; one is needed");
            None
        }
        (Some(set), None) => key_set(section, &set, algorithms),
        (None, Some(url)) if is_trusted(&url) => Some(JwtKeys::Url(url, limits)),
        (None, Some(_)) => {
            section.fault("jwks_url", "must be an https URL");
            None
        }
        (None, None) => {
            if !given("jwks_file") {
                section.fault(
                    "jwks_file",
                    "or jwks_url is required for public-key algorithms",
                );
            }
            None
        }
    }
}

/// How keys are fetched from `jwks_url`.
fn fetching(section: &Section<'_>) -> JwksLimits {
    let default = JwksLimits::default();
    let limits = JwksLimits {
        refresh: section.duration("jwks_refresh", default.refresh),
        retry: section.duration("jwks_retry", default.retry),
        timeout: section.duration("jwks_timeout", default.timeout),
        bytes_max: section.bytes("jwks_max", default.bytes_max),
    };
    if limits.retry > limits.refresh {
        section.fault("jwks_retry", "must not be longer than jwks_refresh");
    }
    limits
}

/// HTTPS, or this machine: whoever answers decides whose tokens hold.
fn is_trusted(url: &str) -> bool {
    let local = url.strip_prefix("http://127.0.0.1");
    url.starts_with("https://") || local.is_some_and(|rest| rest.starts_with([':', '/']))
}

fn key_set(section: &Section<'_>, json: &[u8], algorithms: &[Algorithm]) -> Option<JwtKeys> {
    let Some(keys) = fanfare_ingress::auth::key_set(json) else {
        section.fault(
            "jwks_file",
            "holds no JWK set (RFC 7517) with an RSA, P-256 or Ed25519 key for signatures",
        );
        return None;
    };
    // Any other key is never used; with no fitting one every token would be refused.
    if !algorithms.is_empty() && !keys.iter().any(|(_, of, _)| algorithms.contains(of)) {
        section.fault("jwks_file", "holds no key for the algorithms named");
        return None;
    }
    Some(JwtKeys::Set(keys))
}
