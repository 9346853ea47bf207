//! What is old goes: a campaign is condemned in one step, after which nobody finds it, then what belongs to it is removed
//! partition by partition, its place in the app's list last; so whoever is stopped in between is followed by another.

use fanfare_types::{AppId, CampaignId, Timestamp};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Room;
use super::cut::keeper;
use super::heads::AT_ONCE;
use super::list::month;
use super::rows::{CampaignRow, Look};
use super::unfinished::campaign_id;
use super::uploads::{BUCKET, number};
use crate::Result;

/// Campaigns removed in one call.
const CAMPAIGNS_AT_ONCE: usize = 16;

impl Room {
    /// See [`crate::Campaigns::purge_campaigns`].
    pub(super) async fn purge(&self, before: Timestamp, limit: usize) -> Result<bool> {
        let at_once = limit.clamp(1, CAMPAIGNS_AT_ONCE);
        let mut gone = 0;
        for app in self.apps().await? {
            let mut months = self.months(&app).await?;
            months.reverse();
            for month in months.into_iter().filter(|of| *of <= month(before)) {
                if self
                    .purge_month(&app, month, before, at_once, &mut gone)
                    .await?
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether there may be more.
    async fn purge_month(
        &self,
        app: &AppId,
        of: i32,
        before: Timestamp,
        at_once: usize,
        gone: &mut usize,
    ) -> Result<bool> {
        let bound = CampaignId::new(before, 0).0.0;
        let values = (app.as_str(), of, &bound[..]);
        let ids: Vec<(Vec<u8>,)> = self.db.rows(&self.sql.oldest, values).await?;
        let (all, mut removed) = (ids.len(), 0);
        for (id,) in ids {
            let id = campaign_id(id)?;
            if self.held.epoch(keeper(id)).is_none() {
                continue;
            }
            if *gone == at_once {
                return Ok(true);
            }
            if self.purge_one(app, id).await? {
                let values = (app.as_str(), of, &id.0.0[..]);
                self.db.write(&self.sql.unlist, values).await?;
                (*gone, removed) = (*gone + 1, removed + 1);
            }
        }
        if removed == all && of < month(before) {
            // Nothing comes to a month that is over.
            let values = (app.as_str(), of);
            self.db.write(&self.sql.unlist_month, values).await?;
        }
        Ok(false)
    }

    /// `false`: it stays.
    async fn purge_one(&self, app: &AppId, id: CampaignId) -> Result<bool> {
        let Some(row) = self.find_of(app, id, Look::Decided).await? else {
            // Condemned before, or never made.
            return self.remove(id).await;
        };
        if !row.standing.state.is_final() {
            return Ok(false);
        }
        let stored = self.settle(row).await?;
        if stored.scan.opened > stored.counts.terminal() {
            return Ok(false);
        }
        self.db.cas(&self.sql.condemn, (&id.0.0[..],)).await?;
        self.remove(id).await
    }

    /// All that hangs on a condemned campaign, then its row.
    async fn remove(&self, id: CampaignId) -> Result<bool> {
        self.cuts.lock().remove(&id);
        self.desks.forget(id);
        if let Some(row) = self.condemned(id).await? {
            self.remove_shards(&row).await?;
        }
        self.remove_uploads(id).await?;
        self.db.cas(&self.sql.remove, (&id.0.0[..],)).await?;
        Ok(true)
    }

    async fn remove_shards(&self, row: &CampaignRow) -> Result<()> {
        let parts = row.cut.as_ref().map_or(0, super::cut::Cut::parts);
        let id = row.record.id.0.0;
        let remove = (0..parts).map(|shard| async move {
            let values = (&id[..], shard as i32);
            self.db.write(&self.sql.remove_shard, values).await
        });
        let remove = stream::iter(remove).buffer_unordered(AT_ONCE);
        remove.try_collect::<()>().await
    }

    /// Blocks of every upload that was begun, also those that were written and never counted.
    async fn remove_uploads(&self, id: CampaignId) -> Result<()> {
        let buckets: Vec<(Vec<u8>, i64)> = self.db.rows(&self.sql.uploads, (&id.0.0[..],)).await?;
        for (upload, bucket) in &buckets {
            let first = bucket.unsigned_abs() * BUCKET;
            let remove = (first..first + BUCKET).map(|block| async move {
                let values = (upload, number(block));
                self.db.write(&self.sql.remove_rows, values).await
            });
            let remove = stream::iter(remove).buffer_unordered(AT_ONCE);
            remove.try_collect::<()>().await?;
            let values = (upload, *bucket);
            self.db.write(&self.sql.remove_blocks, values).await?;
        }
        if buckets.is_empty() {
            return Ok(());
        }
        self.db
            .write(&self.sql.remove_uploads, (&id.0.0[..],))
            .await
    }
}
