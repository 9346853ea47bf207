//! Dead addresses are cleaned; a wrong key empties nothing.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Options, World, apns_token, eventually, expect, fcm_token, stands, text};

#[tokio::test(flavor = "multi_thread")]
async fn dead_addresses_become_invalid_and_get_nothing_more() {
    let world = World::new().await;
    world
        .register("ada", "ios_push", &format!("dead{}", "0".repeat(60)))
        .await;
    world
        .register("bob", "fcm", "dead-token:APA91b-of-bob")
        .await;
    let id = world.send_to(&["ada", "bob"]).await;
    let counts = world.ended(&id).await;
    assert_eq!(counts["dead"], 2, "{counts}");
    stands(&world, "ada", "invalid").await;
    stands(&world, "bob", "invalid").await;
    let again = world.send_to(&["ada", "bob"]).await;
    assert_eq!(world.view(&again).await["recipients"], 0);
    world
        .register("bob", "fcm", "dead-token:APA91b-of-bob")
        .await;
    stands(&world, "bob", "active").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_dead_token_delete_removes_the_row() {
    let delete =
        |text: String| text.replace("id = \"demo\"", "id = \"demo\"\non_dead_token = \"delete\"");
    let world = World::with(Options {
        edit: Some(delete),
        ..Options::default()
    })
    .await;
    world
        .register("ada", "fcm", "dead-token:APA91b-of-ada")
        .await;
    world.ended(&world.send_to(&["ada"]).await).await;
    eventually(|| async { world.devices("ada").await.is_empty().then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_registered_after_the_providers_timestamp_stays() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    let an_hour_ago = json!({ "from_now_ms": -3_600_000 });
    world.rules(&json!([{ "times": 1, "then": { "answer": {
        "status": 410, "reason": "Unregistered", "timestamp": an_hour_ago } } }]));
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["dead"], 1);
    // Whatever the reaper does about the first is done before it does anything about this one.
    world
        .register("bob", "ios_push", &format!("dead{}", "0".repeat(60)))
        .await;
    world.ended(&world.send_to(&["bob"]).await).await;
    stands(&world, "bob", "invalid").await;
    stands(&world, "ada", "active").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_token_is_cleaned() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    world.rules(&json!([{ "then": { "answer": { "status": 400, "reason": "BadDeviceToken" } } }]));
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["dead"], 1);
    stands(&world, "ada", "invalid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_empties_nothing() {
    let world = World::new().await;
    let users: Vec<String> = (0..60).map(|n| format!("user-{n}")).collect();
    for (n, user) in (0..).zip(&users) {
        world.register(user, "ios_push", &apns_token(n)).await;
    }
    world.rules(&json!([{ "then": { "answer": { "status": 400, "reason": "BadDeviceToken" } } }]));
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let id = world.send_to(&names).await;
    assert_eq!(world.ended(&id).await["dead"], 60);
    // The guard's verdict is seen in the metrics; only then the rows are looked at.
    eventually(|| async {
        let metrics = world
            .request(Method::GET, "/metrics")
            .send()
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        let tripped =
            |line: &&str| line.contains("guard") && !line.starts_with('#') && line.ends_with(" 1");
        metrics.lines().find(tripped).map(drop)
    })
    .await;
    for user in &users {
        assert_eq!(world.devices(user).await[0]["status"], "active", "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_marks_unseen_devices_stale() {
    let world = World::with(Options {
        edit: Some(|text| {
            format!("{text}\n[registry]\nstale_after = \"1s\"\nsweep_every = \"200ms\"\n")
        }),
        ..Options::default()
    })
    .await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    stands(&world, "ada", "stale").await;
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.view(&id).await["recipients"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_address_that_is_dead_cleans_the_device_that_holds_it() {
    let world = World::new().await;
    let token = format!("dead{}", "1".repeat(60));
    let id = world.register("ada", "ios_push", &token).await;
    let to = json!({ "addresses": [{ "channel": "ios_push", "address": token }] });
    world
        .ended(
            &world
                .send(&json!({ "to": to, "message": { "title": "hi" } }))
                .await,
        )
        .await;
    stands(&world, "ada", "invalid").await;
    let got = expect(
        world.user("ada", Method::GET, &format!("/v1/devices/{id}")),
        StatusCode::OK,
    )
    .await;
    assert_eq!(text(&got["device"]["id"]), id);
}
