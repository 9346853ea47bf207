//! How much memory the real binary takes, whatever the size of an upload or the length of an outage.

use std::fmt::Write;
use std::time::Duration;

use fanfare_simulator::Provider;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::books::{assert_each_once, pushes};
use super::fill::{address, fill, user};
use super::kill::{is_over, number_of, until};
use super::rig::{count, ended, to_all, with, with_books};
use crate::harness::{World, text};
use crate::outside::{Client, Outside};

/// Of an upload; `TEST_UPLOAD_ROWS` makes it more.
const ROWS: u64 = 200_000;

/// Devices that there are.
const DEVICES: u32 = 2_000;

/// Of a campaign during an outage; `TEST_OUTAGE_DEVICES` makes it more.
const CROWD: u64 = 40_000;

/// What a peak may grow by, in KiB: buffers, caches of the store, and what an allocator keeps.
const GROWTH_KIB: u64 = 24 << 10;

async fn outside(devices: u32) -> (World, Outside) {
    let mut world = World::with(with_books()).await;
    assert!(world.drain().await);
    fill(&world, devices).await;
    let outside = Outside::start(&world, &[]).await;
    outside.ready().await;
    (world, outside)
}

async fn create(client: &Client, body: &Value) -> String {
    let request = client.service(Method::POST, "/v1/campaigns").json(body);
    let (status, made) = client.ask(request).await.expect("an answer");
    assert_eq!(status, StatusCode::CREATED, "{made}");
    text(&made["id"])
}

async fn steer(client: &Client, id: &str, verb: &str) {
    let request = client.service(Method::POST, &format!("/v1/campaigns/{id}/{verb}"));
    let (status, answer) = client.ask(request).await.expect("an answer");
    assert_eq!(status, StatusCode::OK, "{answer}");
}

/// Rows that name a device instead of a user.
const BY_DEVICE: u64 = 200;

/// The ids of the first users' devices.
async fn devices(client: &Client) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..BY_DEVICE {
        let user = user(u32::try_from(n).expect("few"));
        let found = client.get(&format!("/v1/users/{user}/devices")).await;
        let (_, list) = found.expect("an answer");
        ids.push(text(&list["devices"][0]["id"]));
    }
    ids
}

/// The first ones by their devices, the others by their users; most are nobody's.
fn rows(numbers: std::ops::Range<u64>, devices: &[String]) -> String {
    let mut rows = String::new();
    for n in numbers {
        let number = u32::try_from(n).expect("rows");
        let variables = json!({
            "name": format!("number {n} of a list"), "street": "Corner Street 4711", "offer": "x".repeat(50),
        });
        let row = match devices.get(usize::try_from(n).expect("rows")) {
            Some(device) => json!({"device_id": device, "variables": variables}),
            None => json!({"user_id": user(number), "variables": variables}),
        };
        writeln!(rows, "{row}").expect("a string");
    }
    rows
}

/// Uploads in requests of so many rows at most, one going on where the other ended.
async fn upload(client: &Client, id: &str, count: u64, devices: &[String]) -> Value {
    const PART: u64 = 1_000_000;
    let (mut offset, mut last) = (0, Value::Null);
    for from in (0..count).step_by(PART as usize) {
        let part = rows(from..count.min(from + PART), devices);
        let request = client.service(Method::PUT, &format!("/v1/campaigns/{id}/recipients"));
        let mut request = request
            .header("content-type", "application/x-ndjson")
            .timeout(Duration::from_secs(600));
        if offset > 0 {
            request = request.header("upload-offset", offset);
        }
        offset += part.len();
        let (status, done) = client.ask(request.body(part)).await.expect("an answer");
        assert_eq!(status, StatusCode::OK, "{done}");
        last = done;
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_takes_no_more_memory_for_being_long() {
    let rows = number_of("TEST_UPLOAD_ROWS", ROWS);
    let (_world, outside) = outside(DEVICES).await;
    let body = with(to_all(), &json!({"audience": {"recipients": "upload"}}));
    let id = create(&outside.client, &body).await;
    let devices = devices(&outside.client).await;
    // Whatever is made at a first upload.
    upload(&outside.client, &id, 20_000, &devices).await;
    let before = outside.serving.peak_kib();
    for round in ["long", "replaced"] {
        let done = upload(&outside.client, &id, rows, &devices).await;
        assert_eq!(
            (&done["rows"], &done["bad_rows"]),
            (&json!(rows), &json!(0))
        );
        assert_eq!(done["state"], "complete");
        let peak = outside.serving.peak_kib();
        println!("{round}: {rows} rows, peak {before} KiB before and {peak} KiB after");
        assert!(
            peak <= before + GROWTH_KIB,
            "{before} KiB before, {peak} KiB after"
        );
    }
    steer(&outside.client, &id, "start").await;
    let view = until(&outside.client, &id, rows, is_over).await;
    let there = u64::from(DEVICES).min(rows);
    assert_eq!(
        (count(&view, "delivered"), count(&view, "cancelled")),
        (there, rows - there),
        "{view}"
    );
    let peak = outside.serving.peak_kib();
    println!("sent: peak {peak} KiB");
    assert!(
        peak <= before + 2 * GROWTH_KIB,
        "{before} KiB before, {peak} KiB after"
    );
}

async fn listening(world: &World, is_open: bool) {
    for provider in [Provider::Apns, Provider::Fcm] {
        let done = world.simulator.set_listening(provider, is_open).await;
        done.expect("a simulator");
    }
}

/// While nobody takes anything: so much is in memory, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_costs_time_and_no_memory() {
    let all = number_of("TEST_OUTAGE_DEVICES", CROWD);
    let crowd = u32::try_from(all).expect("devices");
    let (world, outside) = outside(crowd).await;
    let client = &outside.client;
    // First with everything as it should be.
    let id = create(client, &to_all()).await;
    steer(client, &id, "start").await;
    let view = until(client, &id, all, is_over).await;
    assert_eq!(count(&view, "delivered"), all);
    let before = outside.serving.peak_kib();
    listening(&world, false).await;
    world.simulator.books().reset();
    // Away for all its time: everybody's message is over, and nobody is asked.
    let id = create(client, &with(to_all(), &json!({"ttl": 4}))).await;
    steer(client, &id, "start").await;
    let view = until(client, &id, all, is_over).await;
    assert_eq!(
        (&view["state"], count(&view, "expired")),
        (&json!("completed"), all),
        "{view}"
    );
    assert!(pushes(&world).is_empty());
    let expired = outside.serving.peak_kib();
    // Away for some of its time.
    let id = create(client, &with(to_all(), &json!({"ttl": 3_600}))).await;
    steer(client, &id, "start").await;
    let none_ended = |view: &Value| count(view, "waiting") + count(view, "in_flight") == all;
    until(client, &id, all, none_ended).await;
    let any_ended = until(client, &id, all, |view| ended(view) > 0);
    let waited = tokio::time::timeout(Duration::from_secs(1), any_ended).await;
    waited.expect_err("nobody is there");
    listening(&world, true).await;
    let view = until(client, &id, all, is_over).await;
    assert_eq!(count(&view, "delivered"), all, "{view}");
    assert_each_once(&pushes(&world), (0..crowd).map(address));
    let after = outside.serving.peak_kib();
    println!(
        "{crowd} devices: peak {before} KiB before the outages, {expired} KiB after one that outlasted a campaign, \
         {after} KiB after both"
    );
    // A window that ends all at once takes more than one that ends bit by bit, whatever comes behind it.
    assert!(
        expired <= before + 2 * GROWTH_KIB,
        "{before} KiB before, {expired} KiB after"
    );
    assert!(
        after <= expired + expired / 10,
        "{expired} KiB after one, {after} KiB after both"
    );
}
