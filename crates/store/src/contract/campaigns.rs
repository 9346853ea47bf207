//! Cases of campaigns: steering them, uploads, audiences, chunks; and what these cases share.

pub mod audiences;
pub mod chunks;
pub mod endings;
pub mod steering;
pub mod uploads;

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::{
    Audience, CampaignId, CampaignRecord, CampaignState, Device, DeviceId, Message,
    MissingVariable, NotificationId, OnUnknown, Priority, Recipient, Standing, Timestamp, Turn,
};
use futures_util::future::join_all;

use super::fixtures::{NOW, app, device, register};
use crate::Store;
use crate::campaigns::{
    AudiencePage, AudienceQuery, Changed, Chunk, Created, Cursor, Shard, StoredCampaign,
};

type Shared = Arc<dyn Store>;

/// A campaign of app `shop`.
pub fn record(number: u64, audience: Audience) -> CampaignRecord {
    CampaignRecord {
        id: CampaignId::new(NOW, number),
        app: app("shop"),
        name: "spring \"sale\" ☀".to_owned(),
        created_at: NOW,
        audience,
        message: Message {
            title: Some("Hello {{name}}".to_owned()),
            ..Message::default()
        },
        variables: [("name".to_owned(), "you".to_owned())].into(),
        missing_variable: MissingVariable::Empty,
        priority: Priority::Normal,
        collapse_key: Some("sale".to_owned()),
        on_unknown: OnUnknown::Drop,
        ttl: Duration::from_secs(3_600),
    }
}

/// The first standing of a campaign.
pub fn draft() -> Standing {
    Standing {
        revision: 1,
        state: CampaignState::Draft,
        rate: Some(500),
        start_at: None,
        started_at: None,
        expires_at: None,
        finished_at: None,
        reason: None,
        history: vec![Turn {
            revision: 1,
            state: CampaignState::Draft,
            at: NOW,
        }],
    }
}

/// The standing behind `before`.
pub fn next(before: &Standing, state: CampaignState) -> Standing {
    Standing {
        revision: before.revision + 1,
        state,
        ..before.clone()
    }
}

/// Makes a campaign with this audience; it must be new.
pub async fn made(store: &Shared, number: u64, audience: Audience) -> CampaignId {
    let record = record(number, audience);
    let id = record.id;
    let created = store.create(record, draft(), None, u64::MAX).await;
    assert_eq!(created, Ok(Created::New));
    id
}

pub async fn stored(store: &Shared, id: CampaignId) -> StoredCampaign {
    let found = store.campaign(&app("shop"), id).await;
    found.expect("the store answers").expect("it is there")
}

/// Brings a campaign into a state; it must work.
pub async fn turn(store: &Shared, id: CampaignId, state: CampaignState) {
    let before = stored(store, id).await.standing;
    let changed = store.change(&app("shop"), id, next(&before, state)).await;
    assert_eq!(changed, Ok(Changed::Done));
}

/// A running campaign with this audience.
pub async fn running(store: &Shared, number: u64, audience: Audience) -> CampaignId {
    let id = made(store, number, audience).await;
    turn(store, id, CampaignState::Running).await;
    id
}

/// A device whose id and token come from the number, changed by `change`; many to a user.
pub async fn registered(store: &Shared, number: u64, change: impl FnOnce(&mut Device)) -> Device {
    let mut device = device(number, &format!("u{}", number % 10), &format!("t{number}"));
    change(&mut device);
    register(&**store, &device).await;
    device
}

/// As many devices, with the numbers from 1 on.
pub async fn crowd(store: &Shared, count: u64) {
    join_all((1..=count).map(|number| registered(store, number, |_| ()))).await;
}

pub async fn shards(store: &Shared, id: CampaignId, parts: usize) -> Vec<Shard> {
    let shards = store.shards(&app("shop"), id, parts).await;
    shards.expect("the store answers")
}

/// Asks for a page of a campaign of app `shop`.
pub fn query(id: CampaignId, shard: u32, audience: &Audience, after: &Cursor) -> AudienceQuery {
    AudienceQuery {
        app: app("shop"),
        campaign: id,
        shard,
        audience: Arc::new(audience.clone()),
        after: after.clone(),
        limit: 1_000,
        rows_max: 1_000,
    }
}

pub async fn page(store: &Shared, query: AudienceQuery) -> AudiencePage {
    store.audience(query).await.expect("the store answers")
}

/// All of a shard, in pages of this many.
pub async fn all_of(
    store: &Shared,
    id: CampaignId,
    audience: &Audience,
    shard: &Shard,
    limit: usize,
) -> Vec<AudiencePage> {
    let mut pages = Vec::new();
    let mut after = shard.cursor.clone();
    loop {
        let mut query = query(id, shard.number, audience, &after);
        query.limit = limit;
        let page = page(store, query).await;
        after = page.cursor.clone();
        let is_last = page.is_last;
        pages.push(page);
        if is_last {
            return pages;
        }
        assert!(pages.len() < 10_000, "no end in sight");
    }
}

/// Every recipient of a campaign, by shard.
pub async fn everybody(
    store: &Shared,
    id: CampaignId,
    audience: &Audience,
    parts: usize,
) -> Vec<Recipient> {
    let mut found = Vec::new();
    for shard in shards(store, id, parts).await {
        for page in all_of(store, id, audience, &shard, 7).await {
            found.extend(page.rows.into_iter().map(|row| row.recipient));
        }
    }
    found
}

pub fn device_ids(recipients: &[Recipient]) -> Vec<DeviceId> {
    let mut ids: Vec<_> = recipients.iter().filter_map(|to| to.device).collect();
    ids.sort_unstable();
    ids
}

/// Of a chunk of shard 0.
pub fn chunk_id(number: u64) -> NotificationId {
    NotificationId::new(NOW, number << 16)
}

/// A chunk of a page, to be opened at `from`.
pub fn chunk(id: CampaignId, number: u64, shard: u32, from: &Cursor, page: &AudiencePage) -> Chunk {
    Chunk {
        app: app("shop"),
        campaign: id,
        id: chunk_id(number).in_shard(shard),
        shard,
        created_at: Timestamp(NOW.0 + number),
        recipients: page.rows.iter().map(|row| row.recipient.clone()).collect(),
        ended: Vec::new(),
        from: from.clone(),
        cursor: page.cursor.clone(),
        scanned: page.scanned,
        is_last: page.is_last,
    }
}
