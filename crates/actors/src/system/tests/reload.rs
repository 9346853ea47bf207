//! Apps that come, change and go while the tree runs.

use std::time::Duration;

use fanfare_core::admission;
use fanfare_types::{AppId, Clock};

use super::rig::*;
use crate::notifications::To;
use crate::{App, Error};

fn only(apps: Vec<App>, id: &AppId) -> Vec<App> {
    apps.into_iter().filter(|app| app.id == *id).collect()
}

#[tokio::test]
async fn work_of_an_app_that_goes_waits_until_it_comes_back() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "slow-a", 8).await;
    rig.crowd(&other_app(), "bob", "slow-b", 3).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(rig.send(&app(), To::Users(vec![user("ada")])).await);
    }
    // Less room than there is work: one notification is half fed when the app goes.
    let limits = admission::Limits {
        deliveries_per_app_max: 12,
        ..admission::Limits::default()
    };
    let mut small = config();
    small.admission = limits.clone();
    let rig = rig.crash(small).await;
    eventually("no more room", async || rig.fake.held() == 12).await;

    let others = only(apps(), &other_app());
    rig.system.reload(&others, &limits).await.unwrap();
    rig.no_permits_taken().await;
    let id = rig.send(&other_app(), To::Users(vec![user("bob")])).await;
    eventually("the other app goes on", async || rig.fake.held() == 3).await;
    let notifications = rig.system.notifications();
    let refused = notifications.accept(new(&app(), To::Users(vec![user("ada")])));
    assert!(matches!(refused.await, Err(Error::Refused(_))));
    let register = rig.try_register(&app(), "eve", "e").await;
    assert!(matches!(register, Err(Error::UnknownApp)));

    rig.fake.release();
    assert_eq!(rig.settled(&other_app(), id).await.counts.delivered, 3);
    rig.system.reload(&apps(), &limits).await.unwrap();
    for id in &ids {
        assert_eq!(rig.settled(&app(), *id).await.counts.delivered, 8);
    }
    assert_eq!(rig.fake.sent().len(), 5 * 8 + 3, "none twice");
    rig.no_permits_taken().await;
}

#[tokio::test]
async fn what_waits_for_an_app_that_is_gone_ends_when_its_time_is_over() {
    let rig = Rig::new(config(), true).await;
    rig.crowd(&app(), "ada", "a", 3).await;
    let mut new = new(&app(), To::Users(vec![user("ada")]));
    new.options.expires_at = Clock::system().now() + Duration::from_millis(700);
    let id = rig.system.notifications().accept(new).await.unwrap().id;
    let limits = admission::Limits::default();
    let others = only(apps(), &other_app());
    rig.system.reload(&others, &limits).await.unwrap();
    rig.no_permits_taken().await;
    let expired = async || rig.view(&app(), id).await.counts.expired == 3;
    eventually("they expired in the journal", expired).await;
    rig.system.reload(&apps(), &limits).await.unwrap();
    rig.fake.release();
    assert_eq!(rig.settled(&app(), id).await.counts.expired, 3);
    assert!(rig.fake.sent().is_empty());
}

#[tokio::test]
async fn rules_hold_from_a_users_next_call_on() {
    let rig = Rig::new(config(), false).await;
    let first = rig.register(&app(), "ada", "one").await;
    let few = apps().into_iter().map(|mut app| {
        app.registration.devices_per_user_max = 1;
        app
    });
    let few: Vec<_> = few.collect();
    rig.system
        .reload(&few, &admission::Limits::default())
        .await
        .unwrap();
    rig.register(&app(), "ada", "two").await;
    let devices = rig
        .system
        .registry()
        .list(&app(), &user("ada"))
        .await
        .unwrap();
    assert!(
        devices.len() == 1 && devices[0].id != first.id,
        "{devices:?}"
    );
}
