//! One person through all four contracts at once.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use super::*;
use crate::harness::{apns_token, text};

/// The person as each contract's callers are known: `staff:42`, whom Reserva calls 42.
struct Person {
    portal: String,
    others: String,
}

impl Person {
    fn new(world: &World) -> Self {
        let permissions = "DeviceTokens.View DeviceTokens.Register DeviceTokens.Deactive";
        let claims = [("tenant_id", "acme"), ("permissions", permissions)];
        Person {
            portal: staff(world, "42"),
            others: token_with(world, "staff:42", &claims),
        }
    }
}

/// Registers a device through each contract, named after it.
async fn register_everywhere(world: &World, person: &Person) {
    let ring = json!({"token": fcm("ring"), "deviceFingerprint": "ring"});
    let path = "/api/notifications/fcm/register";
    ok(call(world, Method::POST, path, &person.others).json(&ring)).await;
    let reserva = json!({"fcm_token": fcm("reserva"), "device_name": "reserva"});
    let path = "/api/v1/devices/register";
    ok(call(world, Method::POST, path, &person.portal).json(&reserva)).await;
    let device_token =
        json!({"deviceId": "device_token", "platform": 1, "token": fcm("device_token")});
    let path = "/api/v1/DeviceToken/Register";
    ok(call(world, Method::POST, path, &person.others).json(&device_token)).await;
    let native = json!({"channel": "ios_push", "token": apns_token(7), "device_key": "native"});
    let made = call(world, Method::POST, "/v1/devices", &person.others).json(&native);
    expect(made, StatusCode::CREATED).await;
}

/// The devices' ids as each contract lists them, in the spelling of UUIDs.
async fn seen(world: &World, person: &Person) -> [BTreeSet<String>; 3] {
    let native = ok(call(world, Method::GET, "/v1/devices", &person.others)).await;
    let portal = ok(call(world, Method::GET, "/api/v1/devices", &person.portal)).await;
    let path = "/api/v1/DeviceToken/GetUserDevices/staff:42";
    let console = ok(call(world, Method::GET, path, &person.others)).await;
    let ids = |list: &Value| -> BTreeSet<String> {
        let list = list.as_array().expect("a list");
        list.iter()
            .map(|device| as_uuid(&text(&device["id"])))
            .collect()
    };
    [
        ids(&native["devices"]),
        ids(&portal["items"]),
        ids(&console["data"]),
    ]
}

fn as_uuid(id: &str) -> String {
    match fanfare_types::ids::Id96::from_hex(id) {
        Ok(id) => id.to_uuid(0).to_string(),
        Err(_) => id.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_one_contract_is_seen_by_all_and_reached_by_every_push() {
    let world = World::new().await;
    let person = Person::new(&world);
    register_everywhere(&world, &person).await;
    let [native, portal, console] = seen(&world, &person).await;
    assert_eq!(native.len(), 4, "{native:?}");
    assert_eq!((&portal, &console), (&native, &native));
    let delivered = world.ended(&world.send_to(&["staff:42"]).await).await;
    assert_eq!(delivered["delivered"], 4);
    for name in ["ring", "reserva", "device_token"] {
        assert_eq!(pushes_to(&world, &fcm(name)), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_contract_changes_the_others_show() {
    let world = World::new().await;
    let person = Person::new(&world);
    register_everywhere(&world, &person).await;
    let rows = rows_of(&world, "staff:42").await;
    let id = |name: &str| {
        let is_named = |row: &&Value| row["device_key"] == name || row["device_name"] == name;
        text(&rows.iter().find(is_named).expect("a row")["id"])
    };
    // Ring unregisters its own, the portal deletes the native one, the console switches Reserva's off.
    let body = json!({"deviceFingerprint": "ring"});
    let path = "/api/notifications/fcm/register";
    ok(call(&world, Method::DELETE, path, &person.others).json(&body)).await;
    let hex = fanfare_types::DeviceId::parse_uuid(&id("native")).expect("an id");
    let path = format!("/api/v1/devices/{}", hex.0.to_hex());
    ok(call(&world, Method::DELETE, &path, &person.portal)).await;
    let path = "/api/v1/DeviceToken/Deactive";
    let body = json!([{"id": id("reserva")}]);
    ok(call(&world, Method::PUT, path, &person.others).json(&body)).await;
    let [native, portal, console] = seen(&world, &person).await;
    let last = BTreeSet::from([id("device_token")]);
    assert_eq!((&portal, &console), (&last, &last), "active ones");
    assert_eq!(native.len(), 3, "all that are there: {native:?}");
    let delivered = world.ended(&world.send_to(&["staff:42"]).await).await;
    assert_eq!(delivered["delivered"], 1);
    assert_eq!(pushes_to(&world, &fcm("device_token")), 1);
}
