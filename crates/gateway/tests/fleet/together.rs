//! What holds while nodes come, go, freeze and die.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::books::{by_address, pushes};
use crate::fill::{address, user};
use crate::fleet::{Fleet, LEASE};
use crate::harness::{eventually, expect};
use crate::rig::{count, ended, to_all, until, with};

const DEVICES: u32 = 1_500;

/// So that a campaign lasts some leases.
const RATE: u32 = 150;

/// What may be in flight, or answered and not yet recorded, when a node goes without a word.
const IN_FLIGHT: usize = 600;

/// Everybody got it, and what was sent twice was sent under the same id, and is not more than was in flight.
fn assert_nothing_lost(fleet: &Fleet, doubled_max: usize) {
    let pushes = pushes(&fleet.world);
    let found = by_address(&pushes);
    let mut doubled = 0;
    for n in 0..DEVICES {
        let address = address(n);
        let got = found.get(address.as_str());
        let got = got.unwrap_or_else(|| panic!("device {n} got nothing"));
        doubled += got.len() - 1;
        for again in &got[1..] {
            assert_eq!(again.apns_id, got[0].apns_id, "device {n}");
            assert_eq!(again.collapse, got[0].collapse, "device {n}");
        }
    }
    assert_eq!(found.len(), DEVICES as usize, "and nobody else");
    assert!(doubled <= doubled_max, "{doubled} were sent twice");
}

async fn slow_campaign(fleet: &Fleet) -> String {
    fleet
        .world
        .launch(&with(to_all(), &json!({ "rate": RATE })))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_one_node_is_read_and_stopped_on_another() {
    let mut fleet = Fleet::of_three(DEVICES).await;
    let body = json!({ "to": { "users": [user(1)] }, "message": { "title": "hi" } });
    for node in 0..3 {
        let key = format!("key-{node}");
        let (status, answer) = fleet
            .client(node)
            .notify(&key, &body)
            .await
            .expect("an answer");
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        let id = answer["id"].as_str().expect("an id");
        let counts = fleet.client((node + 1) % 3).completed(id).await;
        assert_eq!(counts["delivered"], 1);
        let (_, again) = fleet
            .client((node + 2) % 3)
            .notify(&key, &body)
            .await
            .expect("an answer");
        assert_eq!(
            again["id"], answer["id"],
            "one key, whichever node is asked"
        );
    }
    let id = slow_campaign(&fleet).await;
    until(&fleet.world, &id, |view| ended(view) >= 100).await;
    fleet.ask(1);
    assert_eq!(fleet.world.steer(&id, "pause").await["state"], "paused");
    let before = pushes(&fleet.world).len();
    fleet.ask(2);
    let still = until(&fleet.world, &id, |view| count(view, "in_flight") == 0).await;
    assert_eq!(still["state"], "paused");
    assert_eq!(
        pushes(&fleet.world).len(),
        before,
        "after the answer nothing is handed over"
    );
    fleet.world.steer(&id, "resume").await;
    fleet.ask(0);
    fleet.world.set_rate(&id, None).await;
    let view = fleet.world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_take_over_from_one_that_was_killed() {
    let mut fleet = Fleet::of_three(DEVICES).await;
    let id = slow_campaign(&fleet).await;
    until(&fleet.world, &id, |view| ended(view) >= 300).await;
    fleet.kill(2).await;
    let took = fleet.even(2).await;
    assert!(took <= 3 * LEASE, "taken over only after {took:?}");
    fleet.world.set_rate(&id, None).await;
    let view = fleet.world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES));
    assert_nothing_lost(&fleet, IN_FLIGHT);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_frozen_hands_nothing_over_that_is_anothers() {
    let mut fleet = Fleet::of_three(DEVICES).await;
    let id = slow_campaign(&fleet).await;
    until(&fleet.world, &id, |view| ended(view) >= 300).await;
    fleet.signal(2, "STOP").await;
    fleet.even(2).await;
    fleet.signal(2, "CONT").await;
    // It hears that it was buried, and comes back as another node.
    fleet.even(3).await;
    fleet.ask(0);
    fleet.world.set_rate(&id, None).await;
    let view = fleet.world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES));
    assert_nothing_lost(&fleet, IN_FLIGHT);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_drained_hands_over_at_once_and_doubles_nothing() {
    let mut fleet = Fleet::of_three(DEVICES).await;
    let id = slow_campaign(&fleet).await;
    until(&fleet.world, &id, |view| ended(view) >= 300).await;
    let began = Instant::now();
    fleet.signal(2, "TERM").await;
    assert!(fleet.nodes[2].serving.ended().await.success());
    fleet.even(2).await;
    assert!(began.elapsed() < 3 * LEASE, "{:?}", began.elapsed());
    fleet.start().await;
    fleet.even(3).await;
    fleet.world.set_rate(&id, None).await;
    let view = fleet.world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES));
    assert_nothing_lost(&fleet, 0);
}

/// Clients of each node that register for the same addresses at once.
const CLIENTS: u32 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_all_nodes_register_have_one_owner_each() {
    const ADDRESSES: u32 = 4;
    let fleet = Fleet::of_three(0).await;
    let until = Instant::now() + Duration::from_secs(5);
    let register = |node: usize, client: u32| {
        let (fleet, mut round) = (&fleet, 0);
        async move {
            while Instant::now() < until {
                let token = crate::harness::apns_token((client + round) % ADDRESSES);
                let user = format!("user-{node}-{client}");
                let path = format!("/v1/users/{user}/devices");
                let body = json!({ "channel": "ios_push", "token": token });
                let request = fleet.client(node).service(Method::POST, &path).json(&body);
                let (status, answer) = fleet.client(node).ask(request).await.expect("an answer");
                let is_known = status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE;
                assert!(is_known, "{status} {answer}");
                round += 1;
            }
            round
        }
    };
    let clients = (0..3).flat_map(|node| (0..CLIENTS).map(move |client| (node, client)));
    let rounds =
        futures_util::future::join_all(clients.map(|(node, client)| register(node, client))).await;
    assert!(rounds.iter().sum::<u32>() > CLIENTS * 3, "{rounds:?}");
    let mut owners = vec![Vec::new(); ADDRESSES as usize];
    for node in 0..3 {
        for client in 0..CLIENTS {
            let user = format!("user-{node}-{client}");
            let path = format!("/v1/users/{user}/devices");
            let request = fleet.client((node + 1) % 3).service(Method::GET, &path);
            let listed = expect(request, StatusCode::OK).await;
            for device in listed["devices"].as_array().expect("devices") {
                let sent =
                    json!({ "to": { "devices": [device["id"]] }, "message": { "title": "hi" } });
                let (_, answer) = fleet
                    .client(node)
                    .notify(&user, &sent)
                    .await
                    .expect("an answer");
                fleet
                    .client(node)
                    .completed(answer["id"].as_str().expect("an id"))
                    .await;
                owners[client as usize % ADDRESSES as usize].push(user.clone());
            }
        }
    }
    let pushes = pushes(&fleet.world);
    let found = by_address(&pushes);
    for n in 0..ADDRESSES {
        let token = crate::harness::apns_token(n);
        assert_eq!(
            found.get(token.as_str()).map(Vec::len),
            Some(1),
            "one owner of address {n}"
        );
    }
    assert_eq!(
        owners.iter().map(Vec::len).sum::<usize>(),
        ADDRESSES as usize
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_all_say_so_within_two_seconds_and_go_on_by_themselves() {
    let mut fleet = Fleet::of_three(DEVICES).await;
    let id = slow_campaign(&fleet).await;
    until(&fleet.world, &id, |view| ended(view) >= 200).await;
    let proxy = &fleet.proxy;
    proxy.cut();
    for node in 0..3 {
        let began = Instant::now();
        let body = json!({ "to": { "users": [user(1)] }, "message": { "title": "hi" } });
        let (status, answer) = fleet
            .client(node)
            .notify("none", &body)
            .await
            .expect("an answer");
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
        assert!(
            began.elapsed() <= Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
        assert!(!fleet.client(node).is_ready().await);
    }
    proxy.heal();
    for node in 0..3 {
        eventually(|| async { fleet.client(node).is_ready().await.then_some(()) }).await;
    }
    fleet.ask(1);
    fleet.world.set_rate(&id, None).await;
    let view = fleet.world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES));
    assert_nothing_lost(&fleet, IN_FLIGHT);
}
