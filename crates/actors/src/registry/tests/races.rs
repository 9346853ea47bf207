//! Races and order, on the embedded store and in memory.

use fanfare_core::registration::Patch;
use fanfare_core::revocations::Standing;
use fanfare_types::Status;
use futures_util::future::join_all;

use super::memory::Memory;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_users_race_for_one_address_and_one_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = fanfare_store::embedded::Config::at(&dir.path().join("fanfare.db"));
    let store = fanfare_store::embedded::open(&at).unwrap();
    let house = house(store.clone(), config()).await;
    for round in 0..8 {
        let users: Vec<_> = (0..16).map(|n| user(format!("{round}-{n}"))).collect();
        let racing = users.iter().map(|user| {
            let (registry, user) = (house.registry.clone(), user.clone());
            tokio::spawn(async move { registry.register(&app(), &user, plain(round)).await })
        });
        let registered: Vec<_> = join_all(racing).await;
        let ids = registered
            .into_iter()
            .map(|done| done.unwrap().unwrap().device.id);
        let ids: std::collections::HashSet<_> = ids.collect();
        assert_eq!(ids.len(), 1, "one row, which moved from user to user");
        let lists = users
            .iter()
            .map(|user| async { house.registry.list(&app(), user).await });
        let lists: Vec<_> = join_all(lists)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(lists.iter().map(Vec::len).sum::<usize>(), 1, "one owner");
        let device = lists.into_iter().flatten().next().unwrap();
        assert_eq!(
            device.revision, 16,
            "every registration was carried out once"
        );
        assert!(device.is_deliverable());
    }
    house.registry.drain().await;
    store.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_users_writes_happen_in_the_order_they_came() {
    let store = Memory::new();
    *store.delay.lock() = Duration::from_millis(3);
    let house = house(store.clone(), config()).await;
    let ada = user("ada");
    let mut command = plain("a");
    command.meta.device_name = Some("0".to_owned());
    let (registry, app) = (&house.registry, app());
    // Polled in order: the first finds no actor, some come while it is made, the rest when it is there.
    let id = registry
        .register(&app, &ada, command)
        .await
        .unwrap()
        .device
        .id;
    registry.0.directory.passivate(Duration::ZERO, usize::MAX);
    let renames = (1..60).map(|n| {
        let patch = Patch {
            device_name: Some(Some(n.to_string())),
            ..Patch::default()
        };
        registry.patch(&app, &ada, id, patch)
    });
    let renamed = join_all(renames).await;
    assert!(renamed.into_iter().all(|done| done.unwrap().is_some()));
    let written: Vec<_> = store
        .log
        .lock()
        .iter()
        .map(|row| row.meta.device_name.clone())
        .collect();
    let wanted: Vec<_> = (0..60).map(|n| Some(n.to_string())).collect();
    assert_eq!(written, wanted);
}

#[tokio::test(start_paused = true)]
async fn when_a_move_is_answered_what_was_routed_before_is_stale() {
    let store = Memory::new();
    let house = house(store, config()).await;
    let (ada, bob) = (user("ada"), user("bob"));
    let device = house
        .registry
        .register(&app(), &ada, plain("a"))
        .await
        .unwrap()
        .device;
    tokio::time::advance(Duration::from_millis(10)).await;
    let routed_at = house.clock.now();
    let standing = || {
        let now = house.clock.now();
        house.revocations.standing(device.id, routed_at, now)
    };
    assert_eq!(standing(), Standing::Good);
    let moved = house
        .registry
        .register(&app(), &bob, plain("a"))
        .await
        .unwrap();
    assert_eq!(standing(), Standing::Stale);
    assert_eq!((moved.device.id, moved.is_new), (device.id, false));
    assert!(
        house
            .registry
            .get(&app(), &ada, device.id)
            .await
            .unwrap()
            .is_none()
    );
    let text = house.telemetry.encode();
    for (kind, count) in [("created", 1), ("moved", 1)] {
        let line = format!(r#"fanfare_registrations_total{{app="shop",kind="{kind}"}} {count}"#);
        assert!(text.contains(&line), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_lists_changes_and_deletes_and_nobody_else_does() {
    let store = Memory::new();
    let house = house(store.clone(), config()).await;
    let (registry, app, ada, bob) = (&house.registry, app(), user("ada"), user("bob"));
    let mut ids = Vec::new();
    for value in ["a", "b"] {
        let registered = registry.register(&app, &ada, plain(value)).await.unwrap();
        ids.push(registered.device.id);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let listed = registry.list(&app, &ada).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|row| row.id).collect();
    assert_eq!(listed, [ids[1], ids[0]], "last seen first");
    let off = Patch {
        status: Some(Status::Inactive),
        ..Patch::default()
    };
    let patched = registry.patch(&app, &bob, ids[0], off.clone()).await;
    assert!(patched.unwrap().is_none());
    let patched = registry.patch(&app, &ada, ids[0], off).await;
    assert_eq!(patched.unwrap().unwrap().status, Status::Inactive);
    for (user, deleted) in [(&bob, false), (&ada, true), (&ada, false)] {
        let answer = registry.delete(&app, user, ids[0]).await;
        assert_eq!(answer.unwrap(), deleted);
    }
    assert_eq!(store.rows(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_grows_stale_dies_and_is_purged() {
    let store = Memory::new();
    let house = house(store.clone(), config()).await;
    let (registry, app, ada) = (&house.registry, app(), user("ada"));
    let registered = registry.register(&app, &ada, plain("a")).await.unwrap();
    let (id, seen) = (registered.device.id, registered.device.last_seen_at);
    tokio::time::advance(Duration::from_secs(1)).await;
    let now = house.clock.now();
    for (unseen_since, marked) in [(seen, false), (now, true), (now, false)] {
        let answer = registry.mark_stale(&app, &ada, id, unseen_since).await;
        assert_eq!(answer.unwrap(), marked);
    }
    for (dead_since, buried) in [(Timestamp(1), false), (now, true), (now, false)] {
        let answer = registry.bury(&app, &ada, id, dead_since).await;
        assert_eq!(answer.unwrap(), buried);
    }
    let later = now + Duration::from_secs(1);
    for (before, purged) in [(now, false), (later, true), (later, false)] {
        let answer = registry.purge(&app, &ada, id, before).await;
        assert_eq!(answer.unwrap(), purged);
    }
    assert_eq!(store.rows(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_not_served_has_no_devices() {
    let house = house(Memory::new(), config()).await;
    let other = AppId::new("other").unwrap();
    let refused = house
        .registry
        .register(&other, &user("ada"), plain("a"))
        .await;
    assert!(matches!(refused, Err(crate::Error::UnknownApp)));
    assert_eq!(house.registry.users_active(), 0);
}
