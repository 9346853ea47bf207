//! Several nodes on one store.

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::Slot;
use fanfare_types::notification::State;

use super::super::Config;
use super::rig::*;
use crate::Error;
use crate::fleet::commons::Commons;
use crate::notifications::To;

const LEASE: Duration = Duration::from_millis(1_500);

fn named(name: &str) -> Config {
    let mut config = config();
    config.fleet.name = name.to_owned();
    config.fleet.limits.lease = LEASE;
    config.fleet.limits.settle = Duration::from_millis(600);
    config.fleet.limits.poll = Duration::from_millis(50);
    config
}

fn share(rig: &Rig) -> usize {
    rig.system.handles.fleet.share()
}

/// Two nodes that hold half of the slots each. `hold`: whether they keep what is to be handed over.
pub(super) async fn pair(hold: bool) -> (Arc<Commons>, Rig, Rig) {
    let commons = Arc::new(Commons::default());
    let one = Rig::among(named("one"), hold, commons.clone()).await;
    let other = one.beside(named("other"), hold, commons.clone()).await;
    evenly(&[&one, &other]).await;
    (commons, one, other)
}

async fn evenly(rigs: &[&Rig]) {
    let is_even = async || {
        let shares: Vec<_> = rigs.iter().map(|rig| share(rig)).collect();
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        shares.iter().sum::<usize>() == usize::from(Slot::COUNT) && most - least <= 1
    };
    eventually("the slots are shared", is_even).await;
}

/// As kill -9 does.
pub(super) async fn kill(rig: &Rig) {
    rig.system.root.kill();
    rig.system.root.wait(None).await.unwrap();
    rig.fake.lose();
}

#[tokio::test]
async fn slots_are_shared_and_each_node_sends_what_it_accepted() {
    let (_, one, other) = pair(false).await;
    one.crowd(&app(), "ada", "a", 3).await;
    for rig in [&one, &other] {
        let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
        assert_eq!(rig.settled(&app(), id).await.counts.delivered, 3);
        let sent = rig.fake.sent();
        assert!(
            sent.iter().all(|(_, of, _)| *of == id) && sent.len() == 3,
            "{sent:?}"
        );
    }
    // Either knows how the other's ended.
    let id = one.send(&app(), To::Users(vec![user("ada")])).await;
    one.settled(&app(), id).await;
    let view = other.settled(&app(), id).await;
    assert_eq!((view.state, view.counts.delivered), (State::Completed, 3));
    assert_eq!(other.fake.sent().len(), 3);
}

#[tokio::test]
async fn what_a_killed_node_had_is_sent_by_the_other() {
    let (_, one, other) = pair(true).await;
    one.crowd(&app(), "ada", "a", 5).await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(one.send(&app(), To::Users(vec![user("ada")])).await);
    }
    eventually("they are about to leave", async || one.fake.held() == 50).await;
    other.fake.release();
    kill(&one).await;
    for id in ids {
        assert_eq!(other.settled(&app(), id).await.counts.delivered, 5);
    }
    assert_eq!(share(&other), usize::from(Slot::COUNT));
    assert_eq!((other.fake.sent().len(), other.sent_once().len()), (50, 50));
    other.no_permits_taken().await;
}

#[tokio::test]
async fn a_drained_node_hands_over_at_once_and_nothing_is_sent_twice() {
    let (commons, one, other) = pair(true).await;
    one.crowd(&app(), "ada", "a", 4).await;
    let id = one.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("they are about to leave", async || one.fake.held() == 4).await;
    other.fake.release();
    let drained = one.system.drain(Duration::from_secs(5)).await;
    assert!(drained.in_time, "{drained:?}");
    assert_eq!(commons.names(), ["other"]);
    assert_eq!(other.settled(&app(), id).await.counts.delivered, 4);
    assert_eq!((one.fake.sent().len(), other.fake.sent().len()), (0, 4));
    assert_eq!(share(&other), usize::from(Slot::COUNT));
}

#[tokio::test]
async fn after_a_registration_is_answered_no_node_sends_to_the_former_owner() {
    let (_, one, other) = pair(true).await;
    one.register(&app(), "ada", "moves").await;
    one.register(&app(), "ada", "stays").await;
    let id = one.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("they are about to leave", async || one.fake.held() == 2).await;
    other.register(&app(), "bea", "moves").await;
    one.fake.release();
    let view = one.settled(&app(), id).await;
    assert_eq!((view.counts.delivered, view.counts.cancelled), (1, 1));
    let tokens: Vec<_> = one
        .fake
        .sent()
        .into_iter()
        .map(|(token, ..)| token)
        .collect();
    assert_eq!(tokens, ["stays"]);
}

#[tokio::test]
async fn a_notification_is_cancelled_on_whichever_node() {
    let (_, one, other) = pair(true).await;
    one.crowd(&app(), "ada", "a", 3).await;
    let id = one.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("they are about to leave", async || one.fake.held() == 3).await;
    let cancelled = other.system.notifications().cancel(&app(), id).await;
    assert_eq!(cancelled.unwrap().unwrap().state, State::Cancelled);
    one.fake.release();
    assert_eq!(one.settled(&app(), id).await.counts.cancelled, 3);
    assert!(one.fake.sent().is_empty());
}

#[tokio::test]
async fn a_scheduled_one_that_is_cancelled_elsewhere_ends_where_it_waits() {
    let (_, one, other) = pair(false).await;
    one.crowd(&app(), "ada", "a", 2).await;
    let mut later = new(&app(), To::Users(vec![user("ada")]));
    later.options.send_at = Some(later.options.expires_at - Duration::from_secs(60));
    let id = one.system.notifications().accept(later).await.unwrap().id;
    let cancelled = other.system.notifications().cancel(&app(), id).await;
    assert_eq!(cancelled.unwrap().unwrap().state, State::Cancelled);
    let view = other.settled(&app(), id).await;
    assert_eq!(view.counts.cancelled, 2);
}

#[tokio::test]
async fn who_is_taken_for_dead_drops_everything_and_comes_back_as_another() {
    let (commons, one, other) = pair(true).await;
    one.crowd(&app(), "ada", "a", 3).await;
    let id = one.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("they are about to leave", async || one.fake.held() == 3).await;
    let hold = one.system.handles.fleet.hold_on(id);
    commons.bury_by_name("one");
    eventually("it hears of it", async || hold.is_lost()).await;
    one.fake.release();
    other.fake.release();
    evenly(&[&one, &other]).await;
    assert_eq!(one.settled(&app(), id).await.counts.delivered, 3);
    let sent = one.fake.sent().len() + other.fake.sent().len();
    assert_eq!(sent, 3, "nothing was in flight");
    one.no_permits_taken().await;
    other.no_permits_taken().await;
}

#[tokio::test]
async fn without_the_others_a_node_is_not_ready_and_all_goes_on_by_itself() {
    let (commons, one, other) = pair(false).await;
    one.crowd(&app(), "ada", "a", 2).await;
    assert!(one.system.unready().await.is_empty());
    commons.set_away(true);
    let tenure = one.system.handles.fleet.tenure();
    let clock = fanfare_types::Clock::system();
    eventually("its tenure ends", async || tenure.is_over(clock.now())).await;
    assert_eq!(one.system.unready().await, ["fleet"]);
    // Nothing is accepted that another node might not find.
    let new = new(&app(), To::Users(vec![user("ada")]));
    let refused = one.system.notifications().accept(new).await;
    assert!(
        matches!(refused, Err(Error::Store(fanfare_store::Error::Unknown(_)))),
        "{refused:?}"
    );
    commons.set_away(false);
    eventually("it goes on", async || one.system.unready().await.is_empty()).await;
    evenly(&[&one, &other]).await;
    let id = one.send(&app(), To::Users(vec![user("ada")])).await;
    assert_eq!(one.settled(&app(), id).await.counts.delivered, 2);
}

#[tokio::test]
async fn before_it_has_joined_a_node_accepts_nothing() {
    let commons = Arc::new(Commons::default());
    commons.set_away(true);
    let rig = Rig::among(named("one"), false, commons.clone()).await;
    assert_eq!(rig.system.unready().await, ["fleet"]);
    let new = || new(&app(), To::Users(vec![user("ada")]));
    let refused = rig.system.notifications().accept(new()).await;
    assert!(matches!(refused, Err(Error::NoSlot)), "{refused:?}");
    commons.set_away(false);
    eventually("it holds all", async || commons.held_by("one") == 64).await;
    eventually("it works", async || {
        rig.system.notifications().accept(new()).await.is_ok()
    })
    .await;
}
