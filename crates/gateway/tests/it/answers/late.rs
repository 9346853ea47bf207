//! Fault 18: answers that come after our patience has ended.

use serde_json::json;

use super::{APNS, FCM, channel, requests, token};
use crate::harness::{Options, World};

const IMPATIENT: &str = "[link]\nrequest_timeout = \"400ms\"\n";

async fn impatient() -> World {
    World::with(Options {
        tables: IMPATIENT,
        ..Options::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_is_nobodys_and_the_push_goes_again_under_the_same_id() {
    let world = impatient().await;
    let mut sent = Vec::new();
    for provider in [APNS, FCM] {
        world
            .register(provider, channel(provider), &token(provider, 1))
            .await;
        world.rules(&json!([{ "when": { "provider": provider }, "times": 1, "delay_ms": 1_000 }]));
        let push = json!({ "to": { "users": [provider] }, "message": { "title": "hi" }, "collapse_key": "score" });
        let id = world.send(&push).await;
        assert_eq!(world.ended(&id).await["delivered"], 1, "{provider}");
        let rows = world.deliveries(&id).await;
        assert_eq!(
            (rows.len(), &rows[0]["attempts"]),
            (1, &json!(2)),
            "{rows:?}"
        );
        sent.push(id);
    }
    // The late ones are booked, too, when the first attempts have run their course.
    for (provider, id) in [APNS, FCM].into_iter().zip(&sent) {
        let seen = crate::harness::eventually(|| async {
            let seen = requests(&world, provider, &token(provider, 1));
            (seen.len() == 2).then_some(seen)
        })
        .await;
        assert_eq!(seen[0].apns_id, seen[1].apns_id, "{provider}");
        let accepted = seen.iter().filter(|entry| entry.status == 200);
        assert!(
            accepted
                .clone()
                .all(|entry| entry.collapse.as_deref() == Some("score"))
        );
        assert!(accepted.count() >= 1, "{seen:?}");
        let counts = world.ended(id).await;
        assert_eq!(
            counts["delivered"], 1,
            "the late answer changed nothing: {counts}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_would_rather_lose_it_loses_it_once() {
    let world = impatient().await;
    for provider in [APNS, FCM] {
        world
            .register("ada", channel(provider), &token(provider, 1))
            .await;
    }
    world.rules(&json!([
        { "when": { "provider": "apns" }, "times": 1, "delay_ms": 1_000 },
        { "when": { "provider": "fcm" }, "times": 1, "delay_ms": 1_000 },
    ]));
    let otp = json!({ "to": { "users": ["ada"] }, "message": { "title": "123456" }, "on_unknown": "drop" });
    let id = world.send(&otp).await;
    assert_eq!(world.ended(&id).await["failed"], 2);
    for row in world.deliveries(&id).await {
        assert_eq!(
            (&row["attempts"], &row["reason"]),
            (&json!(1), &json!("no_answer")),
            "{row}"
        );
    }
    let after = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&after).await["delivered"], 2);
    for provider in [APNS, FCM] {
        assert_eq!(
            requests(&world, provider, &token(provider, 1)).len(),
            2,
            "{provider}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_late_answer_costs_the_others_on_its_connection_nothing() {
    let world = impatient().await;
    for n in 0..50 {
        world.register("ada", "ios_push", &token(APNS, n)).await;
    }
    // The connection is up, and all know it.
    assert_eq!(
        world.ended(&world.send_to(&["ada"]).await).await["delivered"],
        50
    );
    let opened = world.simulator.books().totals().apns.connections.opened;
    world.rules(&json!([{ "when": { "address": token(APNS, 7) }, "times": 1, "delay_ms": 1_000 }]));
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["delivered"], 50);
    let again = world.deliveries(&id).await;
    let again = again.iter().filter(|row| row["attempts"] == 2).count();
    assert_eq!(again, 1);
    let totals = world.simulator.books().totals().apns;
    assert_eq!(totals.connections.opened, opened, "nobody was cut off");
}
