//! A gateway and its simulators in this process, in a directory of their own, on free ports.

use std::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use fanfare_gateway::app::App;
use fanfare_gateway::{config, material, sandbox};
use fanfare_simulator::{Material, Simulator};
use fanfare_types::{Clock, UserId};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::store::{Kind, Place};

/// Longest wait for anything that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) app: Option<App>,
    pub(crate) simulator: Simulator,
    pub(crate) directory: TempDir,
    pub(crate) sandbox: sandbox::Sandbox,
    pub(crate) place: Place,
    client: reqwest::Client,
    url: String,
    clock: Option<Clock>,
}

static CRYPTO: Once = Once::new();

/// What a test changes before the gateway starts.
#[derive(Default)]
pub(crate) struct Options {
    /// Lines put before the configuration's tables.
    pub(crate) top: &'static str,
    /// Lines put after them (new tables).
    pub(crate) tables: &'static str,
    /// Changes the configuration's text at the end.
    pub(crate) edit: Option<fn(String) -> String>,
    /// Changes what the simulators do from the start.
    pub(crate) simulated: Option<fn(&mut fanfare_simulator::Config)>,
    /// The gateway's clock, if not the machine's.
    pub(crate) clock: Option<Clock>,
    /// Of a test that is about one store.
    pub(crate) store: Option<Kind>,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(Options::default()).await
    }

    /// For tests of the embedded store's file.
    pub(crate) async fn embedded() -> World {
        let store = Some(Kind::Embedded);
        World::with(Options {
            store,
            ..Options::default()
        })
        .await
    }

    pub(crate) async fn with(options: Options) -> World {
        CRYPTO.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
        let directory = tempfile::tempdir().expect("a directory");
        let material = sandbox::material(directory.path()).expect("keys");
        let mut simulated = material.config();
        simulated.dead_prefix = Some("dead".to_owned());
        if let Some(edit) = options.simulated {
            edit(&mut simulated);
        }
        let simulator = Simulator::start(simulated).await.expect("simulators");
        // Boxed: what makes tables is large, and so would be the future of every test.
        let place = Box::pin(Place::of(options.store.unwrap_or_else(Kind::wanted))).await;
        let sandbox = write_sandbox(directory.path(), &material, &simulator, &options, &place);
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        let mut world = World {
            app: None,
            simulator,
            directory,
            sandbox,
            place,
            client,
            url: String::new(),
            clock: options.clock,
        };
        world.start().await;
        world
    }

    /// Starts the gateway (again), on the same directory.
    pub(crate) async fn start(&mut self) {
        let config = config::load(&self.sandbox.config).expect("a usable configuration");
        let started = match &self.clock {
            Some(clock) => App::start_at(config, clock.clone()).await,
            None => App::start(config).await,
        };
        let app = started.expect("a gateway");
        self.url = format!("http://{}", app.api);
        self.app = Some(app);
        if matches!(self.place, Place::Scylla(_)) {
            self.takes_part().await;
        }
    }

    /// On a cluster a gateway has to take the slots it works on first. Why it is not ready otherwise is the test's.
    async fn takes_part(&self) {
        eventually(|| async {
            let app = self.app.as_ref()?;
            let url = format!("http://{}/readyz", app.admin.unwrap_or(app.api));
            let answer = json_of(self.client.get(url).send().await.ok()?).await;
            let reasons = answer["reasons"].as_array()?;
            (!reasons.iter().any(|reason| reason == "fleet")).then_some(())
        })
        .await;
    }

    /// From now on requests go to a gateway that runs as a process of its own.
    pub(crate) fn follow(&mut self, url: String) {
        self.url = url;
    }

    /// From now on requests go to a gateway in a process of its own.
    pub(crate) fn ask_at(&mut self, url: String) {
        self.url = url;
    }

    /// Drains the gateway; the simulators go on.
    pub(crate) async fn drain(&mut self) -> bool {
        let app = self.app.take().expect("a running gateway");
        app.drain().await.expect("a clean drain").in_time
    }

    /// Where the gateway listens, as `http://…`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request of the service.
    pub(crate) fn service(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
            .bearer_auth(self.sandbox.api_key.expose())
    }

    /// A request of a user, by JWT.
    pub(crate) fn user(&self, user: &str, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
            .bearer_auth(self.jwt(user, Duration::from_secs(60)))
    }

    pub(crate) fn jwt(&self, user: &str, ttl: Duration) -> String {
        let secret = self.sandbox.jwt_secret.expose().as_bytes();
        let user = UserId::new(user).expect("a user id");
        material::user_jwt(secret, &user, Clock::system().now(), ttl, &[]).expect("a token")
    }

    /// Registers a device for a user; gives its id.
    pub(crate) async fn register(&self, user: &str, channel: &str, token: &str) -> String {
        let body = json!({ "channel": channel, "token": token });
        let answer = expect(
            self.user(user, Method::POST, "/v1/devices").json(&body),
            StatusCode::CREATED,
        )
        .await;
        text(&answer["device"]["id"])
    }

    pub(crate) async fn devices(&self, user: &str) -> Vec<Value> {
        let answer = expect(self.user(user, Method::GET, "/v1/devices"), StatusCode::OK).await;
        answer["devices"].as_array().expect("devices").clone()
    }

    /// Sends; gives the notification's id.
    pub(crate) async fn send(&self, body: &Value) -> String {
        let answer = expect(
            self.service(Method::POST, "/v1/notifications").json(body),
            StatusCode::ACCEPTED,
        )
        .await;
        text(&answer["id"])
    }

    pub(crate) async fn send_to(&self, users: &[&str]) -> String {
        self.send(&json!({ "to": { "users": users }, "message": { "title": "Hello", "body": "It works" } })).await
    }

    pub(crate) async fn view(&self, id: &str) -> Value {
        expect(
            self.service(Method::GET, &format!("/v1/notifications/{id}")),
            StatusCode::OK,
        )
        .await
    }

    /// Waits until a notification is completed (or cancelled and done), and gives its counts. Checks on the way
    /// that the counts add up at every moment.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let counts = eventually(|| async {
            let view = self.view(id).await;
            let counts = view["counts"].as_object().expect("counts");
            let sum: u64 = counts
                .values()
                .map(|count| count.as_u64().expect("a count"))
                .sum();
            assert_eq!(
                Some(sum),
                view["recipients"].as_u64(),
                "counts add up: {view}"
            );
            let left = view["counts"]["waiting"]
                .as_u64()
                .zip(view["counts"]["in_flight"].as_u64());
            (left == Some((0, 0))).then(|| view["counts"].clone())
        });
        counts.await
    }

    pub(crate) async fn deliveries(&self, id: &str) -> Vec<Value> {
        let path = format!("/v1/notifications/{id}/deliveries?limit=1000");
        let page = expect(self.service(Method::GET, &path), StatusCode::OK).await;
        page["deliveries"].as_array().expect("deliveries").clone()
    }

    /// Lays fault rules (JSON, as the control API takes them) over the simulators.
    pub(crate) fn rules(&self, rules: &Value) {
        let rules = serde_json::from_value(rules.clone()).expect("rules");
        self.simulator
            .set_rules(rules)
            .expect("rules that make sense");
    }
}

fn write_sandbox(
    directory: &Path,
    material: &Material,
    simulator: &Simulator,
    options: &Options,
    place: &Place,
) -> sandbox::Sandbox {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let sandbox =
        sandbox::write(directory, material, simulator.addresses(), any).expect("a sandbox");
    let written = std::fs::read_to_string(&sandbox.config).expect("the configuration");
    let mut text = format!("{}\n{written}\n{}", options.top, options.tables);
    if let Some(edit) = options.edit {
        text = edit(text);
    }
    // `TEST_LINK_CODEC=h2` runs every test here on that codec.
    if let Ok(codec) = std::env::var("TEST_LINK_CODEC") {
        text = with_codec(&text, &codec);
    }
    std::fs::write(&sandbox.config, place.written_into(&text)).expect("the configuration");
    sandbox
}

/// The configuration with this codec, if it names none.
pub(crate) fn with_codec(text: &str, codec: &str) -> String {
    let line = format!("[link]\ncodec = \"{codec}\"\n");
    match (text.contains("\ncodec = "), text.contains("[link]\n")) {
        (true, _) => text.to_owned(),
        (false, true) => text.replacen("[link]\n", &line, 1),
        (false, false) => format!("{text}\n{line}"),
    }
}

/// Sends a request and reads its JSON; the status must be the one expected.
pub(crate) async fn expect(request: RequestBuilder, status: StatusCode) -> Value {
    let response = request.send().await.expect("an answer");
    let found = response.status();
    let body = json_of(response).await;
    assert_eq!(found, status, "{body}");
    body
}

pub(crate) async fn json_of(response: Response) -> Value {
    let bytes = response.bytes().await.expect("a body");
    serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&bytes)))
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a string: {value}"))
        .to_owned()
}

/// Asks again and again until there is an answer; panics after [`PATIENCE`], and says who asked.
#[track_caller]
pub(crate) fn eventually<T, F: Future<Output = Option<T>>>(
    mut ask: impl FnMut() -> F,
) -> impl Future<Output = T> {
    let who = Location::caller();
    async move {
        let asking = async {
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            loop {
                tick.tick().await;
                if let Some(answer) = ask().await {
                    return answer;
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, asking).await;
        answer.unwrap_or_else(|_| panic!("what {who} waits for never came"))
    }
}

/// An APNs address that is nobody else's.
pub(crate) fn apns_token(n: u32) -> String {
    format!("{n:064x}")
}

pub(crate) fn fcm_token(n: u32) -> String {
    format!("fcm-token-{n}:APA91b{n:0100}")
}

/// Waits until the one device of a user stands so; says who waits, if in vain.
#[track_caller]
pub(crate) fn stands(world: &World, user: &str, status: &str) -> impl Future<Output = ()> {
    eventually(move || async move {
        let devices = world.devices(user).await;
        (devices.len() == 1 && devices[0]["status"] == status).then_some(())
    })
}
