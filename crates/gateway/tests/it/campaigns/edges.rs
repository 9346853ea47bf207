//! Limits at their smallest.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::books::{assert_each_once, pushes};
use super::fill::{address, user};
use super::rig::{count, crowd, to_all, with, with_books};
use crate::harness::{Options, World, expect, text};

/// A campaign to everybody, and a notification beside it, with so much room for the app's deliveries.
async fn with_room_for(edit: fn(String) -> String, devices: u32) {
    let options = Options {
        edit: Some(edit),
        ..with_books()
    };
    let world = crowd(devices, options).await;
    let id = world.launch(&to_all()).await;
    let sent = world.send_to(&[&user(0)]).await;
    assert_eq!(world.ended(&sent).await["delivered"], 1);
    let view = world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(devices), "{view}");
    let pushes = pushes(&world);
    assert_eq!(pushes.len(), devices as usize + 1);
    let campaigns = pushes.into_iter().filter(|push| push.collapse.is_some());
    let campaigns: Vec<_> = campaigns.collect();
    assert_each_once(&campaigns, (0..devices).map(address));
}

fn room(text: &str, deliveries: u32) -> String {
    format!("{text}\n[limits]\ndeliveries_per_app_max = {deliveries}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_runs_in_whatever_room_its_app_has() {
    tokio::join!(
        with_room_for(|text| room(&text, 1), 60),
        with_room_for(|text| room(&text, 7), 300),
        with_room_for(|text| room(&text, 1_000), 4_000),
    );
}

fn ones(text: String) -> String {
    format!(
        "{text}\n[limits]\ndeliveries_max = 2\ndeliveries_per_app_max = 2\nbulk_share = 0.5\n[campaigns]\nunfinished_max = 1\nupload_rows_max = 1\n\
         watchers_max = 1\nwindow = 1024\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_everything_is_enough() {
    const DEVICES: u32 = 40;
    let options = Options {
        edit: Some(ones),
        ..with_books()
    };
    let world = crowd(DEVICES, options).await;
    let create = |key: &str| {
        let request = world.service(Method::POST, "/v1/campaigns").json(&to_all());
        request.header("idempotency-key", key)
    };
    let first = expect(create("first"), StatusCode::CREATED).await;
    let refused = expect(create("second"), StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "too_many_campaigns");
    let id = text(&first["id"]);
    // Whoever asks again for what was made gets it, whatever the limit says by now: before its start and after.
    let again = expect(create("first"), StatusCode::CREATED).await;
    assert_eq!(again["id"], first["id"]);
    let watch = || world.service(Method::GET, &format!("/v1/campaigns/{id}/events"));
    let watcher = watch().send().await.expect("an answer");
    assert_eq!(watcher.status(), StatusCode::OK);
    let refused = expect(watch(), StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(refused["code"], "overloaded");
    drop(watcher);
    world.steer(&id, "start").await;
    let again = expect(create("first"), StatusCode::CREATED).await;
    assert_eq!(again["id"], first["id"]);
    let view = world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES), "{view}");
    assert_each_once(&pushes(&world), (0..DEVICES).map(address));
    // It has ended: there is room for another one.
    let body = with(to_all(), &json!({"audience": {"recipients": "upload"}}));
    let id = world.create(&body).await;
    uploads_of_one_row(&world, &id).await;
}

async fn uploads_of_one_row(world: &World, id: &str) {
    let rows = |count: u32| -> String {
        let row = |n| format!("{}\n", json!({"user_id": user(n)}));
        (0..count).map(row).collect()
    };
    let put = |rows: String| {
        let request = world.service(Method::PUT, &format!("/v1/campaigns/{id}/recipients"));
        request
            .header("content-type", "application/x-ndjson")
            .body(rows)
    };
    let refused = expect(put(rows(2)), StatusCode::PAYLOAD_TOO_LARGE).await;
    assert_eq!(refused["code"], "upload_too_large", "{refused}");
    let start = world.service(Method::POST, &format!("/v1/campaigns/{id}/start"));
    let refused = expect(start, StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "upload_incomplete");
    let done: Value = expect(put(rows(1)), StatusCode::OK).await;
    assert_eq!(done["rows"], 1, "{done}");
    world.steer(id, "start").await;
    assert_eq!(count(&world.completed(id).await, "delivered"), 1);
}
