//! Cases of chunks: opened once, whatever happens, and brought back while they are not finished.

use std::sync::Arc;

use fanfare_types::message::Variables;
use fanfare_types::{
    Audience, CampaignId, CampaignState, Channel, Counts, DeviceId, NotificationId, Outcome,
    Reason, Recipient,
};
use futures_util::future::join_all;

use super::{Shared, chunk, chunk_id, crowd, page, query, running, shards, stored, turn};
use crate::Ended;
use crate::campaigns::{
    CampaignDelivery, Chunk, ChunkOutcomes, Cursor, DeliveryCursor, OpenChunk, Opened,
};
use crate::contract::fixtures::{NOW, app, ended, user};

/// A running campaign to so many devices, and its only shard's first page, of at most `limit`.
pub(super) async fn begun(store: &Shared, devices: u64, limit: usize) -> (CampaignId, Chunk) {
    crowd(store, devices).await;
    let id = running(store, 1, Audience::All).await;
    let shard = shards(store, id, 1).await.remove(0);
    let mut query = query(id, 0, &Audience::All, &shard.cursor);
    query.limit = limit;
    let page = page(store, query).await;
    (id, chunk(id, 1, 0, &shard.cursor, &page))
}

pub(super) async fn open(store: &Shared, chunk: &Chunk) -> Opened {
    let opened = store.open(chunk).await;
    opened.expect("the store answers")
}

pub(super) async fn open_chunks(store: &Shared, id: CampaignId) -> Vec<OpenChunk> {
    let found = store.open_chunks(&app("shop"), id, None, 100).await;
    found.expect("the store answers")
}

pub(super) async fn record(
    store: &Shared,
    id: CampaignId,
    chunk: NotificationId,
    ended: Vec<Ended>,
) {
    let batch = ChunkOutcomes {
        app: app("shop"),
        campaign: id,
        chunk,
        ended,
    };
    let recorded = store.record_chunks(vec![batch]).await;
    recorded.expect("the store answers");
}

pub(super) async fn exceptions(store: &Shared, id: CampaignId) -> Vec<CampaignDelivery> {
    let from = DeliveryCursor::default();
    let page = store.campaign_deliveries(&app("shop"), id, None, from, 100);
    page.await
        .expect("the store answers")
        .expect("it is there")
        .rows
}

pub async fn an_opened_chunk_comes_back_whole(store: Shared) {
    let (id, mut chunk) = begun(&store, 3, 100).await;
    let variables: Arc<Variables> = Arc::new([("name".to_owned(), "Ada ☎".to_owned())].into());
    chunk.recipients[0].variables = Some(variables.clone());
    chunk.recipients[1].variables = Some(variables);
    chunk.recipients.push(Recipient {
        user: Some(user("nobody")),
        device: None,
        channel: None,
        variables: None,
    });
    chunk.recipients.push(Recipient {
        user: None,
        device: Some(DeviceId::new(NOW, 99)),
        channel: Some(Channel::WebPush),
        variables: Some(Arc::new(Variables::new())),
    });
    assert_eq!(open(&store, &chunk).await, Opened::New);
    let expected = OpenChunk {
        id: chunk.id,
        shard: 0,
        created_at: chunk.created_at,
        recipients: chunk.recipients.clone(),
        counts: Counts::default(),
        done: Vec::new(),
    };
    assert_eq!(open_chunks(&store, id).await, [expected]);
    let other = store.open_chunks(&app("news"), id, None, 100).await;
    assert_eq!(other, Ok(Vec::new()));
}

pub async fn opening_moves_the_cursor_in_the_same_step(store: Shared) {
    let (id, first) = begun(&store, 5, 3).await;
    assert_eq!(open(&store, &first).await, Opened::New);
    let shard = shards(&store, id, 1).await.remove(0);
    assert_eq!((&shard.cursor, shard.scanned), (&first.cursor, 3));
    assert_eq!((shard.left, shard.is_done), (3, false));
    record(&store, id, first.id, vec![ended(2, Outcome::Delivered)]).await;
    assert_eq!(shards(&store, id, 0).await.remove(0).left, 2);
    let scan = stored(&store, id).await.scan;
    assert_eq!((scan.rows, scan.scanned, scan.opened), (5, 3, 3));
    let rest = page(&store, query(id, 0, &Audience::All, &shard.cursor)).await;
    let second = chunk(id, 2, 0, &shard.cursor, &rest);
    assert_eq!(open(&store, &second).await, Opened::New);
    let scan = stored(&store, id).await.scan;
    assert_eq!((scan.scanned, scan.opened, scan.is_done), (5, 5, true));
}

pub async fn the_same_chunk_is_opened_once(store: Shared) {
    let (id, chunk) = begun(&store, 3, 100).await;
    assert_eq!(open(&store, &chunk).await, Opened::New);
    assert_eq!(open(&store, &chunk).await, Opened::Repeated);
    assert_eq!(open_chunks(&store, id).await.len(), 1);
    let rows = (0..3).map(|ordinal| ended(ordinal, Outcome::Delivered));
    record(&store, id, chunk.id, rows.collect()).await;
    assert_eq!(
        open(&store, &chunk).await,
        Opened::Repeated,
        "finished by now"
    );
    assert_eq!(stored(&store, id).await.scan.opened, 3);
}

pub async fn a_chunk_of_somebody_elses_cursor_is_lost(store: Shared) {
    let (id, first) = begun(&store, 5, 3).await;
    assert_eq!(open(&store, &first).await, Opened::New);
    let late = Chunk {
        id: chunk_id(2),
        ..first.clone()
    };
    assert_eq!(open(&store, &late).await, Opened::Lost);
    let elsewhere = Chunk {
        campaign: CampaignId::new(NOW, 99),
        ..first.clone()
    };
    assert_eq!(open(&store, &elsewhere).await, Opened::Lost);
    let of_no_shard = Chunk { shard: 7, ..first };
    assert_eq!(open(&store, &of_no_shard).await, Opened::Lost);
    assert_eq!(open_chunks(&store, id).await.len(), 1);
    assert_eq!(stored(&store, id).await.scan.opened, 3);
}

pub async fn nothing_is_opened_once_it_is_over(store: Shared) {
    let (id, chunk) = begun(&store, 3, 100).await;
    turn(&store, id, CampaignState::Paused).await;
    turn(&store, id, CampaignState::Cancelled).await;
    assert_eq!(open(&store, &chunk).await, Opened::Lost);
    assert_eq!(open_chunks(&store, id).await, []);
    assert_eq!(stored(&store, id).await.scan.opened, 0);
}

pub async fn racing_readers_open_each_page_once(store: Shared) {
    crowd(&store, 60).await;
    let id = running(&store, 1, Audience::All).await;
    shards(&store, id, 1).await;
    let reader = async |number: u64| {
        for step in 0.. {
            let shard = shards(&store, id, 1).await.remove(0);
            if shard.is_done {
                return;
            }
            let mut query = query(id, 0, &Audience::All, &shard.cursor);
            query.limit = 4;
            let page = page(&store, query).await;
            let mine = chunk(id, number * 1_000 + step, 0, &shard.cursor, &page);
            let opened = open(&store, &mine).await;
            assert_ne!(opened, Opened::Repeated);
        }
    };
    join_all((1..=4).map(reader)).await;
    let mut devices: Vec<_> = open_chunks(&store, id)
        .await
        .into_iter()
        .flat_map(|chunk| chunk.recipients)
        .filter_map(|to| to.device)
        .collect();
    devices.sort_unstable();
    let all: Vec<_> = (1..=60).map(|number| DeviceId::new(NOW, number)).collect();
    assert_eq!(devices, all);
}

pub async fn a_page_of_nobody_moves_the_cursor_alone(store: Shared) {
    let (id, first) = begun(&store, 3, 2).await;
    let nobody = Chunk {
        recipients: Vec::new(),
        ..first.clone()
    };
    assert_eq!(open(&store, &nobody).await, Opened::New);
    assert_eq!(open(&store, &nobody).await, Opened::Repeated);
    assert_eq!(open_chunks(&store, id).await, []);
    let scan = stored(&store, id).await.scan;
    assert_eq!((scan.scanned, scan.opened), (2, 0));
    let moved = shards(&store, id, 1).await.remove(0);
    assert_eq!(moved.cursor, first.cursor);
}

pub async fn what_ends_at_once_is_recorded_with_the_opening(store: Shared) {
    let (id, mut chunk) = begun(&store, 3, 100).await;
    let cancelled = |ordinal| Ended {
        reason: Reason::of("missing_variable"),
        attempts: 0,
        ..ended(ordinal, Outcome::Cancelled)
    };
    chunk.ended = vec![cancelled(0), cancelled(2), cancelled(9)];
    assert_eq!(open(&store, &chunk).await, Opened::New);
    let found = open_chunks(&store, id).await.remove(0);
    assert_eq!((found.done, found.counts.cancelled), (vec![0, 2], 2));
    assert_eq!(stored(&store, id).await.counts.cancelled, 2);
    let listed = exceptions(&store, id).await;
    let expected: Vec<_> = [0, 2].map(cancelled).to_vec();
    let found: Vec<_> = listed.iter().map(|row| row.ended.clone()).collect();
    assert_eq!(found, expected);
    assert_eq!(listed[1].recipient, chunk.recipients[2]);
    // All of them: there is nothing to send.
    let all = Chunk {
        id: chunk_id(2),
        from: chunk.cursor.clone(),
        cursor: Cursor(vec![7; 12]),
        ended: [0, 1, 2].map(cancelled).to_vec(),
        ..chunk
    };
    assert_eq!(open(&store, &all).await, Opened::New);
    assert_eq!(open(&store, &all).await, Opened::Repeated);
    assert_eq!(open_chunks(&store, id).await.len(), 1);
    assert_eq!(stored(&store, id).await.counts.cancelled, 5);
}

pub async fn open_chunks_are_paged_by_id(store: Shared) {
    let (id, first) = begun(&store, 3, 100).await;
    let mut from = first.from.clone();
    for number in [5, 2, 9] {
        let cursor = Cursor(vec![number as u8; 12]);
        let chunk = Chunk {
            id: chunk_id(number),
            from: std::mem::replace(&mut from, cursor.clone()),
            cursor,
            ..first.clone()
        };
        assert_eq!(open(&store, &chunk).await, Opened::New);
    }
    let pages = async |after: Option<NotificationId>, limit| {
        let found = store.open_chunks(&app("shop"), id, after, limit).await;
        let found = found.expect("the store answers");
        found.into_iter().map(|chunk| chunk.id).collect::<Vec<_>>()
    };
    let [two, five, nine] = [2, 5, 9].map(chunk_id);
    assert_eq!(pages(None, 2).await, [two, five]);
    assert_eq!(pages(Some(five), 2).await, [nine]);
    assert_eq!(pages(Some(nine), 2).await, []);
}
