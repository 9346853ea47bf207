//! Every kind of rule the simulators know, one after the other.

use fanfare_simulator::Provider;
use serde_json::{Value, json};

use super::{apns_address, fcm_address, requests};
use crate::harness::{World, eventually};

/// Plays each, waits until it has struck, and until both providers take pushes again.
pub(super) async fn all(world: &World) {
    let of_requests = faults_of_requests();
    let of_connections = faults_of_connections();
    let of_tokens = faults_of_tokens();
    let requests = of_requests.iter().map(|fault| ("request", fault));
    let connections = of_connections.iter().map(|fault| ("connection", fault));
    for (number, (on, fault)) in requests.chain(connections).enumerate() {
        play(world, number, on, fault).await;
    }
    for (number, fault) in of_tokens.iter().enumerate() {
        let stale = json!({ "answer": { "status": 401, "reason": "UNAUTHENTICATED" } });
        world.rules(&json!([
            { "when": { "provider": "oauth" }, "times": 1, "then": fault },
            { "when": { "provider": "fcm" }, "times": 1, "then": stale },
        ]));
        send(world, 1_000 + number).await;
        recovered(world, fault).await;
    }
}

async fn play(world: &World, number: usize, on: &str, fault: &Value) {
    let rule = |provider: &str| json!({ "on": on, "when": { "provider": provider }, "times": 1, "then": fault });
    world.rules(&json!([rule("apns"), rule("fcm")]));
    if on == "connection" {
        close_connections(world).await;
    }
    send(world, number).await;
    if fault.get("window").is_some() || fault["streams"] == 0 || fault == "freeze" {
        // No rule can reach those connections any more; how they end by themselves is shown elsewhere.
        struck(world).await;
        close_connections(world).await;
    }
    recovered(world, fault).await;
}

/// One push to an address of either provider that nobody else has, with a short life.
async fn send(world: &World, number: usize) {
    let to = json!({ "addresses": [
        { "channel": "ios_push", "address": apns_address(number) },
        { "channel": "fcm", "address": fcm_address(number) },
    ] });
    world.send(&requests::notification(&to, 5)).await;
}

async fn close_connections(world: &World) {
    for provider in [Provider::Apns, Provider::Fcm] {
        let closed = world.simulator.close_connections(provider).await;
        closed.expect("closed");
    }
}

/// Waits until every rule has fired.
async fn struck(world: &World) {
    eventually(|| async {
        let rules = world.simulator.rules();
        rules.iter().all(|rule| rule.fired > 0).then_some(())
    })
    .await;
}

async fn recovered(world: &World, fault: &Value) {
    struck(world).await;
    let counts = world.ended(&world.send_to(&["prover"]).await).await;
    assert_eq!(counts["delivered"], 2, "after {fault}: {counts}");
}

/// What a provider might say that repeats what it was told.
fn echo() -> String {
    let (apns, fcm) = (apns_address(7_000), fcm_address(7_000));
    let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJBIn0.c2lnbmF0dXJl";
    let access = format!("ya29.{}", "a0AfB_by".repeat(10));
    format!("no device {apns} or {fcm} for {jwt} {access}")
}

fn faults_of_requests() -> Vec<Value> {
    let mut faults = wordy_answers();
    faults.extend(documented_answers());
    faults.extend([
        json!("pass"),
        json!({ "silence": { "processed": true } }),
        json!({ "silence": { "processed": false } }),
        json!({ "reset": { "code": "INTERNAL_ERROR", "processed": true } }),
        json!({ "reset": { "code": "CANCEL" } }),
        json!("refuse"),
        json!({ "goaway": { "code": "NO_ERROR", "debug": echo(), "last": "this" } }),
        json!({ "goaway": { "code": "ENHANCE_YOUR_CALM", "debug": echo(), "last": "before" } }),
        json!({ "goaway": { "code": "INTERNAL_ERROR", "debug": echo(), "last": "none", "abrupt": true } }),
        json!({ "streams": 1 }),
        json!({ "streams": 0 }),
        json!({ "window": 0 }),
        json!({ "close": { "after": "request" } }),
        json!({ "close": { "after": "headers", "processed": true } }),
        json!("freeze"),
    ]);
    faults
}

/// Answers that repeat what was sent, in headers and bodies, and long ones.
fn wordy_answers() -> Vec<Value> {
    let says = |status: u16, body: String| {
        let headers = json!({ "retry-after": "1", "x-echo": echo() });
        json!({ "answer": { "status": status, "body": body, "headers": headers } })
    };
    let message = json!({ "status": "INVALID_ARGUMENT", "message": echo() });
    let unregistered = json!({ "reason": "Unregistered", "device": apns_address(7_001) });
    let bad = |more: &str, bytes: u64| json!({ "answer": { "status": 400, "reason": "BadDeviceToken", more: bytes } });
    vec![
        says(400, echo()),
        says(400, json!({ "error": message }).to_string()),
        says(410, unregistered.to_string()),
        says(503, format!("<html>{}</html>", echo())),
        says(200, echo()),
        bad("header_bytes", 60_000),
        bad("body_bytes", 10_000_000),
    ]
}

fn documented_answers() -> [Value; 8] {
    let documented = [
        (403, "ExpiredProviderToken"),
        (403, "InvalidProviderToken"),
        (410, "Unregistered"),
        (404, "UNREGISTERED"),
        (429, "TooManyProviderTokenUpdates"),
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
        (599, "BrandNew"),
    ];
    let after = json!({ "retry-after": "1" });
    documented.map(|(status, reason)| {
        json!({ "answer": { "status": status, "reason": reason, "headers": after } })
    })
}

fn faults_of_connections() -> Vec<Value> {
    let certificates = ["expired", "wrong_name", "untrusted"];
    let mut faults = vec![json!({ "close": {} }), json!("hang"), json!("freeze")];
    faults.extend(certificates.map(|certificate| json!({ "certificate": certificate })));
    faults
}

fn faults_of_tokens() -> Vec<Value> {
    let answered =
        |status: u16, body: String| json!({ "answer": { "status": status, "body": body } });
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0";
    let refusal = json!({ "error": jwt, "error_description": echo() });
    vec![
        answered(500, format!("<html>{}</html>", echo())),
        answered(
            200,
            json!({ "access_token": format!("ya29.{}\n", echo()) }).to_string(),
        ),
        answered(400, refusal.to_string()),
        json!({ "close": {} }),
    ]
}
