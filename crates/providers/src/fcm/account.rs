//! OAuth with a service account (RFC 7523, Google "Using OAuth 2.0 for server to server applications").

use std::time::Duration;

use fanfare_types::{Reason, Secret, Timestamp};
use http::{HeaderValue, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::Value;

use crate::uri::is_https;
use crate::{Error, Result};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// How long an assertion is valid; Google takes no longer ones.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(3600);

/// Taken when the endpoint names no `expires_in`: Google's usual hour.
const TOKEN_LIFETIME_DEFAULT: Duration = Duration::from_secs(3600);

/// Longest `expires_in` that is believed.
const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// A service account, read from the JSON file Firebase hands out. `Debug` shows the project only.
pub struct ServiceAccount {
    project_id: String,
    client_email: String,
    token_uri: String,
    key_id: Option<String>,
    key: EncodingKey,
}

/// A form to `POST` to the token endpoint, as `application/x-www-form-urlencoded`.
#[derive(Debug)]
pub struct TokenRequest {
    pub uri: String,
    pub form: Secret<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    /// Seconds since 1970, as `exp`.
    iat: u64,
    exp: u64,
}

impl ServiceAccount {
    /// Reads the file and names every field that is missing. The key is tried at once: what is made here can sign.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let file: Value =
            serde_json::from_slice(json).map_err(|_| unusable("it is not JSON".to_owned()))?;
        let field = |name| {
            let text = file.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let mut missing = Vec::new();
        let mut required = |name: &'static str| {
            field(name).unwrap_or_else(|| {
                missing.push(name);
                String::new()
            })
        };
        let client_email = required("client_email");
        let private_key = required("private_key");
        let token_uri = required("token_uri");
        let project_id = required("project_id");
        if !missing.is_empty() {
            return Err(unusable(format!("it has no {}", missing.join(", "))));
        }
        if !is_https(&token_uri) {
            return Err(unusable("its token_uri is no https address".to_owned()));
        }
        let key = EncodingKey::from_rsa_pem(private_key.as_bytes())
            .map_err(|_| unusable("its private_key is no RSA key in PEM".to_owned()))?;
        let account = ServiceAccount {
            project_id,
            client_email,
            token_uri,
            key_id: field("private_key_id"),
            key,
        };
        account.token_request(Timestamp(0))?;
        Ok(account)
    }

    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    /// The signed assertion (RFC 7523) for an access token, valid for an hour from `now`.
    pub fn token_request(&self, now: Timestamp) -> Result<TokenRequest> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.key_id);
        let claims = Claims {
            iss: &self.client_email,
            scope: SCOPE,
            aud: &self.token_uri,
            iat: now.as_seconds(),
            exp: (now + ASSERTION_LIFETIME).as_seconds(),
        };
        let assertion = jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|_| unusable("its private_key cannot sign RS256".to_owned()))?;
        // An assertion is base64url and dots: nothing in it needs escaping.
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
        );
        Ok(TokenRequest {
            uri: self.token_uri.clone(),
            form: Secret::new(form),
        })
    }
}

/// The same account with the same key.
impl PartialEq for ServiceAccount {
    fn eq(&self, other: &Self) -> bool {
        let ServiceAccount {
            project_id,
            client_email,
            token_uri,
            key_id,
            key,
        } = self;
        *project_id == other.project_id
            && *client_email == other.client_email
            && *token_uri == other.token_uri
            && *key_id == other.key_id
            && key.as_bytes() == other.key.as_bytes()
    }
}

fn unusable(why: String) -> Error {
    Error::Credential {
        what: "service account file",
        why,
    }
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceAccount(project {})", self.project_id)
    }
}

/// Reads the token endpoint's answer: the `authorization` value (`Bearer <token>`, marked sensitive) and how
/// long it lives. A 4xx other than 408 and 429 means that the credential is wrong; of its body only the error
/// word is kept.
pub fn read_token(status: StatusCode, body: &[u8]) -> Result<(Secret<HeaderValue>, Duration)> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if !status.is_success() {
        return Err(refusal(status, &answer));
    }
    let nonsense = |what: &str| Error::TokenUnavailable(what.to_owned());
    let token = answer
        .get("access_token")
        .and_then(Value::as_str)
        .filter(|token| !token.is_empty())
        .ok_or_else(|| nonsense("no access_token in the answer"))?;
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| nonsense("access_token is no header value"))?;
    value.set_sensitive(true);
    let lifetime = match answer.get("expires_in") {
        None | Some(Value::Null) => TOKEN_LIFETIME_DEFAULT,
        Some(value) => seconds(value)
            .filter(|lifetime| !lifetime.is_zero())
            .ok_or_else(|| nonsense("expires_in is no time to come"))?,
    };
    Ok((Secret::new(value), lifetime.min(TOKEN_LIFETIME_MAX)))
}

fn seconds(value: &Value) -> Option<Duration> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))?;
    Some(Duration::from_secs(number))
}

fn refusal(status: StatusCode, answer: &Value) -> Error {
    // Codes such as `invalid_grant` (RFC 6749 section 5.2); anything else might be what was sent.
    let is_code = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let word = answer.get("error").and_then(Value::as_str).filter(is_code);
    let reason: Reason = crate::class::word_or_status(word, status);
    let word = reason.as_str().to_owned();
    let is_passing = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
    );
    match status.is_client_error() && !is_passing {
        true => Error::TokenRefused(word),
        false => Error::TokenUnavailable(word),
    }
}
