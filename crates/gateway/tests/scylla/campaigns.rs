//! Campaigns from start to end on a cluster: counts, pause and resume, cancel, a schedule, a restart in the middle.

#[path = "../it/campaigns/books.rs"]
mod books;
#[path = "../it/campaigns/fill.rs"]
mod fill;
#[path = "../it/campaigns/rig.rs"]
pub(crate) mod rig;

use serde_json::json;

use crate::harness::World;
use books::{assert_at_most_once, assert_each_once, pushes};
use fill::{address, user};
use rig::{count, crowd, ended, to_all, until, with, with_books};

/// Each is a compare-and-set of its own to register.
const DEVICES: u32 = 1_000;

/// So that a campaign takes some seconds, and can be stopped in its middle.
const RATE: u32 = 250;

async fn slow(world: &World) -> String {
    world
        .launch(&with(to_all(), &json!({ "rate": RATE })))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_it_once_and_the_counts_agree() {
    let world = crowd(DEVICES, with_books()).await;
    let gone = json!({"when": {"provider": "apns", "address": address(0)}, "then": {"answer": {"status": 410, "reason": "Unregistered"}}});
    world.rules(&json!([gone]));
    let id = world.launch(&to_all()).await;
    let view = world.completed(&id).await;
    assert_eq!(count(&view, "total"), u64::from(DEVICES));
    assert_eq!(count(&view, "dead"), 1);
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES) - 1);
    let pushes = pushes(&world);
    assert_eq!(pushes.len(), DEVICES as usize);
    assert_at_most_once(&pushes);
    let listed = world.undelivered(&id).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["outcome"], "dead");
    crate::harness::stands(&world, &user(0), "invalid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_it_and_a_resume_goes_on_without_a_duplicate() {
    let world = crowd(DEVICES, with_books()).await;
    let id = slow(&world).await;
    for share in 1..=2 {
        let enough = |view: &serde_json::Value| ended(view) >= u64::from(DEVICES) * share / 4;
        until(&world, &id, enough).await;
        assert_eq!(world.steer(&id, "pause").await["state"], "paused");
        let still = until(&world, &id, |view| {
            count(view, "in_flight") == 0 && ended(view) == pushes(&world).len() as u64
        })
        .await;
        assert!(ended(&still) < u64::from(DEVICES), "{still}");
        world.steer(&id, "pause").await;
        assert_eq!(world.steer(&id, "resume").await["state"], "running");
    }
    world.set_rate(&id, None).await;
    let view = world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES));
    assert_each_once(&pushes(&world), (0..DEVICES).map(address));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_what_waits() {
    let world = crowd(DEVICES, with_books()).await;
    let id = slow(&world).await;
    until(&world, &id, |view| ended(view) >= 200).await;
    assert_eq!(world.steer(&id, "cancel").await["state"], "cancelled");
    let done = |view: &serde_json::Value| count(view, "waiting") + count(view, "in_flight") == 0;
    let view = until(&world, &id, done).await;
    let delivered = count(&view, "delivered");
    assert_eq!(delivered + count(&view, "cancelled"), count(&view, "total"));
    assert!((200..u64::from(DEVICES)).contains(&delivered), "{view}");
    let pushes = pushes(&world);
    assert_eq!(pushes.len() as u64, delivered);
    assert_at_most_once(&pushes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_campaign_starts_by_itself_and_an_upload_has_its_own_words() {
    let world = crowd(20, with_books()).await;
    let soon = fanfare_types::Timestamp(fanfare_types::Clock::system().now().0 + 2_000);
    let members = json!({
        "audience": { "recipients": "upload" }, "start_at": soon.to_rfc3339(),
        "message": { "title": "Hello {{name}}" },
    });
    let id = world.create(&with(to_all(), &members)).await;
    let rows: String = (0..20)
        .map(|n| {
            format!(
                "{}\n",
                json!({"user_id": user(n), "variables": {"name": format!("N{n}")}})
            )
        })
        .collect();
    world.upload(&id, "application/x-ndjson", &rows).await;
    assert_eq!(world.campaign(&id).await["state"], "scheduled");
    let view = world.completed(&id).await;
    let started = view["started_at"].as_str().unwrap_or_default();
    assert!(started >= soon.to_rfc3339().as_str(), "{view}");
    assert_eq!(count(&view, "delivered"), 20);
    assert_each_once(&pushes(&world), (0..20).map(address));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_doubles_nothing() {
    let mut world = crowd(DEVICES, with_books()).await;
    let id = slow(&world).await;
    for share in 1..=2 {
        until(&world, &id, |view| {
            ended(view) >= u64::from(DEVICES) * share / 5
        })
        .await;
        assert!(world.drain().await);
        world.start().await;
        assert_eq!(world.campaign(&id).await["state"], "running");
    }
    world.set_rate(&id, None).await;
    let view = world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES));
    assert_each_once(&pushes(&world), (0..DEVICES).map(address));
}
