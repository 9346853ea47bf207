//! Where campaigns are found: the apps that have some, and each app's by month.

use fanfare_types::{AppId, CampaignId, Timestamp};
use futures_util::future::try_join_all;

use super::Room;
use super::rows::Look;
use super::unfinished::campaign_id;
use crate::Result;
use crate::campaigns::StoredCampaign;
use crate::scylla::fault::damaged;

/// Campaigns that are read at once.
const AT_ONCE: usize = 16;

/// Months since the epoch, each a twelfth of a year of 365.25 days: a bucket, not a date.
pub(super) fn month(at: Timestamp) -> i32 {
    const MILLIS: u64 = 1_461 * 24 * 60 * 60 * 1_000 / 48;
    i32::try_from(at.0 / MILLIS).unwrap_or(i32::MAX)
}

impl Room {
    pub(super) async fn apps(&self) -> Result<Vec<AppId>> {
        let apps: Vec<(String,)> = self.db.rows(&self.sql.apps, ()).await?;
        let apps = apps.into_iter();
        apps.map(|(app,)| AppId::new(&app).map_err(|_| damaged("campaign_apps.app")))
            .collect()
    }

    /// Months in which an app made campaigns, newest first.
    pub(super) async fn months(&self, app: &AppId) -> Result<Vec<i32>> {
        let months: Vec<(i32,)> = self.db.rows(&self.sql.months, (app.as_str(),)).await?;
        Ok(months.into_iter().map(|(month,)| month).collect())
    }

    /// See [`crate::Campaigns::campaigns`].
    pub(super) async fn list(
        &self,
        app: &AppId,
        before: Option<CampaignId>,
        limit: usize,
    ) -> Result<Vec<StoredCampaign>> {
        let newest = before.map_or(i32::MAX, |id| month(id.0.created_at()));
        // No id has more bytes than 12, so this one is behind them all.
        let mut before = before.map_or_else(|| vec![0xff; 13], |id| id.0.0.to_vec());
        let mut found = Vec::new();
        for month in self.months(app).await? {
            while month <= newest && found.len() < limit {
                let room = (limit - found.len()).min(AT_ONCE);
                let values = (app.as_str(), month, &before, room as i32);
                let ids: Vec<(Vec<u8>,)> = self.db.rows(&self.sql.by_app, values).await?;
                let Some((last,)) = ids.last() else { break };
                before.clone_from(last);
                found.extend(self.read_all(ids).await?);
            }
        }
        Ok(found)
    }

    /// Those that are there, in their order. One that was never made is passed over.
    async fn read_all(&self, ids: Vec<(Vec<u8>,)>) -> Result<Vec<StoredCampaign>> {
        let read = ids.into_iter().map(|(id,)| async move {
            match self.find(campaign_id(id)?, Look::Plain).await? {
                None => Ok(None),
                Some(row) => self.stored(row).await.map(Some),
            }
        });
        let read = try_join_all(read).await?;
        Ok(read.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_buckets_of_about_a_month() {
        const DAY: u64 = 24 * 60 * 60 * 1_000;
        assert_eq!(month(Timestamp(0)), 0);
        assert_eq!(month(Timestamp(30 * DAY)), 0);
        assert_eq!(month(Timestamp(31 * DAY)), 1);
        // 2023-11-14
        assert_eq!(month(Timestamp(1_700_000_000_000)), 646);
    }
}
