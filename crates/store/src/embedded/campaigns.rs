//! Campaigns in the embedded store.

use std::sync::Arc;

use fanfare_types::{
    AppId, Audience, CampaignId, CampaignRecord, NotificationId, Outcome, Standing, Timestamp,
};
use futures_util::future::BoxFuture;

use super::Embedded;
use crate::campaigns::{
    AudiencePage, AudienceQuery, Audienced, Block, CampaignDeliveries, Changed, Chunk,
    ChunkOutcomes, Created, DeliveryCursor, Named, OpenChunk, Opened, Shard, StoredCampaign,
    UploadRow,
};
use crate::{Campaigns, Error, Idempotency, Result};

impl Campaigns for Embedded {
    fn create(
        &self,
        _: CampaignRecord,
        _: Standing,
        _: Option<Idempotency>,
    ) -> BoxFuture<'_, Result<Created>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn campaign(&self, _: &AppId, _: CampaignId) -> BoxFuture<'_, Result<Option<StoredCampaign>>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn campaigns(
        &self,
        _: &AppId,
        _: Option<CampaignId>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn unfinished_campaigns(
        &self,
        _: Option<CampaignId>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn campaigns_unfinished(&self, _: &AppId) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn change(&self, _: &AppId, _: CampaignId, _: Standing) -> BoxFuture<'_, Result<Changed>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn append(&self, _: &AppId, _: CampaignId, _: Block) -> BoxFuture<'_, Result<Changed>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn shards(&self, _: &AppId, _: CampaignId, _: usize) -> BoxFuture<'_, Result<Vec<Shard>>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn audience(&self, _: AudienceQuery) -> BoxFuture<'_, Result<AudiencePage>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn count(
        &self,
        _: &AppId,
        _: Option<CampaignId>,
        _: Arc<Audience>,
        _: u64,
        _: u64,
    ) -> BoxFuture<'_, Result<Audienced>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn uploaded(
        &self,
        _: &AppId,
        _: CampaignId,
        _: Vec<Named>,
    ) -> BoxFuture<'_, Result<Option<UploadRow>>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn open(&self, _: Chunk) -> BoxFuture<'_, Result<Opened>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn open_chunks(
        &self,
        _: &AppId,
        _: CampaignId,
        _: Option<NotificationId>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<OpenChunk>>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn record_chunks(&self, _: Vec<ChunkOutcomes>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn campaign_deliveries(
        &self,
        _: &AppId,
        _: CampaignId,
        _: Option<Outcome>,
        _: DeliveryCursor,
        _: usize,
    ) -> BoxFuture<'_, Result<Option<CampaignDeliveries>>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }

    fn purge_campaigns(&self, _: Timestamp, _: usize) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Err(Error::Unavailable("campaigns are not built yet".to_owned())) })
    }
}
