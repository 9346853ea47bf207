//! The native contract held against its seed once more: field by field, and which contracts an app serves.

use reqwest::Method;
use serde_json::json;

use super::*;
use crate::harness::{apns_token, eventually, text};

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_registration_has_every_field_of_the_seed() {
    let world = World::new().await;
    let jwt = world.jwt("ada", Duration::from_secs(60));
    let body = json!({"channel": "ios_push", "token": apns_token(1), "environment": "staging", "app_version": "2.1.0",
        "device_model": "iPhone15,3", "os_version": "iOS 18.2"});
    let (status, created) =
        answer(call(&world, Method::POST, "/v1/devices", &jwt).json(&body)).await;
    assert_eq!(status, 201);
    let device = &created["device"];
    for (field, expected) in [
        ("channel", "ios_push"),
        ("environment", "production"),
        ("app_version", "2.1.0"),
        ("device_model", "iPhone15,3"),
        ("os_version", "iOS 18.2"),
    ] {
        assert_eq!(device[field], expected);
    }
    assert_eq!(text(&device["id"]).len(), 36, "a UUID");
    for instant in ["last_seen_at", "created_at"] {
        let text = text(&device[instant]);
        assert_eq!(
            (text.len(), &text[10..11], &text[19..20], &text[23..]),
            (24, "T", ".", "Z"),
            "{text}"
        );
    }
    assert!(!created.to_string().contains(&apns_token(1)));
    // The same token of the same user again: 201, the same row, seen later, and what is given anew.
    let body = json!({"channel": "ios_push", "token": apns_token(1), "os_version": "iOS 18.3"});
    let (status, again) = answer(call(&world, Method::POST, "/v1/devices", &jwt).json(&body)).await;
    assert_eq!((status, &again["device"]["id"]), (201, &device["id"]));
    assert_eq!(again["device"]["os_version"], "iOS 18.3");
    assert_eq!(again["device"]["app_version"], "2.1.0");
    assert_eq!(again["device"]["created_at"], device["created_at"]);
    assert!(text(&again["device"]["last_seen_at"]) >= text(&device["last_seen_at"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_delete_on_dead_token_the_row_goes_on_410_and_on_bad_device_token() {
    let world = World::with(Options {
        edit: Some(|text| {
            let text = text.replace("id = \"demo\"", "id = \"demo\"\non_dead_token = \"delete\"");
            // Two of three tokens are bad here: far more than a right key would ever see.
            format!("{text}\n[cleanup]\nsuspect_share_max = 1.0\nsuspect_hold = \"10ms\"\n")
        }),
        ..Options::default()
    })
    .await;
    for (user, n, status, reason) in [
        ("ada", 1, 410, "Unregistered"),
        ("bob", 2, 400, "BadDeviceToken"),
    ] {
        world.register(user, "ios_push", &apns_token(n)).await;
        let when = json!({"address": apns_token(n)});
        world.rules(
            &json!([{"when": when, "then": {"answer": {"status": status, "reason": reason}}}]),
        );
        world.ended(&world.send_to(&[user]).await).await;
        eventually(|| async { world.devices(user).await.is_empty().then_some(()) }).await;
    }
}

/// Word of the configuration, a path, and the member that a failure has in the contract's shape.
const CONTRACTS: [(&str, &str, &str); 4] = [
    ("native", "/v1/devices", "code"),
    ("ring", "/api/notifications/fcm/register", "error"),
    ("reserva", "/api/v1/devices", "detail"),
    (
        "device_token",
        "/api/v1/DeviceToken/GetUserDevices/ada",
        "message",
    ),
];

async fn probe(world: &World, path: &str) -> (u16, Value) {
    let claims = [
        ("user_type", "staff"),
        ("tenant_id", "acme"),
        ("permissions", "DeviceTokens.View"),
    ];
    let jwt = token_with(world, "ada", &claims);
    match path.contains("fcm") {
        true => {
            let body = json!({"deviceFingerprint": "f"});
            answer(call(world, Method::DELETE, path, &jwt).json(&body)).await
        }
        false => answer(call(world, Method::GET, path, &jwt)).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_four_contracts_are_served_unless_they_are_switched_off() {
    let world = World::new().await;
    for (name, path, _) in CONTRACTS {
        assert_eq!(probe(&world, path).await.0, 200, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_contract_can_be_switched_off_and_answers_404_in_its_own_shape() {
    let edits: [fn(String) -> String; 4] = [
        |text| but(text, "native"),
        |text| but(text, "ring"),
        |text| but(text, "reserva"),
        |text| but(text, "device_token"),
    ];
    for ((off, path, member), edit) in CONTRACTS.into_iter().zip(edits) {
        let world = World::with(Options {
            edit: Some(edit),
            ..Options::default()
        })
        .await;
        let (status, body) = probe(&world, path).await;
        assert_eq!(status, 404, "{off}: {body}");
        assert!(!body[member].is_null(), "{off}: in its own shape: {body}");
        for (name, path, _) in CONTRACTS.into_iter().filter(|(name, ..)| *name != off) {
            assert_eq!(probe(&world, path).await.0, 200, "{name} beside {off}");
        }
    }
}

/// The configuration with all contracts but one.
fn but(text: String, off: &str) -> String {
    let others: Vec<_> = CONTRACTS.iter().map(|(name, ..)| *name).collect();
    let others: Vec<_> = others.into_iter().filter(|name| *name != off).collect();
    let line = format!("id = \"demo\"\ncontracts = {others:?}");
    text.replace("id = \"demo\"", &line)
}
