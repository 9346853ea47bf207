//! What an operator sees: health, readiness, metrics, stats, the API's document.

use reqwest::{Method, StatusCode};

use crate::harness::{Options, World, apns_token, expect};

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_metrics_and_stats() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(77)).await;
    world.ended(&world.send_to(&["ada"]).await).await;
    for path in ["/healthz", "/readyz"] {
        let response = world
            .request(Method::GET, path)
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    let metrics = world
        .request(Method::GET, "/metrics")
        .send()
        .await
        .expect("metrics")
        .text()
        .await
        .expect("text");
    assert!(
        metrics.contains("fanfare_") && metrics.contains("outcome=\"delivered\""),
        "{metrics}"
    );
    let commits = metrics
        .lines()
        .find_map(|line| line.strip_prefix("fanfare_store_commit_seconds_count "));
    assert!(
        commits.is_some_and(|count| count != "0"),
        "the disk is watched: {commits:?}"
    );
    assert!(
        !metrics.contains("ada") && !metrics.contains(&apns_token(77)),
        "no user and no address in a metric"
    );
    let stats = expect(world.service(Method::GET, "/v1/stats"), StatusCode::OK).await;
    assert!(
        stats["pools"]
            .as_array()
            .is_some_and(|pools| pools.len() == 3),
        "{stats}"
    );
    let document = expect(world.request(Method::GET, "/openapi.json"), StatusCode::OK).await;
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    assert!(document["paths"]["/v1/notifications"]["post"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_address_takes_operations_over() {
    let world = World::with(Options {
        top: "admin = \"127.0.0.1:0\"",
        ..Options::default()
    })
    .await;
    let admin = world
        .app
        .as_ref()
        .and_then(|app| app.admin)
        .expect("an admin address");
    let metrics = reqwest::get(format!("http://{admin}/metrics"))
        .await
        .expect("an answer");
    assert_eq!(metrics.status(), StatusCode::OK);
    let ready = reqwest::get(format!("http://{admin}/readyz"))
        .await
        .expect("an answer");
    assert_eq!(ready.status(), StatusCode::OK);
    let on_api = world
        .request(Method::GET, "/metrics")
        .send()
        .await
        .expect("an answer");
    assert_eq!(on_api.status(), StatusCode::NOT_FOUND);
}
