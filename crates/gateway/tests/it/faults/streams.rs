//! Faults 3, 4, 5, 9, 10 and 18: what happens to single streams.

use fanfare_simulator::Provider;
use serde_json::json;

use super::scene::{Scene, both, one_connection};

#[tokio::test(flavor = "multi_thread")]
async fn refused_streams_go_on_at_once_and_not_for_ever() {
    both(async |provider| {
        let scene = Scene::new().await;
        scene.ail(
            provider,
            json!([{ "when": { "every": 3 }, "times": 15, "then": "refuse" }]),
        );
        let sent = scene.send(provider, 60).await;
        scene.delivered_at_once(&sent).await;
        // All of them, for a while: each goes again at once three times, and then it waits.
        let before = scene.totals(provider).requests;
        scene.ail(
            provider,
            json!([{ "when": { "until_ms": 700 }, "then": "refuse" }]),
        );
        let sent = scene.send(provider, 60).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered_at_once(&sent).await;
        scene.no_duplicates(provider);
        let requests = scene.totals(provider).requests - before;
        assert!(requests <= 60 * 6, "{requests} requests for 60 pushes");
        scene.nothing_is_left().await;
    })
    .await;
}

/// Written and reset: nobody knows. Sent again under the same names, or given up, as the message says.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_after_the_request_was_written() {
    both(async |provider| {
        let scene = Scene::new().await;
        let reset = json!({ "reset": { "code": "INTERNAL_ERROR", "processed": true } });
        scene.ail(
            provider,
            json!([{ "when": { "skip": 3 }, "times": 5, "then": reset }]),
        );
        let sent = scene.send(provider, 40).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered(&sent).await;
        assert_eq!(scene.duplicates(provider), 5);
        let attempts: Vec<_> = scene.outcomes(&sent).await.into_iter().collect();
        let of = |n: usize| (attempts[n].0.2, attempts[n].1);
        assert_eq!((of(0), of(1), attempts.len()), ((1, 35), (2, 5), 2));
        scene.ail(provider, json!([{ "times": 2, "then": reset }]));
        dropped(&scene, provider, 2).await;
        scene.nothing_is_left().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_never_answer() {
    both(async |provider| {
        let scene = Scene::new().await;
        let silence = json!({ "silence": { "processed": true } });
        scene.ail(
            provider,
            json!([{ "when": { "skip": 3 }, "times": 5, "then": silence }]),
        );
        let sent = scene.send(provider, 40).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered(&sent).await;
        assert_eq!(scene.duplicates(provider), 5);
        scene.ail(provider, json!([{ "times": 2, "then": silence }]));
        dropped(&scene, provider, 2).await;
        // One that is silent about all is replaced, others are not opened in numbers.
        assert!(scene.connections(provider).opened <= 8);
        scene.nothing_is_left().await;
    })
    .await;
}

/// So many of five one-time passwords get no answer, and are not sent again.
async fn dropped(scene: &Scene, provider: Provider, unknown: u32) {
    let before = scene.duplicates(provider);
    let more = json!({ "on_unknown": "drop", "lane": "urgent" });
    let sent = scene.send_with(provider, 5, &more).await;
    let outcomes = scene.outcomes(&sent).await;
    let failed = ("failed".to_owned(), "no_answer".to_owned(), 1);
    assert_eq!(outcomes.get(&failed), Some(&unknown), "{outcomes:?}");
    assert_eq!(scene.progress(&sent).await, (u64::from(5 - unknown), 5));
    assert_eq!(scene.duplicates(provider), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_limit_falls_to_one_to_none_and_rises_again() {
    both(async |provider| {
        let scene = Scene::with("", Some(one_connection), None).await;
        let rules = json!([
            { "when": { "skip": 10 }, "times": 1, "then": { "streams": 1 } },
            { "when": { "skip": 20 }, "times": 1, "then": { "streams": 2 } },
            // These two are under way together: the first ends it all, the second comes back later.
            { "when": { "skip": 25 }, "times": 1, "then": { "streams": 0 } },
            { "when": { "skip": 25 }, "times": 1, "delay_ms": 700, "then": { "streams": 100 } },
        ]);
        scene.ail(provider, rules);
        let sent = scene.send(provider, 100).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered_at_once(&sent).await;
        scene.no_duplicates(provider);
        let connections = scene.connections(provider);
        assert_eq!((connections.opened, connections.violations), (1, 0));
        scene.nothing_is_left().await;
    })
    .await;
}

/// A push whose body found no room was surely not processed: it goes on elsewhere, and is no duplicate.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_stays_shut() {
    both(async |provider| {
        let scene = Scene::new().await;
        scene.ail(
            provider,
            json!([{ "when": { "skip": 1 }, "times": 1, "then": { "window": 0 } }]),
        );
        let first = scene.send(provider, 2).await;
        scene.delivered(&first).await;
        let requests = scene.totals(provider).requests;
        let sent = scene.send(provider, 40).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered_at_once(&sent).await;
        scene.no_duplicates(provider);
        assert!(scene.totals(provider).requests >= requests + 40);
        assert!(scene.connections(provider).opened <= 4);
        scene.nothing_is_left().await;
    })
    .await;
}

/// A late answer changes nothing: neither a second outcome, nor the end of a connection that lives.
#[tokio::test(flavor = "multi_thread")]
async fn answers_after_our_timeout() {
    both(async |provider| {
        let scene = Scene::new().await;
        scene.ail(
            provider,
            json!([{ "when": { "skip": 3 }, "times": 5, "delay_ms": 2600 }]),
        );
        let sent = scene.send(provider, 40).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered(&sent).await;
        assert_eq!(scene.duplicates(provider), 5);
        assert_eq!(scene.progress(&sent).await, (40, 40));
        scene.nothing_is_left().await;
    })
    .await;
}
