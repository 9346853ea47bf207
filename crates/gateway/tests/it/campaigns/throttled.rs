//! Providers that have had enough: of a project, and of one device.

use serde_json::{Value, json};

use super::books::{by_address, pushes};
use super::fill::address;
use super::rates::{Stalls, assert_rate, now_ms};
use super::rig::{count, crowd, ended, to_all, until, with, with_books};
use crate::harness::{Options, World};
use fanfare_simulator::Provider;
use fanfare_simulator::books::Entry;

/// Of the project's quota, in pushes a second.
const QUOTA: u64 = 200;

/// Of the campaign beside it.
const BESIDE: u32 = 150;

/// What a throttled project waits for, in milliseconds.
const RETRY_AFTER_MS: u64 = 2_000;

fn with_quota(text: String) -> String {
    text.replace("rate_max = 1000000", &format!("rate_max = {QUOTA}"))
}

async fn launch(world: &World, platform: &str, members: &Value) -> String {
    let audience = json!({"filter": {"field": "platform", "eq": platform}});
    let body = with(to_all(), &json!({"audience": audience}));
    world.launch(&with(body, members)).await
}

/// Arrivals of answers with this status, since the beginning.
fn arrivals(pushes: &[Entry], provider: Provider, status: u16) -> Vec<u64> {
    let of = |push: &&Entry| push.provider == provider && push.status == status;
    pushes.iter().filter(of).map(|push| push.at_ms).collect()
}

fn within(arrivals: &[u64], from: u64, millis: u64) -> u64 {
    let is_within = |at: &&u64| (from..from + millis).contains(*at);
    arrivals.iter().filter(is_within).count() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_project_slows_down_and_climbs_back_and_nobody_else_does() {
    let options = Options {
        edit: Some(with_quota),
        ..with_books()
    };
    let world = crowd(7_000, options).await;
    let stalls = Stalls::watch();
    let apns = launch(&world, "ios", &json!({"rate": BESIDE})).await;
    let fcm = launch(&world, "android", &json!({})).await;
    until(&world, &apns, |view| ended(view) >= 50).await;
    let began = now_ms();
    until(&world, &fcm, |view| ended(view) >= 2 * QUOTA).await;
    let answer =
        json!({"status": 429, "reason": "QUOTA_EXCEEDED", "headers": {"retry-after": "2"}});
    world.rules(&json!([{"when": {"provider": "fcm"}, "times": 5, "then": {"answer": answer}}]));
    until(&world, &fcm, |view| ended(view) >= 7 * QUOTA).await;
    let until_ms = now_ms();
    for id in [&apns, &fcm] {
        world.steer(id, "cancel").await;
    }
    let pushes = pushes(&world);
    let beside = arrivals(&pushes, Provider::Apns, 200);
    assert_rate(&beside, began, until_ms, BESIDE, &stalls);
    let refused = arrivals(&pushes, Provider::Fcm, 429);
    assert_eq!(refused.len(), 5);
    let (first, last) = (refused[0], refused[4]);
    assert!(last - first < 500, "one burst");
    let taken = arrivals(&pushes, Provider::Fcm, 200);
    // What was in flight with the burst is over soon; then it waits as long as it was told to.
    let paused = within(&taken, last + 100, RETRY_AFTER_MS - 100);
    assert_eq!(paused, 0, "nothing leaves while it waits");
    let back = last + RETRY_AFTER_MS;
    let stalled = stalls.within(back, until_ms);
    let windows: Vec<_> = (0..4)
        .map(|n| within(&taken, back + n * 2_000, 2_000))
        .collect();
    // Half of the quota, and a 60th of it more for each second; a tenth of either side is timers and the machine's.
    let slack = QUOTA / 10 + QUOTA * stalled / 1_000;
    for (window, n) in windows.iter().zip(0..) {
        let wanted = QUOTA + (QUOTA / 60) * 2 * (2 * n + 1);
        let late = if n == 0 { QUOTA / 4 } else { 0 };
        assert!(
            (wanted.saturating_sub(slack + late)..=wanted + slack).contains(window),
            "{windows:?}: {wanted} wanted in the {n}th (the machine stood still for {stalled} ms)"
        );
    }
    assert!(windows[3] > windows[0], "it climbs: {windows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_device_waits_alone() {
    const DEVICES: u32 = 400;
    let world = crowd(DEVICES, with_books()).await;
    let answer =
        json!({"status": 429, "reason": "TooManyRequests", "headers": {"retry-after": "3"}});
    world.rules(&json!([{"when": {"provider": "apns", "address": address(0)}, "times": 1, "then": {"answer": answer}}]));
    let id = world.launch(&to_all()).await;
    let view = world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES), "{view}");
    let pushes = pushes(&world);
    let found = by_address(&pushes);
    assert_eq!(
        (pushes.len(), found.len()),
        (DEVICES as usize + 1, DEVICES as usize)
    );
    let throttled = address(0);
    let [first, again] = found[throttled.as_str()][..] else {
        panic!("two attempts");
    };
    assert_eq!((first.status, again.status), (429, 200));
    assert_eq!(first.apns_id, again.apns_id);
    assert!(
        again.at_ms - first.at_ms >= 3_000,
        "{} ms",
        again.at_ms - first.at_ms
    );
    let others = pushes.iter().filter(|push| push.address != throttled);
    let last = others.map(|push| push.at_ms).max().expect("others");
    assert!(last < again.at_ms, "nobody waits with it");
}

fn small_window(text: String) -> String {
    format!("{text}\n[campaigns]\nwindow = 1024\n")
}

/// As many as fill the window wait for half a minute: the campaign goes on beside them.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_full_of_throttled_devices_keeps_nobody_else() {
    const DEVICES: u32 = 6_000;
    const THROTTLED: u64 = 1_500;
    let options = Options {
        edit: Some(small_window),
        ..with_books()
    };
    let world = crowd(DEVICES, options).await;
    let answer =
        json!({"status": 429, "reason": "TooManyRequests", "headers": {"retry-after": "600"}});
    world.rules(
        &json!([{"when": {"provider": "apns", "first": THROTTLED}, "then": {"answer": answer}}]),
    );
    let id = world.launch(&to_all()).await;
    let others = u64::from(DEVICES) - THROTTLED;
    let view = until(&world, &id, |view| count(view, "delivered") == others).await;
    assert_eq!(
        (count(&view, "waiting"), count(&view, "in_flight")),
        (THROTTLED, 0),
        "{view}"
    );
    // They are not lost to a pause.
    world.steer(&id, "pause").await;
    world.rules(&json!([]));
    world.steer(&id, "resume").await;
    let view = world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES), "{view}");
    assert_eq!(pushes(&world).len() as u64, u64::from(DEVICES) + THROTTLED);
}
