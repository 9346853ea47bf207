//! Who may call, and how much.

use fanfare_gateway::material;
use fanfare_types::{AppId, Clock, UserId};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;

use crate::harness::{World, apns_token, expect, text};

/// The status of a service's call with this key.
async fn status(world: &World, key: &str) -> u16 {
    let call = world.request(Method::GET, "/v1/stats").bearer_auth(key);
    call.send().await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_is_rotated_without_a_restart() {
    let world = World::new().await;
    let old = world.sandbox.api_key.expose().clone();
    let new = material::api_key(&AppId::new("demo").expect("an id")).expect("a key");
    let block = |key: &str| {
        let sha256 = material::sha256_hex(key.as_bytes());
        format!("[[apps.api_keys]]\nname = \"rotated\"\nsha256 = \"{sha256}\"\n\n[apps.jwt]")
    };
    world.edit("[apps.jwt]", &block(new.expose()));
    assert_eq!(
        (
            status(&world, &old).await,
            status(&world, new.expose()).await
        ),
        (200, 401)
    );
    let (live, waiting) = world.reload().await;
    assert_eq!(live, ["apps.demo.api_keys.rotated added"]);
    assert!(waiting.is_empty());
    assert_eq!(
        (
            status(&world, &old).await,
            status(&world, new.expose()).await
        ),
        (200, 200)
    );

    let written = world.configuration();
    let start = written.find("[[apps.api_keys]]").expect("its place");
    let end = written[start + 1..]
        .find("[[apps.api_keys]]")
        .expect("its place")
        + start
        + 1;
    world.configure(&format!("{}{}", &written[..start], &written[end..]));
    assert_eq!(
        world.reload().await.0,
        ["apps.demo.api_keys.sandbox removed"]
    );
    assert_eq!(
        (
            status(&world, &old).await,
            status(&world, new.expose()).await
        ),
        (401, 200)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_secret_is_rotated_by_its_file_alone() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    let secret = "another-secret-of-at-least-32-bytes";
    std::fs::write(world.directory.path().join("jwt.secret"), secret).expect("a file");
    assert_eq!(world.reload().await.0, ["apps.demo.jwt replaced"]);
    let old = world.user("ada", Method::GET, "/v1/devices");
    expect(old, StatusCode::UNAUTHORIZED).await;
    let (user, now, minute) = (
        UserId::new("ada").expect("a token"),
        Clock::system().now(),
        Duration::from_secs(60),
    );
    let new = material::user_jwt(secret.as_bytes(), &user, now, minute, &[]).expect("a token");
    let new = world.request(Method::GET, "/v1/devices").bearer_auth(new);
    let devices = expect(new, StatusCode::OK).await;
    assert_eq!(devices["devices"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_change_for_the_next_call() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    let body = json!({ "to": { "users": ["ada", "bob"] }, "message": { "title": "Hi" } });
    let call = || world.service(Method::POST, "/v1/notifications").json(&body);
    expect(call(), StatusCode::ACCEPTED).await;
    let written = world.configuration();
    world.configure(&format!(
        "{written}\n[limits]\ntargets_max = 1\ndeliveries_max = 500\ndeliveries_per_app_max = 500\n"
    ));
    let mut live = world.reload().await.0;
    live.sort();
    let expected = [
        "limits.deliveries_max from 200000 to 500",
        "limits.deliveries_per_app_max from 100000 to 500",
        "limits.targets_max from 10000 to 1",
    ];
    assert_eq!(live, expected);
    let fault = expect(call(), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(fault.to_string().contains("users"), "{fault}");
    let stats = expect(world.service(Method::GET, "/v1/stats"), StatusCode::OK).await;
    assert_eq!(stats["permits_max"], 500);
    world.configure(&written);
    assert_eq!(world.reload().await.0.len(), 3);
    expect(call(), StatusCode::ACCEPTED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_until_there_was_one() {
    let mut world = World::new().await;
    world.edit(
        "data_dir = \"data\"",
        "data_dir = \"data\"\nsender_threads = 2\ndrain_timeout = \"9s\"",
    );
    for live in [vec!["drain_timeout from 30s to 9s".to_owned()], vec![]] {
        let waits = vec!["sender_threads from 1 to 2".to_owned()];
        assert_eq!(world.reload().await, (live, waits));
    }
    let metrics = metrics(&world).await;
    for line in [
        "fanfare_config_restart_needed 1",
        "fanfare_config_reloads_total{result=\"applied\"} 1",
        "fanfare_config_reloads_total{result=\"deferred\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
    world.drain().await;
    world.start().await;
    assert_eq!(world.reload().await, (Vec::new(), Vec::new()));
}

async fn metrics(world: &World) -> String {
    let answer = world.request(Method::GET, "/metrics").send().await;
    answer.expect("metrics").text().await.expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_faults_changes_nothing_and_says_why() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    let good = world.configuration();
    let half = &good[..good.find("service-account.json").expect("its place")];
    let moved = good.replace("ca_file = \"ca.pem\"", "ca_file = \"gone.pem\"");
    let faulty = format!("drain_timeout = \"soon\"\n{good}\n[limits]\ntargets_max = 0\n");
    let files = [
        (half.to_owned(), vec!["line "]),
        (String::new(), vec!["apps: at least one"]),
        (moved, vec!["apps[0].apns.ca_file", "apps[0].fcm.ca_file"]),
        (faulty, vec!["line 1: drain_timeout", "limits.targets_max"]),
    ];
    for (text, faults) in &files {
        world.configure(text);
        let error = world.try_reload().await.expect_err("a fault").to_string();
        for fault in faults {
            assert!(error.contains(fault), "{error}");
        }
    }
    std::fs::remove_file(&world.sandbox.config).expect("a file");
    world.try_reload().await.expect_err("no file at all");
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["delivered"], 1);
    let refused = format!(
        "fanfare_config_reloads_total{{result=\"refused\"}} {}",
        files.len() + 1
    );
    assert!(metrics(&world).await.contains(&refused));
    world.configure(&good);
    assert_eq!(world.reload().await, (Vec::new(), Vec::new()));
    assert_eq!(text(&world.devices("ada").await[0]["status"]), "active");
}
