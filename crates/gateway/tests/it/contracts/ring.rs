//! Ring, as a mobile app and a browser of its own see it.

use reqwest::Method;
use serde_json::json;

use super::*;
use crate::harness::{eventually, text};

const PATH: &str = "/api/notifications/fcm/register";

async fn register(world: &World, user: &str, fingerprint: &str, token: &str) {
    let body = json!({"token": token, "deviceFingerprint": fingerprint});
    let jwt = world.jwt(user, Duration::from_secs(60));
    let done = ok(call(world, Method::POST, PATH, &jwt).json(&body)).await;
    assert_eq!(done, json!({"success": true}));
}

async fn unregister(world: &World, user: &str, fingerprint: &str) {
    let body = json!({"deviceFingerprint": fingerprint});
    let jwt = world.jwt(user, Duration::from_secs(60));
    let done = ok(call(world, Method::DELETE, PATH, &jwt).json(&body)).await;
    assert_eq!(done, json!({"success": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_a_user_and_fingerprint_whose_token_rotates() {
    let world = World::new().await;
    register(&world, "ada", "phone", &fcm("one")).await;
    register(&world, "ada", "phone", &fcm("two")).await;
    register(&world, "ada", "tablet", &fcm("three")).await;
    register(&world, "bob", "phone", &fcm("four")).await;
    let rows = rows_of(&world, "ada").await;
    let keys: Vec<_> = rows.iter().map(|row| text(&row["device_key"])).collect();
    assert_eq!(keys, ["tablet", "phone"]);
    assert_eq!(
        rows_of(&world, "bob").await.len(),
        1,
        "the same fingerprint of another user is another device"
    );
    world.ended(&world.send_to(&["ada"]).await).await;
    let pushes = ["one", "two", "three", "four"].map(|name| pushes_to(&world, &fcm(name)));
    assert_eq!(pushes, [0, 1, 1, 0], "the old token gets nothing more");
}

#[tokio::test(flavor = "multi_thread")]
async fn unregistering_makes_the_row_invalid_stops_pushes_and_may_be_repeated() {
    let world = World::new().await;
    register(&world, "ada", "phone", &fcm("one")).await;
    unregister(&world, "ada", "phone").await;
    let row = rows_of(&world, "ada").await.remove(0);
    assert_eq!(row["status"], "invalid");
    assert!(row["invalidated_at"].is_string(), "{row}");
    let nobody = world.send_to(&["ada"]).await;
    assert_eq!(world.view(&nobody).await["recipients"], 0);
    unregister(&world, "ada", "phone").await;
    unregister(&world, "ada", "never-seen").await;
    unregister(&world, "bob", "phone").await;
    let same = rows_of(&world, "ada").await.remove(0);
    assert_eq!(
        same["invalidated_at"], row["invalidated_at"],
        "the first time counts"
    );
    register(&world, "ada", "phone", &fcm("one")).await;
    let back = rows_of(&world, "ada").await.remove(0);
    assert_eq!(
        (&back["id"], &back["status"]),
        (&row["id"], &json!("active"))
    );
    assert!(back["invalidated_at"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_fcm_calls_unregistered_becomes_invalid() {
    let world = World::new().await;
    register(&world, "ada", "phone", &fcm("dead")).await;
    assert_eq!(world.ended(&world.send_to(&["ada"]).await).await["dead"], 1);
    eventually(|| async {
        let row = rows_of(&world, "ada").await.remove(0);
        (row["status"] == "invalid" && row["invalidated_at"].is_string()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unseen_rows_become_stale_and_go_after_the_retention_with_the_invalid_ones() {
    let world = World::with(Options {
        tables: "[registry]\nstale_after = \"2s\"\nretention = \"3s\"\nsweep_every = \"50ms\"\n",
        ..Options::default()
    })
    .await;
    register(&world, "ada", "phone", &fcm("one")).await;
    register(&world, "bob", "phone", &fcm("two")).await;
    unregister(&world, "bob", "phone").await;
    assert_eq!(
        rows_of(&world, "bob").await.len(),
        1,
        "kept for the retention"
    );
    eventually(|| async {
        let rows = rows_of(&world, "ada").await;
        (rows.first()?["status"] == "stale").then_some(())
    })
    .await;
    let nobody = world.send_to(&["ada"]).await;
    assert_eq!(world.view(&nobody).await["recipients"], 0);
    for user in ["ada", "bob"] {
        eventually(|| async { rows_of(&world, user).await.is_empty().then_some(()) }).await;
    }
    // Seen again it is another row, and active.
    register(&world, "ada", "phone", &fcm("one")).await;
    assert_eq!(rows_of(&world, "ada").await[0]["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_registrations_is_configured() {
    let world = World::with(Options {
        edit: Some(|text| {
            format!("{text}\n[apps.ring]\nregistrations_per_minute = 2\nusers_max = 10\n")
        }),
        ..Options::default()
    })
    .await;
    let body = json!({"token": fcm("one"), "deviceFingerprint": "phone"});
    let jwt = world.jwt("ada", Duration::from_secs(60));
    for _ in 0..2 {
        ok(call(&world, Method::POST, PATH, &jwt).json(&body)).await;
    }
    let refused = call(&world, Method::POST, PATH, &jwt)
        .json(&body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(refused.status(), 429);
    let after = refused.headers()["retry-after"].to_str().expect("a text");
    let after: u64 = after.parse().expect("whole seconds");
    assert!((1..=60).contains(&after), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sharing_a_token_is_one_users_and_with_it_two_may_hold_it() {
    for shared in [false, true] {
        let edit: fn(String) -> String = match shared {
            true => |text| text.replace("id = \"demo\"", "id = \"demo\"\naddress_sharing = true"),
            false => |text| text,
        };
        let world = World::with(Options {
            edit: Some(edit),
            ..Options::default()
        })
        .await;
        register(&world, "ada", "phone", &fcm("one")).await;
        register(&world, "bob", "phone", &fcm("one")).await;
        assert_eq!(rows_of(&world, "ada").await.len(), usize::from(shared));
        assert_eq!(rows_of(&world, "bob").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_may_be_a_cookie() {
    let world = World::new().await;
    let jwt = world.jwt("ada", Duration::from_secs(60));
    let body = json!({"token": fcm("one"), "deviceFingerprint": "phone", "deviceInfo": {"platform": "web"}});
    let by_cookie = world
        .request(Method::POST, PATH)
        .header("cookie", format!("session={jwt}"));
    ok(by_cookie.json(&body)).await;
    assert_eq!(rows_of(&world, "ada").await[0]["platform"], "web");
}
