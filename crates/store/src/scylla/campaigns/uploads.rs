//! Uploads: rows in packed blocks, each in a partition of its own.
//!
//! A step of an upload writes its blocks, each beside whatever another node may have tried there, then moves the
//! campaign's row on by compare-and-set. That row names the blocks of the last step, by number and nonce; whoever takes
//! the next step, or reads, writes these names into the index before anything else. So what a node that died had half
//! written is in nobody's way, and no campaign begins over half a step.

use fanfare_types::{AppId, Audience, CampaignId, CampaignState};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Room;
use super::create::{TRIES, contended};
use super::rows::{self, CampaignRow, Look};
use crate::campaigns::{Audienced, Block, Changed, UploadRow};
use crate::codec::{Input, put_number};
use crate::packed;
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Error, Result};

/// Rows of one packed block at most.
const BLOCK_ROWS_MAX: usize = 1_024;

/// A block that is larger is divided, unless it is a single row's.
const BLOCK_BYTES_MAX: usize = 256 * 1_024;

/// Blocks in one partition of the index.
pub(super) const BUCKET: u64 = 64;

/// Blocks written at once.
const AT_ONCE: usize = 8;

/// The last step of an upload: its blocks, which are from this number on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) first: u64,
    pub(super) nonce: [u8; 16],
    /// Of each of its blocks.
    pub(super) rows: Vec<u64>,
}

impl Last {
    fn pack(&self) -> Vec<u8> {
        let mut out = self.nonce.to_vec();
        put_number(&mut out, self.first);
        self.rows
            .iter()
            .for_each(|rows| put_number(&mut out, *rows));
        out
    }

    pub(super) fn unpack(blob: &[u8]) -> Result<Self> {
        let mut input = Input(blob);
        let mut read = || {
            let nonce = input.take(16)?.try_into().ok()?;
            let first = input.number()?;
            let mut rows = Vec::new();
            while !input.is_empty() {
                rows.push(input.number()?);
            }
            Some(Last { first, nonce, rows })
        };
        read().ok_or_else(|| damaged("campaigns.last"))
    }
}

/// Rows packed into blocks, each with how many it has.
fn pack(rows: &[UploadRow], into: &mut Vec<(u64, Vec<u8>)>) {
    for rows in rows.chunks(BLOCK_ROWS_MAX) {
        let body = packed::pack_rows(rows);
        if body.len() > BLOCK_BYTES_MAX && rows.len() > 1 {
            let (left, right) = rows.split_at(rows.len() / 2);
            pack(left, into);
            pack(right, into);
        } else {
            into.push((rows.len() as u64, body));
        }
    }
}

/// What a step goes on from.
#[derive(Clone, Copy, PartialEq, Eq)]
struct From {
    upload: [u8; 16],
    blocks: u64,
}

impl Room {
    /// See [`crate::Campaigns::append`].
    pub(super) async fn append(
        &self,
        app: &AppId,
        id: CampaignId,
        block: &Block,
    ) -> Result<Changed> {
        let nonce = super::nonce();
        let mut packed = Vec::new();
        pack(&block.rows, &mut packed);
        let (mut look, mut written) = (Look::Plain, None);
        for _ in 0..TRIES {
            let found = self.find_of(app, id, look).await;
            let Some(row) = found.map_err(|error| look.failed(error))? else {
                return Ok(Changed::Gone);
            };
            if row.last.as_ref().is_some_and(|last| last.nonce == nonce) {
                return Ok(Changed::Done);
            }
            let Some(from) = fits(&row, block, nonce) else {
                return self.conflict(Some(row)).await;
            };
            self.index(&row).await?;
            if written != Some(from) {
                self.put_rows(id, from, nonce, &packed).await?;
                written = Some(from);
            }
            let last = Last {
                first: from.blocks,
                nonce,
                rows: packed.iter().map(|(rows, _)| *rows).collect(),
            };
            match self.step(&row, from, &last, block).await {
                Ok(Cas::Applied) => return Ok(Changed::Done),
                Ok(Cas::Refused) => {}
                Err(Error::Unknown(_)) => look = Look::Decided,
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    async fn step(&self, row: &CampaignRow, from: From, last: &Last, block: &Block) -> Result<Cas> {
        let blocks = from.blocks + last.rows.len() as u64;
        let values = (
            rows::json(&block.upload)?,
            &from.upload[..],
            number(blocks),
            last.pack(),
            row.step + 1,
            &row.record.id.0.0[..],
            row.revision,
            row.step,
        );
        self.db.cas(&self.sql.append, values).await
    }

    /// What purging finds comes first.
    async fn put_rows(
        &self,
        id: CampaignId,
        from: From,
        nonce: [u8; 16],
        packed: &[(u64, Vec<u8>)],
    ) -> Result<()> {
        let behind = from.blocks + packed.len() as u64;
        for bucket in from.blocks / BUCKET..=behind.saturating_sub(1).max(from.blocks) / BUCKET {
            let values = (&id.0.0[..], &from.upload[..], number(bucket));
            self.db.write(&self.sql.upload, values).await?;
        }
        let put = (from.blocks..).zip(packed).map(|(at, (_, body))| {
            let values = (from.upload, number(at), nonce, body.as_slice());
            async move {
                let (upload, at, nonce, body) = values;
                let values = (&upload[..], at, &nonce[..], body);
                self.db.write(&self.sql.put_rows, values).await
            }
        });
        let put: Vec<_> = put.collect();
        let put = stream::iter(put).buffer_unordered(AT_ONCE);
        put.try_collect::<()>().await
    }

    /// Writes the names of the last step's blocks, which the row decided: whoever does it writes the same.
    pub(super) async fn index(&self, row: &CampaignRow) -> Result<()> {
        let (Some(upload), Some(last)) = (row.upload_id, &row.last) else {
            return Ok(());
        };
        let put = (last.first..).zip(&last.rows).map(|(at, rows)| {
            let values = (number(at / BUCKET), number(at), *rows as i32);
            async move {
                let (bucket, at, rows) = values;
                let values = (&upload[..], bucket, at, &last.nonce[..], rows);
                self.db.write(&self.sql.block, values).await
            }
        });
        let put: Vec<_> = put.collect();
        let put = stream::iter(put).buffer_unordered(AT_ONCE);
        put.try_collect::<()>().await
    }

    /// See [`crate::Campaigns::count`]: of an upload, its rows.
    pub(super) async fn count_upload(
        &self,
        app: &AppId,
        id: Option<CampaignId>,
    ) -> Result<Audienced> {
        let row = match id {
            None => None,
            Some(id) => self.find_of(app, id, Look::Plain).await?,
        };
        let rows = row.map_or(0, |row| row.upload.rows);
        Ok(Audienced {
            recipients: rows,
            scanned: rows,
            is_whole: true,
        })
    }
}

/// Where a block goes on; `None` when it does not fit on what is there.
fn fits(row: &CampaignRow, block: &Block, nonce: [u8; 16]) -> Option<From> {
    let is_open = matches!(
        row.standing.state,
        CampaignState::Draft | CampaignState::Scheduled
    );
    let anew = From {
        upload: nonce,
        blocks: 0,
    };
    match row.upload_id {
        _ if !is_open || row.record.audience != Audience::Upload => None,
        _ if block.replaces => (block.from == 0).then_some(anew),
        None => (block.from == 0).then_some(anew),
        Some(upload) => (block.from == row.upload.bytes).then_some(From {
            upload,
            blocks: row.blocks,
        }),
    }
}

pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::campaigns::Named;
    use fanfare_types::UserId;

    fn row(name: &str, value: usize) -> UploadRow {
        let variables = Arc::new([("v".to_owned(), "x".repeat(value))].into());
        UploadRow {
            to: Named::User(UserId::new(name).expect("a valid user")),
            variables: Some(variables),
        }
    }

    #[test]
    fn a_step_comes_back_from_its_row() {
        let last = Last {
            first: 70_000,
            nonce: [9; 16],
            rows: vec![1, 1_024, 300],
        };
        assert_eq!(Last::unpack(&last.pack()), Ok(last.clone()));
        assert!(Last::unpack(&last.pack()[..12]).is_err());
    }

    #[test]
    fn blocks_keep_to_their_sizes_and_have_every_row() {
        let sizes = |rows: &[UploadRow]| {
            let mut packed = Vec::new();
            pack(rows, &mut packed);
            let fits = |(rows, body): &(u64, Vec<u8>)| *rows == 1 || body.len() <= BLOCK_BYTES_MAX;
            assert!(packed.iter().all(fits));
            packed.iter().map(|(rows, _)| *rows).collect::<Vec<_>>()
        };
        let small: Vec<_> = (0..2_500).map(|n| row(&format!("u{n}"), 1)).collect();
        assert_eq!(sizes(&small), [1_024, 1_024, 452]);
        let large: Vec<_> = (0..8).map(|n| row(&format!("u{n}"), 100_000)).collect();
        assert_eq!(sizes(&large), [2, 2, 2, 2]);
        let huge = [row("a", 300_000), row("b", 1)];
        assert_eq!(sizes(&huge), [1, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
