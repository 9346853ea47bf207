//! Uploads: rows in packed blocks, and how far the upload has come, moved on in one step with each of them.

use std::ops::ControlFlow;

use fanfare_types::{AppId, CampaignId};
use rusqlite::{Connection, OptionalExtension, params};

use super::rows;
use crate::Result;
use crate::campaigns::{Block, Changed, Named, UploadRow};
use crate::embedded::fault::corrupt;
use crate::embedded::values::{integer, unsigned};
use crate::packed::{self, RawName, RawRow};

/// Rows of one packed block at most.
const BLOCK_ROWS_MAX: usize = 1024;

/// Blocks that are looked through in one read, so that nobody waits long for a reader.
const BLOCKS_A_READ: usize = 32;

/// A block packed for its rows.
pub(in crate::embedded) struct Packed {
    from: u64,
    replaces: bool,
    bytes: u64,
    is_complete: bool,
    state: String,
    /// How many rows, and the rows.
    parts: Vec<(u32, Vec<u8>)>,
}

impl Packed {
    pub(in crate::embedded) fn new(block: &Block) -> Result<Self> {
        let part = |rows: &[UploadRow]| {
            // No part has more than fits.
            let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            (count, packed::pack_rows(rows))
        };
        Ok(Packed {
            from: block.from,
            replaces: block.replaces,
            bytes: block.upload.bytes,
            is_complete: block.upload.is_complete,
            state: rows::json(&block.upload)?,
            parts: block.rows.chunks(BLOCK_ROWS_MAX).map(part).collect(),
        })
    }
}

pub(in crate::embedded) fn append(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
    block: &Packed,
) -> Result<Changed> {
    let sql = "SELECT campaigns.seq, upload, coalesce(bytes, 0) FROM campaigns
        LEFT JOIN campaign_uploads ON campaign = campaigns.seq
        WHERE app = ?1 AND id = ?2 AND campaigns.state IN ('draft', 'scheduled')";
    let found: Option<(i64, Option<i64>, i64)> = db
        .prepare_cached(sql)?
        .query_row((app.as_str(), &id.0.0[..]), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let upload = match found {
        Some((campaign, old, _)) if block.replaces && block.from == 0 => {
            begin(db, campaign, old, block)?
        }
        Some((campaign, None, _)) if !block.replaces && block.from == 0 => {
            begin(db, campaign, None, block)?
        }
        Some((_, Some(upload), bytes)) if !block.replaces && unsigned(bytes) == block.from => {
            go_on(db, upload, block)?;
            upload
        }
        _ => return rows::conflict(db, app, id),
    };
    add(db, upload, block)?;
    Ok(Changed::Done)
}

/// An upload under a number of its own; the blocks of one that it replaces are left to [`super::purge`].
fn begin(db: &Connection, campaign: i64, old: Option<i64>, block: &Packed) -> Result<i64> {
    if let Some(old) = old {
        db.prepare_cached("DELETE FROM campaign_uploads WHERE upload = ?1")?
            .execute([old])?;
        db.prepare_cached("INSERT INTO campaign_trash (upload) VALUES (?1)")?
            .execute([old])?;
    }
    let sql =
        "INSERT INTO campaign_uploads (campaign, bytes, complete, state) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute(params![
        campaign,
        integer(block.bytes),
        block.is_complete,
        block.state,
    ])?;
    Ok(db.last_insert_rowid())
}

fn go_on(db: &Connection, upload: i64, block: &Packed) -> Result<()> {
    let sql = "UPDATE campaign_uploads SET bytes = ?2, complete = ?3, state = ?4 WHERE upload = ?1";
    db.prepare_cached(sql)?.execute(params![
        upload,
        integer(block.bytes),
        block.is_complete,
        block.state,
    ])?;
    Ok(())
}

fn add(db: &Connection, upload: i64, block: &Packed) -> Result<()> {
    let sql = "SELECT coalesce(max(number) + 1, 0) FROM campaign_blocks WHERE upload = ?1";
    let next: i64 = db
        .prepare_cached(sql)?
        .query_row([upload], |row| row.get(0))?;
    let sql = "INSERT INTO campaign_blocks (upload, number, rows, body) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = db.prepare_cached(sql)?;
    for (number, (rows, body)) in (next..).zip(&block.parts) {
        insert.execute((upload, number, rows, body))?;
    }
    Ok(())
}

/// The upload that a campaign has now.
pub(super) fn number(db: &Connection, campaign: i64) -> Result<Option<i64>> {
    let sql = "SELECT upload FROM campaign_uploads WHERE campaign = ?1";
    let mut select = db.prepare_cached(sql)?;
    Ok(select.query_row([campaign], |row| row.get(0)).optional()?)
}

/// Hands over the blocks of an upload from `first` on: number and body.
pub(super) fn visit_blocks(
    db: &Connection,
    upload: i64,
    first: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Option<ControlFlow<()>>,
) -> Result<()> {
    let sql = "SELECT number, body FROM campaign_blocks WHERE upload = ?1 AND number >= ?2 ORDER BY number";
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query((upload, integer(first)))?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let next = visit(unsigned(row.get(0)?), body);
        if next
            .ok_or_else(|| corrupt("campaign_blocks.body"))?
            .is_break()
        {
            break;
        }
    }
    Ok(())
}

/// Hands over the rows of a campaign's upload, a block at a time.
pub(in crate::embedded) fn upload_rows(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
    each: &mut dyn FnMut(Vec<UploadRow>) -> ControlFlow<()>,
) -> Result<()> {
    let campaign = rows::seq(db, app, id)?;
    let Some(upload) = campaign.map(|seq| number(db, seq)).transpose()?.flatten() else {
        return Ok(());
    };
    visit_blocks(db, upload, 0, |_, body| {
        let mut block = Vec::new();
        packed::visit_rows(body, 0, |row| {
            block.push(row.row()?);
            Some(ControlFlow::Continue(()))
        })?;
        Some(each(block))
    })
}

/// What became of looking through some blocks for a row.
pub(in crate::embedded) enum Look {
    Found(UploadRow),
    /// Not up to this block.
    Next(u64),
    Nowhere,
}

/// Looks for the first row that names one of these, from block `first` on, some blocks of the way.
pub(in crate::embedded) fn look(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
    named: &[Named],
    first: u64,
) -> Result<Look> {
    let campaign = rows::seq(db, app, id)?;
    let Some(upload) = campaign.map(|seq| number(db, seq)).transpose()?.flatten() else {
        return Ok(Look::Nowhere);
    };
    let is_one = |row: &RawRow<'_>| {
        named.iter().any(|named| match (named, &row.to) {
            (Named::User(user), RawName::User(name)) => user.as_str() == *name,
            (Named::Device(device), RawName::Device(id)) => device == id,
            _ => false,
        })
    };
    let (mut look, mut blocks) = (Look::Nowhere, 0);
    visit_blocks(db, upload, first, |number, body| {
        if blocks == BLOCKS_A_READ {
            look = Look::Next(number);
            return Some(ControlFlow::Break(()));
        }
        blocks += 1;
        let mut found = None;
        packed::visit_rows(body, 0, |row| {
            if !is_one(&row) {
                return Some(ControlFlow::Continue(()));
            }
            found = Some(row.row()?);
            Some(ControlFlow::Break(()))
        })?;
        Some(match found {
            None => ControlFlow::Continue(()),
            Some(row) => {
                look = Look::Found(row);
                ControlFlow::Break(())
            }
        })
    })?;
    Ok(look)
}

/// Blocks that cannot be read.
pub(in crate::embedded) fn unreadable(db: &Connection) -> Result<u64> {
    let mut select = db.prepare("SELECT rows, body FROM campaign_blocks")?;
    let mut blocks = select.query([])?;
    let mut unreadable = 0;
    while let Some(block) = blocks.next()? {
        let mut rows = 0;
        let body = block.get_ref(1)?.as_blob().ok();
        let read = body.and_then(|body| {
            packed::visit_rows(body, 0, |row| {
                rows += 1;
                row.row().map(|_| ControlFlow::Continue(()))
            })
        });
        unreadable += u64::from(read.is_none() || block.get(0) != Ok(rows));
    }
    Ok(unreadable)
}
