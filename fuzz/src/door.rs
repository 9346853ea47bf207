//! The API of one app, whose secrets are known here.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use fanfare_ingress::auth::{ApiKey, JwtDoor, JwtKeys, KeyKind};
use fanfare_ingress::config::{AppDoor, Config, Contract};
use fanfare_ingress::fuzzing::{Door, NOW};
use fanfare_types::AppId;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

pub(crate) const SERVICE_KEY: &str = "ffk_shop_0123456789abcdefghijklmnopqrstuvwxyzABCD";
/// SHA-256 of [`SERVICE_KEY`].
const SERVICE_KEY_SHA256: &str = "edba813e847ec421c6b13209ece90f0ea3aa7bec644aaa97faaa3071043a21c8";
pub(crate) const ISSUER: &str = "https://id.shop.example";
pub(crate) const COOKIE: &str = "session";
const SECRET: &[u8] = b"the secret of the users of the shop";
const DAY: Duration = Duration::from_secs(86_400);

thread_local! {
    static DOOR: Door = Door::new(config()).expect("an API without a network");
}

/// Runs `ask` before the API of this thread.
pub(crate) fn with<R>(ask: impl FnOnce(&Door) -> R) -> R {
    DOOR.with(ask)
}

fn config() -> Config {
    let mut app = AppDoor {
        id: AppId::new("shop").expect("an id"),
        api_keys: vec![ApiKey {
            name: "backend".to_owned(),
            sha256: digest(SERVICE_KEY_SHA256),
            kind: KeyKind::Service,
        }],
        jwt: Some(JwtDoor {
            algorithms: vec![Algorithm::HS256],
            keys: JwtKeys::Secret(DecodingKey::from_secret(SECRET)),
            issuer: Some(ISSUER.to_owned()),
            audience: None,
            cookie: Some(COOKIE.to_owned()),
            user_claim: "sub".to_owned(),
            permissions_claim: "permissions".to_owned(),
            user_type_claim: "user_type".to_owned(),
            tenant_claim: "tenant_id".to_owned(),
        }),
        contracts: vec![
            Contract::Native,
            Contract::Ring,
            Contract::Reserva,
            Contract::DeviceToken,
        ],
        ring: Default::default(),
    };
    // The clock stands still, and refusals would hide what is behind them.
    app.ring.per_window = 1_000_000;
    Config {
        apps: [app].into(),
        body_bytes_max: 64 << 10,
        bodies_bytes_max: 1 << 20,
        requests_max: 100,
        targets_max: 100,
        connections_max: 100,
        request_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(60),
        ttl_default: 28 * DAY,
        ttl_max: 28 * DAY,
        campaigns: Default::default(),
    }
}

fn digest(hex: &str) -> [u8; 32] {
    std::array::from_fn(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex digits"))
}

/// Header and claims, whatever they are, signed with the app's own secret.
pub(crate) fn signed(header: &[u8], claims: &[u8]) -> String {
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256);
    format!("{text}.{}", signature.expect("a signature"))
}

/// A JWT that holds.
pub(crate) fn user() -> String {
    let exp = NOW.as_seconds() + 600;
    let claims = format!(
        r#"{{"sub":"ada","iss":"{ISSUER}","exp":{exp},"tenant_id":"acme","user_type":"staff",
            "permissions":["DeviceTokens.ViewAll","DeviceTokens.View","DeviceTokens.Edit","DeviceTokens.Register",
            "DeviceTokens.Delete","DeviceTokens.Active","DeviceTokens.Deactive"]}}"#
    );
    signed(br#"{"alg":"HS256","typ":"JWT"}"#, claims.as_bytes())
}

pub(crate) fn bearer(headers: &mut HeaderMap, credential: &str) {
    if let Ok(value) = HeaderValue::try_from(format!("Bearer {credential}")) {
        headers.insert(http::header::AUTHORIZATION, value);
    }
}

pub(crate) fn ask(
    door: &Door,
    method: Method,
    path: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Response<Bytes> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = path;
    *request.headers_mut() = headers;
    door.ask(request)
}

/// What every answer of the API keeps to: no fault of ours, and each refusal says what it is in one of four shapes.
pub(crate) fn check(answer: &Response<Bytes>) {
    let status = answer.status();
    let text = String::from_utf8_lossy(answer.body());
    assert!(!status.is_server_error(), "{status}: {text}");
    if status.is_client_error() {
        let refusal: serde_json::Value =
            serde_json::from_slice(answer.body()).expect("a refusal is JSON");
        assert!(is_refusal(&refusal, status), "{text}");
        assert!(answer.body().len() <= 128 << 10, "a refusal of any size");
    }
    for secret in [SERVICE_KEY, SERVICE_KEY_SHA256] {
        assert!(!text.contains(secret), "a secret in an answer");
    }
}

/// A problem document, or the shape of Ring, Reserva or DeviceToken.
fn is_refusal(json: &serde_json::Value, status: http::StatusCode) -> bool {
    let is_text = |name: &str| json[name].is_string();
    let problem = json["status"] == status.as_u16() && is_text("code");
    let ring = json["success"] == false && is_text("error");
    let reserva = json.as_object().is_some_and(|members| members.len() == 1) && is_text("detail");
    let envelope = json["succeeded"] == false && is_text("message");
    problem || ring || reserva || envelope
}
