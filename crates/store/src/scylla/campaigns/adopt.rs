//! A campaign of another store, with what it came to.

use crate::campaigns::{Created, StoredCampaign};
use crate::scylla::Scylla;
use crate::{Campaigns, Idempotency, Result};

impl Scylla {
    /// Enters a campaign that another store kept; again does no harm. Of a final one its counts come with it, and of one
    /// that has not begun its upload is to be appended.
    ///
    /// # Errors
    /// Those of any write.
    pub async fn adopt(&self, kept: &StoredCampaign, key: Option<Idempotency>) -> Result<Created> {
        let (record, standing) = (kept.record.clone(), kept.standing.clone());
        let made = self.create(record, standing, key, u64::MAX).await?;
        if kept.standing.state.is_final() {
            let room = &self.campaigns;
            room.sum_up(kept.record.id, kept.scan, kept.counts).await?;
        }
        Ok(made)
    }
}
