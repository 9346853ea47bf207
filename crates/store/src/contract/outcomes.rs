//! Cases of recording: counts that add up, and the list of deliveries.

use std::sync::Arc;

use fanfare_types::notification::State;
use fanfare_types::{Counts, NotificationId, Outcome, Reason, Timestamp};

use super::fixtures::{NOW, accept, app, batch, ended, targets};
use crate::{DeliveryPage, Ended, OutcomeBatch, Store, Summary};

type Shared = Arc<dyn Store>;

/// Accepts a notification of `shop` and returns its id.
async fn sent(store: &Shared, number: u64, recipients: u32) -> NotificationId {
    let accept = accept(NOW, number, recipients);
    let id = accept.record.id;
    drop(store.accept(accept).await.expect("the store answers"));
    id
}

async fn record(store: &Shared, batches: Vec<OutcomeBatch>) {
    store.record(batches).await.expect("the store answers");
}

async fn summary(store: &Shared, id: NotificationId) -> Summary {
    let found = store.summary(&app("shop"), id).await;
    found.expect("the store answers").expect("it is there")
}

async fn page(
    store: &Shared,
    id: NotificationId,
    outcome: Option<Outcome>,
    start: u32,
    limit: usize,
) -> DeliveryPage {
    let page = store.deliveries(&app("shop"), id, outcome, start, limit);
    page.await.expect("the store answers").expect("it is there")
}

/// All pages of a listing, as ordinals with what they ended as.
async fn listing(
    store: &Shared,
    id: NotificationId,
    outcome: Option<Outcome>,
    limit: usize,
) -> Vec<(u32, Option<Ended>)> {
    let (mut all, mut start) = (Vec::new(), Some(0));
    while let Some(from) = start {
        let page = page(store, id, outcome, from, limit).await;
        assert!(page.rows.len() <= limit);
        all.extend(page.rows.into_iter().map(|row| (row.ordinal, row.ended)));
        start = page.next;
    }
    all
}

pub async fn outcomes_add_up(store: Shared) {
    let id = sent(&store, 1, 6).await;
    let one_each = Outcome::ALL.iter().zip(0..);
    let rows: Vec<Ended> = one_each.map(|(outcome, n)| ended(n, *outcome)).collect();
    let mut expected = Counts {
        waiting: 6,
        ..Counts::default()
    };
    for row in rows {
        assert_eq!(summary(&store, id).await.state(NOW), State::Sending);
        *expected.of(row.outcome) += 1;
        expected.waiting -= 1;
        record(&store, vec![batch(id, vec![row])]).await;
        assert_eq!(summary(&store, id).await.counts, expected);
    }
    assert_eq!(summary(&store, id).await.state(NOW), State::Completed);
}

pub async fn an_ordinal_keeps_its_first_outcome(store: Shared) {
    for (number, recipients) in [(1, 1), (2, 20)] {
        let id = sent(&store, number, recipients).await;
        let first = Ended {
            reason: Reason::of("first"),
            ..ended(0, Outcome::Dead)
        };
        let late = ended(0, Outcome::Delivered);
        record(&store, vec![batch(id, vec![first.clone(), late.clone()])]).await;
        record(
            &store,
            vec![batch(id, vec![late.clone()]), batch(id, vec![late])],
        )
        .await;
        let counts = summary(&store, id).await.counts;
        assert_eq!((counts.dead, counts.delivered), (1, 0));
        let page = page(&store, id, None, 0, 1).await;
        assert_eq!(page.rows[0].ended, Some(first));
    }
}

pub async fn unknown_notifications_and_ordinals_are_passed_over(store: Shared) {
    let id = sent(&store, 1, 2).await;
    let purged = NotificationId::new(NOW, 99);
    let rows = vec![
        ended(2, Outcome::Delivered),
        ended(u32::MAX, Outcome::Delivered),
        ended(1, Outcome::Delivered),
    ];
    let batches = vec![
        batch(purged, rows.clone()),
        batch(id, rows),
        batch(id, vec![]),
    ];
    record(&store, batches).await;
    let found = summary(&store, id).await;
    assert_eq!((found.counts.delivered, found.counts.waiting), (1, 1));
    record(&store, Vec::new()).await;
}

pub async fn outcomes_of_another_app_are_passed_over(store: Shared) {
    let id = sent(&store, 1, 1).await;
    let foreign = OutcomeBatch {
        app: app("news"),
        ..batch(id, vec![ended(0, Outcome::Failed)])
    };
    record(&store, vec![foreign]).await;
    assert_eq!(summary(&store, id).await.counts.terminal(), 0);
}

pub async fn many_notifications_are_recorded_at_once(store: Shared) {
    let mut batches = Vec::new();
    for number in 0..100 {
        let id = sent(&store, number, 2).await;
        batches.push(batch(
            id,
            vec![ended(1, Outcome::Delivered), ended(0, Outcome::Dead)],
        ));
    }
    record(&store, batches.clone()).await;
    for batch in batches {
        let counts = summary(&store, batch.id).await.counts;
        assert_eq!((counts.delivered, counts.dead, counts.waiting), (1, 1, 0));
    }
}

pub async fn deliveries_are_paged(store: Shared) {
    let id = sent(&store, 1, 10).await;
    let late = Ended {
        attempts: 3,
        reason: Reason::of("Unregistered"),
        at: Timestamp(NOW.0 + 77),
        ..ended(7, Outcome::Dead)
    };
    let rows = vec![late.clone(), ended(2, Outcome::Delivered)];
    record(&store, vec![batch(id, rows)]).await;
    record(&store, vec![batch(id, vec![ended(5, Outcome::Delivered)])]).await;
    for limit in [1, 3, 10, 50] {
        let all = listing(&store, id, None, limit).await;
        let ordinals: Vec<u32> = all.iter().map(|(ordinal, _)| *ordinal).collect();
        assert_eq!(ordinals, (0..10).collect::<Vec<_>>(), "pages of {limit}");
        let done: Vec<Ended> = all.into_iter().filter_map(|(_, ended)| ended).collect();
        let expected = [
            ended(2, Outcome::Delivered),
            ended(5, Outcome::Delivered),
            late.clone(),
        ];
        assert_eq!(done, expected);
    }
    let rows = page(&store, id, None, 0, 10).await.rows;
    for (row, target) in rows.into_iter().zip(targets(10)) {
        assert_eq!((row.device, row.channel), (target.device, target.channel));
    }
    let beyond = page(&store, id, None, 10, 5).await;
    assert!(beyond.rows.is_empty() && beyond.next.is_none());
}

pub async fn deliveries_are_filtered_by_outcome(store: Shared) {
    let id = sent(&store, 1, 40).await;
    let rows = (0..30).map(|ordinal| {
        let dead = ordinal % 3 == 0;
        ended(
            ordinal,
            if dead {
                Outcome::Dead
            } else {
                Outcome::Delivered
            },
        )
    });
    record(&store, vec![batch(id, rows.collect())]).await;
    for limit in [1, 4, 10, 100] {
        let dead = listing(&store, id, Some(Outcome::Dead), limit).await;
        let ordinals: Vec<u32> = dead.iter().map(|(ordinal, _)| *ordinal).collect();
        assert_eq!(ordinals, (0..30).step_by(3).collect::<Vec<_>>());
        let delivered = listing(&store, id, Some(Outcome::Delivered), limit).await;
        assert_eq!(delivered.len(), 20);
        assert!(
            listing(&store, id, Some(Outcome::Expired), limit)
                .await
                .is_empty()
        );
    }
}

pub async fn the_only_delivery_is_listed_with_its_outcome(store: Shared) {
    let id = sent(&store, 1, 1).await;
    let row = page(&store, id, None, 0, 10).await.rows.remove(0);
    assert_eq!((row.ordinal, row.ended), (0, None));
    let end = Ended {
        reason: Reason::of("BadDeviceToken"),
        attempts: 2,
        ..ended(0, Outcome::Rejected)
    };
    record(&store, vec![batch(id, vec![end.clone()])]).await;
    let found = listing(&store, id, Some(Outcome::Rejected), 10).await;
    assert_eq!(found, [(0, Some(end))]);
    assert!(
        listing(&store, id, Some(Outcome::Dead), 10)
            .await
            .is_empty()
    );
}
