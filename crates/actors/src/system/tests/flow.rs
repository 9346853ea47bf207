//! From accept to the last outcome.

use std::time::Duration;

use fanfare_core::admission::Scope;
use fanfare_types::notification::State;
use fanfare_types::{Clock, Outcome};

use super::rig::*;
use crate::Error;
use crate::notifications::To;

#[tokio::test]
async fn an_accepted_notification_is_delivered_and_its_books_add_up() {
    let rig = Rig::new(config(), false).await;
    rig.crowd(&app(), "ada", "a", 3).await;
    let twice = To::Users(vec![user("ada"), user("ada"), user("nobody")]);
    let id = rig.send(&app(), twice).await;
    let view = rig.settled(&app(), id).await;
    assert_eq!(view.state, State::Completed);
    assert_eq!((view.recipients, view.counts.delivered), (3, 3));
    assert_eq!((view.counts.waiting, view.counts.in_flight), (0, 0));
    let notifications = rig.system.notifications();
    let page = notifications
        .deliveries(&app(), id, Some(Outcome::Delivered), 0, 10)
        .await;
    let page = page.unwrap().unwrap();
    assert_eq!(page.rows.len(), 3);
    assert_eq!(rig.fake.sent().len(), 3);
    assert!(
        notifications
            .view(&other_app(), id)
            .await
            .unwrap()
            .is_none()
    );
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn nobody_to_send_to_is_complete_at_once() {
    let rig = Rig::new(config(), false).await;
    let id = rig.send(&app(), To::Users(vec![user("nobody")])).await;
    let view = rig.view(&app(), id).await;
    assert_eq!((view.state, view.recipients), (State::Completed, 0));
}

#[tokio::test]
async fn devices_of_another_app_and_inactive_ones_are_no_recipients() {
    let rig = Rig::new(config(), false).await;
    let foreign = rig.register(&other_app(), "ada", "theirs").await;
    let own = rig.register(&app(), "ada", "ours").await;
    let id = rig
        .send(&app(), To::Devices(vec![foreign.id, own.id]))
        .await;
    assert_eq!(rig.settled(&app(), id).await.recipients, 1);
    assert_eq!(rig.fake.sent()[0].0, "ours");
}

#[tokio::test]
async fn bare_addresses_are_sent_to_once_each() {
    let rig = Rig::new(config(), false).await;
    let to = ["x", "y", "x"].map(address).into();
    let id = rig.send(&app(), To::Addresses(to)).await;
    assert_eq!(rig.settled(&app(), id).await.counts.delivered, 2);
}

#[tokio::test]
async fn a_repeated_request_is_answered_again_and_sent_once() {
    let rig = Rig::new(config(), false).await;
    rig.register(&app(), "ada", "a").await;
    let request = |body| {
        let mut request = new(&app(), To::Users(vec![user("ada")]));
        request.idempotency = key(1, body);
        request
    };
    let notifications = rig.system.notifications();
    let first = notifications.accept(request(1)).await.unwrap();
    assert_eq!(notifications.accept(request(1)).await.unwrap(), first);
    let other = notifications.accept(request(2)).await;
    assert!(matches!(other, Err(Error::IdempotencyConflict)));
    rig.settled(&app(), first.id).await;
    assert_eq!(rig.fake.sent().len(), 1);
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn a_scheduled_notification_waits_without_permits_and_is_sent_when_due() {
    let rig = Rig::new(config(), false).await;
    rig.register(&app(), "ada", "a").await;
    let mut request = new(&app(), To::Users(vec![user("ada")]));
    request.options.send_at = Some(Clock::system().now() + Duration::from_millis(300));
    let accepted = rig.system.notifications().accept(request).await.unwrap();
    assert_eq!(rig.view(&app(), accepted.id).await.state, State::Scheduled);
    assert_eq!(rig.system.stats().await.unwrap().permits_taken, 0);
    let view = rig.settled(&app(), accepted.id).await;
    assert_eq!((view.state, view.counts.delivered), (State::Completed, 1));
    let sent_at = Clock::system().now();
    assert!(sent_at.since(view.created_at) >= Duration::from_millis(300));
}

#[tokio::test]
async fn cancelling_ends_what_was_not_handed_over() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "a", 3).await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("all are held", async || rig.fake.held() == 3).await;
    let notifications = rig.system.notifications();
    assert!(
        notifications
            .cancel(&other_app(), id)
            .await
            .unwrap()
            .is_none()
    );
    let view = notifications.cancel(&app(), id).await.unwrap().unwrap();
    assert_eq!((view.state, view.counts.waiting), (State::Cancelled, 3));
    rig.fake.release();
    let view = rig.settled(&app(), id).await;
    assert_eq!((view.state, view.counts.cancelled), (State::Cancelled, 3));
    assert!(rig.fake.sent().is_empty());
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn cancelling_a_scheduled_one_ends_it_at_once() {
    let rig = Rig::new(config(), false).await;
    rig.crowd(&app(), "ada", "a", 2).await;
    let mut request = new(&app(), To::Users(vec![user("ada")]));
    request.options.send_at = Some(Clock::system().now() + Duration::from_secs(1800));
    let notifications = rig.system.notifications();
    let id = notifications.accept(request).await.unwrap().id;
    let view = notifications.cancel(&app(), id).await.unwrap().unwrap();
    assert_eq!((view.state, view.counts.cancelled), (State::Cancelled, 2));
}

#[tokio::test]
async fn overload_is_refused_and_permits_come_back() {
    let mut config = config();
    config.admission.deliveries_per_app_max = 5;
    let rig = Rig::new(config, true).await;
    rig.crowd(&app(), "ada", "a", 4).await;
    rig.register(&other_app(), "bob", "b").await;
    let notifications = rig.system.notifications();
    let to_ada = || new(&app(), To::Users(vec![user("ada")]));
    let first = notifications.accept(to_ada()).await.unwrap();
    let refused = notifications.accept(to_ada()).await;
    assert!(matches!(&refused, Err(Error::Refused(refused)) if refused.scope == Scope::App));
    let many = (0..6).map(|n| address(&format!("{n}"))).collect();
    let too_many = notifications.accept(new(&app(), To::Addresses(many))).await;
    assert!(matches!(&too_many, Err(Error::Refused(refused)) if refused.scope == Scope::TooLarge));
    let other = rig.send(&other_app(), To::Users(vec![user("bob")])).await;
    rig.fake.release();
    assert_eq!(rig.settled(&app(), first.id).await.counts.delivered, 4);
    rig.no_permits_taken().await;
    // Names are no deliveries: few of these have a device, and then two have too many.
    let mut names: Vec<_> = (0..9).map(|n| user(&format!("nobody{n}"))).collect();
    names.push(user("ada"));
    let few = rig.send(&app(), To::Users(names.clone())).await;
    assert_eq!(rig.settled(&app(), few).await.recipients, 4);
    rig.no_permits_taken().await;
    rig.crowd(&app(), "eve", "e", 2).await;
    names.push(user("eve"));
    let too_many = notifications.accept(new(&app(), To::Users(names))).await;
    assert!(matches!(&too_many, Err(Error::Refused(refused)) if refused.scope == Scope::TooLarge));
    assert_eq!(rig.settled(&other_app(), other).await.counts.delivered, 1);
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn who_finds_no_room_gets_in_as_soon_as_there_is_some() {
    let mut config = config();
    config.admission.deliveries_per_app_max = 4;
    config.notifications.room_wait = Duration::from_secs(60);
    config.notifications.room_waiting_max = 1;
    let rig = Rig::new(config, true).await;
    rig.crowd(&app(), "ada", "a", 4).await;
    let notifications = rig.system.notifications();
    let to_ada = || new(&app(), To::Users(vec![user("ada")]));
    let first = notifications.accept(to_ada()).await.unwrap();
    let second = notifications.accept(to_ada());
    tokio::pin!(second);
    let refused = tokio::select! {
        biased;
        _ = &mut second => panic!("there is no room yet"),
        // The one place to wait is taken.
        third = notifications.accept(to_ada()) => third,
    };
    assert!(matches!(&refused, Err(Error::Refused(refused)) if refused.scope == Scope::App));
    rig.fake.release();
    let second = second.await.unwrap();
    for id in [first.id, second.id] {
        assert_eq!(rig.settled(&app(), id).await.counts.delivered, 4);
    }
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn a_crowd_at_the_door_gets_in_one_after_the_other() {
    let mut config = config();
    config.admission.deliveries_per_app_max = 5;
    config.notifications.room_wait = Duration::from_secs(60);
    let rig = Rig::new(config, false).await;
    rig.crowd(&app(), "ada", "a", 4).await;
    let notifications = rig.system.notifications();
    // One name takes room for one, and turns out to need four.
    let calls = (0..30).map(|_| notifications.accept(new(&app(), To::Users(vec![user("ada")]))));
    for accepted in futures_util::future::join_all(calls).await {
        let id = accepted.unwrap().id;
        assert_eq!(rig.settled(&app(), id).await.counts.delivered, 4);
    }
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_who_waits_for_room() {
    let mut tight = config();
    tight.admission.deliveries_per_app_max = 4;
    tight.notifications.room_wait = Duration::from_secs(60);
    let rig = Rig::new(tight, true).await;
    rig.crowd(&app(), "ada", "a", 4).await;
    let notifications = rig.system.notifications();
    let to_ada = || new(&app(), To::Users(vec![user("ada")]));
    let first = notifications.accept(to_ada()).await.unwrap();
    let waiting = notifications.accept(to_ada());
    let (waited, drained) = tokio::join!(waiting, rig.system.drain(Duration::from_secs(5)));
    assert!(matches!(waited, Err(Error::Refused(refused)) if refused.scope == Scope::App));
    assert!(drained.in_time);
    let rig = rig.crash(config()).await;
    assert_eq!(rig.settled(&app(), first.id).await.counts.delivered, 4);
}

#[tokio::test]
async fn nothing_goes_to_a_former_owner() {
    let rig = Rig::new(config(), true).await;
    let device = rig.register(&app(), "ada", "phone").await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("it is routed", async || rig.fake.held() == 1).await;
    let moved = rig.register(&app(), "bob", "phone").await;
    assert_eq!((moved.id, moved.user), (device.id, user("bob")));
    rig.fake.release();
    let view = rig.settled(&app(), id).await;
    assert_eq!(view.counts.cancelled, 1);
    assert!(rig.fake.sent().is_empty());
    let page = rig.system.notifications();
    let page = page.deliveries(&app(), id, None, 0, 10).await.unwrap();
    let ended = page.unwrap().rows[0].ended.clone().unwrap();
    assert_eq!(ended.reason.as_str(), "device_gone");
}

#[tokio::test]
async fn a_new_address_is_followed() {
    let rig = Rig::new(config(), true).await;
    let device = rig.register(&app(), "ada", "old").await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("it is routed", async || rig.fake.held() == 1).await;
    let patch = fanfare_core::registration::Patch {
        address: Some(address("new")),
        ..Default::default()
    };
    let registry = rig.system.registry();
    let patched = registry.patch(&app(), &user("ada"), device.id, patch).await;
    assert!(patched.unwrap().is_some());
    rig.fake.release();
    rig.settled(&app(), id).await;
    assert_eq!(rig.fake.sent()[0].0, "new");
}

#[tokio::test]
async fn a_drained_tree_refuses_and_leaves_the_rest_to_the_next() {
    let rig = Rig::new(config(), true).await;
    rig.register(&app(), "ada", "a").await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    eventually("it is routed", async || rig.fake.held() == 1).await;
    assert!(rig.system.drain(Duration::from_secs(5)).await.in_time);
    let late = rig.system.notifications();
    let late = late.accept(new(&app(), To::Users(vec![user("ada")]))).await;
    assert!(matches!(late, Err(Error::ShuttingDown)));
    let rig = rig.crash(config()).await;
    assert_eq!(rig.settled(&app(), id).await.counts.delivered, 1);
    assert_eq!(rig.fake.sent().len(), 1);
}
