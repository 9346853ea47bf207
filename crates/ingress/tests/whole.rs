//! The API over a socket, with the actors and the embedded store behind it, and no provider.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "whole/campaigns.rs"]
mod campaigns;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fanfare_actors::{App, System, notifications, system};
use fanfare_core::cleanup::OnDeadToken;
use fanfare_core::{admission, registration, revocations};
use fanfare_ingress::auth::{ApiKey, JwtDoor, JwtKeys, KeyKind};
use fanfare_ingress::config::Contract;
use fanfare_ingress::{AppDoor, Config, Handles, InForce};
use fanfare_store::{Store, embedded};
use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, Clock};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const KEY: &str = "ffk_shop_0123456789abcdefghijklmnopqrstuvwxyzABCD";
const SECRET: &[u8] = b"secret";

/// Nothing here takes longer, unless it is broken.
const DEADLINE: Duration = Duration::from_secs(20);

struct Gateway {
    address: SocketAddr,
    client: reqwest::Client,
    system: Arc<System>,
    store: Arc<dyn Store>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Gateway {
    async fn start(directory: &Path) -> Self {
        let path = directory.join("fanfare.db");
        let store = embedded::open(&embedded::Config::at(&path)).unwrap();
        let (telemetry, clock) = (Telemetry::new(), Clock::system());
        let spawning = System::spawn(
            system_config(),
            vec![app()],
            store.clone(),
            telemetry.clone(),
            clock.clone(),
            Vec::new(),
        );
        let system = Arc::new(spawning.await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handles = Handles {
            system: system.clone(),
            telemetry,
            clock,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let in_force = InForce::new(api_config()).unwrap();
        let serving = fanfare_ingress::serve(listener, in_force, handles, true, shutdown);
        Gateway {
            address,
            client: client(),
            system,
            store,
            stop,
            server: tokio::spawn(serving),
        }
    }

    async fn stop(self) {
        drop(self.client);
        drop(self.stop);
        self.server.await.unwrap();
        assert!(self.system.drain(DEADLINE).await.in_time, "drained in time");
        self.store.close().await.unwrap();
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        credential: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let method = method.parse().unwrap();
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method, url).bearer_auth(credential);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }
}

fn client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls);
    builder.timeout(DEADLINE).build().unwrap()
}

fn app() -> App {
    App {
        id: AppId::new("shop").unwrap(),
        on_dead_token: OnDeadToken::Invalidate,
        registration: registration::Policy {
            address_sharing: false,
            devices_per_user_max: 100,
            deactivate_after: 5,
        },
        apns: None,
        fcm: None,
    }
}

fn system_config() -> system::Config {
    let hour = Duration::from_secs(3600);
    system::Config {
        admission: admission::Limits::default(),
        revocations: revocations::Limits::default(),
        notifications: notifications::Limits::default(),
        campaigns: fanfare_actors::campaigns::Limits::default(),
        registry: system::RegistryConfig {
            shards: 2,
            passivate_after: hour,
            user_queue_max: 64,
            users_max: 100,
            stale_after: 1000 * hour,
            retention: None,
            sweep_every: hour,
        },
        journal: system::JournalConfig {
            flush_after: Duration::from_millis(1),
            flush_count: 10,
            facts_after: Duration::from_millis(5),
            facts_max: 10_000,
            retention: 24 * hour,
        },
        cleanup: fanfare_core::cleanup::Limits::default(),
        link: fanfare_link::Config::default(),
        recovery: fanfare_core::pool::Recovery::default(),
        fleet: fanfare_actors::fleet::Config::default(),
        call_timeout: DEADLINE,
    }
}

fn api_config() -> Config {
    let day = Duration::from_secs(86_400);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, KEY.as_bytes());
    let key = ApiKey {
        name: "test".to_owned(),
        sha256: digest.as_ref().try_into().unwrap(),
        kind: KeyKind::Service,
    };
    let jwt = JwtDoor {
        algorithms: vec![Algorithm::HS256],
        keys: JwtKeys::Secret(DecodingKey::from_secret(SECRET)),
        issuer: None,
        audience: None,
        cookie: None,
        user_claim: "sub".to_owned(),
        permissions_claim: "permissions".to_owned(),
        user_type_claim: "user_type".to_owned(),
        tenant_claim: "tenant_id".to_owned(),
    };
    let door = AppDoor {
        id: AppId::new("shop").unwrap(),
        api_keys: vec![key],
        jwt: Some(jwt),
        contracts: vec![Contract::Native],
        ring: Default::default(),
    };
    Config {
        apps: [door].into(),
        body_bytes_max: 2 << 20,
        bodies_bytes_max: 64 << 20,
        requests_max: 1000,
        targets_max: 10_000,
        connections_max: 100,
        request_timeout: DEADLINE,
        idle_timeout: DEADLINE,
        ttl_default: 28 * day,
        ttl_max: 28 * day,
        campaigns: Default::default(),
    }
}

fn jwt(user: &str) -> String {
    let expires = Clock::system().now().as_seconds() + 600;
    let claims = json!({"sub": user, "exp": expires});
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

#[tokio::test]
async fn devices_are_registered_moved_changed_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path()).await;
    let (ada, bob) = (jwt("ada"), jwt("bob"));
    let body = || Some(json!({"channel": "ios_push", "token": "ab".repeat(32), "tags": ["news"]}));
    let (status, first) = gateway.call("POST", "/v1/devices", &ada, body()).await;
    assert_eq!(status, 201, "{first}");
    let (status, again) = gateway.call("POST", "/v1/devices", &ada, body()).await;
    assert_eq!(
        (status, &again["device"]["id"]),
        (201, &first["device"]["id"])
    );
    // The token comes with another user: the row moves, and the first owner has none.
    let (status, moved) = gateway.call("POST", "/v1/devices", &bob, body()).await;
    assert_eq!(
        (status, &moved["device"]["id"]),
        (201, &first["device"]["id"])
    );
    let (_, adas) = gateway.call("GET", "/v1/devices", &ada, None).await;
    assert_eq!(adas, json!({"devices": []}));
    let (_, bobs) = gateway
        .call("GET", "/v1/users/bob/devices", KEY, None)
        .await;
    assert_eq!(bobs["devices"][0]["tags"], json!(["news"]));

    let path = format!("/v1/devices/{}", moved["device"]["id"].as_str().unwrap());
    let patch = || Some(json!({"status": "inactive", "tags": null, "locale": "de-AT"}));
    assert_eq!(gateway.call("PATCH", &path, &ada, patch()).await.0, 404);
    let (status, patched) = gateway.call("PATCH", &path, &bob, patch()).await;
    assert_eq!(status, 200, "{patched}");
    let device = &patched["device"];
    assert_eq!(
        (&device["status"], &device["locale"]),
        (&json!("inactive"), &json!("de-AT"))
    );
    assert_eq!(device["tags"], json!([]));
    assert_eq!(gateway.call("DELETE", &path, &ada, None).await.0, 404);
    assert_eq!(gateway.call("DELETE", &path, &bob, None).await.0, 200);
    assert_eq!(gateway.call("GET", &path, &bob, None).await.0, 404);
    gateway.stop().await;
}

#[tokio::test]
async fn a_notification_is_accepted_once_scheduled_and_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path()).await;
    let device = json!({"channel": "ios_push", "token": "cd".repeat(32)});
    let (status, _) = gateway
        .call("POST", "/v1/users/ada/devices", KEY, Some(device))
        .await;
    assert_eq!(status, 201);
    let at = (Clock::system().now() + Duration::from_secs(3600)).to_rfc3339();
    let body =
        json!({"to": {"users": ["ada", "nobody"]}, "message": {"title": "hi"}, "send_at": at});
    let (status, accepted) = gateway
        .call("POST", "/v1/notifications", KEY, Some(body))
        .await;
    assert_eq!(
        (status, &accepted["recipients"]),
        (202, &json!(1)),
        "{accepted}"
    );
    let path = format!("/v1/notifications/{}", accepted["id"].as_str().unwrap());
    let (_, view) = gateway.call("GET", &path, KEY, None).await;
    assert_eq!(
        (&view["state"], &view["counts"]["waiting"]),
        (&json!("scheduled"), &json!(1))
    );
    gateway.stop().await;

    let gateway = Gateway::start(directory.path()).await;
    let (_, after) = gateway.call("GET", &path, KEY, None).await;
    assert_eq!(after, view);
    let (status, cancelled) = gateway.call("DELETE", &path, KEY, None).await;
    assert_eq!(
        (status, &cancelled["state"]),
        (200, &json!("cancelled")),
        "{cancelled}"
    );
    assert_eq!(cancelled["counts"]["cancelled"], 1);
    let (_, page) = gateway
        .call("GET", &format!("{path}/deliveries"), KEY, None)
        .await;
    assert_eq!(page["deliveries"][0]["user_id"], "ada");
    assert_eq!(page["deliveries"][0]["outcome"], "cancelled");
    assert_eq!(page["next_cursor"], Value::Null);
    gateway.stop().await;
}

#[tokio::test]
async fn a_notification_to_an_id_of_no_device_is_complete_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path()).await;
    let body = json!({"to": {"devices": ["123e4567-e89b-42d3-a456-426614174000"]}, "message": {"title": "t"}});
    let (status, accepted) = gateway
        .call("POST", "/v1/notifications", KEY, Some(body))
        .await;
    assert_eq!((status, &accepted["recipients"]), (202, &json!(0)));
    let path = format!("/v1/notifications/{}", accepted["id"].as_str().unwrap());
    let (status, view) = gateway.call("GET", &path, KEY, None).await;
    assert_eq!((status, &view["state"]), (200, &json!("completed")));
    gateway.stop().await;
}

#[tokio::test]
async fn without_a_credential_every_delivery_fails_and_the_books_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path()).await;
    let addresses: Vec<_> = (0..5)
        .map(|n| json!({"channel": "fcm", "address": format!("token-{n}")}))
        .collect();
    let body = json!({"to": {"addresses": addresses}, "message": {"title": "hi"}});
    let (status, accepted) = gateway
        .call("POST", "/v1/notifications", KEY, Some(body))
        .await;
    assert_eq!(
        (status, &accepted["recipients"]),
        (202, &json!(5)),
        "{accepted}"
    );
    let path = format!("/v1/notifications/{}", accepted["id"].as_str().unwrap());
    let listed = async {
        loop {
            let failed = format!("{path}/deliveries?outcome=failed&limit=3");
            let (_, page) = gateway.call("GET", &failed, KEY, None).await;
            if let Some(cursor) = page["next_cursor"].as_str() {
                let rest = format!("{failed}&cursor={cursor}");
                let (_, rest) = gateway.call("GET", &rest, KEY, None).await;
                if rest["deliveries"].as_array().unwrap().len() == 2 {
                    return (page, rest);
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let (page, rest) = tokio::time::timeout(DEADLINE, listed)
        .await
        .expect("in time");
    assert_eq!(page["deliveries"].as_array().unwrap().len(), 3);
    assert_eq!(page["deliveries"][0]["reason"], "no_credential");
    assert_eq!(
        (&rest["deliveries"][1]["device_id"], &rest["next_cursor"]),
        (&Value::Null, &Value::Null)
    );
    let (_, view) = gateway.call("GET", &path, KEY, None).await;
    assert_eq!(
        (&view["state"], &view["counts"]["failed"]),
        (&json!("completed"), &json!(5)),
        "{view}"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn operations_tell_the_truth() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path()).await;
    let (status, ready) = gateway.call("GET", "/readyz", "", None).await;
    assert_eq!(
        (status, ready),
        (200, json!({"ready": true, "reasons": []}))
    );
    let (status, stats) = gateway.call("GET", "/v1/stats", KEY, None).await;
    assert_eq!(
        (status, &stats["permits_taken"]),
        (200, &json!(0)),
        "{stats}"
    );
    gateway.stop().await;
}
