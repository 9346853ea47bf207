//! Nothing accepted is lost: restarts, kill -9, drains.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{World, apns_token, eventually, fcm_token};
use crate::process::Serving;

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_loses_nothing_and_doubles_nothing() {
    let mut world = World::new().await;
    for n in 0..200 {
        let (channel, token) = if n % 2 == 0 {
            ("ios_push", apns_token(n))
        } else {
            ("fcm", fcm_token(n))
        };
        world
            .register(&format!("user-{}", n % 20), channel, &token)
            .await;
    }
    let names: Vec<String> = (0..20).map(|n| format!("user-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.send_to(&names).await);
    }
    assert!(world.drain().await, "drained in time");
    world.start().await;
    for id in &ids {
        assert_eq!(world.ended(id).await["delivered"], 200);
    }
    let totals = world.simulator.books().totals();
    assert_eq!(
        (
            totals.apns.accepted + totals.fcm.accepted,
            totals.apns.duplicates
        ),
        (1000, 0)
    );
}

/// A service's requests to a gateway that runs as a process of its own.
struct Service<'a> {
    world: &'a World,
    url: String,
    client: reqwest::Client,
}

impl Service<'_> {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let mut request = request.bearer_auth(self.world.sandbox.api_key.expose());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        response.json().await.ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing_and_goes_on_under_the_same_ids() {
    let mut world = World::new().await;
    for n in 0..100 {
        let (channel, token) = if n % 2 == 0 {
            ("ios_push", apns_token(n))
        } else {
            ("fcm", fcm_token(n))
        };
        world.register(&format!("user-{n}"), channel, &token).await;
    }
    assert!(world.drain().await);
    let rounds: u32 = std::env::var("TEST_KILL_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5);
    let mut accepted = Vec::new();
    for round in 0..rounds {
        world.rules(&json!([{ "when": { "every": 3 }, "delay_ms": { "min": 1, "max": 30 } }]));
        let mut serving = serve(&world).await;
        let service = Service {
            world: &world,
            url: serving.url(),
            client: reqwest::Client::new(),
        };
        let body = |n: u32| {
            json!({
                "to": { "users": (0..100).map(|user| format!("user-{user}")).collect::<Vec<_>>() },
                "message": { "title": format!("round {round}, call {n}") },
            })
        };
        let calls =
            (0..8 + round).map(|n| service.ask(Method::POST, "/v1/notifications", Some(body(n))));
        let answers = futures_util::future::join_all(calls).await;
        serving.signal("KILL").await;
        serving.ended().await;
        let ids = answers
            .iter()
            .flatten()
            .filter_map(|answer| answer["id"].as_str());
        accepted.extend(ids.map(str::to_owned));
    }
    world.rules(&json!([]));
    let mut serving = serve(&world).await;
    let service = Service {
        world: &world,
        url: serving.url(),
        client: reqwest::Client::new(),
    };
    for id in &accepted {
        let counts = eventually(|| async {
            let view = service
                .ask(Method::GET, &format!("/v1/notifications/{id}"), None)
                .await
                .expect("a view");
            (view["state"] == "completed").then(|| view["counts"].clone())
        });
        assert_eq!(counts.await["delivered"], 100);
    }
    let totals = world.simulator.books().totals();
    let lost = totals.apns.duplicates;
    assert!(
        totals.apns.accepted - lost >= 50 * u64::try_from(accepted.len()).expect("few"),
        "{totals:?}"
    );
    serving.signal("TERM").await;
    assert!(serving.ended().await.success());
}

async fn serve(world: &World) -> Serving {
    let config = world.sandbox.config.to_str().expect("UTF-8");
    Serving::start(world.directory.path(), &["serve", "--config", config], &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_silent_provider_survives_kill_9_under_the_same_apns_id() {
    let mut world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    assert!(world.drain().await);
    world.rules(
        &json!([{ "when": { "provider": "apns" }, "then": { "silence": { "processed": true } } }]),
    );
    let mut serving = serve(&world).await;
    let service = Service {
        world: &world,
        url: serving.url(),
        client: reqwest::Client::new(),
    };
    let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" } });
    let answer = service
        .ask(Method::POST, "/v1/notifications", Some(body))
        .await
        .expect("accepted");
    let id = answer["id"].as_str().expect("an id").to_owned();
    eventually(|| async { (world.simulator.books().totals().apns.requests == 1).then_some(()) })
        .await;
    serving.signal("KILL").await;
    serving.ended().await;
    world.rules(&json!([]));
    world.start().await;
    assert_eq!(world.ended(&id).await["delivered"], 1);
    let totals = world.simulator.books().totals();
    assert_eq!(
        (totals.apns.accepted, totals.apns.duplicates),
        (2, 1),
        "one apns-id, seen twice"
    );
}
