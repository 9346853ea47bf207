//! Nothing accepted is lost: drains, and what waits for a provider while the process dies (`kill/` has the rest).

use serde_json::json;

use crate::harness::{World, apns_token, eventually, fcm_token};
use crate::outside::Outside;

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

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_silent_provider_survives_kill_9_under_the_same_apns_id() {
    let mut world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    assert!(world.drain().await);
    world.rules(
        &json!([{ "when": { "provider": "apns" }, "then": { "silence": { "processed": true } } }]),
    );
    let mut outside = Outside::start(&world, &[]).await;
    outside.ready().await;
    let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" } });
    let (_, answer) = outside
        .client
        .notify("once", &body)
        .await
        .expect("accepted");
    let id = answer["id"].as_str().expect("an id").to_owned();
    eventually(|| async { (world.simulator.books().totals().apns.requests == 1).then_some(()) })
        .await;
    outside.kill().await;
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
