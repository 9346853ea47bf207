//! Fault 11: answers that are too much.

use serde_json::json;

use super::scene::{Scene, both};

#[tokio::test(flavor = "multi_thread")]
async fn endless_answers_cost_no_connection() {
    both(async |provider| {
        let scene = Scene::new().await;
        let first = scene.send(provider, 1).await;
        scene.delivered(&first).await;
        let opened = scene.connections(provider).opened;
        let large = |bytes: u64| json!({ "answer": { "status": 200, "body_bytes": bytes } });
        let rules = json!([
            { "when": { "every": 2 }, "times": 20, "then": large(10_000_000) },
            { "when": { "every": 2 }, "times": 20, "then": large(1 << 40) },
        ]);
        scene.ail(provider, rules);
        let sent = scene.send(provider, 80).await;
        scene.others_keep_their_rate(provider).await;
        // What the status says counts, however long the rest is.
        scene.delivered_at_once(&sent).await;
        scene.no_duplicates(provider);
        // A window of 64 KiB a stream is all that could be on its way.
        let connections = scene.connections(provider);
        assert_eq!(connections.opened, opened, "{connections:?}");
        scene.nothing_is_left().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_headers_cost_their_push_an_attempt() {
    both(async |provider| {
        let scene = Scene::new().await;
        let large = |bytes: u64| json!({ "answer": { "status": 200, "header_bytes": bytes } });
        scene.ail(
            provider,
            json!([{ "when": { "every": 4 }, "times": 5, "then": large(20_000) }]),
        );
        let first = scene.send(provider, 1).await;
        scene.delivered(&first).await;
        let opened = scene.connections(provider).opened;
        let sent = scene.send(provider, 40).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered(&sent).await;
        assert_eq!(scene.duplicates(provider), 5);
        assert_eq!(scene.connections(provider).opened, opened);
        // A flood of them ends the connection, and what was on it goes again.
        scene.ail(
            provider,
            json!([{ "when": { "skip": 10 }, "times": 2, "then": large(1 << 20) }]),
        );
        let sent = scene.send(provider, 40).await;
        scene.delivered(&sent).await;
        scene.duplicates(provider);
        assert!(scene.connections(provider).opened <= opened + 4);
        scene.nothing_is_left().await;
    })
    .await;
}
