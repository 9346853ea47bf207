//! The native registry contract, as an app sees it.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{World, apns_token, expect, fcm_token, text};

#[tokio::test(flavor = "multi_thread")]
async fn register_list_get_patch_delete() {
    let world = World::new().await;
    let body = json!({
        "channel": "ios_push", "token": apns_token(1), "environment": "sandbox", "app_version": "2.1.0",
        "device_model": "iPhone15,3", "os_version": "iOS 18.2", "device_key": "install-1", "tags": ["news"],
    });
    let created = expect(
        world.user("ada", Method::POST, "/v1/devices").json(&body),
        StatusCode::CREATED,
    )
    .await;
    let device = &created["device"];
    for (field, expected) in [
        ("channel", "ios_push"),
        ("environment", "sandbox"),
        ("app_version", "2.1.0"),
    ] {
        assert_eq!(device[field], expected, "{device}");
    }
    assert!(
        !created.to_string().contains(&apns_token(1)),
        "the token is never returned"
    );
    let id = text(&device["id"]);
    let path = format!("/v1/devices/{id}");
    let patch = json!({ "locale": "de", "app_version": null, "status": "inactive" });
    let patched = expect(
        world.user("ada", Method::PATCH, &path).json(&patch),
        StatusCode::OK,
    )
    .await;
    assert_eq!(patched["device"]["locale"], "de");
    assert!(patched["device"]["app_version"].is_null(), "{patched}");
    let got = expect(world.user("ada", Method::GET, &path), StatusCode::OK).await;
    assert_eq!(got["device"]["status"], "inactive");
    let none = world.send_to(&["ada"]).await;
    assert_eq!(
        world.view(&none).await["recipients"],
        0,
        "an inactive device gets nothing"
    );
    let deleted = expect(world.user("ada", Method::DELETE, &path), StatusCode::OK).await;
    assert_eq!(deleted["id"], id);
    expect(
        world.user("ada", Method::DELETE, &path),
        StatusCode::NOT_FOUND,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_newest_first_and_ones_own() {
    let world = World::new().await;
    for n in 1..=3 {
        world.register("ada", "fcm", &fcm_token(n)).await;
    }
    world.register("bob", "fcm", &fcm_token(9)).await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    let devices = world.devices("ada").await;
    let seen: Vec<String> = devices
        .iter()
        .map(|device| text(&device["last_seen_at"]))
        .collect();
    assert_eq!(
        devices.len(),
        3,
        "registering the same token again makes no second row"
    );
    assert!(seen.is_sorted_by(|newer, older| newer >= older), "{seen:?}");
    let foreign = text(&world.devices("bob").await[0]["id"]);
    expect(
        world.user("ada", Method::GET, &format!("/v1/devices/{foreign}")),
        StatusCode::NOT_FOUND,
    )
    .await;
    expect(
        world.user("ada", Method::DELETE, &format!("/v1/devices/{foreign}")),
        StatusCode::NOT_FOUND,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_moves_and_its_former_owner_gets_nothing_more() {
    let world = World::new().await;
    let first = world.register("ada", "ios_push", &apns_token(1)).await;
    let second = world.register("bob", "ios_push", &apns_token(1)).await;
    assert_eq!(first, second, "the row keeps its id");
    assert!(world.devices("ada").await.is_empty());
    let to_ada = world.send_to(&["ada"]).await;
    assert_eq!(world.view(&to_ada).await["recipients"], 0);
    let to_bob = world.send_to(&["bob"]).await;
    assert_eq!(world.ended(&to_bob).await["delivered"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_users_race_for_one_address() {
    let world = World::new().await;
    let users: Vec<String> = (0..16).map(|n| format!("racer-{n}")).collect();
    for round in 0..5 {
        let token = fcm_token(round);
        let races = users.iter().map(|user| world.register(user, "fcm", &token));
        futures_util::future::join_all(races).await;
    }
    let mut owned = 0;
    for user in &users {
        owned += world.devices(user).await.len();
    }
    assert_eq!(owned, 5, "one owner an address");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_manage_devices_of_any_user_and_the_jwt_may_be_a_cookie() {
    let world = World::new().await;
    let body = json!({ "channel": "fcm", "token": fcm_token(1) });
    let path = "/v1/users/ada/devices";
    expect(
        world.service(Method::POST, path).json(&body),
        StatusCode::CREATED,
    )
    .await;
    let listed = expect(world.service(Method::GET, path), StatusCode::OK).await;
    assert_eq!(listed["devices"].as_array().map(Vec::len), Some(1));
    let jwt = world.jwt("ada", std::time::Duration::from_secs(60));
    let by_cookie = world
        .request(Method::GET, "/v1/devices")
        .header("cookie", format!("a=b; session={jwt}"));
    let listed = expect(by_cookie, StatusCode::OK).await;
    assert_eq!(listed["devices"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_survive_a_restart() {
    let mut world = World::new().await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    assert!(world.drain().await);
    world.start().await;
    assert_eq!(world.devices("ada").await.len(), 1);
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["delivered"], 1);
}
