//! Graceful restarts in the middle of campaigns: no duplicate, nothing lost, nobody has to do anything.

use serde_json::json;

use super::books::{assert_each_once, pushes};
use super::fill::address;
use super::rig::{count, crowd, ended, to_all, until, with, with_books};

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_restart_in_the_middle_doubles_nothing() {
    const DEVICES: u32 = 10_000;
    let mut world = crowd(DEVICES, with_books()).await;
    // Slow enough to have ten seconds left at the last restart.
    let id = world.launch(&with(to_all(), &json!({"rate": 700}))).await;
    for share in 1..=3 {
        until(&world, &id, |view| {
            ended(view) >= u64::from(DEVICES) * share / 10
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

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_campaign_stays_paused_over_a_restart() {
    const DEVICES: u32 = 6_000;
    let mut world = crowd(DEVICES, with_books()).await;
    // What is left takes longer than any request does: it cannot have ended before its pause.
    let id = world.launch(&with(to_all(), &json!({"rate": 200}))).await;
    until(&world, &id, |view| ended(view) >= 400).await;
    world.steer(&id, "pause").await;
    assert!(world.drain().await);
    let before = pushes(&world).len();
    world.start().await;
    let view = world.campaign(&id).await;
    assert_eq!(
        (&view["state"], ended(&view)),
        (&json!("paused"), before as u64)
    );
    let sent = world.send_to(&[&super::fill::user(0)]).await;
    assert_eq!(world.ended(&sent).await["delivered"], 1);
    assert_eq!(pushes(&world).len(), before + 1);
    world.set_rate(&id, None).await;
    world.steer(&id, "resume").await;
    assert_eq!(
        count(&world.completed(&id).await, "delivered"),
        u64::from(DEVICES)
    );
    assert_eq!(pushes(&world).len(), DEVICES as usize + 1);
}
