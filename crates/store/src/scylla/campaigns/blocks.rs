//! Blocks of an upload as they are read: the index says which ones count.

use std::ops::ControlFlow;

use fanfare_types::{AppId, CampaignId};

use super::Room;
use super::rows::Look;
use super::uploads::{BUCKET, number};
use crate::Result;
use crate::campaigns::{Named, UploadRow};
use crate::packed::{self, RawName, RawRow};
use crate::scylla::fault::damaged;

/// A block that counts.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    nonce: Vec<u8>,
    pub(super) rows: u64,
}

/// An upload, read from a block on. The part of the index that it is at is kept.
pub(super) struct Blocks<'a> {
    room: &'a Room,
    upload: [u8; 16],
    next: u64,
    end: u64,
    known: std::vec::IntoIter<Entry>,
}

impl<'a> Blocks<'a> {
    /// From block `next` up to just before block `end`.
    pub(super) fn new(room: &'a Room, upload: [u8; 16], next: u64, end: u64) -> Self {
        Blocks {
            room,
            upload,
            next,
            end,
            known: Vec::new().into_iter(),
        }
    }

    /// `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Entry>> {
        if self.next >= self.end {
            return Ok(None);
        }
        let known = match self.known.next() {
            Some(known) => known,
            None => {
                let values = (
                    &self.upload[..],
                    number(self.next / BUCKET),
                    number(self.next),
                );
                let select = &self.room.sql.blocks;
                let rows: Vec<(i64, Vec<u8>, i32)> = self.room.db.rows(select, values).await?;
                let known = rows.into_iter().map(|(number, nonce, rows)| Entry {
                    number: number.unsigned_abs(),
                    nonce,
                    rows: u64::from(rows.unsigned_abs()),
                });
                self.known = known.collect::<Vec<_>>().into_iter();
                self.known.next().ok_or_else(gap)?
            }
        };
        if known.number != self.next {
            return Err(gap());
        }
        self.next += 1;
        Ok(Some(known))
    }

    pub(super) async fn body(&self, block: &Entry) -> Result<Vec<u8>> {
        let values = (&self.upload[..], number(block.number), &block.nonce);
        let row: Option<(Vec<u8>,)> = self.room.db.row(&self.room.sql.rows, values).await?;
        row.map(|(body,)| body).ok_or_else(gap)
    }
}

/// Every block is durable before the row says that it is there.
fn gap() -> crate::Error {
    damaged("a block of an upload")
}

impl Room {
    /// How many rows each block of an upload has.
    pub(super) async fn outline(&self, upload: [u8; 16], blocks: u64) -> Result<Vec<u64>> {
        let mut blocks = Blocks::new(self, upload, 0, blocks);
        let mut rows = Vec::new();
        while let Some(block) = blocks.next().await? {
            rows.push(block.rows);
        }
        Ok(rows)
    }

    /// See [`crate::Campaigns::uploaded`].
    pub(super) async fn uploaded(
        &self,
        app: &AppId,
        id: CampaignId,
        named: &[Named],
    ) -> Result<Option<UploadRow>> {
        let Some(row) = self.find_of(app, id, Look::Plain).await? else {
            return Ok(None);
        };
        self.index(&row).await?;
        let Some(upload) = row.upload_id else {
            return Ok(None);
        };
        let mut blocks = Blocks::new(self, upload, 0, row.blocks);
        while let Some(block) = blocks.next().await? {
            let body = blocks.body(&block).await?;
            if let Some(found) = look(&body, named)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// The first row of a block that names one of these.
fn look(body: &[u8], named: &[Named]) -> Result<Option<UploadRow>> {
    let is_one = |row: &RawRow<'_>| {
        named.iter().any(|named| match (named, &row.to) {
            (Named::User(user), RawName::User(name)) => user.as_str() == *name,
            (Named::Device(device), RawName::Device(id)) => device == id,
            _ => false,
        })
    };
    let mut found = None;
    packed::visit_rows(body, 0, |row| {
        if !is_one(&row) {
            return Some(ControlFlow::Continue(()));
        }
        found = Some(row.row()?);
        Some(ControlFlow::Break(()))
    })
    .ok_or_else(|| damaged("campaign_rows.body"))?;
    Ok(found)
}
