//! Nodes that decide on the same rows at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanfare_types::{Applied, Device, Timestamp};
use futures_util::future::{join, join_all};

use super::{at, check_books, nodes, planned, removal, rows_of};
use crate::contract::fixtures::{app, claim, device, present, put, register, user};
use crate::scylla::Scylla;
use crate::{Expect, Registry};

const CLIENTS: u64 = 16;
const ADDRESSES: u64 = 4;
const ROUNDS: u64 = 4;

/// Registers `mine`, whoever holds its address: its row moves over, or goes.
async fn take(node: &Scylla, mine: Device) {
    for _ in 0..2_000 {
        let holder = node.holder(&mine.app, mine.address.key(None)).await;
        let change = match holder.expect("it answers") {
            None => claim(&mine, Expect::Absent, None),
            Some(held) if held.user == mine.user => return,
            // By turns the row moves to the new user, and is removed for another one.
            Some(held) if held.revision % 2 == 1 => {
                let moved = Device {
                    user: mine.user.clone(),
                    revision: held.revision + 1,
                    ..held.clone()
                };
                claim(&moved, present(&held), Some(held.as_ref()))
            }
            Some(held) => {
                let mut change = claim(&mine, Expect::Absent, Some(held.as_ref()));
                change.remove = vec![held.as_ref()];
                change
            }
        };
        if node.apply(change).await == Ok(Applied::Done) {
            return;
        }
    }
    panic!("2,000 conflicts in a row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clients_on_two_nodes_race_for_addresses_and_each_has_one_owner() {
    let (one, other, _loan) = nodes().await;
    for round in 0..ROUNDS {
        let clients = (0..CLIENTS).map(|n| {
            let node: Arc<Scylla> = [&one, &other][n as usize % 2].clone();
            let token = format!("contested-{}", n % ADDRESSES);
            let mine = device(round * 100 + n, &format!("user-{n}"), &token);
            tokio::spawn(async move { take(&node, mine).await })
        });
        for client in join_all(clients).await {
            client.expect("it ends");
        }
        let users = (0..CLIENTS).map(|n| user(&format!("user-{n}")));
        let rows = one.devices_of(&app("shop"), users.collect()).await;
        let rows = rows.expect("it answers");
        let owned: BTreeSet<&str> = rows.iter().map(|row| row.address.expose()).collect();
        assert_eq!(owned.len() as u64, ADDRESSES);
        assert_eq!(rows.len() as u64, ADDRESSES, "one row for each address");
        for row in rows {
            let holder = other.holder(&row.app, row.address.key(None)).await;
            assert_eq!(holder, Ok(Some(row)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_revision_that_comes_with_another_address_is_a_conflict() {
    let (one, other, loan) = nodes().await;
    let ada = device(1, "ada", "t1");
    register(&*one, &ada).await;
    let refreshed = at(&ada, "t1");
    let rotated = claim(&at(&ada, "t2"), present(&ada), None);
    // Decided on the row as it was, before the other wrote it.
    let step = planned(&other, &rotated).await;
    let applied = one.apply(put(&refreshed, present(&ada))).await;
    assert_eq!(applied, Ok(Applied::Done));
    let late = rotated.put.as_ref().expect("it writes a row");
    let taken = other.registry.take(&ada.app, late, &step).await;
    assert_eq!(taken, Ok(Applied::Conflict));
    assert_eq!(other.apply(rotated.clone()).await, Ok(Applied::Conflict));
    check_books(&one, &loan, &[&refreshed], "the earlier write stays").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_addresses_for_one_device_at_once_end_with_one() {
    let (one, other, loan) = nodes().await;
    for round in 0..8 {
        let ada = device(round, "ada", "t1");
        register(&*one, &ada).await;
        let (left, right) = (at(&ada, "left"), at(&ada, "right"));
        let (took_left, took_right) = join(
            one.apply(claim(&left, present(&ada), None)),
            other.apply(claim(&right, present(&ada), None)),
        )
        .await;
        let winner = match (took_left, took_right) {
            (Ok(Applied::Done), Ok(Applied::Conflict)) => left,
            (Ok(Applied::Conflict), Ok(Applied::Done)) => right,
            both => panic!("{both:?}"),
        };
        check_books(&other, &loan, &[&winner], "the winner's").await;
        assert_eq!(one.apply(removal(&winner)).await, Ok(Applied::Done));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rows_with_one_device_key_the_later_counts_and_the_next_write_removes_the_other() {
    let (one, other, loan) = nodes().await;
    let keyed = |number, registered_at, token: &str| Device {
        device_key: Some("install".to_owned()),
        registered_at: Timestamp(registered_at),
        ..device(number, "ada", token)
    };
    let (early, late) = (keyed(1, 5, "t1"), keyed(2, 6, "t2"));
    let changes = [&early, &late].map(|row| claim(row, Expect::Absent, None));
    // Both have looked before either has written.
    let steps = [
        planned(&one, &changes[0]).await,
        planned(&other, &changes[1]).await,
    ];
    for (node, (change, step)) in [&one, &other].into_iter().zip(changes.iter().zip(&steps)) {
        let put = change.put.as_ref().expect("it writes a row");
        let taken = node.registry.take(&change.app, put, step).await;
        assert_eq!(taken, Ok(Applied::Done));
    }
    assert_eq!(rows_of(&one, "ada").await, std::slice::from_ref(&late));
    let next = at(&late, "t2");
    let applied = other.apply(put(&next, present(&late))).await;
    assert_eq!(applied, Ok(Applied::Done));
    check_books(&one, &loan, &[&next], "one row is left").await;
}
