//! Fault 19: 410 timestamps in the future, in seconds, missing, zero, negative. No registration is buried that is
//! newer than the death, and nobody empties the registry.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{APNS, Case, all_end_as_expected, token};
use crate::harness::{World, eventually, expect, stands};

fn unregistered(timestamp: &Value) -> Value {
    match timestamp {
        Value::Null => json!({ "status": 410, "body": r#"{"reason":"Unregistered"}"# }),
        timestamp => json!({ "status": 410, "reason": "Unregistered", "timestamp": timestamp }),
    }
}

fn now_seconds() -> i64 {
    i64::try_from(fanfare_types::Clock::system().now().as_seconds()).expect("this century")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_death_that_makes_no_sense_means_the_time_of_the_push() {
    let world = World::new().await;
    let timestamps = [
        Value::Null,
        json!({ "at_ms": 0 }),
        json!({ "at_ms": -1_700_000_000_000_i64 }),
        // The future: in milliseconds, in seconds, in microseconds.
        json!({ "from_now_ms": 3_600_000 }),
        json!({ "at_ms": now_seconds() + 60 }),
        json!({ "at_ms": now_seconds() * 1_000_000 }),
        json!({ "at_ms": i64::MAX }),
    ];
    let case = |timestamp| Case::new(APNS, unregistered(timestamp), "dead", 1);
    let cases: Vec<_> = timestamps.iter().map(case).collect();
    all_end_as_expected(&world, 100, &cases).await;
    for n in 0..timestamps.len() {
        stands(&world, &format!("user-{}", 100 + n), "invalid").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_registered_after_the_death_stays() {
    let world = World::new().await;
    let timestamps = [
        json!({ "from_now_ms": -3_600_000 }),
        // An hour ago in seconds; the beginning of time in either unit.
        json!({ "at_ms": now_seconds() - 3_600 }),
        json!({ "at_ms": 1 }),
        json!({ "at_ms": 100_000_000_000_i64 }),
    ];
    let case = |timestamp| Case::new(APNS, unregistered(timestamp), "dead", 1);
    let mut cases: Vec<_> = timestamps.iter().map(case).collect();
    // What the reaper does about it is done before what it does about those before.
    cases.push(Case::new(APNS, unregistered(&Value::Null), "dead", 1));
    all_end_as_expected(&world, 100, &cases).await;
    let last = timestamps.len();
    stands(&world, &format!("user-{}", 100 + last), "invalid").await;
    for n in 0..last {
        stands(&world, &format!("user-{}", 100 + n), "active").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_registers_while_the_answer_is_out_stays() {
    let world = World::new().await;
    let timestamps = [
        Value::Null,
        json!({ "from_now_ms": 3_600_000 }),
        json!({ "from_now_ms": 0 }),
    ];
    for (n, timestamp) in (10..).zip(&timestamps) {
        let (user, address) = (format!("user-{n}"), token(APNS, n));
        world.register(&user, "ios_push", &address).await;
        world.rules(&json!([{ "times": 1, "delay_ms": 2500, "then": { "answer": unregistered(timestamp) } }]));
        let id = world.send_to(&[&user]).await;
        eventually(|| async { (world.view(&id).await["counts"]["in_flight"] == 1).then_some(()) })
            .await;
        world.register(&user, "ios_push", &address).await;
        assert_eq!(world.ended(&id).await["dead"], 1);
    }
    let marker = Case::new(APNS, unregistered(&Value::Null), "dead", 1);
    all_end_as_expected(&world, 100, &[marker]).await;
    stands(&world, "user-100", "invalid").await;
    for n in 0..timestamps.len() {
        stands(&world, &format!("user-{}", 10 + n), "active").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_410_without_a_reason_is_believed_and_a_410_for_everybody_is_not() {
    let world = World::new().await;
    let wordless = json!({ "status": 410, "body": "" });
    let lone = Case::new(APNS, wordless.clone(), "dead", 1);
    all_end_as_expected(&world, 100, &[lone]).await;
    stands(&world, "user-100", "invalid").await;

    let crowd: Vec<String> = (0..60).map(|n| format!("crowd-{n}")).collect();
    for (n, user) in (200..).zip(&crowd) {
        world.register(user, "ios_push", &token(APNS, n)).await;
    }
    let to: Vec<&str> = crowd.iter().map(String::as_str).collect();
    for body in ["", "{}", r#"{"reason":"DeviceLeft","timestamp":1}"#] {
        world.rules(&json!([{ "then": { "answer": { "status": 410, "body": body } } }]));
        let id = world.send_to(&to).await;
        let counts = world.ended(&id).await;
        assert_eq!(counts["dead"], 60, "{body}: {counts}");
    }
    eventually(|| async {
        let stats = expect(world.service(Method::GET, "/v1/stats"), StatusCode::OK).await;
        let named = stats["misconfigured"].as_array().map(Vec::len);
        (named == Some(1)).then_some(())
    })
    .await;
    for user in &crowd {
        assert_eq!(world.devices(user).await[0]["status"], "active", "{user}");
    }
}
