//! Faults 6, 7, 8 and 17: connections that are none, and those that end without a word.

use std::time::Instant;

use fanfare_simulator::Provider;
use serde_json::{Value, json};

use super::scene::{Scene, both};
use crate::harness::eventually;

/// Most connections that may be tried in this time, with waits of at least half of `reconnect_max`.
fn most_tries(since: Instant) -> u64 {
    // Four at first, and a few while the waits double.
    10 + u64::try_from(since.elapsed().as_millis()).expect("a short test") / 150
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_goes_silent_is_replaced() {
    both(async |provider| {
        let scene = Scene::new().await;
        scene.ail(
            provider,
            json!([{ "when": { "skip": 10 }, "times": 1, "then": "freeze" }]),
        );
        let sent = scene.send(provider, 60).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered(&sent).await;
        scene.duplicates(provider);
        // What comes afterwards does not go into the hole.
        let after = scene.send(provider, 20).await;
        scene.delivered_at_once(&after).await;
        let connections = scene.connections(provider);
        assert!(connections.opened <= 4, "{connections:?}");
        assert_eq!(connections.pings, 0, "it was found out without a PING");
        scene.nothing_is_left().await;
    })
    .await;
}

/// An idle one is found out by PING, so that no push is lost to it; where PING is allowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_found_out_by_ping() {
    let link = "ping_after = \"300ms\"\nping_timeout = \"400ms\"\n";
    let scene = Scene::with(link, None, None).await;
    let apns = Provider::Apns;
    let first = scene.send(apns, 5).await;
    scene.delivered(&first).await;
    scene.ail(apns, json!([{ "times": 1, "then": "freeze" }]));
    let lost = scene.send(apns, 1).await;
    scene.delivered(&lost).await;
    scene.others_keep_their_rate(apns).await;
    assert_eq!(scene.duplicates(apns), 0);
    assert_eq!(scene.connections(Provider::Fcm).pings, 0);
    scene.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_closed_in_mid_answer() {
    both(async |provider| {
        let scene = Scene::new().await;
        let close = json!({ "close": { "after": "headers" } });
        scene.ail(
            provider,
            json!([{ "when": { "skip": 10 }, "times": 2, "then": close }]),
        );
        let sent = scene.send(provider, 60).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered(&sent).await;
        let duplicates = scene.duplicates(provider);
        assert!((1..=60).contains(&duplicates), "{duplicates}");
        scene.ail(provider, json!([{ "times": 1, "then": close }]));
        let otp = json!({ "on_unknown": "drop" });
        let sent = scene.send_with(provider, 1, &otp).await;
        let outcomes = scene.outcomes(&sent).await;
        let failed = ("failed".to_owned(), "no_answer".to_owned(), 1);
        assert_eq!(outcomes.get(&failed), Some(&1), "{outcomes:?}");
        assert_eq!(scene.duplicates(provider), duplicates);
        scene.nothing_is_left().await;
    })
    .await;
}

/// The rule holds for every connection until it is lifted. Nothing is sent, tries are bounded, others do not notice;
/// and then all goes out at once, by the first attempt.
async fn no_way_in(then: &Value) {
    both(async |provider| {
        let scene = Scene::new().await;
        let first = scene.send(provider, 5).await;
        scene.delivered(&first).await;
        let (began, before) = (Instant::now(), scene.connections(provider).opened);
        let requests = scene.totals(provider).requests;
        scene.ail(provider, json!([{ "on": "connection", "then": then }]));
        let closed = scene.world.simulator.close_connections(provider);
        closed.await.expect("closed");
        let sent = scene.send(provider, 40).await;
        let otp = json!({ "on_unknown": "drop", "lane": "urgent" });
        let urgent = scene.send_with(provider, 5, &otp).await;
        scene.others_keep_their_rate(provider).await;
        let tried = || scene.connections(provider).opened - before;
        eventually(|| async { (tried() >= 2).then_some(()) }).await;
        assert!(tried() <= most_tries(began), "{} tries", tried());
        assert_eq!(scene.progress(&sent).await, (0, 0));
        assert_eq!(scene.totals(provider).requests, requests);
        scene.ail(provider, json!([]));
        scene.delivered_at_once(&sent).await;
        // Not one of unknown fate, though nothing was answered.
        scene.delivered_at_once(&urgent).await;
        scene.no_duplicates(provider);
        assert!(scene.connections(provider).open <= 4);
        scene.nothing_is_left().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_handshake_that_hangs() {
    no_way_in(&json!("hang")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate() {
    no_way_in(&json!({ "certificate": "expired" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name() {
    no_way_in(&json!({ "certificate": "wrong_name" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority() {
    no_way_in(&json!({ "certificate": "untrusted" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_accepts_and_closes_at_once() {
    no_way_in(&json!({ "close": {} })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_closes_after_the_handshake() {
    no_way_in(&json!({ "close": { "after": "handshake" } })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_says_nothing_after_the_handshake() {
    no_way_in(&json!({ "silence": {} })).await;
}

/// The port is closed, or nobody takes what comes to it.
#[tokio::test(flavor = "multi_thread")]
async fn connection_refused_or_never_taken() {
    both(async |provider| {
        let scene = Scene::new().await;
        let simulator = &scene.world.simulator;
        simulator
            .set_listening(provider, false)
            .await
            .expect("closed");
        let sent = scene.send(provider, 40).await;
        scene.others_keep_their_rate(provider).await;
        assert_eq!(scene.progress(&sent).await, (0, 0));
        simulator.set_listening(provider, true).await.expect("open");
        scene.delivered_at_once(&sent).await;
        simulator
            .set_accepting(provider, false)
            .await
            .expect("deaf");
        simulator.close_connections(provider).await.expect("closed");
        let sent = scene.send(provider, 40).await;
        scene.others_keep_their_rate(provider).await;
        assert_eq!(scene.progress(&sent).await, (0, 0));
        simulator
            .set_accepting(provider, true)
            .await
            .expect("all ears");
        scene.delivered_at_once(&sent).await;
        scene.no_duplicates(provider);
        scene.nothing_is_left().await;
    })
    .await;
}

/// A name that nobody has (RFC 6761).
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve() {
    let nowhere = |text: String| {
        let (before, rest) = text.split_once("endpoint_production = \"").expect("one");
        let (_, after) = rest.split_once('"').expect("its end");
        format!("{before}endpoint_production = \"https://nowhere.invalid\"{after}")
    };
    let scene = Scene::with("", Some(nowhere), None).await;
    let sent = scene.send(Provider::Apns, 40).await;
    scene.others_keep_their_rate(Provider::Apns).await;
    assert_eq!(scene.progress(&sent).await, (0, 0));
    assert_eq!(scene.connections(Provider::Apns).opened, 0);
    scene.cancel(&sent).await;
    let outcomes = scene.outcomes(&sent).await;
    let cancelled = ("cancelled".to_owned(), "cancelled".to_owned(), 0);
    assert_eq!(outcomes.get(&cancelled), Some(&40), "{outcomes:?}");
    scene.nothing_is_left().await;
}
