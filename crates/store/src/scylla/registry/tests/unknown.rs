//! Compare-and-set whose answer never came: it is read back what became of it.

use std::sync::Arc;
use std::time::Duration;

use fanfare_testbed::Proxy;
use fanfare_types::{Applied, Device};

use super::{at, check_books, nodes, planned};
use crate::contract::fixtures::{claim, device, present, put, register};
use crate::scylla::Scylla;
use crate::scylla::keyspaces::{self, Loan};
use crate::scylla::registry::Room;
use crate::{Change, Error, Expect, Registry, Result};

/// How long the node waits for the answer to a compare-and-set.
const PATIENCE: Duration = Duration::from_millis(100);

/// A node whose way to the database is a proxy's.
async fn behind_a_proxy(loan: &Loan) -> (Arc<Scylla>, Room, Arc<Proxy>) {
    let proxy = tokio::task::spawn_blocking(|| fanfare_testbed::shared().proxy());
    let proxy = proxy.await.expect("a database").expect("a proxy");
    let nodes = proxy.addresses().iter().map(ToString::to_string).collect();
    let config = loan.config(nodes);
    let node = Scylla::open(&config).await.expect("it opens");
    let mut room = Room::new(&node.db, &node.held, &config)
        .await
        .expect("it is prepared");
    for statement in [
        &mut room.statements.decide_first,
        &mut room.statements.decide,
    ] {
        statement.set_request_timeout(Some(PATIENCE));
    }
    (node, room, Arc::new(proxy))
}

/// Decides and carries out, on a way with a fault.
async fn take(
    room: &Room,
    node: &Scylla,
    change: &Change,
    fault: impl FnOnce(),
) -> Result<Applied> {
    let step = planned(node, change).await;
    let put = change.put.as_ref().expect("it writes a row");
    fault();
    room.take(&change.app, put, &step).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_without_an_answer_is_done() {
    let (other, _, loan) = nodes().await;
    let (node, room, proxy) = behind_a_proxy(&loan).await;
    let ada = device(1, "ada", "t1");
    let slow = || proxy.delay(PATIENCE * 3);
    let change = claim(&ada, Expect::Absent, None);
    assert_eq!(take(&room, &node, &change, slow).await, Ok(Applied::Done));
    proxy.heal();
    check_books(&other, &loan, &[&ada], "new").await;
    let rotated = at(&ada, "t2");
    let change = claim(&rotated, present(&ada), None);
    assert_eq!(take(&room, &node, &change, slow).await, Ok(Applied::Done));
    proxy.heal();
    check_books(&other, &loan, &[&rotated], "rotated").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_decided_meanwhile_is_a_conflict() {
    let (other, _, loan) = nodes().await;
    let (node, room, proxy) = behind_a_proxy(&loan).await;
    let (ada, bob) = (device(1, "ada", "t1"), device(2, "bob", "t1"));
    let change = claim(&ada, Expect::Absent, None);
    let step = planned(&node, &change).await;
    proxy.hang();
    let taking = tokio::spawn(async move {
        let put = change.put.as_ref().expect("it writes a row");
        room.take(&change.app, put, &step).await
    });
    register(&*other, &bob).await;
    proxy.heal();
    assert_eq!(taking.await.expect("it ends"), Ok(Applied::Conflict));
    check_books(&other, &loan, &[&bob], "the other's").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_back_is_unknown() {
    let (other, _, loan) = nodes().await;
    let (node, room, proxy) = behind_a_proxy(&loan).await;
    let ada = device(1, "ada", "t1");
    register(&*other, &ada).await;
    let refreshed = at(&ada, "t1");
    let change = put(&refreshed, present(&ada));
    let step = planned(&node, &change).await;
    // The request goes through, and no answer comes back.
    proxy.delay(Duration::from_secs(3_600));
    let taking = tokio::spawn(async move {
        let put = change.put.as_ref().expect("it writes a row");
        room.take(&change.app, put, &step).await
    });
    let key = ada.address.key(None);
    let seen = async || {
        let held = other.registry.address(&ada.app, &key).await;
        held.expect("it answers").expect("it is held").change
    };
    let before = seen().await;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while seen().await == before {
        assert!(std::time::Instant::now() < deadline, "it is decided");
    }
    proxy.cut();
    let taken = taking.await.expect("it ends");
    assert!(matches!(taken, Err(Error::Unknown(_))), "{taken:?}");
    // Whoever asks finds it, and finishes it.
    let holder = other.holder(&ada.app, key).await;
    assert_eq!(holder, Ok(Some(refreshed.clone())));
    check_books(&other, &loan, &[&refreshed], "found").await;
    drop(node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_a_change_fails_soon_and_says_which_way() {
    let loan = keyspaces::borrow().await;
    let (node, _, proxy) = behind_a_proxy(&loan).await;
    let ada: Device = device(1, "ada", "t1");
    proxy.cut();
    let applied = node.apply(claim(&ada, Expect::Absent, None)).await;
    assert!(matches!(applied, Err(Error::Unavailable(_))), "{applied:?}");
}
