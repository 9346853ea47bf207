//! Shards change hands: taken over under the epoch of a hold, begun by whoever is first, and closed when their campaign is
//! over. Each is a compare-and-set on the head's revision, so that a step of a former holder is refused from then on.

use fanfare_types::CampaignId;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Room;
use super::create::{TRIES, contended};
use super::cut::Cut;
use super::heads::{AT_ONCE, Head, integer};
use super::rows::Look;
use crate::campaigns::{Cursor, Shard};
use crate::packed::Place;
use crate::scylla::session::Cas;
use crate::{Error, Result};

impl Room {
    /// Takes over those of the slots that are held here; see [`crate::Campaigns::shards`].
    pub(super) async fn take_over(&self, campaign: CampaignId, cut: &Cut) -> Result<Vec<Shard>> {
        let held = (0..cut.parts()).filter_map(|number| Some((number, self.epoch(number)?)));
        let taken = held.map(|(number, epoch)| async move {
            let head = self.take(campaign, number, epoch, cut).await?;
            Ok::<_, Error>(head.map(|head| head.shard(number)))
        });
        let taken: Vec<_> = stream::iter(taken).buffered(AT_ONCE).try_collect().await?;
        Ok(taken.into_iter().flatten().collect())
    }

    /// `None`: a later holder was here.
    async fn take(
        &self,
        campaign: CampaignId,
        shard: u32,
        epoch: i64,
        cut: &Cut,
    ) -> Result<Option<Head>> {
        let desk = self.desks.desk(campaign, shard);
        let mut desk = desk.lock().await;
        *desk = None;
        let mut look = Look::Plain;
        for _ in 0..TRIES {
            let set = match self.head(campaign, shard, look).await? {
                Some(head) if head.fence == epoch => {
                    *desk = Some(head.clone());
                    return Ok(Some(head));
                }
                Some(head) if head.fence > epoch => return Ok(None),
                Some(head) => {
                    let (key, revision) = (&campaign.0.0[..], head.revision);
                    let values = (epoch, revision + 1, key, shard as i32, revision);
                    self.db.cas(&self.sql.fence, values).await
                }
                None => self.begin(campaign, shard, epoch, false, cut).await,
            };
            match set {
                // Read again, which tells a step of the former holder's that was under way.
                Ok(_) | Err(Error::Unknown(_)) => look = Look::Decided,
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    async fn begin(
        &self,
        campaign: CampaignId,
        shard: u32,
        epoch: i64,
        is_closed: bool,
        cut: &Cut,
    ) -> Result<Cas> {
        let rows = cut.rows.get(shard as usize).copied().unwrap_or(0);
        let values = (
            epoch,
            is_closed,
            first(cut, shard).0,
            integer(rows),
            &campaign.0.0[..],
            shard as i32,
            None::<i64>,
        );
        self.db.cas(&self.sql.begin, values).await
    }

    /// Nothing more is opened of a campaign that is over.
    pub(super) async fn close_shards(&self, campaign: CampaignId, cut: &Cut) -> Result<()> {
        let close = (0..cut.parts()).map(|shard| self.close(campaign, shard, cut));
        let close = stream::iter(close).buffer_unordered(AT_ONCE);
        close.try_collect::<()>().await
    }

    async fn close(&self, campaign: CampaignId, shard: u32, cut: &Cut) -> Result<()> {
        let mut look = Look::Plain;
        for _ in 0..TRIES {
            let set = match self.head(campaign, shard, look).await? {
                // There is nothing left to open.
                Some(head) if head.is_closed || head.is_done => return Ok(()),
                Some(head) => {
                    let (key, revision) = (&campaign.0.0[..], head.revision);
                    let values = (revision + 1, key, shard as i32, revision);
                    self.db.cas(&self.sql.close, values).await
                }
                None => self.begin(campaign, shard, 0, true, cut).await,
            };
            match set {
                Ok(Cas::Applied) => return Ok(()),
                Ok(Cas::Refused) | Err(Error::Unknown(_)) => look = Look::Decided,
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }
}

/// Where a shard starts.
fn first(cut: &Cut, shard: u32) -> Cursor {
    match &cut.blocks {
        None => Cursor(cut.range(shard).after.to_be_bytes().to_vec()),
        Some(blocks) => {
            let before = shard
                .checked_sub(1)
                .and_then(|n| blocks.ends.get(n as usize));
            let block = before.copied().unwrap_or(0);
            Cursor(Place { block, row: 0 }.pack())
        }
    }
}
