//! Cases of listings for administrators.

use std::sync::Arc;

use fanfare_types::{Device, Platform, Status, Timestamp};

use super::fixtures::{NOW, app, device, register};
use crate::listing::{Column, Filter, Match, Order, TextColumn, TimeColumn};
use crate::{DeviceQuery, Listing, Store};

type Shared = Arc<dyn Store>;

fn query(tenant: Option<&str>) -> DeviceQuery {
    DeviceQuery {
        app: app("shop"),
        tenant: tenant.map(str::to_owned),
        filters: Vec::new(),
        order: Vec::new(),
        start: 0,
        length: 100,
    }
}

/// Number `n` of tenant `north`.
fn northern(n: u64, owner: &str) -> Device {
    Device {
        tenant: Some("north".to_owned()),
        last_seen_at: Timestamp(NOW.0 + 1_000 - n),
        ..device(n, owner, &format!("north-{n}"))
    }
}

async fn ask(store: &Shared, query: DeviceQuery) -> Listing {
    store.listing(query).await.expect("the store answers")
}

fn owners(listing: &Listing) -> Vec<&str> {
    listing.rows.iter().map(|row| row.user.as_str()).collect()
}

/// Owners of the rows that pass these filters, by id.
async fn passing(store: &Shared, filters: Vec<Filter>) -> Vec<String> {
    let query = DeviceQuery {
        filters,
        ..query(Some("north"))
    };
    let listing = ask(store, query).await;
    assert_eq!(listing.filtered, listing.rows.len() as u64);
    owners(&listing).into_iter().map(str::to_owned).collect()
}

pub async fn a_tenant_sees_its_own_rows_and_no_deleted_one(store: Shared) {
    let (ada, bob) = (northern(1, "ada"), northern(2, "bob"));
    let south = Device {
        tenant: Some("south".to_owned()),
        ..northern(3, "sue")
    };
    let none = Device {
        tenant: None,
        ..northern(4, "nan")
    };
    let gone = Device {
        deleted_at: Some(NOW),
        ..northern(5, "gus")
    };
    let elsewhere = Device {
        app: app("news"),
        ..northern(6, "eve")
    };
    for row in [&ada, &bob, &south, &none, &gone, &elsewhere] {
        register(&*store, row).await;
    }
    let listing = ask(&store, query(Some("north"))).await;
    assert_eq!((listing.total, listing.filtered), (2, 2));
    assert_eq!(listing.rows, [ada, bob], "whole rows, by id");
    assert_eq!(owners(&ask(&store, query(Some("south"))).await), ["sue"]);
    assert_eq!(owners(&ask(&store, query(None)).await), ["nan"]);
    assert_eq!(ask(&store, query(Some("North"))).await.total, 0);
    assert_eq!(ask(&store, query(Some(""))).await.total, 0);
}

pub async fn a_listing_follows_deletion_restoring_and_moves(store: Shared) {
    use super::fixtures::{present, put};
    let first = northern(1, "ada");
    register(&*store, &first).await;
    let mut row = first;
    for (deleted_at, tenant, expected) in [
        (Some(NOW), Some("north"), 0),
        (None, Some("north"), 1),
        (None, Some("south"), 0),
        (None, None, 0),
        (None, Some("north"), 1),
    ] {
        let next = Device {
            deleted_at,
            tenant: tenant.map(str::to_owned),
            revision: row.revision + 1,
            ..row.clone()
        };
        let applied = store.apply(put(&next, present(&row))).await;
        assert_eq!(applied.expect("the store answers"), crate::Applied::Done);
        row = next;
        let north = ask(&store, query(Some("north"))).await;
        assert_eq!(
            (north.total, north.rows.len()),
            (expected, expected as usize)
        );
    }
}

pub async fn filters_hold_together_and_their_matches_by_turns(store: Shared) {
    let ada = Device {
        device_key: Some("Pixel-100%".to_owned()),
        ..northern(1, "ada")
    };
    let bob = Device {
        device_key: Some("pixel_1".to_owned()),
        platform: Platform::Ios,
        status: Status::Inactive,
        ..northern(2, "bob")
    };
    let mut cy = northern(3, "cy\u{e9}%_\\'\"");
    cy.meta.display_order = Some(7);
    for row in [&ada, &bob, &cy] {
        register(&*store, row).await;
    }
    let contains = |column, text: &str| Match::Contains(column, text.to_owned());
    let one = |wanted: Match| vec![Filter(vec![wanted])];
    let key = TextColumn::DeviceKey;
    let user = TextColumn::User;
    for (filters, expected) in [
        (one(contains(key, "PIXEL")), vec!["ada", "bob"]),
        (one(contains(key, "_")), vec!["bob"]),
        (one(contains(key, "%")), vec!["ada"]),
        (one(contains(user, "%_\\'\"")), vec![cy.user.as_str()]),
        (one(contains(user, "\u{e9}")), vec![cy.user.as_str()]),
        (one(contains(user, "' OR '1'='1")), vec![]),
        (one(contains(user, &"a".repeat(100_000))), vec![]),
        (one(contains(user, "\0")), vec![]),
        (one(Match::Id(bob.id)), vec!["bob"]),
        (one(Match::Platform(Platform::Ios)), vec!["bob"]),
        (one(Match::Active(false)), vec!["bob"]),
        (one(Match::DisplayOrder(0)), vec!["ada", "bob"]),
        (one(Match::DisplayOrder(7)), vec![cy.user.as_str()]),
        (vec![Filter::default()], vec![]),
        (
            vec![Filter(vec![contains(user, "ad"), contains(user, "bo")])],
            vec!["ada", "bob"],
        ),
        (
            vec![
                Filter(vec![contains(user, "a"), contains(user, "b")]),
                Filter(vec![Match::Active(true)]),
            ],
            vec!["ada"],
        ),
    ] {
        assert_eq!(
            passing(&store, filters.clone()).await,
            expected,
            "{filters:?}"
        );
    }
    let seen = one(Match::Within(
        TimeColumn::LastSeenAt,
        ada.last_seen_at..Timestamp(ada.last_seen_at.0 + 1),
    ));
    assert_eq!(passing(&store, seen).await, ["ada"]);
    let all = ask(&store, query(Some("north"))).await;
    assert_eq!((all.total, all.filtered), (3, 3));
}

pub async fn pages_cover_every_row_once_in_each_order(store: Shared) {
    const ROWS: u64 = 23;
    for n in 0..ROWS {
        let mut row = northern(n, &format!("user-{:02}", n * 7 % ROWS));
        row.status = [Status::Active, Status::Stale][usize::from(n % 3 == 0)];
        row.platform = Platform::ALL[n as usize % 4];
        row.meta.display_order = (n % 2 == 0).then_some(5 - n as i32);
        row.device_key = (n % 5 > 0).then(|| format!("key-{n}"));
        register(&*store, &row).await;
    }
    let columns = [
        Column::Id,
        Column::Text(TextColumn::User),
        Column::Text(TextColumn::DeviceKey),
        Column::Time(TimeColumn::LastSeenAt),
        Column::Platform,
        Column::Active,
        Column::DisplayOrder,
    ];
    for (column, descending) in columns.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        let order = vec![Order { column, descending }];
        let (mut seen, mut start) = (Vec::new(), 0);
        while start < ROWS {
            let query = DeviceQuery {
                order: order.clone(),
                start,
                length: 5,
                ..query(Some("north"))
            };
            let page = ask(&store, query).await;
            assert_eq!(page.total, ROWS);
            seen.extend(page.rows);
            start += 5;
        }
        let mut expected = seen.clone();
        expected.sort_by(|one, other| {
            let by_column = compare(column, one, other);
            let by_column = if descending {
                by_column.reverse()
            } else {
                by_column
            };
            by_column.then(one.id.cmp(&other.id))
        });
        assert_eq!(seen, expected, "{column:?}, descending: {descending}");
        expected.dedup();
        assert_eq!(expected.len() as u64, ROWS);
    }
    let beyond = DeviceQuery {
        start: u64::MAX,
        ..query(Some("north"))
    };
    let beyond = ask(&store, beyond).await;
    assert_eq!((beyond.rows.len(), beyond.filtered), (0, ROWS));
    let empty = DeviceQuery {
        length: 0,
        ..query(Some("north"))
    };
    assert_eq!(ask(&store, empty).await.rows.len(), 0);
}

fn compare(column: Column, one: &Device, other: &Device) -> std::cmp::Ordering {
    match column {
        Column::Id => one.id.cmp(&other.id),
        Column::Text(TextColumn::User) => one.user.cmp(&other.user),
        Column::Text(TextColumn::DeviceKey) => one.device_key.cmp(&other.device_key),
        Column::Time(TimeColumn::LastSeenAt) => one.last_seen_at.cmp(&other.last_seen_at),
        Column::Platform => one.platform.as_str().cmp(other.platform.as_str()),
        Column::Active => (one.status == Status::Active).cmp(&(other.status == Status::Active)),
        Column::DisplayOrder => {
            let order = |row: &Device| row.meta.display_order.unwrap_or(0);
            order(one).cmp(&order(other))
        }
        Column::Text(_) | Column::Time(_) => std::cmp::Ordering::Equal,
    }
}
