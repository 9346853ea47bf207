//! kill -9 of the real binary in the middle of one campaign, again and again: nothing is lost, and twice gets it only
//! who had no outcome in the store at a kill, under the same id: what was in flight, and what had its answer while the
//! disk was busy with the batch before.

#![allow(
    clippy::print_stdout,
    reason = "figures for whoever asks with --nocapture"
)]

use std::time::Duration;

use fanfare_simulator::Provider;
use fanfare_simulator::books::Entry;
use fanfare_types::{AppId, CampaignId};
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

/// An answer that came so long before a kill has been recorded: `journal.flush_after` is 20 ms, the write under way and
/// the next one take what this machine's disk takes.
const RECORDED_WITHIN_MS: u64 = 2_000;

/// What can be in flight: connections and streams of APNs (`link.streams_max`), and of FCM (as the simulator allows).
const IN_FLIGHT: u64 = 4 * 500 + 4 * 100;

/// Answers on their way to the disk: a batch that is being written and one that fills meanwhile, each twice as large as
/// `journal.flush_count`, at which a write begins as soon as the disk is free.
const BEING_RECORDED: u64 = 2 * 2 * 1_024;

pub(super) fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}"))
    })
}

/// A kill: what the simulators had seen by then, when it was, and how many outcomes were durable.
struct Kill {
    seen: u64,
    at_ms: u64,
    recorded: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_loses_nothing_and_doubles_what_was_in_flight() {
    let rounds = number_of("TEST_CAMPAIGN_KILL_ROUNDS", ROUNDS);
    let devices = number_of("TEST_CAMPAIGN_KILL_DEVICES", DEVICES);
    let mut world = World::with(with_books()).await;
    assert!(world.drain().await);
    fill(&world, u32::try_from(devices).expect("devices")).await;
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
        kills.push(quiet(&world, &id).await);
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

pub(super) fn is_over(view: &Value) -> bool {
    view["state"] != "running"
}

/// Looks until it holds; the counts add up at every look.
pub(super) async fn until(
    client: &Client,
    id: &str,
    devices: u64,
    holds: impl Fn(&Value) -> bool,
) -> Value {
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

/// How many outcomes of a campaign are durable, as whoever opens the store next finds it.
async fn recorded(world: &World, id: &str) -> u64 {
    let store = world.place.open(world.directory.path(), 1).await;
    let app = AppId::new("demo").expect("an app");
    let id = CampaignId::parse_uuid(id).expect("an id");
    let found = store.campaign(&app, id).await.expect("a store");
    let counts = found.expect("the campaign").counts;
    store.close().await.expect("a close");
    counts.terminal()
}

/// The simulators have booked all that the killed process sent: its connections are gone.
async fn quiet(world: &World, id: &str) -> Kill {
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
        recorded: recorded(world, id).await,
    }
}

/// How many were sent again after each kill: none that had an outcome in the store, and of the others no more than may
/// be in flight or on their way to the disk.
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
            doubled[killed_between(n, pair[0], pair[1], kills)] += 1;
        }
    }
    assert_eq!(found.len() as u64, devices, "and nobody else");
    for (kill, doubled) in kills.iter().zip(&doubled) {
        let is_first = |got: &&Vec<&Entry>| got[0].seq < kill.seen;
        let sent = found.values().filter(is_first).count() as u64;
        let without = sent.checked_sub(kill.recorded);
        let without = without.expect("what is recorded was sent");
        assert!(
            *doubled <= without,
            "{doubled} were sent twice, and {without} had no outcome in the store"
        );
        assert!(
            without <= IN_FLIGHT + BEING_RECORDED,
            "{without} had no outcome in the store, which is more than what is in flight or on its way there"
        );
    }
    doubled
}

/// Which kill was between two pushes to one device.
fn killed_between(n: u32, first: &Entry, again: &Entry, kills: &[Kill]) -> usize {
    assert_eq!(first.apns_id, again.apns_id, "device {n}");
    assert_eq!(first.collapse, again.collapse, "device {n}");
    assert!(first.collapse.is_some());
    let is_between = |kill: &Kill| first.seq < kill.seen && kill.seen <= again.seq;
    let kill = kills.iter().position(is_between);
    let kill = kill.unwrap_or_else(|| panic!("device {n} got it twice without a kill in between"));
    let before = kills[kill].at_ms.saturating_sub(first.at_ms);
    assert!(
        before <= RECORDED_WITHIN_MS,
        "device {n} was sent {before} ms before the kill, and again"
    );
    kill
}
