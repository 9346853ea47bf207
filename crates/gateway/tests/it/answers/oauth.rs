//! Fault 16, FCM: a token endpoint that is down, slow, talks nonsense, refuses, or gives tokens that live for seconds.

use std::time::{Duration, Instant};

use fanfare_simulator::Provider;
use fanfare_simulator::books::Query;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{FCM, proven, requests, token, token_requests};
use crate::harness::{Options, World, apns_token, eventually, expect, fcm_token};

/// When the token endpoint was asked, in milliseconds.
fn asked_at(world: &World) -> Vec<u64> {
    let of_oauth = Query {
        provider: Some(Provider::Oauth),
        ..Query::default()
    };
    let all = world.simulator.books().requests(&of_oauth);
    all.iter().map(|entry| entry.at_ms).collect()
}

async fn with_a_device_of_each() -> World {
    let world = World::new().await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    world.register("bob", "ios_push", &apns_token(1)).await;
    world
}

/// The endpoint does this until it has been asked `times` times, never sooner than `waits` (milliseconds) say.
async fn in_trouble(fault: Value, waits: &[u64]) {
    let world = with_a_device_of_each().await;
    world.rules(&json!([{ "when": { "provider": "oauth" }, "then": fault }]));
    let id = world.send_to(&["ada"]).await;
    let other = world.ended(&world.send_to(&["bob"]).await).await;
    assert_eq!(other["delivered"], 1, "APNs goes on: {fault}");
    eventually(|| async { (asked_at(&world).len() > waits.len()).then_some(()) }).await;
    world.simulator.clear_rules();
    assert_eq!(world.ended(&id).await["delivered"], 1, "{fault}");
    let asked = asked_at(&world);
    for (pair, least) in asked.windows(2).zip(waits) {
        let waited = pair[1] - pair[0];
        assert!(
            waited + 50 >= *least,
            "{fault}: asked again after {waited} ms"
        );
    }
    assert!(asked.len() <= waits.len() + 3, "{fault}: {asked:?}");
    let pushes = requests(&world, FCM, &token(FCM, 1));
    assert_eq!(pushes.len(), 1, "nothing left without a token: {fault}");
}

fn answered(status: u16, body: &str) -> Value {
    json!({ "answer": { "status": status, "body": body } })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_in_trouble_or_talking_nonsense_is_asked_less_and_less() {
    let faults = [
        answered(500, "<html>oops</html>"),
        answered(503, ""),
        answered(429, r#"{"error":"slow_down"}"#),
        answered(302, ""),
        json!({ "close": {} }),
        answered(200, "<html>sign in to the café's wifi</html>"),
        answered(200, ""),
        answered(200, r#"{"access_token":5,"expires_in":3600}"#),
        answered(200, r#"{"access_token":"ya29.\u0000","expires_in":3600}"#),
        answered(200, r#"{"access_token":"ya29.x","expires_in":0}"#),
        answered(200, r#"{"access_token":"ya29.x","expires_in":-3600}"#),
    ];
    join_all(faults.map(|fault| in_trouble(fault, &[500, 1_000]))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_the_endpoint_refuses_is_reported_and_taken_when_it_is_good_again() {
    let world = with_a_device_of_each().await;
    let refused = json!({ "answer": { "status": 400, "reason": "invalid_grant" } });
    world.rules(&json!([{ "when": { "provider": "oauth" }, "then": refused }]));
    let id = world.send_to(&["ada"]).await;
    let ready = async || {
        let answer = world
            .request(Method::GET, "/readyz")
            .send()
            .await
            .expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    };
    eventually(|| async {
        let (status, text) = ready().await;
        let named = text.contains("credential:demo/fcm");
        (status == StatusCode::SERVICE_UNAVAILABLE && named).then_some(())
    })
    .await;
    let other = world.ended(&world.send_to(&["bob"]).await).await;
    assert_eq!(other["delivered"], 1, "APNs goes on");
    world.simulator.clear_rules();
    assert_eq!(world.ended(&id).await["delivered"], 1);
    let asked = asked_at(&world);
    let waited = asked[1] - asked[0];
    assert!(waited >= 2_400, "asked again after {waited} ms");
    assert!(asked.len() <= 3, "{asked:?}");
    eventually(|| async { (ready().await.0 == StatusCode::OK).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_found_again() {
    let world = with_a_device_of_each().await;
    world
        .simulator
        .set_listening(Provider::Oauth, false)
        .await
        .expect("closed");
    let id = world.send_to(&["ada"]).await;
    for _ in 0..20 {
        let other = world.ended(&world.send_to(&["bob"]).await).await;
        assert_eq!(other["delivered"], 1, "APNs goes on");
    }
    assert_eq!(world.view(&id).await["counts"]["waiting"], 1);
    let ready = world.request(Method::GET, "/readyz");
    expect(ready, StatusCode::OK).await;
    world
        .simulator
        .set_listening(Provider::Oauth, true)
        .await
        .expect("open");
    assert_eq!(world.ended(&id).await["delivered"], 1);
    assert_eq!(token_requests(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_endpoint_is_asked_once_for_all_that_wait() {
    let world = World::new().await;
    for n in 0..20 {
        world.register("ada", "fcm", &fcm_token(n)).await;
    }
    world.register("bob", "ios_push", &apns_token(1)).await;
    world.rules(&json!([{ "when": { "provider": "oauth" }, "times": 1, "delay_ms": 2_500 }]));
    let slow = [world.send_to(&["ada"]).await, world.send_to(&["ada"]).await];
    for _ in 0..5 {
        let other = world.ended(&world.send_to(&["bob"]).await).await;
        assert_eq!(other["delivered"], 1, "APNs goes on");
    }
    for id in slow {
        assert_eq!(world.ended(&id).await["delivered"], 20);
    }
    assert_eq!(token_requests(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_live_for_a_second_are_renewed_as_they_end_and_not_for_nothing() {
    const LIFE: Duration = Duration::from_secs(1);
    let world = World::with(Options {
        simulated: Some(|config| config.fcm.access_token_ttl = LIFE),
        ..Options::default()
    })
    .await;
    proven(&world).await;
    let began = Instant::now();
    while began.elapsed() < 3 * LIFE {
        let counts = world.ended(&world.send_to(&["prover"]).await).await;
        assert_eq!(counts["delivered"], 2, "{counts}");
    }
    let asked = asked_at(&world);
    assert!(asked.len() >= 3, "renewed as they end: {asked:?}");
    for pair in asked.windows(2) {
        let waited = pair[1] - pair[0];
        assert!(waited >= 850, "asked again after {waited} ms");
    }
    // Nothing waits: two lives later nobody has asked for more than the one that was under way.
    let later = fanfare_types::Clock::system().now() + 2 * LIFE;
    world.register("eve", "ios_push", &apns_token(9)).await;
    let to_eve = json!({ "users": ["eve"] });
    let scheduled =
        json!({ "to": to_eve, "message": { "title": "hi" }, "send_at": later.to_rfc3339() });
    let id = world.send(&scheduled).await;
    assert_eq!(world.ended(&id).await["delivered"], 1);
    let since = token_requests(&world) - asked.len() as u64;
    assert!(since <= 1, "{since} requests for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_fcm_never_takes_are_no_reason_to_ask_for_ever_more() {
    let world = with_a_device_of_each().await;
    for n in 10..20 {
        world.register("ada", "fcm", &fcm_token(n)).await;
    }
    let stale = json!({ "answer": { "status": 401, "reason": "UNAUTHENTICATED" } });
    world.rules(&json!([{ "when": { "provider": "fcm" }, "then": stale }]));
    let id = world.send_to(&["ada"]).await;
    let stopped = async || {
        let stats = expect(world.service(Method::GET, "/v1/stats"), StatusCode::OK).await;
        stats.to_string().contains("\"open\"").then_some(())
    };
    eventually(stopped).await;
    let other = world.ended(&world.send_to(&["bob"]).await).await;
    assert_eq!(other["delivered"], 1, "APNs goes on");
    world.simulator.clear_rules();
    let after = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&after).await["delivered"], 11);
    let counts = world.ended(&id).await;
    let (delivered, failed) = (counts["delivered"].as_u64(), counts["failed"].as_u64());
    assert_eq!(
        delivered.zip(failed).map(|(a, b)| a + b),
        Some(11),
        "{counts}"
    );
    assert!(token_requests(&world) <= 4, "{}", token_requests(&world));
}
