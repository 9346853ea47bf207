//! kill -9 of the real binary in the middle of one campaign, again and again: nothing is lost, and twice gets it only
//! who was in flight at a kill, under the same id.

#![allow(
    clippy::print_stdout,
    reason = "figures for whoever asks with --nocapture"
)]

use std::time::Duration;

use fanfare_simulator::Provider;
use fanfare_simulator::books::Entry;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::books::{by_address, pushes};
use super::fill::{address, fill};
use super::rig::{assert_adds_up, count, ended, to_all, with, with_books};
use crate::harness::{World, eventually, text};
use crate::outside::{Client, Outside, store_is_sound};

/// Of a test run; `TEST_CAMPAIGN_KILL_ROUNDS` and `TEST_CAMPAIGN_KILL_DEVICES` make it more.
const ROUNDS: u64 = 3;
const DEVICES: u64 = 20_000;

/// An answer that came so long before a kill has been recorded.
const RECORDED_WITHIN_MS: u64 = 5_000;

/// Deliveries in memory at most: `campaigns.window`.
const WINDOW: u64 = 8_192;

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}"))
    })
}

/// A kill: what the simulators had seen by then, and when it was.
struct Kill {
    seen: u64,
    at_ms: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_loses_nothing_and_doubles_what_was_in_flight() {
    let rounds = number_of("TEST_CAMPAIGN_KILL_ROUNDS", ROUNDS);
    let devices = number_of("TEST_CAMPAIGN_KILL_DEVICES", DEVICES);
    let mut world = World::with(with_books()).await;
    assert!(world.drain().await);
    fill(
        world.directory.path(),
        u32::try_from(devices).expect("devices"),
    )
    .await;
    let mut outside = Outside::start(&world, &[]).await;
    outside.ready().await;
    let id = launch(&outside.client).await;
    let mut kills = Vec::new();
    for round in 1..=rounds {
        // Where it is killed is spread over the campaign; the instant itself is the machine's.
        let reached = devices * round / (rounds + 1);
        until(&outside.client, &id, devices, |view| {
            ended(view) >= reached || is_over(view)
        })
        .await;
        outside.kill().await;
        kills.push(quiet(&world).await);
        store_is_sound(&world).await;
        outside = Outside::start(&world, &[]).await;
        outside.ready().await;
    }
    let view = until(&outside.client, &id, devices, is_over).await;
    assert_eq!(
        (&view["state"], count(&view, "total")),
        (&json!("completed"), devices),
        "{view}"
    );
    assert_eq!(count(&view, "delivered"), devices, "{view}");
    outside.serving.signal("TERM").await;
    assert!(outside.serving.ended().await.success());
    store_is_sound(&world).await;
    let pushes = pushes(&world);
    let doubled = verdict(&pushes, devices, &kills);
    println!(
        "{devices} devices, {} pushes, {rounds} kills; sent twice after each kill: {doubled:?}",
        pushes.len()
    );
}

async fn launch(client: &Client) -> String {
    let body = with(to_all(), &json!({"ttl": 86_400}));
    let made = client
        .ask(client.service(Method::POST, "/v1/campaigns").json(&body))
        .await;
    let id = text(&made.expect("an answer").1["id"]);
    let start = client.service(Method::POST, &format!("/v1/campaigns/{id}/start"));
    let (status, answer) = client.ask(start).await.expect("an answer");
    assert_eq!(status, StatusCode::OK, "{answer}");
    id
}

fn is_over(view: &Value) -> bool {
    view["state"] != "running"
}

/// Looks until it holds; the counts add up at every look.
async fn until(client: &Client, id: &str, devices: u64, holds: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/v1/campaigns/{id}");
    let looking = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        loop {
            tick.tick().await;
            if let Some((StatusCode::OK, view)) = client.get(&path).await {
                assert_adds_up(&view);
                if holds(&view) {
                    return view;
                }
            }
        }
    };
    let patience = Duration::from_secs(120 + devices / 200);
    tokio::time::timeout(patience, looking)
        .await
        .expect("it never came")
}

/// The simulators have booked all that the killed process sent: its connections are gone.
async fn quiet(world: &World) -> Kill {
    let at_ms = fanfare_types::Clock::system().wall().as_millis();
    let seen = eventually(|| async {
        let totals = world.simulator.books().totals();
        let open =
            [Provider::Apns, Provider::Fcm].map(|provider| totals.of(provider).connections.open);
        (open == [0, 0]).then_some(totals.logged)
    });
    Kill {
        seen: seen.await,
        at_ms,
    }
}

/// How many were sent again after each kill.
fn verdict(pushes: &[Entry], devices: u64, kills: &[Kill]) -> Vec<u64> {
    assert!(pushes.iter().all(|push| push.status == 200));
    let found = by_address(pushes);
    let mut doubled = vec![0; kills.len()];
    for n in 0..u32::try_from(devices).expect("devices") {
        let address = address(n);
        let got = found
            .get(address.as_str())
            .unwrap_or_else(|| panic!("device {n} got nothing"));
        for pair in got.windows(2) {
            let [first, again] = pair else {
                unreachable!("windows of two")
            };
            assert_eq!(first.apns_id, again.apns_id, "device {n}");
            assert_eq!(first.collapse, again.collapse, "device {n}");
            assert!(first.collapse.is_some());
            let between = kills
                .iter()
                .position(|kill| first.seq < kill.seen && kill.seen <= again.seq);
            let kill = between
                .unwrap_or_else(|| panic!("device {n} got it twice without a kill in between"));
            let before = kills[kill].at_ms.saturating_sub(first.at_ms);
            assert!(
                before <= RECORDED_WITHIN_MS,
                "device {n} was sent {before} ms before the kill, and again"
            );
            doubled[kill] += 1;
        }
    }
    assert_eq!(found.len() as u64, devices, "and nobody else");
    let most = doubled.iter().max().copied().unwrap_or_default();
    assert!(
        most <= WINDOW,
        "{most} were sent twice, which cannot have been in flight"
    );
    doubled
}
