//! The journal among several nodes: fences, taking over, keys that two nodes race for, and what it costs to keep much.

use std::sync::Arc;

use fanfare_store::contract::fixtures::{NOW, accept, app, batch, ended};
use fanfare_store::scylla::Scylla;
use fanfare_store::{
    Accept, Accepted, Error, Fleet, Idempotency, Journal, OutcomeBatch, Recovered, Store,
};
use fanfare_types::{Epoch, NotificationId, Outcome, Slot, Timestamp};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

use crate::keyspaces::{Loan, borrow, node, nodes, work_on_all};

const MINUTE: u64 = 60_000;

fn at(minutes: u64) -> Timestamp {
    Timestamp(NOW.0 + minutes * MINUTE)
}

fn slot(number: u8) -> Slot {
    Slot::new(number).expect("a slot")
}

async fn holder(loan: &Loan, slots: &[u8], epoch: u64) -> Arc<Scylla> {
    let node = node(loan).await;
    take_up(&node, slots, epoch).await;
    node
}

async fn take_up(node: &Scylla, slots: &[u8], epoch: u64) {
    for number in slots {
        let taken = node.take_up(slot(*number), Epoch(epoch)).await;
        taken.expect("the slot is taken up");
    }
}

async fn sent(node: &Scylla, accept: Accept) -> NotificationId {
    let id = accept.record.id;
    assert_eq!(node.accept(accept).await, Ok(Accepted::New));
    id
}

fn keyed(mut accept: Accept, body: u8) -> Accept {
    accept.idempotency = Some(Idempotency {
        key: [7; 32],
        body: [body; 32],
        expires_at: Timestamp(accept.record.created_at.0 + 3_600_000),
    });
    accept
}

fn delivered(id: NotificationId) -> Vec<OutcomeBatch> {
    vec![batch(id, vec![ended(0, Outcome::Delivered)])]
}

async fn terminal(node: &Scylla, id: NotificationId) -> u64 {
    let found = node.summary(&app("shop"), id).await;
    let found = found.expect("the store answers").expect("it is there");
    found.counts.terminal()
}

async fn unfinished(node: &Scylla, due: Timestamp) -> Vec<NotificationId> {
    let found: Vec<Recovered> = node.unfinished(due, None, 10_000).await.expect("answers");
    found.into_iter().map(|found| found.record.id).collect()
}

async fn raw(loan: &Loan) -> Session {
    let session = SessionBuilder::new().known_nodes(nodes().await);
    let session = session.use_keyspace(loan.keyspace(), true).build().await;
    session.expect("the server answers")
}

async fn rows(session: &Session, table: &str) -> usize {
    let found = session.query_unpaged(format!("SELECT * FROM {table}"), ());
    let found = found.await.expect("the server answers").into_rows_result();
    found.expect("rows").rows_num()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_former_holder_writes_is_refused() {
    let loan = borrow().await;
    let former = holder(&loan, &[1], 1).await;
    let id = sent(&former, accept(NOW, 1, 1)).await;
    let holder = holder(&loan, &[1], 2).await;

    assert_eq!(former.record(delivered(id)).await, Ok(()), "passed over");
    assert_eq!(terminal(&holder, id).await, 0);
    // No bucket, and no key: what it inserts late is acknowledged by nobody.
    let next_minute = former.accept(accept(at(1), 1 + 64, 1)).await;
    assert!(matches!(next_minute, Err(Error::Unavailable(_))));
    let late = former.accept(keyed(accept(NOW, 1 + 128, 1), 1)).await;
    assert!(matches!(late, Err(Error::Unknown(_))), "{late:?}");
    let again = sent(&holder, keyed(accept(NOW, 1 + 192, 1), 1)).await;

    assert_eq!(holder.record(delivered(id)).await, Ok(()));
    assert_eq!(terminal(&holder, id).await, 1);
    assert!(unfinished(&holder, NOW).await.contains(&again));
    assert!(former.take_up(slot(1), Epoch(1)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_sees_all_that_was_acknowledged() {
    let loan = borrow().await;
    let former = holder(&loan, &[1], 1).await;
    let later = 30;
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        // Each in another minute; some are for later.
        let mut accept = accept(at(number), number * 64 + 1, 1);
        if number % 2 == 0 {
            accept.record.options.send_at = Some(at(later));
        }
        acknowledged.push(sent(&former, accept).await);
    }
    assert_eq!(former.purge(NOW, at(later), 10).await, Ok(0), "they sleep");
    let ended = acknowledged.remove(5);
    assert_eq!(former.record(delivered(ended)).await, Ok(()));
    assert_eq!(
        former.purge(NOW, at(later), 10).await,
        Ok(0),
        "it is retired"
    );
    // The last bucket was made just now, while the slot is taken up.
    let racing = {
        let former = former.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 40..60 {
                let accept = accept(at(number), number * 64 + 1, 1);
                let id = accept.record.id;
                match former.accept(accept).await {
                    Ok(_) => acknowledged.push(id),
                    Err(_) => break,
                }
            }
            acknowledged
        })
    };
    let successor = holder(&loan, &[1], 2).await;
    acknowledged.extend(racing.await.expect("the racer ends"));
    assert_eq!(unfinished(&successor, at(100)).await, acknowledged);
    let first = acknowledged[0];
    let cancelled = former.cancel(&app("shop"), first).await;
    let cancelled = cancelled.expect("the store answers").expect("it is there");
    assert!(cancelled.cancelled, "any node may cancel");
    let found = successor.unfinished(at(100), None, 1).await;
    assert!(found.expect("the store answers")[0].cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_on_two_nodes_is_accepted_once() {
    let loan = borrow().await;
    let one = holder(&loan, &[1], 1).await;
    let other = holder(&loan, &[2], 1).await;
    let racers = (0..12_u64).map(|number| {
        let (node, slot) = match number % 2 {
            0 => (one.clone(), 1),
            _ => (other.clone(), 2),
        };
        let accept = keyed(accept(NOW, number * 64 + slot, 1), 1);
        tokio::spawn(async move { (accept.record.id, node.accept(accept).await) })
    });
    let (mut new, mut repeated) = (Vec::new(), Vec::new());
    for raced in join_all(racers).await {
        match raced.expect("the racer ends") {
            (id, Ok(Accepted::New)) => new.push(id),
            (_, Ok(Accepted::Repeated { id, .. })) => repeated.push(id),
            (_, answer) => panic!("{answer:?}"),
        }
    }
    assert_eq!(new.len(), 1);
    assert_eq!(repeated, vec![new[0]; 11]);
    let mut all = unfinished(&one, NOW).await;
    all.extend(unfinished(&other, NOW).await);
    assert_eq!(all, new, "nothing is left of the others");
    assert_eq!(rows(&raw(&loan).await, "journal").await, 1 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_not_taken_is_taken_by_whoever_takes_over() {
    let loan = borrow().await;
    let former = holder(&loan, &[1], 1).await;
    let id = sent(&former, keyed(accept(NOW, 1, 1), 1)).await;
    let session = raw(&loan).await;
    // As if the former holder had died before it took the key.
    let truncated = session.query_unpaged("TRUNCATE journal_keys", ()).await;
    truncated.expect("the server answers");
    let successor = holder(&loan, &[1], 2).await;
    assert_eq!(unfinished(&successor, NOW).await, [id]);
    let again = successor.accept(keyed(accept(NOW, 65, 1), 1)).await;
    assert_eq!(again, Ok(Accepted::Repeated { id, recipients: 1 }));

    // As if another one had been faster than a holder that died.
    let truncated = session.query_unpaged("TRUNCATE journal_keys", ()).await;
    truncated.expect("the server answers");
    let other = holder(&loan, &[2], 1).await;
    let faster = sent(&other, keyed(accept(NOW, 2, 1), 1)).await;
    take_up(&former, &[1], 3).await;
    assert!(unfinished(&former, NOW).await.is_empty());
    assert_eq!(former.summary(&app("shop"), id).await, Ok(None));
    assert_eq!(unfinished(&other, NOW).await, [faster]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_accepts_at_once_open_a_minute_once() {
    let loan = borrow().await;
    let node = node(&loan).await;
    work_on_all(&*node).await;
    let accepts = (0..1_000).map(|number| {
        let node = node.clone();
        tokio::spawn(async move { sent(&node, accept(NOW, number, 1)).await })
    });
    let mut ids = Vec::new();
    for id in join_all(accepts).await {
        ids.push(id.expect("it is accepted"));
    }
    ids.sort_unstable();
    assert_eq!(unfinished(&node, NOW).await, ids);
    let successor = all(&loan, 2).await;
    assert_eq!(unfinished(&successor, NOW).await, ids);
    assert_eq!(rows(&raw(&loan).await, "journal_buckets").await, 64);
}

async fn all(loan: &Loan, epoch: u64) -> Arc<Scylla> {
    let node = node(loan).await;
    let taken = Slot::all().map(|slot| node.take_up(slot, Epoch(epoch)));
    for taken in join_all(taken).await {
        taken.expect("the slot is taken up");
    }
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_later_costs_a_walk_nothing() {
    let loan = borrow().await;
    let node = node(&loan).await;
    work_on_all(&*node).await;
    let (minutes, weeks) = (32, 3 * 7 * 24 * 60);
    let accepts = (0..64 * minutes).map(|number| {
        let mut accept = accept(at(number / 64), number, 1);
        accept.record.options.send_at = Some(at(weeks + number / 64));
        sent(&node, accept)
    });
    let accepted = stream::iter(accepts).buffer_unordered(128);
    assert_eq!(accepted.count().await, 2_048);
    assert_eq!(node.purge(NOW, at(minutes), 10).await, Ok(0));

    let successor = all(&loan, 2).await;
    for node in [node, successor] {
        assert_eq!(node.next_due(at(weeks)).await, Ok(Some(at(weeks + 1))));
        assert_eq!(node.close().await, Ok(()));
        // Without a look at the database.
        assert_eq!(unfinished(&node, at(weeks - 1)).await, []);
        assert_eq!(node.next_due(at(weeks - 1)).await, Ok(Some(at(weeks))));
    }
    let third = all(&loan, 3).await;
    assert_eq!(unfinished(&third, at(weeks)).await.len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_removed_whole_and_leave_nothing() {
    let loan = borrow().await;
    let node = holder(&loan, &[1, 2], 1).await;
    let mut waiting = Vec::new();
    for number in 0..40 {
        // Over midnight, by the store's time.
        let id = sent(&node, accept(at(60 * number), number * 64 + 1, 3)).await;
        if number == 20 {
            waiting.push(id);
            continue;
        }
        let rows = (0..3).map(|ordinal| ended(ordinal, Outcome::Delivered));
        let recorded = node.record(vec![batch(id, rows.collect())]).await;
        recorded.expect("the store answers");
    }
    let session = raw(&loan).await;
    let (now, half) = (at(60 * 40), at(60 * 30));
    assert_eq!(node.purge(half, now, 1_000).await, Ok(29));
    assert_eq!(node.purge(half, now, 1_000).await, Ok(0));
    assert_eq!(node.purge(now, now, 1_000).await, Ok(10));
    assert_eq!(unfinished(&node, now).await, waiting);
    assert_eq!(
        node.record(vec![batch(
            waiting[0],
            (0..3).map(|o| ended(o, Outcome::Dead)).collect()
        )])
        .await,
        Ok(())
    );
    assert_eq!(node.purge(now, now, 1_000).await, Ok(1));
    assert_eq!(rows(&session, "journal").await, 0);
    // The fences of the slots.
    assert_eq!(rows(&session, "journal_buckets").await, 2);
    // A latecomer opens its bucket again, and is forgotten with it.
    let late = sent(&node, accept(at(60 * 39 + 30), 1, 1)).await;
    assert_eq!(node.record(delivered(late)).await, Ok(()));
    assert_eq!(node.purge(NOW, now, 10).await, Ok(0));
    let latest = sent(&node, accept(at(60 * 39 + 30), 65, 1)).await;
    assert_eq!(unfinished(&node, now).await, [latest]);
    assert_eq!(node.record(delivered(latest)).await, Ok(()));
    assert_eq!(node.purge(now, now, 10).await, Ok(2));
}
