//! Cases of delivery facts.

use std::sync::Arc;

use fanfare_types::{Applied, Device, Facts, Failing, Timestamp};

use super::fixtures::{NOW, device, present, put, register, rows, user};
use crate::Store;

type Shared = Arc<dyn Store>;

fn none_of(device: &Device) -> Facts {
    Facts {
        app: device.app.clone(),
        device: device.as_ref(),
        delivered: 0,
        delivered_at: None,
        failures: 0,
        failed_registration: None,
    }
}

fn delivered(device: &Device, count: u64, at: u64) -> Facts {
    Facts {
        delivered: count,
        delivered_at: Some(Timestamp(NOW.0 + at)),
        ..none_of(device)
    }
}

fn failed(device: &Device, count: u32, since: u64) -> Facts {
    Facts {
        failures: count,
        failed_registration: Some(Timestamp(NOW.0 + since)),
        ..none_of(device)
    }
}

async fn tell(store: &Shared, facts: Vec<Facts>) -> Vec<Failing> {
    store.record_facts(facts).await.expect("the store answers")
}

async fn row(store: &Shared) -> Device {
    rows(&**store, &super::fixtures::app("shop"), "ada")
        .await
        .remove(0)
}

pub async fn facts_are_added_to_their_rows(store: Shared) {
    let (ada, bob) = (device(1, "ada", "t1"), device(2, "bob", "t2"));
    register(&*store, &ada).await;
    register(&*store, &bob).await;
    let told = tell(&store, vec![delivered(&ada, 3, 20), failed(&bob, 2, 5)]).await;
    let failing = |count| Failing {
        app: bob.app.clone(),
        device: bob.as_ref(),
        consecutive_failures: count,
    };
    assert_eq!(told, [failing(2)]);
    // An earlier instant told later takes nothing back.
    assert_eq!(tell(&store, vec![delivered(&ada, 1, 10)]).await, []);
    assert_eq!(tell(&store, vec![failed(&bob, 3, 9)]).await, [failing(5)]);
    let row = row(&store).await;
    assert_eq!(row.notification_count, 4);
    assert_eq!(row.last_used_at, Some(Timestamp(NOW.0 + 20)));
    assert_eq!(row.updated_at, ada.updated_at, "nobody changed the row");
    let bobs = rows(&*store, &bob.app, "bob").await.remove(0);
    assert_eq!((bobs.consecutive_failures, bobs.last_used_at), (5, None));
    // A delivered push ends the row of failures; what failed after it is counted anew.
    let both = Facts {
        failures: 1,
        failed_registration: Some(NOW),
        ..delivered(&bob, 1, 30)
    };
    assert_eq!(tell(&store, vec![both]).await, [failing(1)]);
}

pub async fn facts_of_rows_that_are_gone_or_moved_are_passed_over(store: Shared) {
    let ada = device(1, "ada", "t1");
    register(&*store, &ada).await;
    let former = Device {
        user: user("bob"),
        ..ada.clone()
    };
    let gone = device(9, "ada", "t9");
    let told = vec![
        failed(&former, 1, 1),
        delivered(&gone, 1, 1),
        failed(&gone, 1, 1),
    ];
    assert_eq!(tell(&store, told).await, []);
    assert_eq!(row(&store).await, ada);
    assert_eq!(tell(&store, Vec::new()).await, []);
}

pub async fn failures_of_before_the_newest_registration_do_not_count(store: Shared) {
    let ada = Device {
        registered_at: Timestamp(NOW.0 + 10),
        ..device(1, "ada", "t1")
    };
    register(&*store, &ada).await;
    assert_eq!(tell(&store, vec![failed(&ada, 4, 9)]).await, []);
    assert_eq!(row(&store).await.consecutive_failures, 0);
    assert_eq!(tell(&store, vec![failed(&ada, 1, 10)]).await.len(), 1);
    assert_eq!(row(&store).await.consecutive_failures, 1);
}

pub async fn a_change_decided_before_the_facts_takes_nothing_from_them(store: Shared) {
    let ada = device(1, "ada", "t1");
    register(&*store, &ada).await;
    let read = row(&store).await;
    tell(&store, vec![delivered(&ada, 2, 5)]).await;
    let next = Device {
        revision: read.revision + 1,
        ..read.clone()
    };
    let applied = store.apply(put(&next, present(&read))).await;
    let applied = applied.expect("the store answers");
    assert_eq!(row(&store).await.notification_count, 2, "{applied:?}");
    // Decided anew on what is there now, it goes through.
    let read = row(&store).await;
    let next = Device {
        revision: read.revision + 1,
        ..read.clone()
    };
    let applied = store.apply(put(&next, present(&read))).await;
    assert_eq!(applied.expect("the store answers"), Applied::Done);
    assert_eq!(row(&store).await.notification_count, 2);
}
