#![allow(unused)]
//! TODO room.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::held::Held;
use super::session::Db;
use super::{Config, Scylla};
use crate::campaigns::*;
use crate::fleet::*;
use crate::*;
use fanfare_types::*;

pub(super) const TABLES: &[&str] = &[];

pub(super) struct Room {
    _db: Arc<Db>,
}

impl Room {
    pub(super) async fn new(db: &Arc<Db>, _held: &Arc<Held>) -> Result<Self> {
        Ok(Room { _db: db.clone() })
    }
}

impl Campaigns for Scylla {
    fn create(
        &self,
        record: CampaignRecord,
        standing: Standing,
        idempotency: Option<Idempotency>,
        unfinished_max: u64,
    ) -> BoxFuture<'_, Result<Created>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn campaign(
        &self,
        app: &AppId,
        id: CampaignId,
    ) -> BoxFuture<'_, Result<Option<StoredCampaign>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn campaigns(
        &self,
        app: &AppId,
        before: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn unfinished_campaigns(
        &self,
        after: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn change(
        &self,
        app: &AppId,
        id: CampaignId,
        standing: Standing,
    ) -> BoxFuture<'_, Result<Changed>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn append(&self, app: &AppId, id: CampaignId, block: Block) -> BoxFuture<'_, Result<Changed>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn shards(
        &self,
        app: &AppId,
        id: CampaignId,
        parts: usize,
    ) -> BoxFuture<'_, Result<Vec<Shard>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn audience(&self, query: AudienceQuery) -> BoxFuture<'_, Result<AudiencePage>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn count(
        &self,
        app: &AppId,
        id: Option<CampaignId>,
        audience: Arc<Audience>,
        rows_max: u64,
        recipients_max: u64,
    ) -> BoxFuture<'_, Result<Audienced>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn uploaded(
        &self,
        app: &AppId,
        id: CampaignId,
        named: Vec<Named>,
    ) -> BoxFuture<'_, Result<Option<UploadRow>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn open<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Result<Opened>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn open_chunks(
        &self,
        app: &AppId,
        id: CampaignId,
        after: Option<NotificationId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<OpenChunk>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn record_chunks(&self, batches: Vec<ChunkOutcomes>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn campaign_deliveries(
        &self,
        app: &AppId,
        id: CampaignId,
        outcome: Option<Outcome>,
        from: DeliveryCursor,
        limit: usize,
    ) -> BoxFuture<'_, Result<Option<CampaignDeliveries>>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }

    fn purge_campaigns(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Err(Error::Unavailable("room".to_owned())) })
    }
}
