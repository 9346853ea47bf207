//! Cases of how the deliveries of chunks ended.

use fanfare_types::{CampaignId, Counts, Outcome, Reason, Timestamp};

use super::chunks::{begun, exceptions, open, open_chunks, record};
use super::{Shared, chunk_id, stored};
use crate::Ended;
use crate::campaigns::{CampaignDelivery, ChunkOutcomes, DeliveryCursor, Opened};
use crate::contract::fixtures::{NOW, app, ended};

pub async fn outcomes_of_chunks_add_up(store: Shared) {
    let (id, chunk) = begun(&store, 8, 100).await;
    assert_eq!(open(&store, &chunk).await, Opened::New);
    let outcomes = [
        Outcome::Delivered,
        Outcome::Dead,
        Outcome::Delivered,
        Outcome::Expired,
        Outcome::Failed,
        Outcome::Rejected,
    ];
    let rows: Vec<_> = (0..).zip(outcomes).map(|(at, of)| ended(at, of)).collect();
    record(&store, id, chunk.id, rows[3..].to_vec()).await;
    record(&store, id, chunk.id, rows[..3].to_vec()).await;
    let expected = Counts {
        delivered: 2,
        dead: 1,
        expired: 1,
        failed: 1,
        rejected: 1,
        ..Counts::default()
    };
    assert_eq!(stored(&store, id).await.counts, expected);
    let found = open_chunks(&store, id).await.remove(0);
    assert_eq!(found.counts, expected);
    assert_eq!(found.done, [0, 1, 2, 3, 4, 5]);
}

pub async fn an_ordinal_of_a_chunk_keeps_its_first_outcome(store: Shared) {
    let (id, chunk) = begun(&store, 4, 100).await;
    assert_eq!(open(&store, &chunk).await, Opened::New);
    record(&store, id, chunk.id, vec![ended(1, Outcome::Dead)]).await;
    let again = vec![ended(1, Outcome::Delivered), ended(2, Outcome::Delivered)];
    record(&store, id, chunk.id, again.clone()).await;
    record(&store, id, chunk.id, again).await;
    record(&store, id, chunk.id, vec![ended(2, Outcome::Failed)]).await;
    let counts = stored(&store, id).await.counts;
    assert_eq!(
        (counts.dead, counts.delivered, counts.terminal()),
        (1, 1, 2)
    );
    assert_eq!(exceptions(&store, id).await.len(), 1);
}

pub async fn unknown_chunks_and_ordinals_are_passed_over(store: Shared) {
    let (id, chunk) = begun(&store, 2, 100).await;
    assert_eq!(open(&store, &chunk).await, Opened::New);
    let one = || vec![ended(0, Outcome::Failed)];
    record(&store, id, chunk_id(77), one()).await;
    record(&store, CampaignId::new(NOW, 77), chunk.id, one()).await;
    record(&store, id, chunk.id, vec![ended(2, Outcome::Failed)]).await;
    let elsewhere = ChunkOutcomes {
        app: app("news"),
        campaign: id,
        chunk: chunk.id,
        ended: one(),
    };
    assert_eq!(store.record_chunks(vec![elsewhere]).await, Ok(()));
    assert_eq!(store.record_chunks(Vec::new()).await, Ok(()));
    assert_eq!(stored(&store, id).await.counts, Counts::default());
    assert_eq!(exceptions(&store, id).await, []);
}

pub async fn a_finished_chunk_is_forgotten(store: Shared) {
    let (id, chunk) = begun(&store, 2, 100).await;
    assert_eq!(open(&store, &chunk).await, Opened::New);
    record(&store, id, chunk.id, vec![ended(0, Outcome::Delivered)]).await;
    assert_eq!(open_chunks(&store, id).await.len(), 1);
    record(&store, id, chunk.id, vec![ended(1, Outcome::Dead)]).await;
    assert_eq!(open_chunks(&store, id).await, []);
    record(&store, id, chunk.id, vec![ended(0, Outcome::Failed)]).await;
    let counts = stored(&store, id).await.counts;
    assert_eq!((counts.delivered, counts.dead, counts.failed), (1, 1, 0));
    assert_eq!(exceptions(&store, id).await.len(), 1);
}

pub async fn what_was_not_simply_delivered_is_listed(store: Shared) {
    let (id, chunk) = begun(&store, 6, 100).await;
    assert_eq!(open(&store, &chunk).await, Opened::New);
    let dead = Ended {
        reason: Reason::from_wire("Unregistered"),
        attempts: 3,
        at: Timestamp(NOW.0 + 9),
        ..ended(4, Outcome::Dead)
    };
    record(
        &store,
        id,
        chunk.id,
        vec![dead.clone(), ended(0, Outcome::Failed)],
    )
    .await;
    record(&store, id, chunk.id, vec![ended(1, Outcome::Delivered)]).await;
    record(
        &store,
        id,
        chunk.id,
        vec![ended(3, Outcome::Dead), ended(2, Outcome::Dead)],
    )
    .await;
    let list = async |outcome, from, limit| {
        let page = store.campaign_deliveries(&app("shop"), id, outcome, from, limit);
        page.await.expect("the store answers").expect("it is there")
    };
    let start = DeliveryCursor::default();
    let all = list(None, start, 100).await;
    let ordinals: Vec<_> = all.rows.iter().map(|row| row.ended.ordinal).collect();
    assert_eq!((ordinals, all.next), (vec![0, 4, 2, 3], None));
    let expected = CampaignDelivery {
        chunk: chunk.id,
        created_at: chunk.created_at,
        recipient: chunk.recipients[4].clone(),
        ended: dead,
    };
    assert_eq!(all.rows[1], expected);
    let (mut paged, mut from) = (Vec::new(), Some(start));
    while let Some(place) = from {
        let page = list(Some(Outcome::Dead), place, 1).await;
        paged.extend(page.rows.into_iter().map(|row| row.ended.ordinal));
        from = page.next;
    }
    assert_eq!(paged, [4, 2, 3]);
    assert!(list(Some(Outcome::Expired), start, 9).await.rows.is_empty());
    let unknown = store.campaign_deliveries(&app("news"), id, None, start, 9);
    assert!(unknown.await.expect("the store answers").is_none());
}
