//! Delivery facts: counted once, a little late, and never against a registration that is later.

use std::time::Duration;

use fanfare_types::{AppId, Device, Status};

use super::rig::*;
use crate::notifications::To;
use crate::system::Config;

impl Rig {
    async fn device(&self, app: &AppId, name: &str) -> Device {
        let rows = self.system.registry().list(app, &user(name)).await;
        rows.unwrap().remove(0)
    }

    async fn push(&self, name: &str, times: usize) {
        for _ in 0..times {
            let id = self.send(&app(), To::Users(vec![user(name)])).await;
            assert_eq!(self.settled(&app(), id).await.recipients, 1);
        }
    }

    async fn has(&self, name: &str, what: &str, holds: impl Fn(&Device) -> bool) {
        let holds = async || holds(&self.device(&app(), name).await);
        eventually(what, holds).await;
    }
}

fn late() -> Config {
    let mut config = config();
    config.journal.facts_after = Duration::from_secs(3600);
    config
}

#[tokio::test]
async fn delivered_pushes_are_counted_with_the_time_of_the_last() {
    let rig = Rig::new(config(), false).await;
    let before = rig.register(&app(), "ada", "a").await;
    assert_eq!((before.notification_count, before.last_used_at), (0, None));
    rig.push("ada", 3).await;
    rig.has("ada", "three are counted", |row| {
        row.notification_count == 3
    })
    .await;
    let row = rig.device(&app(), "ada").await;
    assert!(row.last_used_at >= Some(before.created_at));
    assert_eq!(row.updated_at, before.updated_at, "nobody changed the row");
    // Registering again keeps them; a row that moves to another user has none.
    let again = rig.register(&app(), "ada", "a").await;
    assert_eq!((again.id, again.notification_count), (row.id, 3));
    let moved = rig.register(&app(), "bob", "a").await;
    assert_eq!((moved.id, moved.notification_count), (row.id, 0));
    assert_eq!((moved.last_used_at, moved.consecutive_failures), (None, 0));
}

#[tokio::test]
async fn consecutive_failures_switch_a_device_off_and_registering_switches_it_on() {
    let rig = Rig::new(config(), false).await;
    rig.register(&app(), "ada", "throttled").await;
    rig.push("ada", 4).await;
    rig.has("ada", "four failures", |row| row.consecutive_failures == 4)
        .await;
    assert_eq!(rig.device(&app(), "ada").await.status, Status::Active);
    // A delivered push ends them.
    rig.fake.relent(true);
    rig.push("ada", 1).await;
    rig.has("ada", "no failures", |row| row.consecutive_failures == 0)
        .await;
    rig.fake.relent(false);
    rig.push("ada", 5).await;
    rig.has("ada", "switched off", |row| row.status == Status::Inactive)
        .await;
    let nobody = rig.send(&app(), To::Users(vec![user("ada")])).await;
    assert_eq!(rig.view(&app(), nobody).await.recipients, 0);
    let again = rig.register(&app(), "ada", "throttled").await;
    assert_eq!(
        (again.status, again.consecutive_failures),
        (Status::Active, 0)
    );
    assert_eq!(again.notification_count, 1);
}

#[tokio::test]
async fn failures_of_before_a_registration_do_not_count_against_it() {
    let rig = Rig::new(late(), false).await;
    rig.register(&app(), "ada", "throttled").await;
    rig.push("ada", 9).await;
    let clock = fanfare_types::Clock::system();
    let failed_by = clock.now();
    eventually("a later millisecond", async || clock.now() > failed_by).await;
    rig.register(&app(), "ada", "throttled").await;
    assert!(
        rig.system.drain(Duration::from_secs(10)).await.in_time,
        "what waits is written"
    );
    let rows = rig
        .store
        .devices_of(&app(), vec![user("ada")])
        .await
        .unwrap();
    assert_eq!(
        (rows[0].consecutive_failures, rows[0].status),
        (0, Status::Active)
    );
}

#[tokio::test]
async fn registrations_and_facts_get_in_nobodys_way_for_long() {
    const SENDS: usize = 40;
    let rig = Rig::new(config(), false).await;
    rig.register(&app(), "ada", "a").await;
    let sending = async { rig.push("ada", SENDS).await };
    let registering = async {
        for _ in 0..200 {
            rig.register(&app(), "ada", "a").await;
        }
    };
    tokio::join!(sending, registering);
    rig.has("ada", "all are counted", |row| {
        row.notification_count == SENDS as u64
    })
    .await;
}

#[tokio::test]
async fn a_full_tally_is_written_without_waiting_for_its_time() {
    let mut config = late();
    config.journal.facts_max = 5;
    let rig = Rig::new(config, false).await;
    for n in 0..12 {
        rig.register(&app(), &format!("u{n}"), &format!("t{n}"))
            .await;
    }
    for n in 0..12 {
        rig.push(&format!("u{n}"), 1).await;
    }
    let counted = async || {
        let mut counted = 0;
        for n in 0..12 {
            counted += rig
                .device(&app(), &format!("u{n}"))
                .await
                .notification_count;
        }
        counted
    };
    eventually("two full ones are written", async || counted().await == 10).await;
    assert!(rig.system.drain(Duration::from_secs(10)).await.in_time);
    assert_eq!(counted().await, 12, "and the rest at the end");
}

#[tokio::test]
async fn a_crash_loses_facts_and_counts_none_twice() {
    let rig = Rig::new(late(), false).await;
    rig.register(&app(), "ada", "a").await;
    rig.push("ada", 3).await;
    let rig = rig.crash(config()).await;
    rig.push("ada", 2).await;
    rig.has("ada", "those after it", |row| row.notification_count == 2)
        .await;
}

#[tokio::test]
async fn without_facts_nothing_is_counted_and_nothing_else_changes() {
    let mut config = config();
    config.journal.facts_max = 0;
    let rig = Rig::new(config, false).await;
    rig.register(&app(), "ada", "a").await;
    rig.push("ada", 3).await;
    assert!(rig.system.drain(Duration::from_secs(10)).await.in_time);
    assert_eq!(rig.device(&app(), "ada").await.notification_count, 0);
}
