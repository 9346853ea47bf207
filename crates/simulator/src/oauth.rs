//! Google's token endpoint: a signed assertion (RFC 7523) for an access token.
//!
//! Source: developers.google.com, "Using OAuth 2.0 for server to server applications".

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::books::Record;
use crate::config::Config;
use crate::reply::{Answer, now_s};
use crate::rules::{Fired, Reaction, Reply, Stage};
use crate::simulator::Shared;
use crate::{Provider, SimulatorError};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/firebase.messaging",
    "https://www.googleapis.com/auth/cloud-platform",
];
/// Longest life of an assertion, seconds.
const LIFE_MAX: i64 = 3600;
/// Clocks may differ by this, seconds.
const LEEWAY: i64 = 60;
/// Access tokens alive at one time; the one that ends first makes room.
const TOKENS_MAX: usize = 10_000;

/// The access tokens that were given out.
pub(crate) struct AccessTokens {
    life: Duration,
    issued: Mutex<HashMap<String, Grant>>,
}

/// What an access token is good for.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) project: Arc<str>,
    pub(crate) until: Instant,
}

impl AccessTokens {
    pub(crate) fn new(life: Duration) -> Self {
        Self {
            life,
            issued: Mutex::default(),
        }
    }

    pub(crate) fn find(&self, token: &str) -> Option<Grant> {
        self.issued.lock().get(token).cloned()
    }

    fn issue(&self, project: &Arc<str>) -> Option<String> {
        let mut random = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut random).ok()?;
        let digits = random.iter().map(|byte| format!("{byte:02x}"));
        let token: String = std::iter::once("ya29.".to_owned()).chain(digits).collect();
        let now = Instant::now();
        let mut issued = self.issued.lock();
        if issued.len() >= TOKENS_MAX {
            issued.retain(|_, grant| grant.until > now);
        }
        if issued.len() >= TOKENS_MAX
            && let Some(first) = issued
                .iter()
                .min_by_key(|(_, grant)| grant.until)
                .map(|(token, _)| token.clone())
        {
            issued.remove(&first);
        }
        issued.insert(
            token.clone(),
            Grant {
                project: Arc::clone(project),
                until: now + self.life,
            },
        );
        Some(token)
    }
}

struct Account {
    client_email: String,
    project: Arc<str>,
    key: DecodingKey,
}

/// Judges token requests.
pub(crate) struct Oauth {
    accounts: Vec<Account>,
    audiences: Vec<String>,
    tokens: Arc<AccessTokens>,
    shared: Arc<Shared>,
    pub(crate) hold: Duration,
}

#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    scope: String,
    iat: i64,
    exp: i64,
}

/// What to do with a token request.
pub(crate) enum Verdict {
    Answer(Answer),
    Silence,
    Close,
}

impl Oauth {
    pub(crate) fn new(
        config: &Config,
        tokens: Arc<AccessTokens>,
        address: SocketAddr,
        shared: Arc<Shared>,
    ) -> Result<Self, SimulatorError> {
        let read = |project: &crate::config::FcmProject| {
            let key =
                DecodingKey::from_rsa_pem(project.public_key_pem.as_bytes()).map_err(|error| {
                    SimulatorError::config(
                        format!("the key of project {}", project.project_id),
                        error,
                    )
                })?;
            let id = Arc::from(project.project_id.as_str());
            Ok(Account {
                client_email: project.client_email.clone(),
                project: id,
                key,
            })
        };
        let own = ["localhost", "127.0.0.1", "[::1]"]
            .map(|host| format!("https://{host}:{}/token", address.port()));
        Ok(Self {
            accounts: config
                .fcm
                .projects
                .iter()
                .map(read)
                .collect::<Result<_, SimulatorError>>()?,
            audiences: own
                .into_iter()
                .chain(config.fcm.audiences.iter().cloned())
                .collect(),
            tokens,
            shared,
            hold: config.limits.hold,
        })
    }

    /// Looks for a rule and waits as long as it says.
    pub(crate) async fn answer(&self, method: &Method, path: &str, body: &Bytes) -> Verdict {
        let fired = self.shared.rules.find(Stage::Request, Provider::Oauth, "");
        if let Some(fired) = &fired {
            tokio::time::sleep(fired.delay).await;
        }
        let fate = |word| {
            self.book(0, word, false, body);
            if word == "silence" || word == "freeze" {
                Verdict::Silence
            } else {
                Verdict::Close
            }
        };
        match fired.as_ref().map_or(&Reaction::Pass, Fired::reaction) {
            Reaction::Answer(reply) => {
                let answer = scripted(reply);
                self.book(answer.status.as_u16(), &answer.reason, false, body);
                Verdict::Answer(answer)
            }
            Reaction::Silence(_) => fate("silence"),
            Reaction::Freeze => fate("freeze"),
            Reaction::Reset(_) => fate("reset"),
            Reaction::Refuse => fate("refused"),
            Reaction::Goaway(_) => fate("goaway"),
            Reaction::Close(_) => fate("close"),
            _ => {
                let answer = self.judge(method, path, body);
                self.book(answer.status.as_u16(), &answer.reason, false, body);
                Verdict::Answer(answer)
            }
        }
    }

    fn book(&self, status: u16, reason: &str, lost: bool, body: &Bytes) {
        let record = Record {
            status,
            reason,
            lost,
            body_bytes: body.len() as u64,
            ..Record::default()
        };
        self.shared.books.record(Provider::Oauth, &record);
    }

    fn judge(&self, method: &Method, path: &str, body: &Bytes) -> Answer {
        if path != "/token" {
            return error(StatusCode::NOT_FOUND, "not_found", "no such path");
        }
        if *method != Method::POST {
            return error(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "only POST",
            );
        }
        let refused =
            |(error_code, description)| error(StatusCode::BAD_REQUEST, error_code, description);
        match self.grant(body) {
            Ok(token) => {
                let json = serde_json::json!({
                    "access_token": token,
                    "expires_in": self.tokens.life.as_secs(),
                    "token_type": "Bearer",
                });
                Answer::new(StatusCode::OK, "", json.to_string())
            }
            Err(fault) => refused(fault),
        }
    }

    fn grant(&self, body: &Bytes) -> Result<String, (&'static str, &'static str)> {
        let form = form(body).ok_or(("invalid_request", "the body is not a form"))?;
        let field = |name: &str| {
            form.iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        match field("grant_type") {
            Some(GRANT) => {}
            Some(_) => return Err(("unsupported_grant_type", "Invalid grant_type")),
            None => return Err(("invalid_request", "grant_type is missing")),
        }
        let assertion = field("assertion").ok_or(("invalid_request", "assertion is missing"))?;
        let (account, claims) = self
            .signer(assertion)
            .ok_or(("invalid_grant", "Invalid JWT Signature."))?;
        let now = now_s();
        if !self.audiences.contains(&claims.aud) {
            return Err(("invalid_grant", "Invalid JWT: Failed audience check."));
        }
        if claims.exp <= now - LEEWAY
            || claims.iat > now + LEEWAY
            || claims.exp - claims.iat > LIFE_MAX
        {
            return Err((
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            ));
        }
        if !claims.scope.split(' ').any(|scope| SCOPES.contains(&scope)) {
            return Err((
                "invalid_scope",
                "Invalid OAuth scope or ID token audience provided.",
            ));
        }
        self.tokens
            .issue(&account.project)
            .ok_or(("internal_failure", "no random numbers"))
    }

    fn signer(&self, assertion: &str) -> Option<(&Account, Claims)> {
        self.accounts.iter().find_map(|account| {
            let claims: Claims = crate::jwt::verify(assertion, &account.key, Algorithm::RS256)?;
            (claims.iss == account.client_email).then_some((account, claims))
        })
    }
}

fn error(status: StatusCode, code: &'static str, description: &str) -> Answer {
    let json = serde_json::json!({ "error": code, "error_description": description });
    Answer::new(status, code, json.to_string())
}

fn scripted(reply: &Reply) -> Answer {
    Answer::scripted(reply, |_, reason| {
        serde_json::json!({ "error": reason, "error_description": "scripted" }).to_string()
    })
}

/// `application/x-www-form-urlencoded` (WHATWG URL §5.1).
pub(crate) fn form(body: &[u8]) -> Option<Vec<(String, String)>> {
    let body = std::str::from_utf8(body).ok()?;
    let pairs = body.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(rest.next()?)? << 4 | digit(rest.next()?)?;
                u8::try_from(value).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let fields = form(b"grant_type=urn%3Aietf&assertion=a.b+c&flag").unwrap();
        let expected = [
            ("grant_type", "urn:ietf"),
            ("assertion", "a.b c"),
            ("flag", ""),
        ];
        assert_eq!(
            fields,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        for wrong in [&b"a=%4"[..], b"a=%zz", b"a=%ff", b"\xff"] {
            assert!(form(wrong).is_none());
        }
    }

    #[test]
    fn tokens_alive_are_bounded() {
        let tokens = AccessTokens::new(Duration::from_secs(60));
        let project: Arc<str> = Arc::from("p");
        let first = tokens.issue(&project).unwrap();
        for _ in 0..TOKENS_MAX {
            tokens.issue(&project).unwrap();
        }
        assert!(tokens.find(&first).is_none());
        assert_eq!(tokens.issued.lock().len(), TOKENS_MAX);
    }
}
