//! Cases of audiences: shards, their pages, and counting.

use std::sync::Arc;

use fanfare_types::filter::{Field, Leaf, Test, Value};
use fanfare_types::{Audience, Channel, DeviceId, Filter, Platform, Status, Timestamp};
use futures_util::future::join_all;

use super::{
    Shared, all_of, crowd, device_ids, everybody, page, query, registered, running, shards,
};
use crate::campaigns::{AudiencePage, Audienced};
use crate::contract::fixtures::{NOW, app, claim, full_device, present, register, user};

/// When the ids of devices say a later time than any cut's.
const LATER: Timestamp = Timestamp(4_000_000_000_000);

fn ids(numbers: impl IntoIterator<Item = u64>) -> Vec<DeviceId> {
    let ids = numbers.into_iter().map(|number| DeviceId::new(NOW, number));
    ids.collect()
}

pub async fn shards_have_every_device_once(store: Shared) {
    let apart = |number: u64| {
        registered(&store, number, move |device| {
            device.user = user(&format!("one{number}"));
        })
    };
    join_all((1..=300).map(apart)).await;
    let id = running(&store, 1, Audience::All).await;
    let cut = shards(&store, id, 4).await;
    assert!((2..=4).contains(&cut.len()), "{cut:?}");
    assert_eq!(cut.iter().map(|shard| shard.rows).sum::<u64>(), 300);
    for (shard, number) in cut.iter().zip(0..) {
        let waiting = (shard.number, shard.scanned, shard.is_done);
        assert_eq!(waiting, (number, 0, false));
        assert!(shard.rows >= 40, "about as many rows each: {cut:?}");
    }
    let everybody = everybody(&store, id, &Audience::All, 4).await;
    assert_eq!(device_ids(&everybody), ids(1..=300));
}

pub async fn shards_are_cut_once(store: Shared) {
    crowd(&store, 200).await;
    let id = running(&store, 1, Audience::All).await;
    let unknown = store.shards(&app("news"), id, 3).await;
    assert_eq!(unknown, Ok(Vec::new()), "another app's");
    assert_eq!(shards(&store, id, 0).await, [], "not cut");
    let (left, right) = tokio::join!(shards(&store, id, 3), shards(&store, id, 2));
    assert_eq!(left, right);
    later(&store, 300..330).await;
    assert_eq!(shards(&store, id, 8).await, left);
    assert_eq!(shards(&store, id, 0).await, left);
}

async fn later(store: &Shared, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let id = DeviceId::new(LATER, number);
        registered(store, number, |device| device.id = id).await;
    }
}

pub async fn devices_of_after_the_cut_are_in_no_shard(store: Shared) {
    crowd(&store, 20).await;
    registered(&store, 1_000, |device| device.app = app("news")).await;
    let id = running(&store, 1, Audience::All).await;
    shards(&store, id, 2).await;
    later(&store, 21..30).await;
    let moved = {
        let mut device = crate::contract::fixtures::device(3, "u3", "t3");
        let before = present(&device);
        device.user = user("heir");
        device.revision = 2;
        let holder = device.as_ref();
        let holder = fanfare_types::DeviceRef {
            user: user("u3"),
            ..holder
        };
        store.apply(claim(&device, before, Some(holder))).await
    };
    assert_eq!(moved, Ok(crate::Applied::Done));
    let everybody = everybody(&store, id, &Audience::All, 2).await;
    let (moved, others): (Vec<_>, Vec<_>) = everybody
        .into_iter()
        .partition(|to| to.device == Some(DeviceId::new(NOW, 3)));
    let stayed = (1..=20).filter(|number| *number != 3);
    assert_eq!(device_ids(&others), ids(stayed));
    // A store that cannot know whether it was read before passes over what moved after the cut.
    assert!(moved.len() == 1 || (store.fleet().is_some() && moved.is_empty()));
    for to in moved {
        assert_eq!(to.user, Some(user("heir")), "as it is now");
    }
}

pub async fn only_devices_that_are_delivered_to_are_in_an_audience(store: Shared) {
    for (number, status) in (1..).zip(Status::ALL) {
        registered(&store, number, |device| device.status = *status).await;
    }
    let deleted = |device: &mut fanfare_types::Device| device.deleted_at = Some(NOW);
    registered(&store, 9, deleted).await;
    let id = running(&store, 1, Audience::All).await;
    let everybody = everybody(&store, id, &Audience::All, 1).await;
    assert_eq!(device_ids(&everybody), ids([1]));
}

pub async fn a_recipient_is_reached_as_it_is_now(store: Shared) {
    let mut device = full_device();
    (device.status, device.deleted_at) = (Status::Active, None);
    register(&*store, &device).await;
    let id = running(&store, 1, Audience::All).await;
    let shard = shards(&store, id, 1).await.remove(0);
    let found = page(&store, query(id, 0, &Audience::All, &shard.cursor)).await;
    let row = &found.rows[0];
    let to = &row.recipient;
    assert_eq!(
        (to.user.as_ref(), to.device),
        (Some(&device.user), Some(device.id))
    );
    assert_eq!((to.channel, &to.variables), (Some(Channel::IosPush), &None));
    let reach = row.reach.as_ref().expect("it is delivered to");
    assert_eq!(reach.address, device.address);
    assert_eq!(reach.locale.as_deref(), device.meta.locale.as_deref());
    assert_eq!(reach.registered_at, device.registered_at);
}

fn leaf(field: Field, test: Test) -> Filter {
    Filter::Leaf(Leaf { field, test })
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub async fn tags_and_filters_choose(store: Shared) {
    registered(&store, 1, |device| {
        device.tags = vec!["news".into(), "a\"b".into()]
    })
    .await;
    registered(&store, 2, |device| device.tags = vec!["newsletter".into()]).await;
    registered(&store, 3, |device| {
        device.tags = vec!["x".into(), "news".into()];
        device.platform = Platform::Web;
        device.last_seen_at = Timestamp(NOW.0 + 9);
        device.created_at = Timestamp(5);
        device.meta.locale = Some("de".into());
        device.meta.time_zone = Some("Europe/Vienna".into());
        device.meta.app_version = Some("2.10".into());
    })
    .await;
    let tag = |tag: &str| Audience::Tag(tag.to_owned());
    let one = |field, test| Audience::Filter(leaf(field, test));
    let all = vec![
        leaf(Field::Platform, Test::In(vec![text("web"), text("ios")])),
        leaf(Field::Channel, Test::Eq(text("fcm"))),
        leaf(Field::Locale, Test::Exists(true)),
        leaf(Field::AppVersion, Test::Gt(Value::Version("2.9".into()))),
        leaf(Field::Tags, Test::Contains("x".into())),
        leaf(
            Field::LastSeenAt,
            Test::Gte(Value::At(Timestamp(NOW.0 + 9))),
        ),
        leaf(Field::CreatedAt, Test::Lt(Value::At(NOW))),
        leaf(Field::TimeZone, Test::Eq(text("Europe/Vienna"))),
    ];
    let none = Filter::Not(Box::new(Filter::All(all.clone())));
    let cases = [
        (tag("news"), vec![1, 3]),
        (tag("a\"b"), vec![1]),
        (tag("new"), vec![]),
        (
            one(
                Field::Tags,
                Test::In(vec![text("a\"b"), text("newsletter")]),
            ),
            vec![1, 2],
        ),
        (one(Field::Locale, Test::Exists(false)), vec![1, 2]),
        (one(Field::Platform, Test::Eq(text("android"))), vec![1, 2]),
        (Audience::Filter(Filter::All(all)), vec![3]),
        (Audience::Filter(none), vec![1, 2]),
        (Audience::Filter(Filter::All(Vec::new())), vec![1, 2, 3]),
    ];
    for (number, (audience, expected)) in (1..).zip(cases) {
        let id = running(&store, number, audience.clone()).await;
        let found = everybody(&store, id, &audience, 1).await;
        assert_eq!(device_ids(&found), ids(expected.clone()), "{audience:?}");
        let counted = count(&store, audience, 100, 100).await;
        assert_eq!(counted.recipients, expected.len() as u64);
    }
}

pub async fn a_page_ends_at_its_limits(store: Shared) {
    for number in 1..=20 {
        let tag = |device: &mut fanfare_types::Device| {
            device.user = user(&format!("one{number}"));
            if number % 5 == 0 {
                device.tags = vec!["rare".to_owned()];
            }
        };
        registered(&store, number, tag).await;
    }
    let rare = Audience::Tag("rare".to_owned());
    let id = running(&store, 1, rare.clone()).await;
    let shard = shards(&store, id, 1).await.remove(0);
    let pages = all_of(&store, id, &rare, &shard, 3).await;
    assert!(
        pages.iter().all(|page| page.rows.len() <= 3),
        "recipients at most"
    );
    assert_eq!(sums(&pages), (4, 20));
    let (mut after, mut pages) = (shard.cursor.clone(), Vec::new());
    while pages.last().is_none_or(|page: &AudiencePage| !page.is_last) {
        let mut query = query(id, 0, &rare, &after);
        query.rows_max = 8;
        let page = page(&store, query).await;
        after = page.cursor.clone();
        pages.push(page);
    }
    assert!(pages.iter().all(|page| page.scanned <= 8), "rows at most");
    assert_eq!(sums(&pages), (4, 20));
    let behind = page(&store, query(id, 0, &rare, &after)).await;
    assert!(behind.is_last && behind.rows.is_empty() && behind.scanned == 0);
}

/// Recipients, and rows looked at.
fn sums(pages: &[AudiencePage]) -> (usize, u64) {
    let rows = pages.iter().map(|page| page.rows.len()).sum();
    (rows, pages.iter().map(|page| page.scanned).sum())
}

pub async fn nobody_is_an_audience_too(store: Shared) {
    let id = running(&store, 1, Audience::All).await;
    let cut = shards(&store, id, 4).await;
    assert_eq!(cut.iter().map(|shard| shard.rows).sum::<u64>(), 0);
    later(&store, 1..2).await;
    assert_eq!(everybody(&store, id, &Audience::All, 4).await, []);
    assert_eq!(
        shards(&store, id, 4).await.len(),
        cut.len(),
        "kept, though empty"
    );
}

async fn count(store: &Shared, audience: Audience, rows: u64, recipients: u64) -> Audienced {
    let counted = store.count(&app("shop"), None, Arc::new(audience), rows, recipients);
    counted.await.expect("the store answers")
}

pub async fn a_count_says_how_far_it_looked(store: Shared) {
    crowd(&store, 30).await;
    registered(&store, 31, |device| device.status = Status::Stale).await;
    let counted = |recipients, scanned, is_whole| Audienced {
        recipients,
        scanned,
        is_whole,
    };
    assert_eq!(
        count(&store, Audience::All, 100, 100).await,
        counted(30, 31, true)
    );
    let some = count(&store, Audience::All, 10, 100).await;
    assert!(some == counted(10, 10, false) || some == counted(9, 10, false));
    let enough = count(&store, Audience::All, 100, 1).await;
    assert!(enough.recipients >= 1 && enough.recipients <= 31);
    let nobody = count(&store, Audience::Tag("x".into()), 100, 100).await;
    assert!(nobody.is_surely_empty());
    let elsewhere = store
        .count(&app("news"), None, Arc::new(Audience::All), 9, 9)
        .await;
    assert_eq!(elsewhere, Ok(counted(0, 0, true)));
}
