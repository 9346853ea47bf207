//! Cases of accepting: what is durable, and what an idempotency key does.

use std::sync::Arc;

use fanfare_types::notification::State;
use fanfare_types::{Counts, NotificationId, Outcome, Timestamp};
use futures_util::future::join_all;

use super::fixtures::{NOW, accept, app, batch, ended};
use crate::{Accept, Accepted, Idempotency, Store, Summary};

type Shared = Arc<dyn Store>;

async fn take(store: &Shared, accept: &Accept) -> Accepted {
    store
        .accept(accept.clone())
        .await
        .expect("the store answers")
}

async fn summary(store: &Shared, accept: &Accept) -> Option<Summary> {
    let found = store.summary(&accept.record.app, accept.record.id).await;
    found.expect("the store answers")
}

fn keyed(mut accept: Accept, key: u8, body: u8) -> Accept {
    accept.idempotency = Some(Idempotency {
        key: [key; 32],
        body: [body; 32],
        expires_at: Timestamp(accept.record.created_at.0 + 1_000),
    });
    accept
}

fn repeated(of: &Accept) -> Accepted {
    Accepted::Repeated {
        id: of.record.id,
        recipients: of.record.targets.len() as u64,
    }
}

pub async fn an_accepted_notification_has_a_summary(store: Shared) {
    let mut sent = accept(NOW, 1, 3);
    sent.record.options.send_at = Some(Timestamp(NOW.0 + 500));
    assert_eq!(take(&store, &sent).await, Accepted::New);
    let found = summary(&store, &sent).await.expect("it is there");
    let expected = Summary {
        id: sent.record.id,
        app: sent.record.app.clone(),
        created_at: NOW,
        send_at: Some(Timestamp(NOW.0 + 500)),
        expires_at: sent.record.options.expires_at,
        cancelled: false,
        recipients: 3,
        counts: Counts {
            waiting: 3,
            ..Counts::default()
        },
    };
    assert_eq!(found, expected);
    assert_eq!(found.state(NOW), State::Scheduled);
    assert_eq!(found.state(Timestamp(NOW.0 + 500)), State::Sending);
}

pub async fn a_notification_belongs_to_its_app(store: Shared) {
    let sent = accept(NOW, 1, 1);
    assert_eq!(take(&store, &sent).await, Accepted::New);
    let (other, id) = (app("news"), sent.record.id);
    assert_eq!(store.summary(&other, id).await, Ok(None));
    assert_eq!(store.cancel(&other, id).await, Ok(None));
    let page = store.deliveries(&other, id, None, 0, 10).await;
    assert!(page.expect("the store answers").is_none());
    assert!(!summary(&store, &sent).await.expect("it is there").cancelled);
    let unknown = NotificationId::new(NOW, 99);
    assert_eq!(store.summary(&sent.record.app, unknown).await, Ok(None));
    assert_eq!(store.cancel(&sent.record.app, unknown).await, Ok(None));
}

pub async fn the_same_key_and_body_are_accepted_once(store: Shared) {
    let first = keyed(accept(NOW, 1, 2), 7, 1);
    let again = keyed(accept(Timestamp(NOW.0 + 999), 2, 5), 7, 1);
    assert_eq!(take(&store, &first).await, Accepted::New);
    assert_eq!(take(&store, &again).await, repeated(&first));
    assert_eq!(summary(&store, &again).await, None);
    let other = keyed(accept(NOW, 3, 1), 8, 1);
    assert_eq!(take(&store, &other).await, Accepted::New, "another key");
}

pub async fn the_same_key_with_another_body_is_a_conflict(store: Shared) {
    let first = keyed(accept(NOW, 1, 2), 7, 1);
    let other = keyed(accept(NOW, 2, 2), 7, 2);
    assert_eq!(take(&store, &first).await, Accepted::New);
    assert_eq!(take(&store, &other).await, Accepted::Conflict);
    assert_eq!(summary(&store, &other).await, None);
    assert_eq!(take(&store, &first).await, repeated(&first));
}

pub async fn an_expired_key_may_be_used_anew(store: Shared) {
    let first = keyed(accept(NOW, 1, 2), 7, 1);
    let later = keyed(accept(Timestamp(NOW.0 + 1_000), 2, 3), 7, 2);
    assert_eq!(take(&store, &first).await, Accepted::New);
    assert_eq!(take(&store, &later).await, Accepted::New);
    assert!(summary(&store, &first).await.is_some());
    let again = keyed(accept(Timestamp(NOW.0 + 1_500), 3, 3), 7, 2);
    assert_eq!(take(&store, &again).await, repeated(&later));
}

pub async fn keys_of_two_apps_do_not_meet(store: Shared) {
    let first = keyed(accept(NOW, 1, 2), 7, 1);
    let mut other = keyed(accept(NOW, 2, 2), 7, 2);
    other.record.app = app("news");
    assert_eq!(take(&store, &first).await, Accepted::New);
    assert_eq!(take(&store, &other).await, Accepted::New);
}

pub async fn the_same_id_is_accepted_once(store: Shared) {
    let sent = accept(NOW, 1, 2);
    assert_eq!(take(&store, &sent).await, Accepted::New);
    let ended = batch(sent.record.id, vec![ended(1, Outcome::Delivered)]);
    assert_eq!(store.record(vec![ended]).await, Ok(()));
    let again = take(&store, &sent).await;
    assert!(again == Accepted::New || again == repeated(&sent));
    let counts = summary(&store, &sent).await.expect("it is there").counts;
    assert_eq!((counts.delivered, counts.waiting), (1, 1));
    let found = store.unfinished(NOW, None, 10).await;
    let found = found.expect("the store answers");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].record, &found[0].done[..]),
        (&sent.record, &[1][..])
    );
}

pub async fn racing_callers_of_one_key_are_accepted_once(store: Shared) {
    let racers = (0..16).map(|number| {
        let (store, mine) = (store.clone(), keyed(accept(NOW, number, 1), 7, 1));
        tokio::spawn(async move { take(&store, &mine).await })
    });
    let mut first = None;
    let mut repeats = Vec::new();
    for answer in join_all(racers).await {
        match answer.expect("the racer ends") {
            Accepted::New => assert!(first.replace(()).is_none(), "accepted twice"),
            Accepted::Repeated { id, .. } => repeats.push(id),
            Accepted::Conflict => panic!("the body is the same"),
        }
    }
    assert_eq!(repeats.len(), 15);
    assert!(repeats.iter().all(|id| *id == repeats[0]));
    let found = store.summary(&app("shop"), repeats[0]).await;
    assert!(found.expect("the store answers").is_some());
}

pub async fn many_accepts_at_once_are_all_kept(store: Shared) {
    let tasks = (0..500).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { take(&store, &accept(NOW, number, 1)).await })
    });
    for answer in join_all(tasks).await {
        assert_eq!(answer.expect("the caller ends"), Accepted::New);
    }
    for number in 0..500 {
        assert!(summary(&store, &accept(NOW, number, 1)).await.is_some());
    }
}

pub async fn no_targets_is_completed(store: Shared) {
    let sent = keyed(accept(NOW, 1, 0), 7, 1);
    assert_eq!(take(&store, &sent).await, Accepted::New);
    assert_eq!(take(&store, &sent).await, repeated(&sent));
    let found = summary(&store, &sent).await.expect("it is there");
    assert_eq!((found.recipients, found.counts), (0, Counts::default()));
    assert_eq!(found.state(NOW), State::Completed);
    let page = store.deliveries(&sent.record.app, sent.record.id, None, 0, 10);
    let page = page.await.expect("the store answers").expect("it is there");
    assert!(page.rows.is_empty() && page.next.is_none());
    let unfinished = store.unfinished(Timestamp::MAX, None, 10).await;
    assert!(unfinished.expect("the store answers").is_empty());
}

pub async fn ten_thousand_targets_are_fine(store: Shared) {
    let sent = accept(NOW, 1, 10_000);
    assert_eq!(take(&store, &sent).await, Accepted::New);
    let found = store.unfinished(NOW, None, 10).await;
    let found = found.expect("the store answers").remove(0);
    assert_eq!(found.record, sent.record);
    let page = store.deliveries(&sent.record.app, sent.record.id, None, 9_990, 100);
    let page = page.await.expect("the store answers").expect("it is there");
    assert_eq!((page.rows.len(), page.next), (10, None));
}
