//! Fault 20: the provider is gone while a hundred thousand pushes wait. Here for seconds, with waits cut short by the
//! configuration; ten minutes with the waits of production are in `core/src/pool/outages.rs`, on a clock of its own.

use std::time::{Duration, Instant};

use fanfare_simulator::Provider;
use fanfare_simulator::books::Query;
use serde_json::json;

use super::scene::{Scene, Sent};
use crate::harness::eventually;

const NOTIFICATIONS: u32 = 10;
const EACH: u32 = 10_000;
const GONE: Duration = Duration::from_secs(3);

/// Longest time for the hundred thousand; they take a few seconds where nothing else runs.
const LONG: Duration = Duration::from_secs(120);

fn room(text: String) -> String {
    format!("{text}\n[limits]\ndeliveries_per_app_max = 150000\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_gone_with_a_hundred_thousand_waiting() {
    let scene = Scene::with("", Some(room), None).await;
    let apns = Provider::Apns;
    // Every try is seen by the books.
    scene.ail(
        apns,
        json!([{ "on": "connection", "then": { "close": {} } }]),
    );
    let began = Instant::now();
    let mut all = Vec::new();
    for _ in 0..NOTIFICATIONS {
        all.push(scene.send(apns, EACH).await);
    }
    scene.others_keep_their_rate(apns).await;
    eventually(|| async { (began.elapsed() >= GONE).then_some(()) }).await;
    for sent in &all {
        assert_eq!(scene.progress(sent).await, (0, 0));
    }
    let tries = scene.connections(apns).opened;
    let most = 10 + u64::try_from(began.elapsed().as_millis()).expect("short") / 150;
    assert!((5..=most).contains(&tries), "{tries} tries, {most} at most");

    scene.ail(apns, json!([]));
    scene.others_keep_their_rate(apns).await;
    tokio::time::timeout(LONG, ended(&scene, &all))
        .await
        .expect("all of them end");
    for sent in &all {
        assert_eq!(scene.progress(sent).await.0, u64::from(EACH));
    }
    let totals = scene.totals(apns);
    let pushes = u64::from(NOTIFICATIONS * EACH);
    assert_eq!((totals.requests, totals.accepted), (pushes, pushes));
    assert_eq!(totals.duplicates, 0);
    assert_eq!(totals.accepted_addresses, pushes);
    assert!(totals.connections.opened - tries <= 6);
    no_herd(&scene);
    scene.nothing_is_left().await;
}

async fn ended(scene: &Scene, all: &[Sent]) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for sent in all {
        while scene.progress(sent).await.1 < u64::from(EACH) {
            tick.tick().await;
        }
    }
}

/// From the first push on, each second takes at most twice as many as the one before, a thousand in the first.
fn no_herd(scene: &Scene) {
    let books = scene.world.simulator.books();
    let mut times: Vec<u64> = Vec::new();
    let mut after = None;
    loop {
        let page = books.requests(&Query {
            provider: Some(Provider::Apns),
            limit: Some(10_000),
            after,
            ..Query::default()
        });
        let Some(last) = page.last() else { break };
        after = Some(last.seq);
        times.extend(page.iter().map(|entry| entry.at_ms));
    }
    let first = times.iter().min().copied().expect("pushes");
    for second in 1..=4_u32 {
        let until = first + u64::from(second) * 1_000;
        let taken = times.iter().filter(|at| **at < until).count();
        // And the portion that leaves at once, by which the ramp runs ahead.
        let most = 1_000 * (2_usize.pow(second) - 1) + 100 * 2_usize.pow(second);
        assert!(taken <= most, "{taken} within {second} s of the first");
    }
}
