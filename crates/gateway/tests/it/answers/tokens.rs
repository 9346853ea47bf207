//! Fault 16, APNs: provider tokens that are refused or expired, and updates of them that come too often.

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{APNS, Case, all_end_as_expected, proven, requests, token};
use crate::harness::{World, eventually, expect, fcm_token, text};

async fn breaker(world: &World, provider: &str) -> String {
    let stats = expect(world.service(Method::GET, "/v1/stats"), StatusCode::OK).await;
    let pools = stats["pools"].as_array().expect("pools");
    let pool = pools
        .iter()
        .find(|pool| pool["provider"] == provider && pool["environment"] == "production");
    text(&pool.expect("a pool")["breaker"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_refused_once_is_signed_anew_and_the_push_goes_out() {
    let world = World::new().await;
    let refused = [
        "ExpiredProviderToken",
        "InvalidProviderToken",
        "UnrelatedKeyIdInToken",
    ];
    for (first, reason) in (100..).zip(refused) {
        let answer = json!({ "status": 403, "reason": reason });
        let devices =
            all_end_as_expected(&world, first, &[Case::new(APNS, answer, "delivered", 2)]).await;
        assert_eq!(devices, ["active"]);
    }
    let totals = world.simulator.books().totals().apns;
    // The simulator is as strict as Apple: no new token within 20 minutes on one connection.
    assert_eq!(totals.answered(429, Some("TooManyProviderTokenUpdates")), 0);
    assert_eq!(totals.connections.opened, 4, "a connection for each token");
    assert_eq!(breaker(&world, "ios_push").await, "closed");
}

/// A key that Apple refuses from now on: what was on its way fails, and then one push at a time, seldom. The rest
/// waits and goes out when the key is good again; FCM goes on.
async fn refused_from_now_on(reason: &str) {
    let world = World::new().await;
    proven(&world).await;
    for n in 10..20 {
        world.register("ada", "ios_push", &token(APNS, n)).await;
    }
    world.register("bob", "fcm", &fcm_token(5)).await;
    let before = world.simulator.books().totals().apns;
    let refused = json!({ "answer": { "status": 403, "reason": reason } });
    world.rules(&json!([{ "when": { "provider": "apns" }, "then": refused }]));
    let first = world.send_to(&["ada"]).await;
    eventually(|| async { (breaker(&world, "ios_push").await == "open").then_some(()) }).await;
    let behind = world.send_to(&["ada"]).await;
    for _ in 0..5 {
        let other = world.ended(&world.send_to(&["bob"]).await).await;
        assert_eq!(other["delivered"], 1, "the other provider goes on");
    }
    let waiting = world.view(&behind).await["counts"]["waiting"].clone();
    assert!(waiting.as_u64() >= Some(9), "they are kept back: {waiting}");
    world.simulator.clear_rules();
    assert!(world.ended(&behind).await["delivered"].as_u64() >= Some(9));
    world.ended(&first).await;
    let rows = world.deliveries(&first).await;
    let failed = rows.iter().filter(|row| row["outcome"] == "failed");
    assert!(
        failed.clone().all(|row| row["reason"] == reason),
        "{rows:?}"
    );
    assert!(failed.count() >= 1, "{rows:?}");
    let totals = world.simulator.books().totals().apns;
    let refused = totals.answered(403, Some(reason));
    assert!(
        refused <= 13,
        "ten on their way, and a probe or two: {refused}"
    );
    let opened = totals.connections.opened - before.connections.opened;
    assert!(opened <= 6, "{opened} connections");
    assert_eq!(breaker(&world, "ios_push").await, "closed");
    for device in world.devices("ada").await {
        assert_eq!(device["status"], "active");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_refused_from_now_on_fails_few_and_comes_back_by_itself() {
    let reasons = [
        "InvalidProviderToken",
        "ExpiredProviderToken",
        "MissingProviderToken",
        "Forbidden",
    ];
    join_all(reasons.map(refused_from_now_on)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_updates_called_too_many_cost_a_connection_and_a_wait() {
    let world = World::new().await;
    proven(&world).await;
    for n in 10..12 {
        world.register("ada", "ios_push", &token(APNS, n)).await;
    }
    world.register("bob", "fcm", &fcm_token(5)).await;
    let reason = "TooManyProviderTokenUpdates";
    world.rules(&json!([{ "when": { "provider": "apns" }, "then": { "answer": { "status": 429, "reason": reason } } }]));
    let id = world.send_to(&["ada"]).await;
    let tries = |n| requests(&world, APNS, &token(APNS, n));
    eventually(|| async { (10..12).all(|n| tries(n).len() >= 2).then_some(()) }).await;
    let other = world.ended(&world.send_to(&["bob"]).await).await;
    assert_eq!(other["delivered"], 1, "the other provider goes on");
    world.simulator.clear_rules();
    assert_eq!(world.ended(&id).await["delivered"], 2);
    for n in 10..12 {
        let tries = tries(n);
        let waits = tries.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms);
        for (wait, least) in waits.zip([500, 1_000, 2_000, 4_000]) {
            assert!(wait >= least, "device {n}: {wait} ms");
        }
    }
    let totals = world.simulator.books().totals().apns;
    let refused = totals.answered(429, Some(reason));
    assert!(totals.connections.opened <= refused + 2, "{totals:?}");
    assert_eq!(breaker(&world, "ios_push").await, "closed");
}
