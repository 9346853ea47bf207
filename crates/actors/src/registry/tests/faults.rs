//! What store failures and crashes cost.

use fanfare_core::revocations::Standing;

use super::memory::{Fate, Memory};
use super::*;
use crate::Error;

#[tokio::test(start_paused = true)]
async fn a_conflict_is_decided_anew_and_endless_ones_are_told() {
    let store = Memory::new();
    let house = house(store.clone(), config()).await;
    let ada = user("ada");
    let mut conflicts = 5;
    store.set_fates(move |_| {
        conflicts -= i32::from(conflicts > 0);
        [Fate::Written, Fate::Conflict][usize::from(conflicts > 0)]
    });
    assert!(
        house
            .registry
            .register(&app(), &ada, plain("a"))
            .await
            .unwrap()
            .is_new
    );
    store.set_fates(|_| Fate::Conflict);
    let answer = house.registry.register(&app(), &ada, plain("b")).await;
    assert!(matches!(answer, Err(Error::Contended)));
    store.set_fates(|_| Fate::Unavailable);
    let answer = house.registry.register(&app(), &ada, plain("b")).await;
    assert_eq!(answer.unwrap_err().label(), "store_unavailable");
    assert_eq!(store.rows(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_of_unknown_outcome_is_read_back() {
    for fate in [Fate::UnknownWritten, Fate::UnknownLost] {
        let store = Memory::new();
        let house = house(store.clone(), config()).await;
        let mut next = Some(fate);
        store.set_fates(move |_| next.take().unwrap_or(Fate::Written));
        let ada = user("ada");
        let registered = house
            .registry
            .register(&app(), &ada, plain("a"))
            .await
            .unwrap();
        assert!(registered.is_new, "{fate:?}");
        assert_eq!(registered.device.revision, 1);
        assert_eq!(store.log.lock().len(), 1, "written once");
        let mut next = Some(fate);
        store.set_fates(move |_| next.take().unwrap_or(Fate::Written));
        let routed_at = house.clock.now();
        let deleted = house
            .registry
            .delete(&app(), &ada, registered.device.id)
            .await;
        assert!(deleted.unwrap());
        assert_eq!(store.rows(), 0);
        let now = house.clock.now();
        let standing = house
            .revocations
            .standing(registered.device.id, routed_at, now);
        assert_eq!(standing, Standing::Stale);
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_costs_one_users_waiting_calls_and_no_more() {
    let store = Memory::new();
    let house = house(store.clone(), config()).await;
    store.set_fates(|change| {
        let put = change.put.as_ref().unwrap();
        let bad = put.device.user.as_str() == "ada" && put.device.address.expose() == "bad";
        [Fate::Written, Fate::Panic][usize::from(bad)]
    });
    *store.delay.lock() = Duration::from_millis(10);
    let call = |name: &'static str, value: &'static str| {
        let registry = house.registry.clone();
        tokio::spawn(async move { registry.register(&app(), &user(name), plain(value)).await })
    };
    let calls = [
        call("ada", "a"),
        call("ada", "bad"),
        call("ada", "b"),
        call("bob", "c"),
    ];
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert!(answers[0].is_ok() && answers[3].is_ok());
    for lost in &answers[1..3] {
        assert!(matches!(lost, Err(Error::ShuttingDown)), "{lost:?}");
    }
    let again = house
        .registry
        .register(&app(), &user("ada"), plain("b"))
        .await;
    assert!(again.unwrap().is_new);
    let text = house.telemetry.encode();
    assert!(text.contains(r#"fanfare_actor_restarts_total{actor="user"} 1"#));
    assert!(
        !text.contains(r#"actor="users""#),
        "the supervisor carries on"
    );
    assert_eq!(house.registry.users_active(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_dies_is_started_again_and_gives_up_in_the_end() {
    let store = Memory::new();
    let one = RegistryConfig {
        shards: 1,
        ..config()
    };
    let house = house(store.clone(), one).await;
    let registry = &house.registry.0;
    let deaths_max = restart::Policy::default().restarts_max;
    for death in 0..=deaths_max {
        let answer = house
            .registry
            .register(&app(), &user("ada"), plain("a"))
            .await;
        assert!(answer.is_ok(), "after death {death}");
        let shard = registry.shards.get(0).unwrap();
        shard.kill();
        let is_back = || {
            registry
                .shards
                .get(0)
                .is_some_and(|now| now.get_id() != shard.get_id())
        };
        while !is_back() && house.gave_up.lock().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let why = house.gave_up.lock().clone().unwrap();
    assert!(why.contains("shard"), "{why}");
    let answer = house
        .registry
        .register(&app(), &user("bob"), plain("b"))
        .await;
    assert!(matches!(answer, Err(Error::ShuttingDown)));
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_on_and_revokes_when_its_actor_is_stopped() {
    let store = Memory::new();
    let one = RegistryConfig {
        shards: 1,
        ..config()
    };
    let house = house(store.clone(), one).await;
    let ada = user("ada");
    let registered = house.registry.register(&app(), &ada, plain("a")).await;
    let device = registered.unwrap().device.id;
    let routed_at = house.clock.now();
    *store.delay.lock() = Duration::from_secs(1);
    let registry = house.registry.clone();
    let moving =
        tokio::spawn(async move { registry.register(&app(), &user("bob"), plain("a")).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    house.registry.0.shards.get(0).unwrap().kill();
    assert!(moving.await.unwrap().is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(store.log.lock().len(), 2, "written");
    let now = house.clock.now();
    let standing = house.revocations.standing(device, routed_at, now);
    assert_eq!(standing, Standing::Stale);
}
