//! Reserva, as the two portals see it.

use reqwest::Method;
use serde_json::json;

use super::*;
use crate::harness::{eventually, text};

const ROOT: &str = "/api/v1/devices";

/// Registers; gives the id and whether it is new.
async fn register(world: &World, jwt: &str, form: &str, token: &str) -> (String, bool) {
    let body =
        json!({"fcm_token": token, "device_name": "Chrome on Windows", "app_version": "1.0.0"});
    let path = format!("{ROOT}/register{form}");
    let answer = ok(call(world, Method::POST, &path, jwt).json(&body)).await;
    assert!(answer["message"].is_string());
    (
        text(&answer["id"]),
        answer["is_new"].as_bool().expect("a truth value"),
    )
}

async fn list(world: &World, jwt: &str, query: &str) -> Vec<Value> {
    let listed = ok(call(world, Method::GET, &format!("{ROOT}{query}"), jwt)).await;
    let items = listed["items"].as_array().expect("items").clone();
    assert_eq!(listed["total"], items.len());
    items
}

async fn update(world: &World, jwt: &str, id: &str, body: &Value) -> (u16, Value) {
    answer(call(world, Method::PUT, &format!("{ROOT}/{id}"), jwt).json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_created_updated_or_moved_to_its_newest_user() {
    let world = World::new().await;
    let (ada, bob) = (staff(&world, "ada"), staff(&world, "bob"));
    let (id, is_new) = register(&world, &ada, "", &fcm("one")).await;
    assert!(is_new, "the token is new");
    let body = json!({"fcm_token": fcm("one"), "device_name": "Renamed", "platform": "android"});
    let again = ok(call(&world, Method::POST, &format!("{ROOT}/register"), &ada).json(&body)).await;
    assert_eq!(
        (text(&again["id"]), &again["is_new"]),
        (id.clone(), &json!(false))
    );
    let item = list(&world, &ada, "").await.remove(0);
    assert_eq!(
        (&item["device_name"], &item["platform"]),
        (&json!("Renamed"), &json!("android"))
    );
    assert_eq!(
        (&item["app_version"], &item["is_active"]),
        (&json!("1.0.0"), &json!(true))
    );
    assert_eq!(
        register(&world, &bob, "", &fcm("one")).await,
        (id.clone(), false),
        "it moves, with its id"
    );
    assert!(
        list(&world, &ada, "?include_inactive=true")
            .await
            .is_empty()
    );
    // Of staff and customers of one id, too.
    let customer = customer(&world, "bob");
    assert_eq!(
        register(&world, &customer, "/customer", &fcm("one")).await,
        (id, false)
    );
    assert!(list(&world, &bob, "").await.is_empty());
    assert_eq!(list(&world, &customer, "/customer").await.len(), 1);
    assert_eq!(
        world.view(&world.send_to(&["staff:bob"]).await).await["recipients"],
        0
    );
    assert_eq!(
        world.ended(&world.send_to(&["customer:bob"]).await).await["delivered"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_may_have_any_number_of_devices_up_to_the_gateways_limit() {
    let world = World::new().await;
    let ada = staff(&world, "ada");
    for n in 0..25 {
        assert!(register(&world, &ada, "", &fcm(&format!("t{n}"))).await.1);
    }
    let items = list(&world, &ada, "").await;
    assert_eq!(items.len(), 25);
    let updated: Vec<_> = items.iter().map(|item| text(&item["updated_at"])).collect();
    assert!(
        updated.is_sorted_by(|newer, older| newer >= older),
        "{updated:?}"
    );
    assert!(
        !json!(items).to_string().contains("APA91b"),
        "the token is never returned"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_that_another_device_holds_deletes_that_one() {
    let world = World::new().await;
    let (ada, bob) = (staff(&world, "ada"), staff(&world, "bob"));
    let (mine, _) = register(&world, &ada, "", &fcm("mine")).await;
    register(&world, &ada, "", &fcm("other")).await;
    let (theirs, _) = register(&world, &bob, "", &fcm("theirs")).await;
    for token in ["other", "theirs"] {
        let (status, device) = update(&world, &ada, &mine, &json!({"fcm_token": fcm(token)})).await;
        assert_eq!(
            (status, text(&device["id"])),
            (200, mine.clone()),
            "{device}"
        );
    }
    assert_eq!(list(&world, &ada, "?include_inactive=true").await.len(), 1);
    assert!(
        list(&world, &bob, "?include_inactive=true")
            .await
            .is_empty()
    );
    let gone = update(&world, &bob, &theirs, &json!({"device_name": "x"})).await;
    assert_eq!(gone, (404, json!({"detail": "Device not found"})));
    world
        .ended(&world.send_to(&["staff:ada", "staff:bob"]).await)
        .await;
    let pushes = ["mine", "other", "theirs"].map(|name| pushes_to(&world, &fcm(name)));
    assert_eq!(pushes, [0, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_switched_off_gets_nothing_and_is_listed_when_asked_for() {
    let world = World::new().await;
    let ada = staff(&world, "ada");
    let (id, _) = register(&world, &ada, "", &fcm("one")).await;
    let (status, device) = update(&world, &ada, &id, &json!({"is_active": false})).await;
    assert_eq!((status, &device["is_active"]), (200, &json!(false)));
    assert_eq!(
        device["device_name"], "Chrome on Windows",
        "what is not given stays"
    );
    assert!(list(&world, &ada, "").await.is_empty());
    assert_eq!(list(&world, &ada, "?include_inactive=true").await.len(), 1);
    assert_eq!(
        world.view(&world.send_to(&["staff:ada"]).await).await["recipients"],
        0
    );
    // A new token does not switch on what its owner switched off; registering does.
    let (_, device) = update(&world, &ada, &id, &json!({"fcm_token": fcm("two")})).await;
    assert_eq!(device["is_active"], false);
    register(&world, &ada, "", &fcm("two")).await;
    assert_eq!(list(&world, &ada, "").await[0]["id"], json!(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_is_for_good_and_for_ones_own() {
    let world = World::new().await;
    let (ada, bob) = (staff(&world, "ada"), staff(&world, "bob"));
    let (id, _) = register(&world, &ada, "", &fcm("one")).await;
    let path = format!("{ROOT}/{id}");
    let refused = answer(call(&world, Method::DELETE, &path, &bob)).await;
    assert_eq!(
        refused,
        (
            403,
            json!({"detail": "Cannot delete another user's device"})
        )
    );
    let refused = update(&world, &bob, &id, &json!({"is_active": false})).await;
    assert_eq!(
        refused,
        (
            403,
            json!({"detail": "Cannot update another user's device"})
        )
    );
    assert!(ok(call(&world, Method::DELETE, &path, &ada)).await["message"].is_string());
    assert!(
        rows_of(&world, "staff:ada").await.is_empty(),
        "the record is gone"
    );
    let again = answer(call(&world, Method::DELETE, &path, &ada)).await;
    assert_eq!(again, (404, json!({"detail": "Device not found"})));
    assert_eq!(
        world.view(&world.send_to(&["staff:ada"]).await).await["recipients"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_counted_on_the_device_within_seconds() {
    let world = world_of_prompt_facts().await;
    let ada = staff(&world, "ada");
    register(&world, &ada, "", &fcm("one")).await;
    let fresh = list(&world, &ada, "").await.remove(0);
    assert_eq!(
        (&fresh["notification_count"], &fresh["last_used_at"]),
        (&json!(0), &Value::Null)
    );
    for _ in 0..3 {
        world.ended(&world.send_to(&["staff:ada"]).await).await;
    }
    let used = eventually(|| async {
        let item = list(&world, &ada, "").await.remove(0);
        (item["notification_count"] == 3).then_some(item)
    })
    .await;
    assert_eq!(used["last_used_at"], used["updated_at"], "{used}");
    assert!(text(&used["last_used_at"]) >= text(&fresh["created_at"]));
}

/// FCM will have no push to this one device.
fn throttled(token: &str) -> Value {
    let violation = json!({"subject": "device", "description": "Device message rate exceeded."});
    let quota =
        json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]});
    let error = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "quota", "details": [quota]}});
    json!({"when": {"address": token}, "then": {"answer": {"status": 429, "body": error.to_string()}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn consecutive_failures_deactivate_at_the_threshold_and_a_registration_or_token_begins_anew()
{
    let world = World::with(Options {
        edit: Some(|text| {
            let text = text.replace("id = \"demo\"", "id = \"demo\"\ndeactivate_after = 2");
            format!("{text}\n[journal]\nfacts_after = \"20ms\"\n")
        }),
        ..Options::default()
    })
    .await;
    let ada = staff(&world, "ada");
    let (id, _) = register(&world, &ada, "", &fcm("one")).await;
    world.rules(&json!([throttled(&fcm("one"))]));
    let push = async || {
        let message = json!({"to": {"users": ["staff:ada"]}, "message": {"title": "t"}, "ttl": 5});
        world.ended(&world.send(&message).await).await
    };
    let failures = async |count: u32| {
        eventually(|| async {
            let row = rows_of(&world, "staff:ada").await.remove(0);
            (row["consecutive_failures"] == count).then_some(row)
        })
        .await
    };
    let is_off = async || {
        eventually(|| async { list(&world, &ada, "").await.is_empty().then_some(()) }).await;
        assert_eq!(
            list(&world, &ada, "?include_inactive=true").await[0]["is_active"],
            false
        );
    };
    assert_eq!(push().await["expired"], 1);
    assert_eq!(failures(1).await["status"], "active");
    push().await;
    failures(2).await;
    is_off().await;
    assert_eq!(
        world.view(&world.send_to(&["staff:ada"]).await).await["recipients"],
        0
    );
    // Registering again.
    assert_eq!(
        register(&world, &ada, "", &fcm("one")).await,
        (id.clone(), false)
    );
    assert_eq!(failures(0).await["status"], "active");
    push().await;
    push().await;
    failures(2).await;
    is_off().await;
    // A new token.
    let (_, device) = update(&world, &ada, &id, &json!({"fcm_token": fcm("two")})).await;
    assert_eq!(device["is_active"], true);
    failures(0).await;
    assert_eq!(push().await["delivered"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_fcm_calls_unregistered_is_inactive() {
    let world = World::new().await;
    let ada = staff(&world, "ada");
    register(&world, &ada, "", &fcm("dead")).await;
    world.ended(&world.send_to(&["staff:ada"]).await).await;
    eventually(|| async { list(&world, &ada, "").await.is_empty().then_some(()) }).await;
    assert_eq!(
        list(&world, &ada, "?include_inactive=true").await[0]["is_active"],
        false
    );
}
