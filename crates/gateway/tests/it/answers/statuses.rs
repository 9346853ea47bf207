//! Fault 13: statuses and reasons that nobody documented.

use serde_json::{Value, json};

use super::{APNS, Case, FCM, all_end_as_expected};
use crate::harness::{World, text};

/// An answer of this status with a reason nobody knows, in the vendor's own form.
fn unheard_of(status: u16) -> Value {
    json!({ "status": status, "reason": "BrandNew", "headers": { "retry-after": "1" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_has_a_class() {
    let world = World::new().await;
    let mut cases = Vec::new();
    let mut add = |provider, statuses: &[u16], outcome, attempts| {
        let case = |status: &u16| Case::new(provider, unheard_of(*status), outcome, attempts);
        cases.extend(statuses.iter().map(case));
    };
    for provider in [APNS, FCM] {
        add(provider, &[201, 202, 206, 226, 299], "delivered", 1);
        // Neither provider redirects: someone in between does, and nobody follows.
        add(provider, &[300, 301, 302, 307, 308, 399], "delivered", 2);
        add(provider, &[408, 421, 425, 429], "delivered", 2);
        add(
            provider,
            &[402, 406, 407, 409, 412, 413, 418, 422, 431, 451, 499],
            "rejected",
            1,
        );
        add(
            provider,
            &[500, 501, 502, 503, 504, 508, 511, 520, 599],
            "delivered",
            2,
        );
    }
    add(APNS, &[400, 404, 405], "rejected", 1);
    add(FCM, &[400, 405, 410], "rejected", 1);
    // A new access token, and again.
    add(FCM, &[401], "delivered", 2);
    let devices = all_end_as_expected(&world, 100, &cases).await;
    assert!(
        devices.iter().all(|status| status == "active"),
        "{devices:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_nobody_documented_fails_its_push_and_no_other() {
    let world = World::new().await;
    let refused = [(APNS, 401), (APNS, 403), (FCM, 403), (FCM, 404)];
    for (first, (provider, status)) in (100..).zip(refused) {
        let case = Case::new(provider, unheard_of(status), "failed", 1);
        let devices = all_end_as_expected(&world, first, &[case]).await;
        assert_eq!(devices, ["active"], "{provider} {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_at_a_status_it_does_not_belong_to_proves_nothing() {
    let world = World::new().await;
    let at = |status: u16, reason: &str| json!({ "status": status, "reason": reason, "headers": { "retry-after": "1" } });
    let devices = all_end_as_expected(
        &world,
        100,
        &[
            Case::new(APNS, at(400, "Unregistered"), "rejected", 1),
            Case::new(APNS, at(500, "Unregistered"), "delivered", 2),
            Case::new(APNS, at(200, "BadDeviceToken"), "delivered", 1),
            Case::new(APNS, at(503, "ExpiredProviderToken"), "delivered", 2),
            Case::new(FCM, at(400, "UNREGISTERED"), "rejected", 1),
            Case::new(FCM, at(500, "UNREGISTERED"), "delivered", 2),
            Case::new(FCM, at(200, "SENDER_ID_MISMATCH"), "delivered", 1),
        ],
    )
    .await;
    assert!(
        devices.iter().all(|status| status == "active"),
        "{devices:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_shown_without_what_could_harm() {
    let world = World::new().await;
    world
        .register("ada", "ios_push", &crate::harness::apns_token(7))
        .await;
    let reason = format!("<b>\u{7}\r\n{{{{x}}}}\"';--{}", "Long".repeat(100));
    world.rules(&json!([{ "then": { "answer": { "status": 400, "reason": reason } } }]));
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["rejected"], 1);
    let shown = text(&world.deliveries(&id).await[0]["reason"]);
    assert!(shown.starts_with("bx--Long"), "{shown}");
    assert_eq!(shown.len(), 64);
}
