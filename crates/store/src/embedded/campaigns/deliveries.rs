//! What was not simply delivered, listed in the order in which it was recorded.

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, CampaignId, NotificationId, Outcome, Recipient, Timestamp};
use rusqlite::Connection;

use super::rows;
use crate::campaigns::{CampaignDeliveries, CampaignDelivery, DeliveryCursor};
use crate::embedded::fault::corrupt;
use crate::embedded::values::{instant, integer, unsigned};
use crate::ended::bit;
use crate::packed;
use crate::{Ended, Result};

/// Which deliveries are asked for.
pub(in crate::embedded) struct Asked {
    pub(in crate::embedded) outcome: Option<Outcome>,
    pub(in crate::embedded) from: DeliveryCursor,
    pub(in crate::embedded) limit: usize,
}

pub(in crate::embedded) fn list(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
    asked: &Asked,
) -> Result<Option<CampaignDeliveries>> {
    let Some(campaign) = rows::seq(db, app, id)? else {
        return Ok(None);
    };
    let sql = "SELECT batch, chunk, created_at, body FROM campaign_ended
        WHERE campaign = ?1 AND batch >= ?2 AND (outcomes & ?3) <> 0 ORDER BY batch";
    let wanted = asked.outcome.map_or(u8::MAX, bit);
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query((campaign, integer(asked.from.batch), wanted))?;
    let mut page = CampaignDeliveries::default();
    while let (Some(row), None) = (rows.next()?, page.next) {
        let body = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let batch = Batch {
            number: unsigned(row.get(0)?),
            chunk: NotificationId(Id96(row.get(1)?)),
            created_at: instant(row, 2)?,
            rows: packed::unpack_exceptions(body).ok_or_else(|| corrupt("campaign_ended.body"))?,
        };
        batch.add_to(&mut page, asked);
    }
    Ok(Some(page))
}

struct Batch {
    number: u64,
    chunk: NotificationId,
    created_at: Timestamp,
    rows: Vec<(Recipient, Ended)>,
}

impl Batch {
    fn add_to(self, page: &mut CampaignDeliveries, asked: &Asked) {
        for (index, (recipient, ended)) in (0..).zip(self.rows) {
            let place = DeliveryCursor {
                batch: self.number,
                index,
            };
            let is_before = (place.batch, place.index) < (asked.from.batch, asked.from.index);
            if is_before || asked.outcome.is_some_and(|wanted| wanted != ended.outcome) {
                continue;
            }
            if page.rows.len() >= asked.limit.max(1) {
                page.next = Some(place);
                return;
            }
            page.rows.push(CampaignDelivery {
                chunk: self.chunk,
                created_at: self.created_at,
                recipient,
                ended,
            });
        }
    }
}

/// Batches that cannot be read.
pub(in crate::embedded) fn unreadable(db: &Connection) -> Result<u64> {
    let mut select = db.prepare("SELECT body FROM campaign_ended")?;
    let mut rows = select.query([])?;
    let mut unreadable = 0;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().ok();
        let sound = body.and_then(packed::unpack_exceptions).is_some();
        unreadable += u64::from(!sound);
    }
    Ok(unreadable)
}
