//! Credentials: tokens renewed once and in time, certificates, and what a refused one does.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Options, World, apns_token, eventually, expect, fcm_token, text};

#[tokio::test(flavor = "multi_thread")]
async fn apns_with_a_certificate() {
    let certificate = |text: String| {
        let keep = |line: &&str| !line.starts_with("key_id") && !line.starts_with("team_id");
        let text: String = text
            .lines()
            .filter(keep)
            .map(|line| format!("{line}\n"))
            .collect();
        let start = text.find("key_file").expect("key_file");
        let end = start + text[start..].find('\n').expect("a line");
        format!(
            "{}certificate_file = \"apns-client.pem\"\nkey_file = \"apns-client.key\"{}",
            &text[..start],
            &text[end..]
        )
    };
    let world = World::with(Options {
        edit: Some(certificate),
        ..Options::default()
    })
    .await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["delivered"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_provider_token_is_renewed_and_the_push_goes_out() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    let expired = json!({ "status": 403, "reason": "ExpiredProviderToken" });
    world.rules(
        &json!([{ "when": { "provider": "apns" }, "times": 1, "then": { "answer": expired } }]),
    );
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["delivered"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_that_fcm_refuses_is_fetched_anew_once() {
    let world = World::new().await;
    for n in 0..20 {
        world.register("ada", "fcm", &fcm_token(n)).await;
    }
    let stale = json!({ "status": 401, "reason": "UNAUTHENTICATED" });
    world.rules(
        &json!([{ "when": { "provider": "fcm" }, "times": 20, "then": { "answer": stale } }]),
    );
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["delivered"], 20);
    assert_eq!(
        world.simulator.books().totals().oauth.requests,
        2,
        "the first one, and one for all twenty"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_in_trouble_delays_and_loses_nothing() {
    let world = World::new().await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    world.register("bob", "ios_push", &apns_token(1)).await;
    let trouble = json!({ "status": 500, "body": "<html>oops</html>" });
    world.rules(
        &json!([{ "when": { "provider": "oauth" }, "times": 2, "then": { "answer": trouble } }]),
    );
    let slow = world.send_to(&["ada"]).await;
    let other = world.send_to(&["bob"]).await;
    assert_eq!(
        world.ended(&other).await["delivered"],
        1,
        "the other provider goes on"
    );
    assert_eq!(world.ended(&slow).await["delivered"], 1);
    assert_eq!(world.simulator.books().totals().oauth.requests, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_credential_fails_its_push_and_keeps_every_device() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    let refused = json!({ "status": 403, "reason": "InvalidProviderToken" });
    world.rules(&json!([{ "when": { "provider": "apns" }, "then": { "answer": refused } }]));
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["failed"], 1);
    let rows = world.deliveries(&id).await;
    assert_eq!(text(&rows[0]["reason"]), "InvalidProviderToken");
    assert_eq!(world.devices("ada").await[0]["status"], "active");
    let open = eventually(|| async {
        let stats = expect(world.service(Method::GET, "/v1/stats"), StatusCode::OK).await;
        stats.to_string().contains("\"open\"").then_some(())
    });
    open.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_a_credential_says_so() {
    let without = |text: String| text[..text.find("[apps.fcm]").expect("a table")].to_owned();
    let world = World::with(Options {
        edit: Some(without),
        ..Options::default()
    })
    .await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["failed"], 1);
    assert_eq!(
        text(&world.deliveries(&id).await[0]["reason"]),
        "no_credential"
    );
}
