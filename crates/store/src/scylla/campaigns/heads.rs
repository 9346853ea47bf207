//! Heads of shards: how far each was read, what was opened of it and how that ended, and who may write there.
//!
//! A head is moved on by compare-and-set on its revision and its fence, together with the rows that belong to the step.
//! The holder keeps it in memory, so that a step is one round trip; a refusal has it read again.

use std::collections::HashMap;
use std::sync::Arc;

use fanfare_types::{CampaignId, Counts, Outcome, Slot};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlValue;

use super::Room;
use super::cut::Cut;
use super::rows::Look;
use crate::Result;
use crate::campaigns::{Cursor, Scan, Shard};
use crate::codec::{pack_counts, unpack_counts};
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;

/// Heads that are read or written at once.
pub(super) const AT_ONCE: usize = 16;

/// Heads in memory; of more, those that nobody uses are forgotten.
const DESKS_MAX: usize = 4_096;

/// See [`super::tables`].
pub(super) type Columns = (
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<bool>,
    Option<bool>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Epoch of whoever may write.
    pub(super) fence: i64,
    pub(super) revision: i64,
    pub(super) cursor: Cursor,
    /// The chunk that moved the cursor last.
    pub(super) opener: Vec<u8>,
    pub(super) is_done: bool,
    /// Nothing more is opened.
    pub(super) is_closed: bool,
    pub(super) rows: u64,
    pub(super) scanned: u64,
    pub(super) opened: u64,
    pub(super) ended: Counts,
}

impl Head {
    pub(super) fn shard(self, number: u32) -> Shard {
        Shard {
            number,
            cursor: self.cursor,
            rows: self.rows,
            scanned: self.scanned,
            left: self.opened.saturating_sub(self.ended.terminal()),
            is_done: self.is_done,
        }
    }
}

/// Statements and their values, that go with a step.
pub(super) type Parts = Vec<(PreparedStatement, Vec<Option<CqlValue>>)>;

/// The heads this node writes: one writer at a time, who keeps what was written.
#[derive(Default)]
pub(super) struct Desks(Mutex<HashMap<(CampaignId, u32), Desk>>);

pub(super) type Desk = Arc<tokio::sync::Mutex<Option<Head>>>;

impl Desks {
    pub(super) fn desk(&self, campaign: CampaignId, shard: u32) -> Desk {
        let mut desks = self.0.lock();
        if desks.len() >= DESKS_MAX {
            desks.retain(|_, desk| Arc::strong_count(desk) > 1);
        }
        desks.entry((campaign, shard)).or_default().clone()
    }

    pub(super) fn forget(&self, campaign: CampaignId) {
        self.0.lock().retain(|(of, _), _| *of != campaign);
    }
}

impl Room {
    /// `None`: nobody began it.
    pub(super) async fn head(
        &self,
        campaign: CampaignId,
        shard: u32,
        look: Look,
    ) -> Result<Option<Head>> {
        let select = match look {
            Look::Plain => &self.sql.head,
            Look::Decided => &self.sql.head_decided,
        };
        let values = (&campaign.0.0[..], shard as i32);
        let row: Option<Columns> = self.db.row(select, values).await?;
        row.map(read).transpose()
    }

    /// All there are, in order.
    async fn heads(&self, campaign: CampaignId, cut: &Cut) -> Result<Vec<Option<Head>>> {
        let read = (0..cut.parts()).map(|shard| self.head(campaign, shard, Look::Plain));
        stream::iter(read).buffered(AT_ONCE).try_collect().await
    }

    /// The whole campaign's numbers.
    pub(super) async fn sums(&self, campaign: CampaignId, cut: &Cut) -> Result<(Scan, Counts)> {
        let heads = self.heads(campaign, cut).await?;
        let mut scan = Scan {
            is_done: true,
            ..Scan::default()
        };
        let mut counts = Counts::default();
        for (head, rows) in heads.into_iter().zip(&cut.rows) {
            let Some(mut head) = head else {
                scan.rows += rows;
                scan.is_done = false;
                continue;
            };
            scan.rows += head.rows;
            scan.scanned += head.scanned;
            scan.opened += head.opened;
            scan.is_done &= head.is_done;
            for outcome in Outcome::ALL {
                *counts.of(*outcome) += *head.ended.of(*outcome);
            }
        }
        Ok((scan, counts))
    }

    /// One try to bring a head from `before` to `after`, with what belongs to the step.
    pub(super) async fn step_head(
        &self,
        campaign: CampaignId,
        shard: u32,
        before: &Head,
        after: &Head,
        parts: Parts,
    ) -> Result<Cas> {
        let (mut statements, mut values) = (vec![self.sql.step.clone()], Vec::new());
        values.push(vec![
            bigint(after.revision),
            blob(after.cursor.0.clone()),
            blob(after.opener.clone()),
            Some(CqlValue::Boolean(after.is_done)),
            bigint(integer(after.rows)),
            bigint(integer(after.scanned)),
            bigint(integer(after.opened)),
            blob(pack_counts(&after.ended)),
            blob(campaign.0.0.to_vec()),
            int(shard),
            bigint(before.revision),
            bigint(before.fence),
        ]);
        for (statement, bound) in parts {
            statements.push(statement);
            values.push(bound);
        }
        self.db.cas_all(statements, values).await
    }

    /// The epoch at which the slot of a shard is held here.
    pub(super) fn epoch(&self, shard: u32) -> Option<i64> {
        let epoch = self.held.epoch(Slot::of_shard(shard))?;
        Some(integer(epoch.0))
    }
}

fn read(columns: Columns) -> Result<Head> {
    let (fence, revision, cursor, opener, is_done, is_closed, rows, scanned, opened, ended) =
        columns;
    let read = || {
        Some(Head {
            fence: fence?,
            revision: revision?,
            cursor: Cursor(cursor?),
            opener: opener.unwrap_or_default(),
            is_done: is_done?,
            is_closed: is_closed?,
            rows: rows?.unsigned_abs(),
            scanned: scanned?.unsigned_abs(),
            opened: opened?.unsigned_abs(),
            ended: unpack_counts(&ended.unwrap_or_default())?,
        })
    };
    read().ok_or_else(|| damaged("a head of campaign_shards"))
}

pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn bigint(number: i64) -> Option<CqlValue> {
    Some(CqlValue::BigInt(number))
}

/// Of a number below 2³¹.
pub(super) fn int(number: u32) -> Option<CqlValue> {
    Some(CqlValue::Int(number as i32))
}

pub(super) fn blob(bytes: Vec<u8>) -> Option<CqlValue> {
    Some(CqlValue::Blob(bytes))
}
