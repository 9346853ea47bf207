//! Apps that come, go and come back.

use fanfare_gateway::{material, sandbox};
use fanfare_types::{AppId, Secret};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Options, World, apns_token, eventually, expect, text};

/// A second app with a key of its own and the same providers.
fn news(world: &World, key: &Secret<String>) -> String {
    let material = sandbox::material(world.directory.path()).expect("keys");
    let tables = sandbox::provider_tables(&material, world.simulator.addresses());
    let sha256 = material::sha256_hex(key.expose().as_bytes());
    format!(
        "\n[[apps]]\nid = \"news\"\n[[apps.api_keys]]\nname = \"k\"\nsha256 = \"{sha256}\"\n{tables}"
    )
}

fn key() -> Secret<String> {
    material::api_key(&AppId::new("news").expect("an id")).expect("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_added_works_at_once() {
    let world = World::new().await;
    let key = key();
    let device = json!({ "channel": "ios_push", "token": apns_token(9) });
    let register = || {
        let call = world.request(Method::POST, "/v1/users/ada/devices");
        call.bearer_auth(key.expose()).json(&device)
    };
    expect(register(), StatusCode::UNAUTHORIZED).await;
    world.configure(&format!("{}{}", world.configuration(), news(&world, &key)));
    assert_eq!(world.reload().await.0, ["apps.news added"]);
    expect(register(), StatusCode::CREATED).await;
    let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "Hi" } });
    let send = world
        .request(Method::POST, "/v1/notifications")
        .bearer_auth(key.expose());
    let id = text(&expect(send.json(&body), StatusCode::ACCEPTED).await["id"]);
    let path = format!("/v1/notifications/{id}");
    eventually(|| async {
        let view = world.request(Method::GET, &path).bearer_auth(key.expose());
        let view = expect(view, StatusCode::OK).await;
        (view["counts"]["delivered"] == 1).then_some(())
    })
    .await;
    assert_eq!(world.simulator.books().totals().apns.accepted, 1);
}

/// So few at once that a queue lasts for seconds.
fn few_streams(config: &mut fanfare_simulator::Config) {
    config.apns.max_streams = 4;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_an_app_that_is_gone_waits_in_the_journal_until_it_is_back() {
    let mut world = World::with(Options {
        simulated: Some(few_streams),
        ..Options::default()
    })
    .await;
    for n in 0..30 {
        world.register("ada", "ios_push", &apns_token(n)).await;
    }
    let with = world.configuration();
    let start = with.find("[[apps]]").expect("its place");
    let without = format!("{}{}", &with[..start], news(&world, &key()));
    // APNs is slow: of a queue some are on their way, and the rest waits.
    world.rules(
        &json!([{ "when": { "provider": "apns" }, "delay_ms": { "min": 300, "max": 300 } }]),
    );
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(world.send_to(&["ada"]).await);
    }
    eventually(|| async {
        (world.simulator.books().totals().apns.connections.open > 0).then_some(())
    })
    .await;
    world.configure(&without);
    assert_eq!(
        world.reload().await.0,
        ["apps.demo removed", "apps.news added"]
    );
    let refused = world.service(Method::GET, "/v1/stats");
    expect(refused, StatusCode::UNAUTHORIZED).await;
    eventually(|| async {
        (world.simulator.books().totals().apns.connections.open == 0).then_some(())
    })
    .await;
    let answered = world.simulator.books().totals().apns.accepted;
    assert!(answered < 600, "{answered}");

    // Neither a restart without it …
    world.drain().await;
    world.start().await;
    assert_eq!(world.simulator.books().totals().apns.accepted, answered);
    // … nor its return loses or doubles anything.
    world.rules(&json!([]));
    world.configure(&with);
    world.reload().await;
    for id in &ids {
        assert_eq!(world.ended(id).await["delivered"], 30);
    }
    let totals = world.simulator.books().totals();
    assert_eq!((totals.apns.accepted, totals.apns.duplicates), (600, 0));
    assert_eq!(world.devices("ada").await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_may_be_back_before_what_it_handed_over_is_answered() {
    let world = World::new().await;
    for n in 0..30 {
        world.register("ada", "ios_push", &apns_token(n)).await;
    }
    let with = world.configuration();
    let start = with.find("[[apps]]").expect("its place");
    let without = format!("{}{}", &with[..start], news(&world, &key()));
    world.ended(&world.send_to(&["ada"]).await).await;
    world.rules(
        &json!([{ "when": { "provider": "apns" }, "delay_ms": { "min": 200, "max": 400 } }]),
    );
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(world.send_to(&["ada"]).await);
    }
    for _ in 0..3 {
        for text in [&without, &with] {
            world.configure(text);
            world.reload().await;
        }
    }
    world.rules(&json!([]));
    for id in &ids {
        assert_eq!(world.ended(id).await["delivered"], 30);
    }
    let totals = world.simulator.books().totals();
    assert_eq!((totals.apns.accepted, totals.apns.duplicates), (630, 0));
}
