//! Callers who send without pause, many times what the gateway takes: real process, real sockets.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use super::{OTHER_KEY, Refusal, body, outcome, people, with_another_app};
use crate::harness::{Options, World, eventually};
use crate::process::Serving;
use crate::store::Kind;

/// The limits of the flooded gateway. What they bound is in docs/operations.md ("Memory").
const LIMITS: &str = "[limits]\ndeliveries_max = 5000\ndeliveries_per_app_max = 3000\nbody_max = \"1MiB\"\nbodies_max = \"1MiB\"\n\
    requests_max = 200\nconnections_max = 200\nroom_wait = \"100ms\"\n[store]\ncache = \"1MiB\"\nqueue_max = 1000\n";

/// The formula of docs/operations.md for [`LIMITS`], in MiB: 64 + 5,000 deliveries of 2 KiB + 30 × 1 MiB of bodies + 200
/// connections of 64 KiB + 3 caches of 1 MiB.
const BOUND_MIB: u64 = 64 + 10 + 30 + 13 + 3;

const FLOOD: Duration = Duration::from_secs(4);
const CALLERS: usize = 90;

/// Waits until everything of a notification has ended, and checks that the books add up meanwhile.
pub(super) async fn ended(world: &World, key: &str, id: &str) {
    let path = format!("/v1/notifications/{id}");
    eventually(|| async {
        let request = world.request(Method::GET, &path).bearer_auth(key);
        let view: serde_json::Value = request.send().await.ok()?.json().await.ok()?;
        let counts = view["counts"].as_object()?;
        let sum: u64 = counts.values().filter_map(serde_json::Value::as_u64).sum();
        assert_eq!(Some(sum), view["recipients"].as_u64(), "{view}");
        (view["state"] == "completed").then_some(())
    })
    .await;
}

/// What one caller got: ids, and refusals by kind.
#[derive(Default)]
struct Got {
    accepted: Vec<String>,
    refused: HashMap<Refusal, usize>,
}

/// Sends without pause, whatever the answers say.
async fn without_pause(url: String, key: String, users: Vec<String>, lane: &'static str) -> Got {
    let client = reqwest::Client::new();
    let mut got = Got::default();
    let end = Instant::now() + FLOOD;
    while Instant::now() < end {
        let request = client.post(format!("{url}/v1/notifications"));
        let request = request.bearer_auth(&key).json(&body(&users, lane));
        match outcome(request.send().await.expect("an answer")).await {
            Ok(id) => got.accepted.push(id),
            Err(refusal) => *got.refused.entry(refusal).or_default() += 1,
        }
    }
    got
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_refused_within_the_memory_bound_and_what_was_accepted_ends_once() {
    let mut world = World::with(Options {
        tables: LIMITS,
        edit: Some(with_another_app),
        store: Some(Kind::Embedded),
        ..Options::default()
    })
    .await;
    let key = world.sandbox.api_key.expose().clone();
    let ours = people(&world, &key, "our", 50).await;
    let theirs = people(&world, OTHER_KEY, "their", 50).await;
    assert!(world.drain().await);
    // Slow enough that callers are many times ahead of it.
    world.rules(&json!([{ "delay_ms": { "min": 200, "max": 400 } }]));
    let config = world.sandbox.config.to_str().expect("UTF-8");
    let arguments = ["serve", "--config", config];
    let mut serving = Serving::start(world.directory.path(), &arguments, &[]).await;
    world.follow(serving.url());

    let callers = (0..CALLERS).map(|n| {
        let (key, users) = match n % 3 {
            0 => (OTHER_KEY.to_owned(), theirs.clone()),
            _ => (key.clone(), ours.clone()),
        };
        let lane = if n % 2 == 0 { "urgent" } else { "bulk" };
        let (url, owner) = (serving.url(), key.clone());
        let calling = tokio::spawn(without_pause(url, key, users, lane));
        async move { (owner, lane, calling.await.expect("no panic")) }
    });
    let got = futures_util::future::join_all(callers).await;

    let refused = check_refusals(&got);
    let mut seen = HashSet::new();
    world.rules(&json!([]));
    for (key, _, got) in &got {
        for id in &got.accepted {
            assert!(seen.insert(id), "an id given twice");
            ended(&world, key, id).await;
        }
    }
    let peak = serving.peak_kib() / 1024;
    println!(
        "{} notifications accepted, {refused} refused, peak {peak} MiB",
        seen.len()
    );
    assert!(peak <= BOUND_MIB, "{peak} MiB of {BOUND_MIB}");
    serving.signal("TERM").await;
    assert!(serving.ended().await.success());
    let totals = world.simulator.books().totals().apns;
    assert_eq!(totals.accepted, 50 * seen.len() as u64, "each exactly once");
    assert_eq!(totals.duplicates, 0);
}

/// Each refusal is one that callers are told of, with a time to come back; every app and lane got its part. How many
/// there were.
fn check_refusals(got: &[(String, &str, Got)]) -> usize {
    let mut accepted: HashMap<(&str, &str), usize> = HashMap::new();
    let mut refused = 0;
    for (key, lane, got) in got {
        *accepted.entry((key, lane)).or_default() += got.accepted.len();
        for (refusal, times) in &got.refused {
            let known = [
                (429, "no_room_for_app"),
                (503, "no_room"),
                (503, "no_room_in_lane"),
                (503, "overloaded"),
            ];
            assert!(
                known.contains(&(refusal.status, &refusal.code)),
                "{refusal:?}"
            );
            let after = refusal.retry_after.expect("a word on when to come back");
            assert!((1..=60).contains(&after), "{refusal:?}");
            refused += times;
        }
    }
    assert!(refused > 0, "that was no flood");
    assert_eq!(accepted.len(), 4);
    for (whose, count) in accepted {
        assert!(count > 0, "{whose:?} got nothing through");
    }
    refused
}
