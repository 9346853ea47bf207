//! Campaigns on a store that is shared.
//!
//! ```text
//! campaigns          what was asked for, its standing, how far its upload came, how it was cut; compare-and-set
//!    ├── campaign_blocks ── campaign_rows     rows of an upload, packed
//!    └── campaign_shards                      a shard: its head, its open chunks, what was not simply delivered
//! campaigns_open, campaigns_by_app            where they are found
//! ```
//!
//! A campaign as a whole is steered from any node. A shard is written by whoever holds its slot, under the epoch of
//! that hold; a push costs no row: a bit, a count, and a few bytes when it was not simply delivered.

mod adopt;
mod audience;
mod blocks;
mod change;
mod chunks;
mod create;
mod cut;
mod deliveries;
mod fences;
mod heads;
mod list;
mod outcomes;
mod purge;
mod resolve;
mod rows;
mod sight;
mod tables;
mod unfinished;
mod uploads;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare_types::{
    AppId, Audience, CampaignId, CampaignRecord, NotificationId, Outcome, Standing, Timestamp,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use self::cut::Cut;
use self::deliveries::Asked;
use self::heads::Desks;
use self::rows::Look;
use self::tables::Statements;
use super::held::Held;
use super::session::Db;
use super::{Config, Scylla};
use crate::campaigns::{
    AudiencePage, AudienceQuery, Audienced, Block, CampaignDeliveries, Changed, Chunk,
    ChunkOutcomes, Created, DeliveryCursor, Named, OpenChunk, Opened, Shard, StoredCampaign,
    UploadRow,
};
use crate::{Campaigns, Error, Idempotency, Result};

pub(super) use self::tables::TABLES;

/// All that campaigns need of the store.
pub(super) struct Room {
    db: Arc<Db>,
    held: Arc<Held>,
    sql: Statements,
    desks: Desks,
    cuts: Mutex<HashMap<CampaignId, Arc<Cut>>>,
    /// Longest time for a call that somebody waits for, all of its steps.
    patience: Duration,
}

impl Room {
    pub(super) async fn new(db: &Arc<Db>, held: &Arc<Held>, config: &Config) -> Result<Self> {
        Ok(Room {
            sql: Box::pin(Statements::prepare(db)).await?,
            db: db.clone(),
            held: held.clone(),
            desks: Desks::default(),
            cuts: Mutex::default(),
            patience: config.request_timeout.mul_f32(1.25),
        })
    }

    /// No longer than a caller may have to wait.
    async fn patiently<T>(&self, steps: impl Future<Output = Result<T>>) -> Result<T> {
        let ended = tokio::time::timeout(self.patience, Box::pin(steps)).await;
        ended.unwrap_or_else(|_| {
            Err(Error::Unknown(
                "a campaign's write took too long".to_owned(),
            ))
        })
    }
}

/// By this node's clock: when an audience was cut, and how old a place without its campaign is.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// Names what nobody else names.
fn nonce() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    // Each of these has keys of its own, drawn from the system.
    let half = || RandomState::new().hash_one(0).to_be_bytes();
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&half());
    nonce[8..].copy_from_slice(&half());
    nonce
}

impl Campaigns for Scylla {
    fn create(
        &self,
        record: CampaignRecord,
        standing: Standing,
        idempotency: Option<Idempotency>,
        unfinished_max: u64,
    ) -> BoxFuture<'_, Result<Created>> {
        Box::pin(async move {
            let room = &self.campaigns;
            let steps = room.create(record, &standing, idempotency, unfinished_max);
            room.patiently(steps).await
        })
    }

    fn campaign(
        &self,
        app: &AppId,
        id: CampaignId,
    ) -> BoxFuture<'_, Result<Option<StoredCampaign>>> {
        let app = app.clone();
        Box::pin(async move {
            match self.campaigns.find_of(&app, id, Look::Plain).await? {
                None => Ok(None),
                Some(row) => self.campaigns.stored(row).await.map(Some),
            }
        })
    }

    fn campaigns(
        &self,
        app: &AppId,
        before: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        let app = app.clone();
        Box::pin(async move { self.campaigns.list(&app, before, limit).await })
    }

    fn unfinished_campaigns(
        &self,
        after: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        Box::pin(self.campaigns.unfinished(after, limit))
    }

    fn change(
        &self,
        app: &AppId,
        id: CampaignId,
        standing: Standing,
    ) -> BoxFuture<'_, Result<Changed>> {
        let app = app.clone();
        Box::pin(async move {
            let room = &self.campaigns;
            room.patiently(room.change(&app, id, standing)).await
        })
    }

    fn append(&self, app: &AppId, id: CampaignId, block: Block) -> BoxFuture<'_, Result<Changed>> {
        let app = app.clone();
        Box::pin(async move {
            let room = &self.campaigns;
            room.patiently(room.append(&app, id, &block)).await
        })
    }

    fn shards(
        &self,
        app: &AppId,
        id: CampaignId,
        parts: usize,
    ) -> BoxFuture<'_, Result<Vec<Shard>>> {
        let app = app.clone();
        Box::pin(async move { self.campaigns.shards(&app, id, parts).await })
    }

    fn audience(&self, query: AudienceQuery) -> BoxFuture<'_, Result<AudiencePage>> {
        Box::pin(async move {
            let room = &self.campaigns;
            let cut = room.cut_of(&query.app, query.campaign).await?;
            match cut.filter(|cut| query.shard < cut.parts()) {
                // Purged meanwhile, or never cut.
                None => Ok(AudiencePage {
                    cursor: query.after,
                    is_last: true,
                    ..AudiencePage::default()
                }),
                Some(cut) if cut.blocks.is_some() => room.rows_of(self, &query, &cut).await,
                Some(cut) => room.devices(&query, &cut).await,
            }
        })
    }

    fn count(
        &self,
        app: &AppId,
        id: Option<CampaignId>,
        audience: Arc<Audience>,
        rows_max: u64,
        recipients_max: u64,
    ) -> BoxFuture<'_, Result<Audienced>> {
        let app = app.clone();
        Box::pin(async move {
            if *audience == Audience::Upload {
                return self.campaigns.count_upload(&app, id).await;
            }
            self.campaigns
                .count_devices(&app, &audience, rows_max, recipients_max)
                .await
        })
    }

    fn uploaded(
        &self,
        app: &AppId,
        id: CampaignId,
        named: Vec<Named>,
    ) -> BoxFuture<'_, Result<Option<UploadRow>>> {
        let app = app.clone();
        Box::pin(async move { self.campaigns.uploaded(&app, id, &named).await })
    }

    fn open<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Result<Opened>> {
        Box::pin(self.campaigns.open(chunk))
    }

    fn open_chunks(
        &self,
        app: &AppId,
        id: CampaignId,
        after: Option<NotificationId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<OpenChunk>>> {
        let app = app.clone();
        Box::pin(async move { self.campaigns.open_chunks(&app, id, after, limit).await })
    }

    fn record_chunks(&self, batches: Vec<ChunkOutcomes>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.campaigns.record(&batches).await })
    }

    fn campaign_deliveries(
        &self,
        app: &AppId,
        id: CampaignId,
        outcome: Option<Outcome>,
        from: DeliveryCursor,
        limit: usize,
    ) -> BoxFuture<'_, Result<Option<CampaignDeliveries>>> {
        let app = app.clone();
        let asked = Asked {
            outcome,
            from,
            limit,
        };
        Box::pin(async move { self.campaigns.deliveries(&app, id, &asked).await })
    }

    fn purge_campaigns(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.campaigns.purge(before, limit))
    }
}
