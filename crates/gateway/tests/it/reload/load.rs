//! Reloads while pushes go out, with the simulators' books compared at the end.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{crowd, to_crowd};
use crate::harness::{Options, World, apns_token, eventually};

const CROWD: u32 = 40;

/// One connection to each provider, so that their number says whether one was closed.
fn one_connection(text: String) -> String {
    text.replace(
        "ca_file = \"ca.pem\"",
        "ca_file = \"ca.pem\"\nconnections = 1",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn healthy_connections_stay_and_pushes_go_on_through_any_number_of_reloads() {
    let world = World::with(Options {
        edit: Some(one_connection),
        ..Options::default()
    })
    .await;
    crowd(&world, CROWD).await;
    world.ended(&world.send(&to_crowd(CROWD)).await).await;
    let before = world.simulator.books().totals();
    let stop = AtomicBool::new(false);
    let body = to_crowd(CROWD);
    let send = async {
        let mut ids = Vec::new();
        while !stop.load(Ordering::Relaxed) || ids.len() < 20 {
            ids.push(world.send(&body).await);
        }
        ids
    };
    let reload = async {
        let written = world.configuration();
        for round in 0..10 {
            // Other rates, apps and keys each time; the credentials stay.
            let rate = 1_000_000 - round;
            let text = written.replace("rate_max = 1000000", &format!("rate_max = {rate}"));
            world.configure(&format!("{text}\n[[apps]]\nid = \"app-{round}\"\n"));
            let (live, waiting) = world.reload().await;
            assert!(!live.is_empty() && waiting.is_empty());
            // Between two reloads pushes go out.
            let accepted = || world.simulator.books().totals().apns.accepted;
            let so_far = accepted();
            eventually(|| async { (accepted() > so_far).then_some(()) }).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (ids, ()) = tokio::join!(send, reload);
    for id in &ids {
        assert_eq!(world.ended(id).await["delivered"], CROWD);
    }
    let after = world.simulator.books().totals();
    let sent = u64::try_from(ids.len() + 1).expect("few") * u64::from(CROWD);
    assert_eq!(after.apns.accepted + after.fcm.accepted, sent);
    assert_eq!(
        after.apns.requests + after.fcm.requests,
        sent,
        "nothing twice"
    );
    assert_eq!(after.apns.duplicates, 0);
    for (before, after) in [(before.apns, after.apns), (before.fcm, after.fcm)] {
        let (before, after) = (before.connections, after.connections);
        assert_eq!((before.opened, after.opened, after.open), (1, 1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_number_of_connections_loses_and_doubles_nothing() {
    let world = World::new().await;
    crowd(&world, CROWD).await;
    world.rules(&json!([{ "when": { "every": 2 }, "delay_ms": { "min": 5, "max": 40 } }]));
    let mut ids = Vec::new();
    for connections in [1, 6, 2, 4] {
        for _ in 0..5 {
            ids.push(world.send(&to_crowd(CROWD)).await);
        }
        let written = world.configuration();
        let kept = written
            .lines()
            .filter(|line| !line.starts_with("connections"));
        let kept = kept.collect::<Vec<_>>().join("\n");
        world.configure(&kept.replace(
            "ca_file = \"ca.pem\"",
            &format!("ca_file = \"ca.pem\"\nconnections = {connections}"),
        ));
        world.reload().await;
    }
    for id in &ids {
        assert_eq!(world.ended(id).await["delivered"], CROWD);
    }
    let totals = world.simulator.books().totals();
    let sent = u64::try_from(ids.len()).expect("few") * u64::from(CROWD);
    assert_eq!(totals.apns.requests + totals.fcm.requests, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_rate_holds_at_once() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    for n in 0..20 {
        world
            .register("bob", "fcm", &crate::harness::fcm_token(n))
            .await;
    }
    world.ended(&world.send_to(&["bob"]).await).await;
    world.edit("rate_max = 1000000", "rate_max = 1");
    assert_eq!(
        world.reload().await.0,
        ["apps.demo.fcm.rate_max from 1000000 to 1"]
    );
    let slow = world.send_to(&["bob"]).await;
    let quick = world.send_to(&["ada"]).await;
    assert_eq!(
        world.ended(&quick).await["delivered"],
        1,
        "the other provider goes on"
    );
    let waiting = world.view(&slow).await["counts"]["waiting"].as_u64();
    assert!(waiting > Some(10), "{waiting:?}");
    world.edit("rate_max = 1", "rate_max = 5000");
    world.reload().await;
    assert_eq!(world.ended(&slow).await["delivered"], 20);
}
