//! Fault 11: answers that are too much.

use fanfare_simulator::Provider;
use serde_json::json;

use super::scene::{Scene, both};
use crate::process::Serving;

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

/// What may be on its way to us at most: the windows of four connections to each provider, 4 MiB each; and some.
const WINDOWS_MIB: u64 = 40;

/// In a process of its own, whose memory can be read: a thousand answers of 10 MB, and as many endless ones.
#[tokio::test(flavor = "multi_thread")]
async fn endless_answers_take_no_memory() {
    let mut scene = Scene::new().await;
    scene.world.drain().await;
    let config = scene.world.sandbox.config.to_str().expect("UTF-8");
    let arguments = ["serve", "--config", config];
    let mut serving = Serving::start(scene.world.directory.path(), &arguments, &[]).await;
    scene.world.follow(serving.url());
    let push = async |scene: &Scene| {
        for provider in [Provider::Apns, Provider::Fcm] {
            let sent = scene.send(provider, 1_000).await;
            scene.delivered(&sent).await;
        }
    };
    push(&scene).await;
    let before = serving.peak_kib() / 1024;
    for bytes in [10_000_000, 1_u64 << 40] {
        let large = json!({ "answer": { "status": 200, "body_bytes": bytes } });
        // The token endpoint's has been asked already.
        scene.world.rules(&json!([{ "then": large }]));
        push(&scene).await;
    }
    let peak = serving.peak_kib() / 1024;
    println!("{before} MiB before, {peak} MiB after");
    assert!(peak <= before + WINDOWS_MIB, "{before}, then {peak} MiB");
    serving.signal("TERM").await;
    assert!(serving.ended().await.success());
}
