//! Devices that change hands or go while a campaign runs.

use fanfare_simulator::books::Entry;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::books::{assert_at_most_once, by_address, pushes};
use super::fill::{address, user};
use super::rig::{count, crowd, ended, to_all, until, with, with_books};
use crate::harness::{World, expect, text};

#[tokio::test(flavor = "multi_thread")]
async fn who_moved_or_left_gets_nothing_as_before_and_nobody_gets_it_twice() {
    const DEVICES: u32 = 4_000;
    let world = crowd(DEVICES, with_books()).await;
    // By name, so that a device which moved is nobody's of this audience any more.
    let id = world
        .create(&with(
            to_all(),
            &json!({"audience": {"recipients": "upload"}, "rate": 400}),
        ))
        .await;
    let rows: String = (0..DEVICES).map(|n| format!("{}\n", user(n))).collect();
    world
        .upload(&id, "text/csv", &format!("user_id\n{rows}"))
        .await;
    world.steer(&id, "start").await;
    until(&world, &id, |view| ended(view) >= 200).await;
    // Addresses and when it was acknowledged that they are somebody else's, or nobody's.
    let mut acknowledged = Vec::new();
    for (k, n) in (0..DEVICES).step_by(39).enumerate() {
        if k % 4 < 2 {
            world
                .register("somebody-else", channel(n), &address(n))
                .await;
        } else {
            leave(&world, n).await;
        }
        acknowledged.push((address(n), now_ms()));
    }
    world.set_rate(&id, None).await;
    let view = world.completed(&id).await;
    assert_eq!(
        count(&view, "total"),
        u64::from(DEVICES),
        "each named user once"
    );
    let pushes = pushes(&world);
    assert_at_most_once(&pushes);
    assert_eq!(pushes.len() as u64, count(&view, "delivered"));
    let spared = spared(&pushes, &acknowledged);
    assert!(spared > 0, "some were still to come");
    assert_eq!(count(&view, "delivered") + spared, u64::from(DEVICES));
}

/// What was handed over before an answer may be in the books a little later.
const LATE_MS: u64 = 500;

/// How many got nothing; whoever got something got it before it was acknowledged.
fn spared(pushes: &[Entry], acknowledged: &[(String, u64)]) -> u64 {
    let found = by_address(pushes);
    let mut spared = 0;
    for (address, at) in acknowledged {
        match found.get(address.as_str()) {
            Some(pushes) => {
                let late = pushes[0].at_ms.saturating_sub(*at);
                assert!(late <= LATE_MS, "{late} ms after it was acknowledged");
            }
            None => spared += 1,
        }
    }
    spared
}

fn channel(n: u32) -> &'static str {
    match n % 2 {
        0 => "ios_push",
        _ => "fcm",
    }
}

/// The user removes the device.
async fn leave(world: &World, n: u32) {
    let path = format!("/v1/users/{}/devices", user(n));
    let list = expect(world.service(Method::GET, &path), StatusCode::OK).await;
    let path = format!("{path}/{}", text(&list["devices"][0]["id"]));
    expect(world.service(Method::DELETE, &path), StatusCode::OK).await;
}

fn now_ms() -> u64 {
    fanfare_types::Clock::system().wall().as_millis()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_it_runs_gets_it_once_at_most() {
    const DEVICES: u32 = 2_000;
    let world = crowd(DEVICES, with_books()).await;
    let id = world.launch(&with(to_all(), &json!({"rate": 800}))).await;
    until(&world, &id, |view| ended(view) >= 100).await;
    for n in DEVICES..DEVICES + 50 {
        world.register(&user(n), channel(n), &address(n)).await;
    }
    let view = world.completed(&id).await;
    assert!(count(&view, "delivered") >= u64::from(DEVICES), "{view}");
    let pushes = pushes(&world);
    assert_at_most_once(&pushes);
    assert_eq!(pushes.len() as u64, count(&view, "delivered"));
}
