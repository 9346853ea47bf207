//! Faults 1 and 2: the provider ends a connection.

use fanfare_simulator::Provider;
use fanfare_simulator::rules::Span;
use serde_json::json;

use super::scene::{Scene, both, one_connection};

/// So that streams above and below the last one are open when GOAWAY comes.
fn slow(config: &mut fanfare_simulator::Config) {
    config.latency = Some(Span::Range { min: 20, max: 120 });
}

#[tokio::test(flavor = "multi_thread")]
async fn goaway_with_streams_above_and_below_its_last_one() {
    both(async |provider| {
    let scene = Scene::with("", None, Some(slow)).await;
    let goaway = json!({ "goaway": { "code": "NO_ERROR", "debug": "{\"reason\":\"Shutdown\"}", "last": "before" } });
        let rule = json!([{ "when": { "skip": 5, "every": 20 }, "times": 3, "then": goaway }]);
        scene.ail(provider, rule);
        let sent = scene.send(provider, 100).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered_at_once(&sent).await;
        scene.no_duplicates(provider);
        let turned_away = scene.totals(provider).answered(0, Some("goaway"));
        assert!(turned_away >= 3, "{turned_away}");
    scene.nothing_is_left().await;
    })
    .await;
}

/// One after the other, so that nothing but the first push on a new connection comes after a GOAWAY.
fn one_stream(config: &mut fanfare_simulator::Config) {
    config.apns.max_streams = 1;
    config.fcm.max_streams = 1;
}

/// What was not processed goes on, but on no new connection before some time has passed.
#[tokio::test(flavor = "multi_thread")]
async fn goaway_with_enhance_your_calm() {
    both(async |provider| {
    let scene = Scene::with("", Some(one_connection), Some(one_stream)).await;
    let calm = json!({ "goaway": { "code": "ENHANCE_YOUR_CALM", "debug": "too_many_pings", "last": "before" } });
        scene.ail(
            provider,
            json!([{ "when": { "skip": 5 }, "times": 3, "then": calm }]),
        );
        let sent = scene.send(provider, 100).await;
        scene.others_keep_their_rate(provider).await;
        scene.delivered_at_once(&sent).await;
        scene.no_duplicates(provider);
        assert!(scene.connections(provider).opened <= 3 + 1);
        assert_eq!(waits(&scene, provider).len(), 3);
        for wait in waits(&scene, provider) {
            // Half of reconnect_max is the least.
            assert!(wait >= 140, "the next push came after {wait} ms");
        }
    scene.nothing_is_left().await;
    })
    .await;
}

/// Milliseconds from each GOAWAY to the next push.
fn waits(scene: &Scene, provider: Provider) -> Vec<u64> {
    let requests = scene.requests(provider);
    let pairs = requests.windows(2);
    let after = pairs.filter(|pair| pair[0].reason == "goaway");
    after.map(|pair| pair[1].at_ms - pair[0].at_ms).collect()
}
