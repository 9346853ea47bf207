//! Cases of what comes after: recovery, schedules, cancelling, purging, closing.

use std::sync::Arc;

use fanfare_types::notification::State;
use fanfare_types::{NotificationId, Outcome, Timestamp};

use super::fixtures::{NOW, accept, app, batch, device, ended, put};
use crate::{Accept, Accepted, Error, Expect, Idempotency, Recovered, Store};

type Shared = Arc<dyn Store>;

/// A store may remove whole minutes only.
const MINUTE: u64 = 60_000;

fn at(offset: u64) -> Timestamp {
    Timestamp(NOW.0 + offset)
}

async fn sent(store: &Shared, accept: Accept) -> NotificationId {
    let id = accept.record.id;
    let answer = store.accept(accept).await.expect("the store answers");
    assert_eq!(answer, Accepted::New);
    id
}

fn scheduled(number: u64, offset: u64) -> Accept {
    let mut accept = accept(NOW, number, 1);
    accept.record.options.send_at = Some(at(offset));
    accept
}

async fn finish(store: &Shared, id: NotificationId, recipients: u32) {
    let rows = (0..recipients).map(|ordinal| ended(ordinal, Outcome::Delivered));
    let done = store.record(vec![batch(id, rows.collect())]).await;
    done.expect("the store answers");
}

async fn unfinished(
    store: &Shared,
    due: Timestamp,
    after: Option<NotificationId>,
    limit: usize,
) -> Vec<Recovered> {
    let found = store.unfinished(due, after, limit).await;
    found.expect("the store answers")
}

async fn unfinished_ids(store: &Shared, due: Timestamp) -> Vec<NotificationId> {
    let found = unfinished(store, due, None, 1_000).await;
    found.into_iter().map(|found| found.record.id).collect()
}

pub async fn unfinished_work_comes_back_whole(store: Shared) {
    let original = accept(NOW, 1, 20);
    let id = sent(&store, original.clone()).await;
    let first = vec![ended(9, Outcome::Delivered), ended(0, Outcome::Dead)];
    let second = vec![ended(17, Outcome::Delivered), ended(9, Outcome::Failed)];
    for rows in [first, second] {
        let done = store.record(vec![batch(id, rows)]).await;
        done.expect("the store answers");
    }
    let found = unfinished(&store, NOW, None, 10).await.remove(0);
    assert_eq!(found.record, original.record);
    assert_eq!(found.done, [0, 9, 17]);
    assert!(!found.cancelled);
    let counts = found.counts;
    assert_eq!(
        (counts.delivered, counts.dead, counts.terminal()),
        (2, 1, 3)
    );
}

pub async fn finished_work_does_not_come_back(store: Shared) {
    let one = sent(&store, accept(NOW, 1, 1)).await;
    let three = sent(&store, accept(NOW, 2, 3)).await;
    assert_eq!(unfinished_ids(&store, NOW).await, [one, three]);
    finish(&store, one, 1).await;
    assert_eq!(unfinished_ids(&store, NOW).await, [three]);
    finish(&store, three, 2).await;
    assert_eq!(unfinished_ids(&store, NOW).await, [three]);
    finish(&store, three, 3).await;
    assert_eq!(unfinished_ids(&store, NOW).await, []);
}

pub async fn unfinished_work_is_paged_by_id(store: Shared) {
    let mut expected = Vec::new();
    // Accepted in another order than that of the ids, and of two apps.
    for number in [5, 1, 4, 2, 3, 0] {
        let mut accept = accept(at(number % 2), number, 1);
        if number > 2 {
            accept.record.app = app("news");
        }
        expected.push(sent(&store, accept).await);
    }
    expected.sort_unstable();
    for limit in [1, 4, 6, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = unfinished(&store, at(10), after, limit).await;
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.record.id);
            seen.extend(page.into_iter().map(|found| found.record.id));
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

pub async fn scheduled_work_waits_until_it_is_due(store: Shared) {
    let soon = sent(&store, scheduled(1, 1_000)).await;
    let now = sent(&store, accept(NOW, 2, 1)).await;
    let later = sent(&store, scheduled(3, 2_000)).await;
    assert_eq!(unfinished_ids(&store, at(999)).await, [now]);
    assert_eq!(unfinished_ids(&store, at(1_000)).await, [soon, now]);
    assert_eq!(unfinished_ids(&store, at(5_000)).await, [soon, now, later]);
}

pub async fn what_is_not_scheduled_is_due_by_any_clock(store: Shared) {
    let one = sent(&store, accept(at(3_600_000), 1, 1)).await;
    assert_eq!(unfinished_ids(&store, NOW).await, [one]);
}

pub async fn the_next_due_is_the_earliest_after(store: Shared) {
    sent(&store, accept(NOW, 1, 1)).await;
    assert_eq!(store.next_due(NOW).await, Ok(None));
    sent(&store, scheduled(2, 2_000)).await;
    let soon = sent(&store, scheduled(3, 1_000)).await;
    assert_eq!(store.next_due(NOW).await, Ok(Some(at(1_000))));
    assert_eq!(store.next_due(at(999)).await, Ok(Some(at(1_000))));
    assert_eq!(store.next_due(at(1_000)).await, Ok(Some(at(2_000))));
    assert_eq!(store.next_due(at(2_000)).await, Ok(None));
    finish(&store, soon, 1).await;
    assert_eq!(store.next_due(NOW).await, Ok(Some(at(2_000))));
}

pub async fn cancelled_work_is_marked_and_comes_back(store: Shared) {
    let id = sent(&store, accept(NOW, 1, 2)).await;
    for _ in 0..2 {
        let found = store.cancel(&app("shop"), id).await;
        let found = found.expect("the store answers").expect("it is there");
        assert!(found.cancelled);
        assert_eq!(found.state(NOW), State::Cancelled);
        assert_eq!((found.recipients, found.counts.waiting), (2, 2));
        assert_eq!(store.summary(&app("shop"), id).await, Ok(Some(found)));
    }
    let found = unfinished(&store, NOW, None, 10).await;
    assert!(found[0].cancelled, "its deliveries still have to be ended");
    finish(&store, id, 2).await;
    assert_eq!(unfinished_ids(&store, NOW).await, []);
}

pub async fn finished_work_is_not_cancelled(store: Shared) {
    let id = sent(&store, accept(NOW, 1, 1)).await;
    finish(&store, id, 1).await;
    let found = store.cancel(&app("shop"), id).await;
    let found = found.expect("the store answers").expect("it is there");
    assert!(!found.cancelled);
    assert_eq!(found.state(NOW), State::Completed);
}

pub async fn purge_takes_old_finished_work_only(store: Shared) {
    let old = sent(&store, accept(NOW, 1, 1)).await;
    let many = sent(&store, accept(NOW, 2, 3)).await;
    let going_on = sent(&store, accept(NOW, 3, 1)).await;
    let recent = sent(&store, accept(at(MINUTE), 4, 1)).await;
    for (id, recipients) in [(old, 1), (many, 3), (recent, 1)] {
        finish(&store, id, recipients).await;
    }
    assert_eq!(store.purge(at(MINUTE), at(MINUTE), 100).await, Ok(2));
    for (id, kept) in [
        (old, false),
        (many, false),
        (going_on, true),
        (recent, true),
    ] {
        let found = store.summary(&app("shop"), id).await;
        assert_eq!(found.expect("the store answers").is_some(), kept);
        let page = store.deliveries(&app("shop"), id, None, 0, 10).await;
        assert_eq!(page.expect("the store answers").is_some(), kept);
    }
    assert_eq!(store.purge(at(MINUTE), at(MINUTE), 100).await, Ok(0));
    finish(&store, old, 1).await;
}

pub async fn purge_keeps_to_its_limit(store: Shared) {
    for number in 0..5 {
        let id = sent(&store, accept(NOW, number, 1)).await;
        finish(&store, id, 1).await;
    }
    for expected in [2, 2, 1, 0] {
        assert_eq!(store.purge(at(MINUTE), at(MINUTE), 2).await, Ok(expected));
    }
}

pub async fn purge_lets_expired_keys_go(store: Shared) {
    let keyed = |number, body| Accept {
        idempotency: Some(Idempotency {
            key: [7; 32],
            body: [body; 32],
            expires_at: at(1_000),
        }),
        ..accept(NOW, number, 1)
    };
    sent(&store, keyed(1, 1)).await;
    assert_eq!(store.purge(NOW, at(999), 10).await, Ok(0));
    let answer = store.accept(keyed(2, 2)).await;
    assert_eq!(answer, Ok(Accepted::Conflict), "the key still stands");
    assert_eq!(store.purge(NOW, at(1_000), 10).await, Ok(0));
    let mut later = keyed(3, 3);
    later.record.created_at = at(1_000);
    sent(&store, later).await;
}

pub async fn a_closed_store_says_so(store: Shared) {
    let id = sent(&store, accept(NOW, 1, 1)).await;
    assert_eq!(store.close().await, Ok(()));
    assert_eq!(store.accept(accept(NOW, 2, 1)).await, Err(Error::Closed));
    assert_eq!(store.summary(&app("shop"), id).await, Err(Error::Closed));
    let change = put(&device(1, "ada", "t1"), Expect::Absent);
    assert_eq!(store.apply(change).await, Err(Error::Closed));
    assert_eq!(store.ping().await, Err(Error::Closed));
    assert_eq!(store.close().await, Ok(()));
}

pub async fn a_ping_answers(store: Shared) {
    for _ in 0..2 {
        assert_eq!(store.ping().await, Ok(()));
    }
}
