//! The campaign's own row, and how it is read.

use fanfare_types::{AppId, CampaignId, CampaignRecord, Counts, Standing};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Room;
use super::cut::Cut;
use super::uploads::Last;
use crate::campaigns::{Changed, Scan, StoredCampaign, Upload};
use crate::scylla::fault::damaged;
use crate::{Error, Result};

/// See [`super::tables`].
pub(super) type Columns = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<String>,
    Option<String>,
    Option<bool>,
);

/// A campaign as its row has it.
#[derive(Clone, Debug)]
pub(super) struct CampaignRow {
    pub(super) record: CampaignRecord,
    pub(super) standing: Standing,
    /// Of the standing.
    pub(super) revision: i64,
    /// Grows with each step of the upload.
    pub(super) step: i64,
    pub(super) upload: Upload,
    pub(super) upload_id: Option<[u8; 16]>,
    pub(super) blocks: u64,
    pub(super) last: Option<Last>,
    pub(super) cut: Option<Cut>,
    pub(super) totals: Option<Totals>,
}

/// What a campaign came to, once it is final and nothing of it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    rows: u64,
    scanned: u64,
    opened: u64,
    is_done: bool,
    counts: Counts,
}

impl Totals {
    pub(super) fn new(scan: Scan, counts: Counts) -> Self {
        Totals {
            rows: scan.rows,
            scanned: scan.scanned,
            opened: scan.opened,
            is_done: scan.is_done,
            counts,
        }
    }

    fn parts(self) -> (Scan, Counts) {
        let scan = Scan {
            rows: self.rows,
            scanned: self.scanned,
            opened: self.opened,
            is_done: self.is_done,
        };
        (scan, self.counts)
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::Row(format!("campaign not written: {error}")))
}

fn parsed<T: DeserializeOwned>(text: &str, what: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| damaged(what))
}

/// What is known before a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Every write that was acknowledged.
    Plain,
    /// And what became of one that was not.
    Decided,
}

impl Look {
    /// A failed look behind a write whose outcome is not known: nor is it now.
    pub(super) fn failed(self, error: Error) -> Error {
        match (self, error) {
            (Look::Decided, Error::Unavailable(what)) => Error::Unknown(what),
            (Look::Decided, Error::Overloaded) => {
                Error::Unknown("no room to read it back".to_owned())
            }
            (_, error) => error,
        }
    }
}

impl Room {
    /// `None`: it never was, or is being purged.
    pub(super) async fn find(&self, id: CampaignId, look: Look) -> Result<Option<CampaignRow>> {
        let select = match look {
            Look::Plain => &self.sql.campaign,
            Look::Decided => &self.sql.campaign_decided,
        };
        let row: Option<Columns> = self.db.row(select, (&id.0.0[..],)).await?;
        let read = row.map(read).transpose()?.flatten();
        Ok(read.and_then(|(row, is_gone)| (!is_gone).then_some(row)))
    }

    /// One that is being purged, as far as it is there.
    pub(super) async fn condemned(&self, id: CampaignId) -> Result<Option<CampaignRow>> {
        let select = &self.sql.campaign_decided;
        let row: Option<Columns> = self.db.row(select, (&id.0.0[..],)).await?;
        let read = row.map(read).transpose()?.flatten();
        Ok(read.and_then(|(row, is_gone)| is_gone.then_some(row)))
    }

    /// The same, of this app.
    pub(super) async fn find_of(
        &self,
        app: &AppId,
        id: CampaignId,
        look: Look,
    ) -> Result<Option<CampaignRow>> {
        let found = self.find(id, look).await?;
        Ok(found.filter(|row| row.record.app == *app))
    }

    /// With what its shards say.
    pub(super) async fn stored(&self, row: CampaignRow) -> Result<StoredCampaign> {
        let (scan, counts) = match (row.totals, &row.cut) {
            (Some(totals), _) => totals.parts(),
            (None, None) => (Scan::default(), Counts::default()),
            (None, Some(cut)) => self.sums(row.record.id, cut).await?,
        };
        Ok(StoredCampaign {
            record: row.record,
            standing: row.standing,
            upload: row.upload,
            scan,
            counts,
        })
    }

    pub(super) async fn conflict(&self, found: Option<CampaignRow>) -> Result<Changed> {
        Ok(match found {
            None => Changed::Gone,
            Some(row) => Changed::Conflict(Box::new(self.stored(row).await?)),
        })
    }
}

/// With whether it is being purged. `None`: it was kept from being made.
fn read(columns: Columns) -> Result<Option<(CampaignRow, bool)>> {
    let (
        _,
        record,
        standing,
        revision,
        step,
        upload,
        upload_id,
        blocks,
        last,
        cut,
        totals,
        is_gone,
    ) = columns;
    let (Some(record), Some(standing), Some(is_gone)) = (record, standing, is_gone) else {
        return Ok(None);
    };
    let upload_id = upload_id.map(|id| id.try_into().map_err(|_| damaged("campaigns.upload_id")));
    let row = CampaignRow {
        record: parsed(&record, "campaigns.record")?,
        standing: parsed(&standing, "campaigns.standing")?,
        revision: revision.ok_or_else(|| damaged("campaigns.revision"))?,
        step: step.unwrap_or(0),
        upload: upload
            .map(|text| parsed(&text, "campaigns.upload"))
            .transpose()?
            .unwrap_or_default(),
        upload_id: upload_id.transpose()?,
        blocks: blocks.unwrap_or(0).unsigned_abs(),
        last: last.map(|blob| Last::unpack(&blob)).transpose()?,
        cut: cut.map(|text| parsed(&text, "campaigns.cut")).transpose()?,
        totals: totals
            .map(|text| parsed(&text, "campaigns.totals"))
            .transpose()?,
    };
    Ok(Some((row, is_gone)))
}
