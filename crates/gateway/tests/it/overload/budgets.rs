//! Who is refused when: the lane, the app, the gateway, in this order, and nobody else.

use reqwest::Method;
use serde_json::json;

use super::{OTHER_KEY, Refusal, body, outcome, people, with_another_app};
use crate::harness::{Options, World};

/// 40 deliveries in memory, 30 of an app, 16 of the bulk lane.
const TIGHT: &str =
    "[limits]\ndeliveries_max = 40\ndeliveries_per_app_max = 30\nbulk_share = 0.4\n";

async fn send(world: &World, key: &str, users: &[String], lane: &str) -> Result<String, Refusal> {
    let request = world.request(Method::POST, "/v1/notifications");
    let request = request.bearer_auth(key).json(&body(users, lane));
    outcome(request.send().await.expect("an answer")).await
}

fn refused(answer: Result<String, Refusal>) -> (u16, String) {
    let refusal = answer.expect_err("there is no room");
    let after = refusal.retry_after.expect("a word on when to come back");
    assert!((1..=5).contains(&after), "{refusal:?}");
    (refusal.status, refusal.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_lane_app_and_gateway_refuse_their_own_and_all_that_was_accepted_ends() {
    let world = World::with(Options {
        tables: TIGHT,
        edit: Some(with_another_app),
        ..Options::default()
    })
    .await;
    let key = world.sandbox.api_key.expose().clone();
    let ours = people(&world, &key, "our", 15).await;
    let theirs = people(&world, OTHER_KEY, "their", 15).await;
    world.rules(&json!([{ "then": { "silence": {} } }]));
    let no_room = |status, code: &str| (status, code.to_owned());

    let mut accepted = vec![(&key[..], send(&world, &key, &ours, "bulk").await)];
    let lane = send(&world, &key, &ours, "bulk").await;
    assert_eq!(refused(lane), no_room(503, "no_room_in_lane"));
    accepted.push((&key, send(&world, &key, &ours, "urgent").await));
    let app = send(&world, &key, &ours[..1], "urgent").await;
    assert_eq!(refused(app), no_room(429, "no_room_for_app"));
    accepted.push((
        OTHER_KEY,
        send(&world, OTHER_KEY, &theirs[..10], "urgent").await,
    ));
    let gateway = send(&world, OTHER_KEY, &theirs[..1], "urgent").await;
    assert_eq!(refused(gateway), no_room(503, "no_room"));

    world.rules(&json!([]));
    let provider = fanfare_simulator::Provider::Apns;
    let closed = world.simulator.close_connections(provider).await;
    closed.expect("closed");
    for (key, id) in accepted {
        let id = id.expect("accepted");
        super::flood::ended(&world, key, &id).await;
    }
    send(&world, &key, &ours, "bulk").await.expect("room again");
}
