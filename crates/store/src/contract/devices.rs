//! Cases of the registry: rows, the rules of a step, and who holds an address.

use std::collections::BTreeSet;
use std::slice;
use std::sync::Arc;

use fanfare_types::{AppId, Device, DeviceId, DeviceRef};
use futures_util::future::join_all;

use super::fixtures::{app, claim, device, full_device, present, put, register, rows, user};
use crate::{Applied, Change, Expect, Store};

type Shared = Arc<dyn Store>;

async fn apply(store: &Shared, change: Change) -> Applied {
    store.apply(change).await.expect("the store answers")
}

async fn holder(store: &Shared, device: &Device) -> Option<Device> {
    let found = store.holder(&device.app, device.address.key(None)).await;
    found.expect("the store answers")
}

fn removal(app: AppId, remove: Vec<DeviceRef>) -> Change {
    Change {
        app,
        put: None,
        remove,
        claim: None,
    }
}

pub async fn a_registered_device_is_read_back_whole(store: Shared) {
    for device in [full_device(), device(2, "bob", "plain")] {
        register(&*store, &device).await;
        assert_eq!(
            rows(&*store, &device.app, device.user.as_str()).await,
            slice::from_ref(&device)
        );
        let by_id = store.devices_by_id(&device.app, vec![device.id]).await;
        assert_eq!(by_id.expect("the store answers"), slice::from_ref(&device));
        assert_eq!(holder(&store, &device).await, Some(device));
    }
}

pub async fn unknown_users_ids_and_addresses_are_absent(store: Shared) {
    let known = device(1, "ada", "t1");
    register(&*store, &known).await;
    let users = vec![user("nobody"), user("ada"), user("Ada")];
    let found = store.devices_of(&known.app, users).await;
    assert_eq!(found.expect("the store answers"), slice::from_ref(&known));
    let ids = vec![DeviceId::new(known.created_at, 77), known.id];
    let found = store.devices_by_id(&known.app, ids).await;
    assert_eq!(found.expect("the store answers"), [known]);
    assert_eq!(holder(&store, &device(9, "ada", "unknown")).await, None);
}

pub async fn users_and_ids_named_twice_count_once(store: Shared) {
    let known = device(1, "ada", "t1");
    register(&*store, &known).await;
    let found = store
        .devices_of(&known.app, vec![user("ada"), user("ada")])
        .await;
    assert_eq!(found.expect("the store answers").len(), 1);
    let found = store
        .devices_by_id(&known.app, vec![known.id, known.id])
        .await;
    assert_eq!(found.expect("the store answers").len(), 1);
}

pub async fn a_stale_revision_is_a_conflict(store: Shared) {
    let first = device(1, "ada", "t1");
    register(&*store, &first).await;
    let second = Device {
        revision: 2,
        ..first.clone()
    };
    assert_eq!(
        apply(&store, put(&second, present(&first))).await,
        Applied::Done
    );
    let late = Device {
        notification_count: 9,
        ..second.clone()
    };
    assert_eq!(
        apply(&store, put(&late, present(&first))).await,
        Applied::Conflict
    );
    assert_eq!(rows(&*store, &first.app, "ada").await, [second]);
}

pub async fn a_row_expected_absent_or_present_must_be_so(store: Shared) {
    let known = device(1, "ada", "t1");
    assert_eq!(
        apply(&store, put(&known, present(&known))).await,
        Applied::Conflict
    );
    assert_eq!(rows(&*store, &known.app, "ada").await, []);
    register(&*store, &known).await;
    assert_eq!(
        apply(&store, put(&known, Expect::Absent)).await,
        Applied::Conflict
    );
    let elsewhere = Expect::Present {
        user: user("bob"),
        revision: 1,
    };
    assert_eq!(
        apply(&store, put(&known, elsewhere)).await,
        Applied::Conflict
    );
    assert_eq!(rows(&*store, &known.app, "ada").await, [known]);
}

pub async fn a_wrong_holder_is_a_conflict(store: Shared) {
    let (ada, bob) = (device(1, "ada", "t1"), device(2, "bob", "t1"));
    let free = device(3, "cy", "t3");
    register(&*store, &ada).await;
    // Somebody holds it, and the caller thought nobody did; or another row; or nobody holds it any more.
    for (device, holder) in [
        (&bob, None),
        (&bob, Some(free.as_ref())),
        (&free, Some(ada.as_ref())),
    ] {
        let mut change = claim(device, Expect::Absent, holder);
        change.remove = vec![ada.as_ref()];
        assert_eq!(apply(&store, change).await, Applied::Conflict);
    }
    assert_eq!(holder(&store, &ada).await, Some(ada));
    assert_eq!(rows(&*store, &bob.app, "bob").await, []);
}

pub async fn an_address_held_by_another_row_is_a_conflict_without_a_claim(store: Shared) {
    let (ada, other) = (device(1, "ada", "t1"), device(2, "ada", "t2"));
    register(&*store, &ada).await;
    register(&*store, &other).await;
    let taking = Device {
        address: ada.address.clone(),
        revision: 2,
        ..other.clone()
    };
    assert_eq!(
        apply(&store, put(&taking, present(&other))).await,
        Applied::Conflict
    );
    let twin = device(3, "cy", "t1");
    assert_eq!(
        apply(&store, put(&twin, Expect::Absent)).await,
        Applied::Conflict
    );
    assert_eq!(rows(&*store, &ada.app, "ada").await, [ada, other]);
}

pub async fn a_row_moves_between_users_in_one_step(store: Shared) {
    let ada = device(1, "ada", "t1");
    register(&*store, &ada).await;
    let moved = Device {
        user: user("bob"),
        revision: 2,
        ..ada.clone()
    };
    let change = claim(&moved, present(&ada), Some(ada.as_ref()));
    assert_eq!(apply(&store, change).await, Applied::Done);
    assert_eq!(rows(&*store, &ada.app, "ada").await, []);
    assert_eq!(
        rows(&*store, &ada.app, "bob").await,
        slice::from_ref(&moved)
    );
    assert_eq!(holder(&store, &ada).await, Some(moved));
}

pub async fn an_address_is_taken_over_in_one_step(store: Shared) {
    let (loser, winner) = (device(1, "ada", "t1"), device(2, "bob", "t2"));
    register(&*store, &loser).await;
    register(&*store, &winner).await;
    let taking = Device {
        address: loser.address.clone(),
        revision: 2,
        ..winner.clone()
    };
    let mut change = claim(&taking, present(&winner), Some(loser.as_ref()));
    change.remove = vec![loser.as_ref()];
    assert_eq!(apply(&store, change).await, Applied::Done);
    assert_eq!(rows(&*store, &loser.app, "ada").await, []);
    assert_eq!(holder(&store, &taking).await, Some(taking.clone()));
    assert_eq!(holder(&store, &winner).await, None, "the address given up");
}

pub async fn a_conflict_changes_nothing(store: Shared) {
    let (kept, held) = (device(1, "ada", "t1"), device(2, "bob", "t2"));
    register(&*store, &kept).await;
    register(&*store, &held).await;
    let mut change = put(&device(3, "ada", "t2"), Expect::Absent);
    change.remove = vec![kept.as_ref()];
    assert_eq!(apply(&store, change).await, Applied::Conflict);
    assert_eq!(rows(&*store, &kept.app, "ada").await, [kept]);
    assert_eq!(rows(&*store, &held.app, "bob").await, [held]);
}

pub async fn a_removal_alone_works_and_is_idempotent(store: Shared) {
    let gone = [device(1, "ada", "t1"), device(2, "bob", "t2")];
    let stays = device(3, "ada", "t3");
    for device in gone.iter().chain([&stays]) {
        register(&*store, device).await;
    }
    let names: Vec<DeviceRef> = gone.iter().map(Device::as_ref).collect();
    for _ in 0..2 {
        let change = removal(stays.app.clone(), names.clone());
        assert_eq!(apply(&store, change).await, Applied::Done);
        assert_eq!(
            rows(&*store, &stays.app, "ada").await,
            slice::from_ref(&stays)
        );
        assert_eq!(rows(&*store, &stays.app, "bob").await, []);
        assert_eq!(holder(&store, &gone[0]).await, None);
    }
}

pub async fn a_removal_names_the_user_too(store: Shared) {
    let ada = device(1, "ada", "t1");
    register(&*store, &ada).await;
    let moved_away = DeviceRef {
        user: user("bob"),
        id: ada.id,
    };
    let change = removal(ada.app.clone(), vec![moved_away]);
    assert_eq!(apply(&store, change).await, Applied::Done);
    assert_eq!(rows(&*store, &ada.app, "ada").await, [ada]);
}

pub async fn an_address_given_up_is_free(store: Shared) {
    let old = device(1, "ada", "t1");
    register(&*store, &old).await;
    let renewed = Device {
        address: super::fixtures::address("t2"),
        revision: 2,
        ..old.clone()
    };
    let change = claim(&renewed, present(&old), None);
    assert_eq!(apply(&store, change).await, Applied::Done);
    assert_eq!(holder(&store, &old).await, None);
    let heir = device(2, "bob", "t1");
    register(&*store, &heir).await;
    assert_eq!(holder(&store, &old).await, Some(heir));
}

pub async fn a_device_key_is_one_row_of_a_user(store: Shared) {
    let keyed = |number, owner, key: &str| Device {
        device_key: Some(key.to_owned()),
        ..device(number, owner, &format!("t{number}"))
    };
    let first = keyed(1, "ada", "install");
    register(&*store, &first).await;
    let twin = keyed(2, "ada", "install");
    assert_eq!(
        apply(&store, claim(&twin, Expect::Absent, None)).await,
        Applied::Conflict
    );
    // Another user may have the same key, another app too, and the user another key, or rows without any.
    for row in [
        keyed(3, "bob", "install"),
        keyed(4, "ada", "Install"),
        device(5, "ada", "t5"),
        device(6, "ada", "t6"),
        Device {
            app: app("news"),
            ..keyed(7, "ada", "install")
        },
    ] {
        register(&*store, &row).await;
    }
    // Nor does a row take the key by a later write, unless the other goes in the same step.
    let other = rows(&*store, &first.app, "ada").await;
    let other = other
        .into_iter()
        .find(|row| row.address == device(5, "ada", "t5").address);
    let other = other.expect("it is there");
    let renamed = Device {
        device_key: Some("install".to_owned()),
        revision: other.revision + 1,
        ..other.clone()
    };
    assert_eq!(
        apply(&store, put(&renamed, present(&other))).await,
        Applied::Conflict
    );
    let mut change = put(&renamed, present(&other));
    change.remove = vec![first.as_ref()];
    assert_eq!(apply(&store, change).await, Applied::Done);
    let keys = rows(&*store, &first.app, "ada").await;
    let keys = keys.iter().filter(|row| row.device_key == first.device_key);
    assert_eq!(keys.count(), 1);
}

pub async fn apps_never_cross(store: Shared) {
    let shop = device(1, "ada", "t1");
    // The same id, user and address in another app is another device.
    let news = Device {
        app: app("news"),
        ..shop.clone()
    };
    register(&*store, &shop).await;
    assert_eq!(rows(&*store, &news.app, "ada").await, []);
    assert_eq!(holder(&store, &news).await, None);
    register(&*store, &news).await;
    assert_eq!(
        rows(&*store, &shop.app, "ada").await,
        slice::from_ref(&shop)
    );
    let change = removal(news.app.clone(), vec![news.as_ref()]);
    assert_eq!(apply(&store, change).await, Applied::Done);
    assert_eq!(holder(&store, &news).await, None);
    assert_eq!(holder(&store, &shop).await, Some(shop));
}

/// Registers `mine`, whoever holds its address: reads, decides, tries, and again after a conflict.
async fn take(store: &Shared, mine: &Device) {
    for _ in 0..200 {
        let holder = holder(store, mine).await;
        if holder
            .as_ref()
            .is_some_and(|holder| holder.user == mine.user)
        {
            return;
        }
        let held = holder.as_ref().map(Device::as_ref);
        let mut change = claim(mine, Expect::Absent, held.clone());
        change.remove = held.into_iter().collect();
        if apply(store, change).await == Applied::Done {
            return;
        }
    }
    panic!("200 conflicts in a row");
}

pub async fn racing_claims_end_with_one_holder(store: Shared) {
    const RACERS: u64 = 16;
    for round in 0..4 {
        let token = format!("contested-{round}");
        let racers: Vec<Device> = (0..RACERS)
            .map(|n| device(round * RACERS + n, &format!("u{n}"), &token))
            .collect();
        let tasks = racers.clone().into_iter().map(|mine| {
            let store = store.clone();
            tokio::spawn(async move { take(&store, &mine).await })
        });
        for task in join_all(tasks).await {
            task.expect("the racer ends");
        }
        let winner = holder(&store, &racers[0]).await.expect("one holder");
        for racer in &racers {
            let mut rows = rows(&*store, &racer.app, racer.user.as_str()).await;
            rows.retain(|row| row.address == racer.address);
            let expected = if racer.user == winner.user { 1 } else { 0 };
            assert_eq!(rows.len(), expected, "rows of {}", racer.user);
        }
    }
}

pub async fn racing_refreshes_count_each_revision(store: Shared) {
    const RACERS: u64 = 16;
    let first = device(1, "ada", "t1");
    register(&*store, &first).await;
    let tasks = (0..RACERS).map(|_| {
        let (store, first) = (store.clone(), first.clone());
        tokio::spawn(async move {
            loop {
                let row = rows(&*store, &first.app, "ada").await.remove(0);
                let next = Device {
                    revision: row.revision + 1,
                    notification_count: row.notification_count + 1,
                    ..row.clone()
                };
                if apply(&store, put(&next, present(&row))).await == Applied::Done {
                    return;
                }
            }
        })
    });
    for task in join_all(tasks).await {
        task.expect("the racer ends");
    }
    let row = rows(&*store, &first.app, "ada").await.remove(0);
    assert_eq!((row.revision, row.notification_count), (1 + RACERS, RACERS));
}

pub async fn a_scan_covers_every_row_once(store: Shared) {
    let mut expected = BTreeSet::new();
    for name in ["shop", "news", "a"] {
        for number in 0..7 {
            let device = Device {
                app: app(name),
                ..device(number * 31 % 7, "ada", &format!("t{number}"))
            };
            register(&*store, &device).await;
            expected.insert((device.app, device.id));
        }
    }
    for limit in [1, 4, 7, 21, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.scan(after, limit).await.expect("the store answers");
            assert!(page.devices.len() <= limit);
            seen.extend(
                page.devices
                    .into_iter()
                    .map(|device| (device.app, device.id)),
            );
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        seen.sort_unstable();
        let all: Vec<_> = expected.iter().cloned().collect();
        assert_eq!(seen, all, "pages of {limit}");
    }
}
