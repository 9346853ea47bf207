//! Campaigns in the embedded store.
//!
//! ```text
//! campaigns ── campaign_records            what was asked for
//!    ├── campaign_uploads ── …_blocks      rows, packed
//!    ├── campaign_shards                   cursors, and the numbers of the whole
//!    ├── campaign_chunks ── …_recipients   what is opened and not finished
//!    └── campaign_ended                    what was not simply delivered, packed
//! ```
//!
//! A push costs no row: a bit, a count, and a few bytes when it was not simply delivered.

mod audience;
pub(super) mod check;
mod chunks;
mod cut;
mod deliveries;
mod outcomes;
mod purge;
mod resolve;
mod rows;
mod scan;
mod uploads;

use std::sync::Arc;

use fanfare_types::{
    AppId, Audience, CampaignId, CampaignRecord, NotificationId, Outcome, Standing, Timestamp,
};
use futures_util::future::BoxFuture;

use self::cut::Outline;
use self::rows::PackedStanding;
use self::uploads::Look;
pub(super) use self::uploads::upload_rows;
use super::Embedded;
use super::readers::snapshot;
use crate::campaigns::{
    AudiencePage, AudienceQuery, Audienced, Block, CampaignDeliveries, Changed, Chunk,
    ChunkOutcomes, Created, Cursor, DeliveryCursor, Named, OpenChunk, Opened, Shard,
    StoredCampaign, UploadRow,
};
use crate::{Campaigns, Idempotency, Result};

/// Rows that a count looks at in one read, so that nobody waits long for a reader.
const COUNTED_A_READ: u64 = 4_096;

impl Campaigns for Embedded {
    fn create(
        &self,
        record: CampaignRecord,
        standing: Standing,
        idempotency: Option<Idempotency>,
        unfinished_max: u64,
    ) -> BoxFuture<'_, Result<Created>> {
        Box::pin(async move {
            let packed = rows::Packed::new(record, &standing, idempotency)?;
            self.write(move |db| rows::create(db, &packed, unfinished_max))
                .await
        })
    }

    fn campaign(
        &self,
        app: &AppId,
        id: CampaignId,
    ) -> BoxFuture<'_, Result<Option<StoredCampaign>>> {
        let app = app.clone();
        self.read(move |db| snapshot(db, || rows::campaign(db, &app, id)))
    }

    fn campaigns(
        &self,
        app: &AppId,
        before: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        let app = app.clone();
        self.read(move |db| snapshot(db, || rows::list(db, &app, before, limit)))
    }

    fn unfinished_campaigns(
        &self,
        after: Option<CampaignId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredCampaign>>> {
        self.read(move |db| snapshot(db, || rows::unfinished(db, after, limit)))
    }

    fn change(
        &self,
        app: &AppId,
        id: CampaignId,
        standing: Standing,
    ) -> BoxFuture<'_, Result<Changed>> {
        let app = app.clone();
        Box::pin(async move {
            let packed = PackedStanding::new(&standing)?;
            self.write(move |db| rows::change(db, &app, id, &packed))
                .await
        })
    }

    fn append(&self, app: &AppId, id: CampaignId, block: Block) -> BoxFuture<'_, Result<Changed>> {
        let app = app.clone();
        Box::pin(async move {
            let packed = uploads::Packed::new(&block)?;
            self.write(move |db| uploads::append(db, &app, id, &packed))
                .await
        })
    }

    fn shards(
        &self,
        app: &AppId,
        id: CampaignId,
        parts: usize,
    ) -> BoxFuture<'_, Result<Vec<Shard>>> {
        let app = app.clone();
        Box::pin(async move {
            let of = app.clone();
            let kept = self.read(move |db| cut::shards(db, &of, id)).await?;
            if !kept.is_empty() || parts == 0 {
                return Ok(kept);
            }
            let Some(stored) = self.campaign(&app, id).await? else {
                return Ok(Vec::new());
            };
            let parts = match stored.record.audience {
                Audience::Upload => self.outline_upload(app.clone(), id).await?,
                _ => self.outline_devices(app.clone()).await?,
            }
            .parts(parts);
            self.write(move |db| cut::keep(db, &app, id, &parts)).await
        })
    }

    fn audience(&self, query: AudienceQuery) -> BoxFuture<'_, Result<AudiencePage>> {
        self.read(move |db| snapshot(db, || audience::page(db, &query)))
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
                return self.count_upload(&app, id).await;
            }
            let (mut counted, mut next) = (Audienced::default(), Some(Cursor::default()));
            while let Some(after) = next.take() {
                let left = rows_max.saturating_sub(counted.scanned);
                if left == 0 || counted.recipients >= recipients_max {
                    return Ok(counted);
                }
                let rows = usize::try_from(left.min(COUNTED_A_READ)).unwrap_or(1);
                let (app, audience) = (app.clone(), audience.clone());
                (counted, next) = self
                    .read(move |db| {
                        let mut sum = counted;
                        let next = audience::count_on(db, &app, &audience, &after, rows, &mut sum)?;
                        Ok((sum, next))
                    })
                    .await?;
            }
            counted.is_whole = true;
            Ok(counted)
        })
    }

    fn uploaded(
        &self,
        app: &AppId,
        id: CampaignId,
        named: Vec<Named>,
    ) -> BoxFuture<'_, Result<Option<UploadRow>>> {
        let (app, named) = (app.clone(), Arc::new(named));
        Box::pin(async move {
            let mut first = 0;
            loop {
                let (app, named) = (app.clone(), named.clone());
                let look = self
                    .read(move |db| snapshot(db, || uploads::look(db, &app, id, &named, first)));
                match look.await? {
                    Look::Found(row) => return Ok(Some(row)),
                    Look::Nowhere => return Ok(None),
                    Look::Next(block) => first = block,
                }
            }
        })
    }

    fn open<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Result<Opened>> {
        let packed = chunks::Packed::new(chunk);
        Box::pin(async move { self.write(move |db| chunks::open(db, &packed)).await })
    }

    fn open_chunks(
        &self,
        app: &AppId,
        id: CampaignId,
        after: Option<NotificationId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<OpenChunk>>> {
        let app = app.clone();
        self.read(move |db| chunks::unfinished(db, &app, id, after, limit))
    }

    fn record_chunks(&self, batches: Vec<ChunkOutcomes>) -> BoxFuture<'_, Result<()>> {
        self.write(move |db| outcomes::record(db, &batches))
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
        let asked = deliveries::Asked {
            outcome,
            from,
            limit,
        };
        self.read(move |db| snapshot(db, || deliveries::list(db, &app, id, &asked)))
    }

    fn purge_campaigns(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<bool>> {
        self.write(move |db| purge::purge(db, before, limit))
    }
}

impl Embedded {
    async fn outline_upload(&self, app: AppId, id: CampaignId) -> Result<Outline> {
        self.read(move |db| snapshot(db, || cut::outline_upload(db, &app, id)))
            .await
    }

    async fn outline_devices(&self, app: AppId) -> Result<Outline> {
        let of = app.clone();
        let newest = Arc::new(self.read(move |db| cut::newest(db, &of)).await?);
        let mut outline = Outline::new(Vec::new());
        loop {
            let (app, newest) = (app.clone(), newest.clone());
            let (grown, is_whole) = self
                .read(move |db| {
                    let is_whole = cut::outline_devices(db, &app, &newest, &mut outline)?;
                    Ok((outline, is_whole))
                })
                .await?;
            outline = grown;
            if is_whole {
                return Ok(outline);
            }
        }
    }

    async fn count_upload(&self, app: &AppId, id: Option<CampaignId>) -> Result<Audienced> {
        let stored = match id {
            None => None,
            Some(id) => self.campaign(app, id).await?,
        };
        let upload = stored.map(|stored| stored.upload).unwrap_or_default();
        Ok(Audienced {
            recipients: upload.rows,
            scanned: upload.rows,
            is_whole: true,
        })
    }
}
