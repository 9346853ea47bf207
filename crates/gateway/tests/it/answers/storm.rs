//! Fault 15: a storm of 5xx. Each push waits on its own, longer and longer or as long as it is told, and not all the
//! same time; the other provider and the other app do not notice. Storms of minutes without `Retry-After` are played
//! in virtual time, in `core/src/pool/storm.rs`.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{APNS, requests, token};
use crate::harness::{Options, World, eventually, expect, fcm_token, text};

const DEVICES: u32 = 30;

/// The key of a second app, with a credential of its own for the same providers.
const OTHER_KEY: &str = "ffk_other_0123456789abcdefghijklmnopqrstuvwxyzABCD";

fn with_another_app(text: String) -> String {
    let providers = &text[text.find("[apps.apns]").expect("providers")..];
    let sha256 = fanfare_gateway::material::sha256_hex(OTHER_KEY.as_bytes());
    format!(
        "{text}\n[[apps]]\nid = \"other\"\n\n[[apps.api_keys]]\nname = \"key\"\nsha256 = \"{sha256}\"\nkind = \"service\"\n\n{providers}"
    )
}

/// One push of the other app to its one device; returns its counts.
async fn send_as_other(world: &World) -> serde_json::Value {
    let asked = |method, path: &str| world.request(method, path).bearer_auth(OTHER_KEY);
    let push = json!({ "to": { "users": ["eve"] }, "message": { "title": "hi" } });
    let accepted = expect(
        asked(Method::POST, "/v1/notifications").json(&push),
        StatusCode::ACCEPTED,
    )
    .await;
    let path = format!("/v1/notifications/{}", text(&accepted["id"]));
    eventually(|| async {
        let view = expect(asked(Method::GET, &path), StatusCode::OK).await;
        (view["state"] == "completed").then(|| view["counts"].clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_waited_out_and_nobody_else_notices() {
    let world = World::with(Options {
        edit: Some(with_another_app),
        ..Options::default()
    })
    .await;
    for n in 0..DEVICES {
        world.register("ada", "ios_push", &token(APNS, n)).await;
    }
    world.register("bob", "fcm", &fcm_token(1)).await;
    let theirs = json!({ "channel": "ios_push", "token": "f".repeat(64) });
    let register = world
        .request(Method::POST, "/v1/users/eve/devices")
        .bearer_auth(OTHER_KEY);
    expect(register.json(&theirs), StatusCode::CREATED).await;

    let trouble = |status: u16, reason: &str| json!({ "answer": { "status": status, "reason": reason, "headers": { "retry-after": "1" } } });
    let ours = json!({ "provider": "apns", "address_prefix": "0" });
    let every_third = json!({ "provider": "apns", "address_prefix": "0", "every": 3 });
    world.rules(&json!([
        { "when": every_third, "then": trouble(500, "InternalServerError") },
        { "when": ours, "then": trouble(503, "ServiceUnavailable") },
    ]));
    let id = world.send_to(&["ada"]).await;
    let tries = |n| requests(&world, APNS, &token(APNS, n));
    eventually(|| async { (0..DEVICES).all(|n| tries(n).len() >= 3).then_some(()) }).await;
    for _ in 0..5 {
        assert_eq!(
            send_as_other(&world).await["delivered"],
            1,
            "the other app goes on"
        );
        let other = world.ended(&world.send_to(&["bob"]).await).await;
        assert_eq!(other["delivered"], 1, "the other provider goes on");
    }
    let during = world.view(&id).await["counts"].clone();
    assert_eq!(during["delivered"], 0, "{during}");
    world.simulator.clear_rules();
    assert_eq!(world.ended(&id).await["delivered"], DEVICES);
    let mut seconds = BTreeSet::new();
    for n in 0..DEVICES {
        let tries = tries(n);
        for pair in tries.windows(2) {
            let waited = pair[1].at_ms - pair[0].at_ms;
            assert!(waited >= 1_000, "device {n} came back after {waited} ms");
        }
        let ids: BTreeSet<_> = tries.iter().map(|entry| &entry.apns_id).collect();
        assert_eq!(ids.len(), 1, "under one apns-id");
        assert_eq!(tries.iter().filter(|entry| entry.status == 200).count(), 1);
        // To a hundredth of a second.
        seconds.insert(tries[1].at_ms / 10);
    }
    assert!(
        seconds.len() >= 5,
        "they did not come back all at once: {seconds:?}"
    );
    let rows = world.deliveries(&id).await;
    let most = rows.iter().filter_map(|row| row["attempts"].as_u64()).max();
    assert!(
        most.is_some_and(|most| (4..=20).contains(&most)),
        "{most:?}"
    );
    assert_eq!(world.simulator.books().totals().apns.duplicates, 0);
}
