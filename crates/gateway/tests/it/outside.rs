//! A world's gateway as a process of its own, and a client that takes no answer for granted.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::harness::{World, eventually};
use crate::process::{Serving, fanfare};
use crate::store::Place;

/// One run of the process.
pub(crate) struct Outside {
    pub(crate) serving: Serving,
    pub(crate) client: Client,
    /// From the start of the process.
    pub(crate) started: Instant,
}

impl Outside {
    /// Starts the process and waits until it has said where it serves.
    pub(crate) async fn start(world: &World, environment: &[(&str, &str)]) -> Outside {
        let started = Instant::now();
        let config = world.sandbox.config.to_str().expect("UTF-8");
        let arguments = ["serve", "--config", config];
        let serving = Serving::start(world.directory.path(), &arguments, environment).await;
        let client = Client::new(world, serving.url());
        Outside {
            serving,
            client,
            started,
        }
    }

    /// Waits until the gateway is ready; how long that took from the start of the process.
    pub(crate) async fn ready(&self) -> Duration {
        eventually(|| async { self.client.is_ready().await.then_some(()) }).await;
        self.started.elapsed()
    }

    pub(crate) async fn kill(&mut self) {
        self.serving.signal("KILL").await;
        self.serving.ended().await;
    }
}

/// A status and its JSON.
pub(crate) type Answer = (StatusCode, Value);

/// Requests to a gateway that may be gone at any moment.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    key: String,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(world: &World, url: String) -> Client {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20));
        Client {
            url,
            key: world.sandbox.api_key.expose().clone(),
            http: http.build().expect("a client"),
        }
    }

    pub(crate) fn service(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.bearer_auth(&self.key)
    }

    /// `None` when no whole answer came.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Option<Answer> {
        let response = request.send().await.ok()?;
        let status = response.status();
        let bytes = response.bytes().await.ok()?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).ok()?
        };
        Some((status, body))
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Answer> {
        self.ask(self.service(Method::GET, path)).await
    }

    pub(crate) async fn is_ready(&self) -> bool {
        let answer = self.get("/readyz").await;
        answer.is_some_and(|(status, _)| status == StatusCode::OK)
    }

    /// Asks for acceptance; safe to ask again.
    pub(crate) async fn notify(&self, key: &str, body: &Value) -> Option<Answer> {
        let request = self.service(Method::POST, "/v1/notifications");
        let request = request.header("idempotency-key", key).json(body);
        self.ask(request).await
    }

    /// A notification's view, whose counts must add up at every moment.
    pub(crate) async fn view(&self, id: &str) -> Option<Value> {
        let (status, view) = self.get(&format!("/v1/notifications/{id}")).await?;
        if status != StatusCode::OK {
            assert!(status.is_server_error(), "{id} is lost: {status} {view}");
            return None;
        }
        let counts = view["counts"].as_object().expect("counts");
        let sum: u64 = counts.values().filter_map(Value::as_u64).sum();
        assert_eq!(Some(sum), view["recipients"].as_u64(), "{view}");
        Some(view)
    }

    /// Waits until every delivery of a notification has ended; its counts.
    pub(crate) async fn completed(&self, id: &str) -> Value {
        eventually(|| async {
            let view = self.view(id).await?;
            (view["state"] == "completed").then(|| view["counts"].clone())
        })
        .await
    }

    /// Rows of a notification's deliveries.
    pub(crate) async fn deliveries(&self, id: &str) -> Option<Vec<Value>> {
        let path = format!("/v1/notifications/{id}/deliveries?limit=1000");
        let (status, page) = self.get(&path).await?;
        (status == StatusCode::OK).then(|| page["deliveries"].as_array().cloned())?
    }
}

/// `fanfare store check`, which must find nothing; a cluster has no file to be checked.
pub(crate) async fn store_is_sound(world: &World) {
    if !matches!(world.place, Place::Embedded) {
        return;
    }
    let arguments = ["store", "check", "--data-dir", "data"];
    let output = fanfare(world.directory.path(), &arguments).await;
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
