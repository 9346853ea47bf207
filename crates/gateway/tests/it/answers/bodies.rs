//! Fault 12: HTML, nothing, broken JSON and JSON of other types where an error should be.

use serde_json::{Value, json};

use super::{APNS, Case, FCM, all_end_as_expected};
use crate::harness::World;

/// Bodies that are no JSON.
fn unreadable() -> Vec<String> {
    vec![
        "<html><title>502</title><h1>Oops</h1></html>".to_owned(),
        r#"{"reason":"Unreg"#.to_owned(),
        r#"{"error":{"status":"NOT_FOUND","details":[{"@type":"#.to_owned(),
        r#"{"reason":"\ud800"}"#.to_owned(),
        "[".repeat(10_000),
    ]
}

/// Bodies that are JSON, and not what the vendor documents, or nothing at all. Whoever looks only for words in them
/// finds dead addresses.
const OUTLANDISH: &[&str] = &[
    "",
    "null",
    "[]",
    "\"Unregistered\"",
    r#"{"reason":42,"timestamp":"yesterday"}"#,
    r#"{"reason":["BadDeviceToken"],"timestamp":{}}"#,
    r#"{"error":"UNREGISTERED"}"#,
];

/// An error object whose members are of other types.
const TWISTED: &[&str] = &[
    r#"{"error":{}}"#,
    r#"{"error":{"code":"404","status":404,"message":{},"details":{"errorCode":"UNREGISTERED"}}}"#,
    r#"{"error":{"details":[null,7,"x",[],{"@type":5,"errorCode":"UNREGISTERED"}]}}"#,
];

/// What says nothing but its status, from someone who wants to be asked again in a second.
fn answer(status: u16, body: &str) -> Value {
    json!({ "status": status, "body": body, "headers": { "retry-after": "1" } })
}

/// The status alone decides, and a push that may be sent again is.
fn by_status(body: &str, provider: &'static str) -> Vec<Case> {
    let delivered = [429, 500, 503].map(|status| (status, "delivered", 2));
    let rejected = [400, 413].map(|status| (status, "rejected", 1));
    let each = delivered.into_iter().chain(rejected);
    each.map(|(status, outcome, attempts)| {
        Case::new(provider, answer(status, body), outcome, attempts)
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_says_nothing_leaves_it_to_the_status() {
    let world = World::new().await;
    let mut cases = Vec::new();
    for body in unreadable().iter().map(String::as_str) {
        cases.extend(by_status(body, APNS));
        cases.extend(by_status(body, FCM));
        // Someone in between: APNs and FCM speak JSON about devices.
        cases.push(Case::new(APNS, answer(410, body), "delivered", 2));
        cases.push(Case::new(FCM, answer(404, body), "delivered", 2));
        cases.push(Case::new(FCM, answer(401, body), "delivered", 2));
    }
    for body in OUTLANDISH {
        cases.extend(by_status(body, APNS));
        cases.extend(by_status(body, FCM));
        cases.push(Case::new(FCM, answer(404, body), "delivered", 2));
    }
    for body in TWISTED {
        cases.extend(by_status(body, FCM));
    }
    let devices = all_end_as_expected(&world, 100, &cases).await;
    assert!(
        devices.iter().all(|status| status == "active"),
        "{devices:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_words_fails_its_push_and_no_other() {
    let world = World::new().await;
    let unreadable = unreadable();
    let bodies = unreadable.iter().map(String::as_str);
    let mut first = 100;
    for body in bodies.chain(OUTLANDISH.iter().copied()) {
        // One after the other, with a good push between: five refusals in a row open the breaker.
        let refused =
            [APNS, FCM].map(|provider| Case::new(provider, answer(403, body), "failed", 1));
        let devices = all_end_as_expected(&world, first, &refused).await;
        assert_eq!(devices, ["active", "active"]);
        first += 2;
    }
    for body in TWISTED {
        let refused = [403, 404].map(|status| Case::new(FCM, answer(status, body), "failed", 1));
        all_end_as_expected(&world, first, &refused).await;
        first += 2;
    }
}
