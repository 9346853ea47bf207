//! Dead and forgotten addresses are cleaned, and a wrong key cleans nothing.

use std::time::Duration;

use fanfare_types::{Device, DeviceId, Status};

use super::rig::*;
use crate::notifications::To;

async fn row(rig: &Rig, id: DeviceId) -> Device {
    let mut rows = rig.store.devices_by_id(&app(), vec![id]).await.unwrap();
    rows.pop().unwrap()
}

#[tokio::test]
async fn a_dead_address_is_buried() {
    let rig = Rig::new(config(), false).await;
    let dead = rig.register(&app(), "ada", "dead").await;
    let well = rig.register(&app(), "ada", "well").await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    assert_eq!(rig.settled(&app(), id).await.counts.dead, 1);
    let buried = async || row(&rig, dead.id).await.status == Status::Invalid;
    eventually("it is buried", buried).await;
    assert_eq!(row(&rig, well.id).await.status, Status::Active);
}

#[tokio::test]
async fn a_dead_bare_address_buries_its_holder() {
    let rig = Rig::new(config(), false).await;
    let dead = rig.register(&app(), "ada", "dead").await;
    rig.send(&app(), To::Addresses(vec![address("dead")])).await;
    let buried = async || row(&rig, dead.id).await.status == Status::Invalid;
    eventually("it is buried", buried).await;
}

#[tokio::test]
async fn a_later_registration_is_not_buried() {
    let rig = Rig::new(config(), true).await;
    rig.register(&app(), "ada", "dead").await;
    let bare = vec![address("dead"), address("dead-too")];
    let id = rig.send(&app(), To::Addresses(bare)).await;
    eventually("it is routed", async || rig.fake.held() == 2).await;
    rig.fake.died_long_ago();
    let again = rig.register(&app(), "ada", "dead").await;
    let marker = rig.register(&app(), "bob", "dead-too").await;
    rig.fake.release();
    rig.settled(&app(), id).await;
    // The reaper has done its work when the tree is drained.
    assert!(rig.system.drain(Duration::from_secs(5)).await.in_time);
    assert_eq!(row(&rig, again.id).await.status, Status::Active);
    assert_eq!(row(&rig, marker.id).await.status, Status::Active);
}

#[tokio::test]
async fn a_wrong_key_empties_nothing_and_is_reported() {
    let rig = Rig::new(config(), false).await;
    rig.crowd(&app(), "ada", "suspect", 20).await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    assert_eq!(rig.settled(&app(), id).await.counts.dead, 20);
    let reported = async || !rig.system.stats().await.unwrap().misconfigured.is_empty();
    eventually("it is reported", reported).await;
    let stats = rig.system.stats().await.unwrap();
    assert_eq!(stats.misconfigured, ["shop/fcm/production"]);
    assert!(rig.system.drain(Duration::from_secs(5)).await.in_time);
    let rows = rig
        .store
        .devices_of(&app(), vec![user("ada")])
        .await
        .unwrap();
    assert!(rows.iter().all(|row| row.status == Status::Active));
}

#[tokio::test]
async fn a_row_unseen_for_long_becomes_stale_and_goes_in_the_end() {
    let mut sweeping = config();
    sweeping.registry.sweep_every = Duration::from_millis(5);
    sweeping.registry.stale_after = Duration::from_millis(100);
    let rig = Rig::new(sweeping.clone(), false).await;
    let device = rig.register(&app(), "ada", "a").await;
    let stale = async || row(&rig, device.id).await.status == Status::Stale;
    eventually("it is stale", stale).await;
    let id = rig.send(&app(), To::Users(vec![user("ada")])).await;
    assert_eq!(rig.view(&app(), id).await.recipients, 0);
    sweeping.registry.retention = Some(Duration::from_millis(10));
    let rig = rig.crash(sweeping).await;
    let gone = async || {
        let rows = rig.store.devices_by_id(&app(), vec![device.id]).await;
        rows.unwrap().is_empty()
    };
    eventually("it is gone", gone).await;
}
