//! A campaign's standing, changed by compare-and-set on its row.

use fanfare_types::{AppId, Audience, CampaignId, CampaignState, Counts, Standing};

use super::Room;
use super::create::{TRIES, contended};
use super::rows::{self, CampaignRow, Look, Totals};
use crate::campaigns::{Changed, Scan};
use crate::scylla::session::Cas;
use crate::{Error, Result};

impl Room {
    /// See [`crate::Campaigns::change`]. The upload's step is compared, too: none begins anew in between.
    pub(super) async fn change(
        &self,
        app: &AppId,
        id: CampaignId,
        standing: Standing,
    ) -> Result<Changed> {
        let body = rows::json(&standing)?;
        let revision = i64::try_from(standing.revision).unwrap_or(i64::MAX);
        let mut look = Look::Plain;
        for _ in 0..TRIES {
            let found = self.find_of(app, id, look).await;
            let Some(row) = found.map_err(|error| look.failed(error))? else {
                return Ok(Changed::Gone);
            };
            // After a try whose outcome is not known: it was this one.
            if look == Look::Decided && row.standing == standing {
                return self.changed(row).await;
            }
            if row.revision != revision - 1 || !may_be(&row, standing.state) {
                return self.conflict(Some(row)).await;
            }
            let values = (&body, revision, &id.0.0[..], row.revision, row.step);
            match self.db.cas(&self.sql.change, values).await {
                Ok(Cas::Applied) => {
                    return self
                        .changed(CampaignRow {
                            standing,
                            revision,
                            ..row
                        })
                        .await;
                }
                Ok(Cas::Refused) => {}
                Err(Error::Unknown(_)) => look = Look::Decided,
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    /// The standing is written. With a final one nothing more is opened by the time this answers.
    async fn changed(&self, row: CampaignRow) -> Result<Changed> {
        if row.standing.state.is_final() {
            self.settle(row).await?;
        }
        Ok(Changed::Done)
    }

    pub(super) async fn sum_up(&self, id: CampaignId, scan: Scan, counts: Counts) -> Result<()> {
        let totals = rows::json(&Totals::new(scan, counts))?;
        match self.db.cas(&self.sql.sum_up, (totals, &id.0.0[..])).await {
            // It is purged, or summed up by the next one who looks.
            Ok(_) | Err(Error::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// No campaign begins over half an upload.
fn may_be(row: &CampaignRow, state: CampaignState) -> bool {
    let is_half = row.record.audience == Audience::Upload
        && row.upload_id.is_some()
        && !row.upload.is_complete;
    state != CampaignState::Running || !is_half
}
