//! What a provider may do to us (docs/faults.md), over real sockets: every delivery still ends exactly once.

mod connections;
mod goaway;
mod large;
mod outage;
mod scene;
mod streams;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Options, World, apns_token, eventually, expect, fcm_token};

const DEVICES: u32 = 40;

/// Forty devices of one user, the rules, one notification; all must be delivered.
async fn all_delivered_under(rules: &Value) -> World {
    let world = World::new().await;
    for n in 0..DEVICES {
        let (channel, token) = if n % 2 == 0 {
            ("ios_push", apns_token(n))
        } else {
            ("fcm", fcm_token(n))
        };
        world.register("ada", channel, &token).await;
    }
    world.rules(rules);
    let id = world.send_to(&["ada"]).await;
    let counts = world.ended(&id).await;
    assert_eq!(counts["delivered"], DEVICES, "{counts}");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn server_errors_with_retry_after_are_tried_again() {
    let busy = json!({ "answer": { "status": 503, "reason": "ServiceUnavailable", "headers": { "retry-after": "1" } } });
    let world =
        all_delivered_under(&json!([{ "when": { "every": 4 }, "times": 6, "then": busy }])).await;
    assert_eq!(world.simulator.books().totals().apns.duplicates, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_classed_by_its_status() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    let html = json!({ "answer": { "status": 400, "body": "<html>no</html>" } });
    let unheard_of = json!({ "answer": { "status": 403, "reason": "SomethingNew" } });
    for rule in [html, unheard_of] {
        world.rules(&json!([{ "times": 1, "then": rule }]));
        let counts = world.ended(&world.send_to(&["ada"]).await).await;
        assert_eq!(
            counts["rejected"]
                .as_u64()
                .zip(counts["failed"].as_u64())
                .map(|(a, b)| a + b),
            Some(1),
            "{counts}"
        );
        assert_eq!(world.devices("ada").await[0]["status"], "active");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_gateway_refuses_with_retry_after_and_recovers() {
    let small = "[limits]\ndeliveries_max = 20\ndeliveries_per_app_max = 10\n";
    let world = World::with(Options {
        tables: small,
        ..Options::default()
    })
    .await;
    for n in 0..6 {
        world.register("ada", "ios_push", &apns_token(n)).await;
    }
    world.rules(&json!([{ "when": { "provider": "apns" }, "times": 6, "then": { "silence": { "processed": false } } }]));
    let first = world.send_to(&["ada"]).await;
    let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" } });
    let refused = world
        .service(Method::POST, "/v1/notifications")
        .json(&body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    expect(
        world.service(Method::DELETE, &format!("/v1/notifications/{first}")),
        StatusCode::OK,
    )
    .await;
    world
        .simulator
        .close_connections(fanfare_simulator::Provider::Apns)
        .await
        .expect("closed");
    world.ended(&first).await;
    let accepted = eventually(|| async {
        let answer = world
            .service(Method::POST, "/v1/notifications")
            .json(&body)
            .send()
            .await
            .ok()?;
        (answer.status() == StatusCode::ACCEPTED).then_some(())
    });
    accepted.await;
}
