//! From start to end: everybody once, pause and resume, cancel; the books agree.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::books::{assert_at_most_once, assert_each_once, by_address, pushes};
use super::fill::{address, user};
use super::rig::{count, crowd, ended, to_all, until, with, with_books};
use crate::harness::{eventually, expect};

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_it_once_and_the_books_agree() {
    const DEVICES: u32 = 20_000;
    let world = crowd(DEVICES, with_books()).await;
    // Some are gone: the provider says so, and the reaper marks them.
    let gone = (0..DEVICES).step_by(500).map(|n| {
        let (provider, status, reason) = match n % 2 {
            0 => ("apns", 410, "Unregistered"),
            _ => ("fcm", 404, "UNREGISTERED"),
        };
        json!({"when": {"provider": provider, "address": address(n)}, "then": {"answer": {"status": status, "reason": reason}}})
    });
    let gone: Vec<_> = gone.collect();
    let dead = gone.len() as u64;
    world.rules(&json!(gone));
    let id = world.launch(&to_all()).await;
    let mut last = 0;
    let view = until(&world, &id, |view| {
        view["state"] != "running" || ended(view) > 0
    })
    .await;
    last = last.max(ended(&view));
    let view = world.completed(&id).await;
    assert!(ended(&view) >= last);
    assert_eq!(count(&view, "total"), u64::from(DEVICES));
    assert_eq!(count(&view, "dead"), dead);
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES) - dead);
    let pushes = pushes(&world);
    assert_eq!(pushes.len() as u64, count(&view, "total"));
    assert_at_most_once(&pushes);
    let accepted = pushes.iter().filter(|push| push.status == 200).count();
    assert_eq!(accepted as u64, count(&view, "delivered"));
    let listed = world.undelivered(&id).await;
    assert_eq!(listed.len() as u64, dead);
    assert!(
        listed.iter().all(|row| row["outcome"] == "dead"),
        "{}",
        listed[0]
    );
    for n in (0..DEVICES).step_by(500) {
        let path = format!("/v1/users/{}/devices", user(n));
        eventually(|| async {
            let list = expect(world.service(Method::GET, &path), StatusCode::OK).await;
            (list["devices"][0]["status"] == "invalid").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_it_and_a_resume_goes_on_without_a_duplicate() {
    const DEVICES: u32 = 10_000;
    let world = crowd(DEVICES, with_books()).await;
    let id = world.launch(&with(to_all(), &json!({"rate": 1500}))).await;
    for share in 1..=4 {
        let enough = |view: &serde_json::Value| ended(view) >= u64::from(DEVICES) * share / 6;
        until(&world, &id, enough).await;
        let paused = world.steer(&id, "pause").await;
        assert_eq!(paused["state"], "paused");
        // What is recorded is what was sent: an answer that is on its way from its connection to the journal counts as
        // waiting for a moment.
        let still = until(&world, &id, |view| {
            count(view, "in_flight") == 0
                && ended(view) == pushes(&world).len() as u64 - (share - 1)
        })
        .await;
        let before = pushes(&world);
        assert_eq!(before.len() as u64 - (share - 1), ended(&still));
        // Something else goes through meanwhile, by the same pools.
        let sent = world.send_to(&[&user(0)]).await;
        assert_eq!(world.ended(&sent).await["delivered"], 1);
        assert_eq!(
            pushes(&world).len(),
            before.len() + 1,
            "a paused campaign hands nothing over"
        );
        assert_eq!(world.campaign(&id).await["counts"], still["counts"]);
        assert_eq!(world.steer(&id, "resume").await["state"], "running");
        // At once again, and twice: nothing comes of it but a pause.
        world.steer(&id, "pause").await;
        world.steer(&id, "pause").await;
        world.steer(&id, "resume").await;
    }
    world.set_rate(&id, None).await;
    let view = world.completed(&id).await;
    assert_eq!(count(&view, "delivered"), u64::from(DEVICES));
    let pushes = pushes(&world);
    let found = by_address(&pushes);
    assert_eq!(found.len(), DEVICES as usize);
    for (address_of, pushes) in found {
        let wanted = if address_of == address(0) { 5 } else { 1 };
        assert_eq!(pushes.len(), wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_what_waits() {
    const DEVICES: u32 = 10_000;
    let world = crowd(DEVICES, with_books()).await;
    let id = world.launch(&with(to_all(), &json!({"rate": 2000}))).await;
    until(&world, &id, |view| ended(view) >= 2_000).await;
    let cancelled = world.steer(&id, "cancel").await;
    assert_eq!(cancelled["state"], "cancelled");
    let done = |view: &serde_json::Value| count(view, "waiting") + count(view, "in_flight") == 0;
    let view = until(&world, &id, done).await;
    let delivered = count(&view, "delivered");
    assert_eq!(
        delivered + count(&view, "cancelled"),
        count(&view, "total"),
        "{view}"
    );
    assert!((2_000..u64::from(DEVICES)).contains(&delivered), "{view}");
    let pushes = pushes(&world);
    assert_eq!(pushes.len() as u64, delivered);
    assert_at_most_once(&pushes);
    let path = format!("/v1/campaigns/{id}/resume");
    let refused = expect(world.service(Method::POST, &path), StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "impossible_in_state");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("cancelled")),
        "{refused}"
    );
    assert_eq!(
        world.steer(&id, "cancel").await["state"],
        "cancelled",
        "twice does no harm"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_campaign_starts_by_itself() {
    const DEVICES: u32 = 500;
    let world = crowd(DEVICES, with_books()).await;
    let soon = fanfare_types::Timestamp(fanfare_types::Clock::system().now().0 + 1_000);
    let id = world
        .create(&with(to_all(), &json!({"start_at": soon.to_rfc3339()})))
        .await;
    assert_eq!(world.campaign(&id).await["state"], "scheduled");
    let view = world.completed(&id).await;
    assert!(
        view["started_at"]
            .as_str()
            .is_some_and(|at| at >= soon.to_rfc3339().as_str()),
        "{view}"
    );
    assert_each_once(&pushes(&world), (0..DEVICES).map(address));
}
