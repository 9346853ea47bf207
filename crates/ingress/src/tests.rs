//! The API in process, against a stand-in for the rest of the house.

mod campaigns;
mod device_token;
mod documents;
mod native;
mod notifications;
mod problems;
mod reload;
mod reserva;
mod ring;
mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, Clock};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::api::{self, Api};
use crate::auth::{ApiKey, JwtDoor, JwtKeys, KeyKind};
use crate::config::{AppDoor, Config, Contract};
use crate::in_force::InForce;
use crate::json::sha256;
pub(crate) use crate::stand_in::{NOW, StandIn, device};

pub(crate) const SERVICE: &str = "ffk_shop_0123456789abcdefghijklmnopqrstuvwxyzABCD";
pub(crate) const AGENT: &str = "ffk_shop_zzzz456789abcdefghijklmnopqrstuvwxyzABCD";
pub(crate) const OTHER: &str = "ffk_news_0123456789abcdefghijklmnopqrstuvwxyzABCD";

pub(crate) fn jwt_door(secret: &str, issuer: Option<&str>) -> JwtDoor {
    JwtDoor {
        algorithms: vec![Algorithm::HS256],
        keys: JwtKeys::Secret(DecodingKey::from_secret(secret.as_bytes())),
        issuer: issuer.map(str::to_owned),
        audience: None,
        cookie: Some("session".to_owned()),
        user_claim: "sub".to_owned(),
        permissions_claim: "permissions".to_owned(),
        user_type_claim: "user_type".to_owned(),
        tenant_claim: "tenant_id".to_owned(),
    }
}

pub(crate) fn app(id: &str, keys: &[(&str, KeyKind)], jwt: JwtDoor) -> AppDoor {
    let key = |(text, kind): &(&str, KeyKind)| ApiKey {
        name: "test".to_owned(),
        sha256: sha256(&[text.as_bytes()]),
        kind: *kind,
    };
    AppDoor {
        id: AppId::new(id).unwrap(),
        api_keys: keys.iter().map(key).collect(),
        jwt: Some(jwt),
        contracts: vec![
            Contract::Native,
            Contract::Ring,
            Contract::Reserva,
            Contract::DeviceToken,
        ],
        ring: Default::default(),
    }
}

/// Two apps; the second serves no contract.
pub(crate) fn config() -> Config {
    let keys = [(AGENT, KeyKind::Agent), (SERVICE, KeyKind::Service)];
    let shop = app(
        "shop",
        &keys,
        jwt_door("shop-secret", Some("https://id.shop.example")),
    );
    let jwt = jwt_door("news-secret", Some("https://id.news.example"));
    let mut news = app("news", &[(OTHER, KeyKind::Service)], jwt);
    news.contracts.clear();
    let day = Duration::from_secs(86_400);
    Config {
        apps: [shop, news].into(),
        body_bytes_max: 64 << 10,
        bodies_bytes_max: 1 << 20,
        requests_max: 100,
        targets_max: 10,
        connections_max: 100,
        request_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(60),
        ttl_default: 28 * day,
        ttl_max: 28 * day,
        campaigns: Default::default(),
    }
}

pub(crate) fn in_force(config: Config) -> InForce {
    InForce::new(config).unwrap()
}

/// A JWT signed with HS256.
pub(crate) fn jwt(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

/// A valid JWT of a user of `shop`.
pub(crate) fn user(id: &str) -> String {
    let exp = NOW.as_seconds() + 600;
    let claims =
        json!({"sub": id, "exp": exp, "iss": "https://id.shop.example", "tenant_id": "acme"});
    jwt("shop-secret", &claims)
}

pub(crate) struct Harness {
    pub(crate) router: Router,
    pub(crate) in_force: InForce,
    pub(crate) rooms: Arc<StandIn>,
    pub(crate) telemetry: Telemetry,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Field and code of each fault, after checking that this is a whole problem document.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Vec<(String, String)> {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], status);
        assert_eq!(json["code"], code, "{}", self.text);
        assert_eq!(json["type"], "about:blank");
        assert!(json["title"].is_string() && json["detail"].is_string());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let fault = |fault: &Value| (text(&fault["field"]), text(&fault["code"]));
        json["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(fault)
            .collect()
    }
}

impl Harness {
    pub(crate) fn new() -> Self {
        Harness::with(config())
    }

    pub(crate) fn with(config: Config) -> Self {
        let rooms = Arc::new(StandIn::default());
        let telemetry = Telemetry::new();
        let clock = Clock::from_fn(|| NOW);
        let in_force = in_force(config);
        let api = Api::with_rooms(in_force.clone(), rooms.clone(), telemetry.clone(), clock);
        Harness {
            router: api::router(api, true),
            in_force,
            rooms,
            telemetry,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A request with a bearer credential and, where there is one, a JSON body.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        credential: &str,
        body: Option<Value>,
    ) -> Answer {
        self.send(request(method, path, credential, body)).await
    }
}

pub(crate) fn request(
    method: &str,
    path: &str,
    credential: &str,
    body: Option<Value>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !credential.is_empty() {
        request = request.header("authorization", format!("Bearer {credential}"));
    }
    match body {
        None => request.body(Body::empty()).unwrap(),
        Some(body) => {
            let request = request.header("content-type", "application/json");
            request.body(Body::from(body.to_string())).unwrap()
        }
    }
}
