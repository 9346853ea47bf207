//! Actors come on demand and go when idle, and no call is lost in between.

use fanfare_core::admission::Scope;
use futures_util::future::join_all;

use super::memory::Memory;
use super::*;
use crate::{Error, user};

/// Waits (in paused time) until no actor is alive.
async fn until_nobody_is_there(house: &House) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while house.registry.users_active() > 0 {
        assert!(Instant::now() < deadline, "{:?}", house.registry);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(
        house
            .telemetry
            .encode()
            .contains("fanfare_users_active 0\n")
    );
}

#[test]
fn a_user_costs_little() {
    assert!(
        size_of::<user::State>() <= 96,
        "{}",
        size_of::<user::State>()
    );
    assert!(size_of::<user::Call>() <= 32, "{}", size_of::<user::Call>());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_users_who_are_idle_leave_no_actor() {
    let store = Memory::new();
    let house = house(store.clone(), config()).await;
    for batch in 0..100 {
        let users = (0..100).map(|n| {
            let registry = &house.registry;
            async move {
                let user = user(batch * 100 + n);
                registry.register(&app(), &user, plain(user.as_str())).await
            }
        });
        assert!(join_all(users).await.iter().all(Result::is_ok));
    }
    assert_eq!(house.registry.users_active(), 10_000);
    let asked_at = Instant::now();
    until_nobody_is_there(&house).await;
    assert!(asked_at.elapsed() < config().passivate_after * 2);
    assert_eq!(store.rows(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn coming_and_going_under_load_loses_nothing() {
    let store = Memory::new();
    *store.delay.lock() = Duration::from_millis(7);
    let house = house(
        store.clone(),
        RegistryConfig {
            passivate_after: Duration::from_millis(10),
            ..config()
        },
    )
    .await;
    let (users, callers, calls) = (20_u64, 4_u64, 100_u64);
    let load = (0..users * callers).map(|task| {
        let registry = house.registry.clone();
        tokio::spawn(async move {
            let user = user(task % users);
            for call in 0..calls {
                registry
                    .register(&app(), &user, plain(user.as_str()))
                    .await
                    .unwrap();
                // Pauses around the time after which an actor goes.
                let pause = (task * 31 + call * 17) % 40;
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        })
    });
    for done in join_all(load).await {
        done.unwrap();
    }
    for n in 0..users {
        let rows = house.registry.list(&app(), &user(n)).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            rows[0].revision,
            callers * calls,
            "each call was carried out once"
        );
    }
    until_nobody_is_there(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_call_while_others_passivate_lose_nothing() {
    let store = Memory::new();
    let house = house(store.clone(), config()).await;
    let load = (0..8_u64).map(|task| {
        let registry = house.registry.clone();
        tokio::spawn(async move {
            for _ in 0..500 {
                let user = user(task % 2);
                registry
                    .register(&app(), &user, plain(user.as_str()))
                    .await
                    .unwrap();
                registry.0.directory.passivate(Duration::ZERO, usize::MAX);
            }
        })
    });
    for done in join_all(load).await {
        done.unwrap();
    }
    for n in 0..2 {
        let rows = house.registry.list(&app(), &user(n)).await.unwrap();
        assert_eq!(rows[0].revision, 2000);
    }
    house.registry.drain().await;
    assert_eq!(house.registry.users_active(), 0);
}

/// Registers these addresses for a user, each in a task of its own.
fn calls(
    house: &House,
    name: &str,
    addresses: std::ops::Range<u32>,
) -> Vec<tokio::task::JoinHandle<crate::Result<super::super::Registered>>> {
    let call = |n: u32| {
        let (registry, user) = (house.registry.clone(), user(name));
        tokio::spawn(async move {
            let value = format!("{}-{n}", user.as_str());
            registry.register(&app(), &user, plain(value)).await
        })
    };
    addresses.map(call).collect()
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn scope(answer: crate::Result<super::super::Registered>) -> Option<Scope> {
    match answer {
        Err(Error::Refused(refused)) => Some(refused.scope),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_with_a_full_queue_is_refused_and_others_are_not() {
    let store = Memory::new();
    let few = RegistryConfig {
        user_queue_max: 2,
        ..config()
    };
    let house = house(store.clone(), few).await;
    store.shut();
    let mut ada = calls(&house, "ada", 0..3);
    settle().await;
    let bob = calls(&house, "bob", 0..1);
    settle().await;
    let last = ada.pop().unwrap().await.unwrap();
    assert_eq!(scope(last), Some(Scope::App));
    store.open();
    for call in ada.into_iter().chain(bob) {
        assert!(call.await.unwrap().is_ok());
    }
    let text = house.telemetry.encode();
    assert!(text.contains(r#"fanfare_refused_total{app="shop",scope="user_queue"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn at_users_max_idle_actors_make_room_at_once() {
    let few = RegistryConfig {
        users_max: 3,
        ..config()
    };
    let house = house(Memory::new(), few).await;
    let started_at = Instant::now();
    for n in 0..20 {
        let answer = house.registry.register(&app(), &user(n), plain(n)).await;
        assert!(answer.is_ok());
        assert!(house.registry.users_active() <= 3);
    }
    assert!(
        started_at.elapsed() < Duration::from_secs(1),
        "nobody waited"
    );
}

#[tokio::test(start_paused = true)]
async fn at_users_max_a_call_waits_for_a_busy_one_and_is_refused_in_the_end() {
    let store = Memory::new();
    let few = RegistryConfig {
        users_max: 1,
        ..config()
    };
    let house = house(store.clone(), few).await;
    store.shut();
    let ada = calls(&house, "ada", 0..1);
    settle().await;
    let bob = calls(&house, "bob", 0..1);
    settle().await;
    store.open();
    for call in ada.into_iter().chain(bob) {
        assert!(
            call.await.unwrap().is_ok(),
            "the one who waited is served, too"
        );
    }
    store.shut();
    let ada = calls(&house, "ada", 1..2);
    settle().await;
    let asked_at = Instant::now();
    let bob = calls(&house, "bob", 1..2).pop().unwrap();
    assert_eq!(scope(bob.await.unwrap()), Some(Scope::Gateway));
    assert!(asked_at.elapsed() >= CALL_TIMEOUT);
    for call in ada {
        assert!(matches!(call.await.unwrap(), Err(Error::Timeout(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn draining_answers_what_is_under_way_and_takes_no_more() {
    let store = Memory::new();
    *store.delay.lock() = Duration::from_millis(100);
    let house = house(store.clone(), config()).await;
    let ada = calls(&house, "ada", 0..10);
    let bob = calls(&house, "bob", 0..1);
    settle().await;
    house.registry.drain().await;
    assert_eq!(house.registry.users_active(), 0);
    for call in ada.into_iter().chain(bob) {
        assert!(call.is_finished(), "answered before the drain ended");
        assert!(call.await.unwrap().is_ok());
    }
    let late = house
        .registry
        .register(&app(), &user("late"), plain("l"))
        .await;
    assert!(matches!(late, Err(Error::ShuttingDown)));
    assert_eq!(
        house
            .registry
            .list(&app(), &user("ada"))
            .await
            .unwrap()
            .len(),
        10
    );
}
