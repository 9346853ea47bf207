//! What was not simply delivered: of one shard after the other, in the order in which it was recorded.

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, CampaignId, NotificationId, Outcome, Timestamp};

use super::Room;
use super::rows::Look;
use crate::Result;
use crate::campaigns::{CampaignDeliveries, CampaignDelivery, DeliveryCursor};
use crate::ended::bit;
use crate::packed;
use crate::scylla::fault::damaged;

/// Batches in one read.
const BATCHES_A_READ: i32 = 64;

/// A place's batch is the shard, the revision of the step that recorded it, and which one of the step it is.
const SHARD_SHIFT: u32 = 48;
const STEP_SHIFT: u32 = 8;

/// Steps of a shard have no more batches, and a shard no more steps than leave room for both.
fn place(shard: u32, name: &[u8]) -> Option<u64> {
    let (revision, place) = name.split_at_checked(8)?;
    let revision = u64::from_be_bytes(revision.try_into().ok()?);
    let place = u64::from(u16::from_be_bytes(place.try_into().ok()?));
    Some((u64::from(shard) << SHARD_SHIFT) | (revision << STEP_SHIFT) | place)
}

/// The shard of a place, and the name it has there.
fn name(batch: u64) -> (u32, Vec<u8>) {
    let step = batch & ((1 << SHARD_SHIFT) - 1);
    let revision = (step >> STEP_SHIFT) as i64;
    let place = (step & ((1 << STEP_SHIFT) - 1)) as u16;
    let shard = (batch >> SHARD_SHIFT) as u32;
    (shard, super::chunks::batch_name(revision, place))
}

/// Which deliveries are asked for.
pub(super) struct Asked {
    pub(super) outcome: Option<Outcome>,
    pub(super) from: DeliveryCursor,
    pub(super) limit: usize,
}

type Row = (
    Vec<u8>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<i8>,
    Option<Vec<u8>>,
);

impl Room {
    /// See [`crate::Campaigns::campaign_deliveries`].
    pub(super) async fn deliveries(
        &self,
        app: &AppId,
        id: CampaignId,
        asked: &Asked,
    ) -> Result<Option<CampaignDeliveries>> {
        let Some(row) = self.find_of(app, id, Look::Plain).await? else {
            return Ok(None);
        };
        let mut page = CampaignDeliveries::default();
        let parts = row.cut.map_or(0, |cut| cut.parts());
        let (first, mut from) = name(asked.from.batch);
        for shard in first..parts {
            self.of_shard(id, shard, from, asked, &mut page).await?;
            if page.next.is_some() {
                break;
            }
            from = Vec::new();
        }
        Ok(Some(page))
    }

    async fn of_shard(
        &self,
        id: CampaignId,
        shard: u32,
        mut from: Vec<u8>,
        asked: &Asked,
        page: &mut CampaignDeliveries,
    ) -> Result<()> {
        loop {
            let values = (&id.0.0[..], shard as i32, &from, BATCHES_A_READ);
            let rows: Vec<Row> = self.db.rows(&self.sql.ended, values).await?;
            let is_last = rows.len() < BATCHES_A_READ as usize;
            for row in rows {
                from.clone_from(&row.0);
                // The next name there can be.
                from.push(0);
                let batch = batch(shard, row).ok_or_else(|| damaged("campaign_shards.body"))?;
                batch.add_to(page, asked)?;
                if page.next.is_some() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

struct Batch {
    number: u64,
    chunk: NotificationId,
    created_at: Timestamp,
    outcomes: u8,
    body: Vec<u8>,
}

fn batch(shard: u32, (name, chunk, created_at, outcomes, body): Row) -> Option<Batch> {
    Some(Batch {
        number: place(shard, &name)?,
        chunk: NotificationId(Id96(chunk?.try_into().ok()?)),
        created_at: Timestamp(created_at?.unsigned_abs()),
        outcomes: outcomes?.cast_unsigned(),
        body: body?,
    })
}

impl Batch {
    fn add_to(self, page: &mut CampaignDeliveries, asked: &Asked) -> Result<()> {
        if self.outcomes & asked.outcome.map_or(u8::MAX, bit) == 0 {
            return Ok(());
        }
        let rows = packed::unpack_exceptions(&self.body);
        let rows = rows.ok_or_else(|| damaged("campaign_shards.body"))?;
        for (index, (recipient, ended)) in (0..).zip(rows) {
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
                return Ok(());
            }
            page.rows.push(CampaignDelivery {
                chunk: self.chunk,
                created_at: self.created_at,
                recipient,
                ended,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scylla::campaigns::chunks::batch_name;

    #[test]
    fn a_place_names_its_batch() {
        for (shard, revision, at) in [(0, 1, 0), (7, 900_000, 63), (65_535, 1 << 39, 255)] {
            let packed = place(shard, &batch_name(revision, at)).expect("it fits");
            assert_eq!(name(packed), (shard, batch_name(revision, at)));
        }
        assert_eq!(name(0), (0, batch_name(0, 0)), "the start");
        assert_eq!(place(0, &[1, 2]), None);
        let step = |shard, revision, at| place(shard, &batch_name(revision, at));
        assert!(step(1, 5, 200) < step(1, 6, 0) && step(1, i64::from(u32::MAX), 0) < step(2, 1, 0));
    }
}
