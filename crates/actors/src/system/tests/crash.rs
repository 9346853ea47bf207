//! Nothing accepted is lost, whatever dies.

use std::collections::BTreeSet;
use std::time::Duration;

use fanfare_types::Clock;

use super::super::Config;
use super::rig::*;
use crate::notifications::To;

#[tokio::test]
async fn after_a_crash_every_delivery_ends() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "a", 70).await;
    rig.crowd(&other_app(), "bob", "b", 3).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push((app(), rig.send(&app(), To::Users(vec![user("ada")])).await));
    }
    let bob = rig.send(&other_app(), To::Users(vec![user("bob")])).await;
    let bare = rig.send(&app(), To::Addresses(vec![address("bare")])).await;
    ids.extend([(other_app(), bob), (app(), bare)]);
    // Less room than there is work: recovery has to wait for permits.
    let mut small = config();
    small.admission.deliveries_per_app_max = 20;
    let rig = rig.crash(small).await;
    for (app, id) in &ids {
        let view = rig.settled(app, *id).await;
        assert_eq!(view.counts.delivered, view.recipients);
    }
    assert_eq!(rig.sent_once().len(), 5 * 70 + 3 + 1);
    assert_eq!(rig.fake.sent().len(), 5 * 70 + 3 + 1);
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn recovery_of_an_app_without_room_stops_no_other() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "slow", 8).await;
    rig.crowd(&other_app(), "bob", "b", 3).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(rig.send(&app(), To::Users(vec![user("ada")])).await);
    }
    let quick = rig.send(&other_app(), To::Users(vec![user("bob")])).await;
    let mut small = config();
    small.admission.deliveries_per_app_max = 12;
    let rig = rig.crash(small).await;
    assert_eq!(rig.settled(&other_app(), quick).await.counts.delivered, 3);
    eventually("no more room", async || rig.fake.held() == 12).await;
    let mut scheduled = new(&other_app(), To::Users(vec![user("bob")]));
    scheduled.options.send_at = Some(Clock::system().now() + Duration::from_millis(50));
    let notifications = rig.system.notifications();
    let scheduled = notifications.accept(scheduled).await.unwrap().id;
    assert_eq!(
        rig.settled(&other_app(), scheduled).await.counts.delivered,
        3
    );
    rig.fake.release();
    for id in slow {
        assert_eq!(rig.settled(&app(), id).await.counts.delivered, 8);
    }
    assert_eq!(rig.fake.sent().len(), 20 * 8 + 2 * 3);
    rig.no_permits_taken().await;
}

/// With room for the four deliveries of one notification.
fn room_for_one() -> Config {
    let mut small = config();
    small.admission.deliveries_per_app_max = 4;
    small
}

/// Ids are in the order of their milliseconds.
async fn next_millisecond() {
    let now = Clock::system().now();
    eventually("time passes", async || Clock::system().now() > now).await;
}

#[tokio::test]
async fn what_is_over_while_it_waits_for_room_ends_without() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "slow", 4).await;
    let ada = || To::Users(vec![user("ada")]);
    let first = rig.send(&app(), ada()).await;
    next_millisecond().await;
    let next = rig.send(&app(), ada()).await;
    next_millisecond().await;
    let mut expiring = new(&app(), ada());
    expiring.options.expires_at = Clock::system().now() + Duration::from_secs(1);
    let expiring = rig.system.notifications().accept(expiring).await;
    let expiring = expiring.unwrap().id;
    let rig = rig.crash(room_for_one()).await;
    eventually("no more room", async || rig.fake.held() == 4).await;
    assert_eq!(rig.settled(&app(), expiring).await.counts.expired, 4);
    assert_eq!(rig.view(&app(), next).await.counts.waiting, 4);
    let cancelled = rig.system.notifications().cancel(&app(), next).await;
    cancelled.unwrap();
    assert_eq!(rig.settled(&app(), next).await.counts.cancelled, 4);
    assert_eq!((rig.fake.held(), rig.fake.sent().len()), (4, 0));
    rig.fake.release();
    assert_eq!(rig.settled(&app(), first).await.counts.delivered, 4);
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn what_was_accepted_early_and_is_due_late_is_not_forgotten_while_others_wait_for_room() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "slow", 4).await;
    let ada = || To::Users(vec![user("ada")]);
    let due = Clock::system().now() + Duration::from_millis(1_500);
    let mut scheduled = new(&app(), ada());
    scheduled.options.send_at = Some(due);
    let scheduled = rig.system.notifications().accept(scheduled).await;
    let mut ids = vec![scheduled.unwrap().id];
    for _ in 0..3 {
        next_millisecond().await;
        ids.push(rig.send(&app(), ada()).await);
    }
    let rig = rig.crash(room_for_one()).await;
    eventually("no more room", async || rig.fake.held() == 4).await;
    // The walk left the last one behind; by then it has also looked for what is due.
    let looked_by = due + Duration::from_millis(1_300);
    let looked = async || Clock::system().now() > looked_by;
    eventually("the scheduled one is met", looked).await;
    rig.fake.release();
    for id in ids {
        assert_eq!(rig.settled(&app(), id).await.counts.delivered, 4);
    }
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn what_was_journaled_as_done_is_not_sent_again() {
    let rig = Rig::new(config(), false).await;
    rig.crowd(&app(), "ada", "a", 10).await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    rig.settled(&app(), id).await;
    let rig = rig.crash(config()).await;
    let next = rig.send(&app(), To::Users(vec![user("ada")])).await;
    rig.settled(&app(), next).await;
    let sent: BTreeSet<_> = rig.fake.sent().into_iter().map(|sent| sent.1).collect();
    assert_eq!(sent, BTreeSet::from([next]));
}

#[tokio::test]
async fn a_cancelled_notification_stays_cancelled_after_a_crash() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "a", 3).await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("all are held", async || rig.fake.held() == 3).await;
    rig.store.cancel(&app(), id).await.unwrap();
    let rig = rig.crash(config()).await;
    assert_eq!(rig.settled(&app(), id).await.counts.cancelled, 3);
    assert!(rig.fake.sent().is_empty());
}

#[tokio::test]
async fn a_schedule_survives_a_crash() {
    let rig = Rig::new(config(), false).await;
    rig.register(&app(), "ada", "a").await;
    let mut request = new(&app(), To::Users(vec![user("ada")]));
    request.options.send_at = Some(Clock::system().now() + Duration::from_millis(300));
    let accepted = rig.system.notifications().accept(request).await.unwrap();
    let rig = rig.crash(config()).await;
    assert_eq!(rig.settled(&app(), accepted.id).await.counts.delivered, 1);
}

#[tokio::test]
async fn a_dead_actor_is_replaced_and_what_it_lost_is_read_again() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "a", 3).await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("all are held", async || rig.fake.held() == 3).await;
    rig.fake.lose();
    rig.system.handles.kill_dispatcher();
    rig.fake.release();
    let view = rig.settled(&app(), id).await;
    assert_eq!(view.counts.delivered, 3);
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn what_a_crash_lost_does_not_wait_for_the_rest_of_its_notification() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "a", 3).await;
    rig.register(&app(), "ada", "slow").await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("all are held", async || rig.fake.held() == 4).await;
    rig.fake.lose_the_quick();
    let ended = async || rig.view(&app(), id).await.counts.delivered == 3;
    eventually("the lost ones end", ended).await;
    assert_eq!((rig.fake.held(), rig.fake.sent().len()), (1, 3));
    rig.fake.release();
    assert_eq!(rig.settled(&app(), id).await.counts.delivered, 4);
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn what_a_crash_lost_waits_for_room_like_all_else() {
    let mut small = config();
    small.admission.deliveries_per_app_max = 4;
    let rig = Rig::new(small, true).await;
    rig.crowd(&app(), "ada", "a", 3).await;
    rig.register(&app(), "ada", "slow").await;
    let first = rig.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("all are held", async || rig.fake.held() == 4).await;
    rig.fake.lose_the_quick();
    // Whoever is first has the room; in the end all have had it.
    let again = new(
        &app(),
        To::Addresses(["slow1", "slow2"].map(address).into()),
    );
    let second = rig.system.notifications().accept(again).await;
    let ended = async || rig.view(&app(), first).await.counts.delivered == 3;
    eventually("the lost ones end", ended).await;
    rig.fake.release();
    assert_eq!(rig.settled(&app(), first).await.counts.delivered, 4);
    if let Ok(second) = second {
        assert_eq!(rig.settled(&app(), second.id).await.counts.delivered, 2);
    }
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn a_tree_that_cannot_be_kept_alive_says_so() {
    let rig = Rig::new(config(), false).await;
    let kill = async {
        loop {
            rig.system.handles.kill_dispatcher();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let why = tokio::select! {
        () = kill => unreachable!(),
        why = rig.system.failed() => why,
    };
    assert!(why.contains("dispatcher"), "{why}");
    assert_eq!(rig.system.unready().await, ["failed"]);
}
