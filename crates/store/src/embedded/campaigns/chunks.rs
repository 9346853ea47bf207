//! Chunks: opened with their shard's cursor in one step, and brought back after a restart.

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, CampaignId, Counts, NotificationId, Recipient, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::outcomes::{self, Exceptions};
use crate::campaigns::{Chunk, Cursor, OpenChunk, Opened};
use crate::codec::Done;
use crate::embedded::fault::corrupt;
use crate::embedded::history;
use crate::embedded::values::{instant, integer, millis, unsigned};
use crate::{Ended, Result, ended, packed};

/// A chunk packed for its rows. Packing is done by the caller, so that the writer only writes.
pub(in crate::embedded) struct Packed {
    app: AppId,
    campaign: CampaignId,
    id: NotificationId,
    shard: u32,
    created_at: Timestamp,
    from: Cursor,
    cursor: Cursor,
    scanned: u64,
    is_last: bool,
    size: u64,
    recipients: Vec<u8>,
    counts: Counts,
    done: Done,
    exceptions: Option<Exceptions>,
}

impl Packed {
    pub(in crate::embedded) fn new(chunk: &Chunk) -> Self {
        let size = chunk.recipients.len() as u64;
        let (mut counts, mut done) = (Counts::default(), Done::default());
        let fresh = ended::take(&chunk.ended, size, &mut counts, &mut done);
        let exceptions = ended::exceptional(&fresh);
        let bare = |ended: &&Ended| Recipient {
            variables: None,
            ..chunk.recipients[ended.ordinal as usize].clone()
        };
        let recipients: Vec<_> = exceptions.iter().map(bare).collect();
        Packed {
            app: chunk.app.clone(),
            campaign: chunk.campaign,
            id: chunk.id,
            shard: chunk.shard,
            created_at: chunk.created_at,
            from: chunk.from.clone(),
            cursor: chunk.cursor.clone(),
            scanned: chunk.scanned,
            is_last: chunk.is_last,
            size,
            recipients: packed::pack_recipients(chunk.recipients.iter()),
            counts,
            done,
            exceptions: Exceptions::pack(&exceptions, &recipients),
        }
    }
}

/// Opens a chunk, if its shard's cursor is where the caller thinks it is. The shard remembers the chunk that moved its
/// cursor last, so that a try again is told apart from somebody else's step, be the chunk finished by then.
pub(in crate::embedded) fn open(db: &Connection, chunk: &Packed) -> Result<Opened> {
    let sql =
        "SELECT seq, finished, cursor, chunk FROM campaigns JOIN campaign_shards ON campaign = seq
        WHERE app = ?1 AND id = ?2 AND number = ?3";
    let key = (chunk.app.as_str(), &chunk.campaign.0.0[..], chunk.shard);
    let found = db
        .prepare_cached(sql)?
        .query_row(key, |row| {
            let last: Option<[u8; 12]> = row.get(3)?;
            let is_finished: bool = row.get(1)?;
            Ok((row.get(0)?, is_finished, Cursor(row.get(2)?), last))
        })
        .optional()?;
    match found {
        Some((_, _, _, Some(last))) if last == chunk.id.0.0 => Ok(Opened::Repeated),
        Some((campaign, false, cursor, _)) if cursor == chunk.from => {
            write(db, campaign, chunk)?;
            Ok(Opened::New)
        }
        Some((campaign, ..)) if is_open(db, campaign, chunk.id)? => Ok(Opened::Repeated),
        _ => Ok(Opened::Lost),
    }
}

fn is_open(db: &Connection, campaign: i64, id: NotificationId) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM campaign_chunks WHERE campaign = ?1 AND id = ?2)";
    let mut select = db.prepare_cached(sql)?;
    Ok(select.query_row((campaign, &id.0.0[..]), |row| row.get(0))?)
}

fn write(db: &Connection, campaign: i64, chunk: &Packed) -> Result<()> {
    // A shard that was read to its end has as many rows as were found: devices may have gone since it was cut.
    db.prepare_cached(
        "UPDATE campaign_shards SET cursor = ?3, chunk = ?4, scanned = scanned + ?5, opened = opened + ?6,
            done = ?7, rows = iif(?7, scanned + ?5, rows) WHERE campaign = ?1 AND number = ?2",
    )?
    .execute(params![
        campaign,
        chunk.shard,
        &chunk.cursor.0,
        &chunk.id.0.0[..],
        integer(chunk.scanned),
        integer(chunk.size),
        chunk.is_last,
    ])?;
    if chunk.counts.terminal() > 0 {
        outcomes::add(db, campaign, chunk.shard, &chunk.counts)?;
    }
    if let Some(exceptions) = &chunk.exceptions {
        exceptions.keep(db, campaign, chunk.id, chunk.created_at)?;
    }
    if chunk.counts.terminal() == chunk.size {
        // Nothing is left to send: it is finished before it was there.
        return Ok(());
    }
    let counts = &chunk.counts;
    db.prepare_cached(
        "INSERT INTO campaign_chunks (campaign, id, shard, created_at, recipients, ended_delivered, ended_rejected,
            ended_dead, ended_expired, ended_cancelled, ended_failed, done)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        campaign,
        &chunk.id.0.0[..],
        chunk.shard,
        millis(chunk.created_at),
        integer(chunk.size),
        integer(counts.delivered),
        integer(counts.rejected),
        integer(counts.dead),
        integer(counts.expired),
        integer(counts.cancelled),
        integer(counts.failed),
        &chunk.done.0,
    ])?;
    db.prepare_cached("INSERT INTO campaign_recipients (seq, body) VALUES (?1, ?2)")?
        .execute((db.last_insert_rowid(), &chunk.recipients))?;
    Ok(())
}

const SELECT: &str =
    "SELECT ended_delivered, ended_rejected, ended_dead, ended_expired, ended_cancelled,
    ended_failed, recipients, done, id, shard, created_at, body
    FROM campaign_chunks JOIN campaign_recipients USING (seq)";

pub(in crate::embedded) fn unfinished(
    db: &Connection,
    app: &AppId,
    id: CampaignId,
    after: Option<NotificationId>,
    limit: usize,
) -> Result<Vec<OpenChunk>> {
    let sql = format!(
        "{SELECT} WHERE campaign = (SELECT seq FROM campaigns WHERE app = ?1 AND id = ?2)
            AND id > ?3 ORDER BY id LIMIT ?4"
    );
    let mut select = db.prepare_cached(&sql)?;
    let after = after.map_or(Vec::new(), |id| id.0.0.to_vec());
    let key = (app.as_str(), &id.0.0[..], after, integer(limit as u64));
    let mut rows = select.query(key)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(open_chunk(row)?);
    }
    Ok(found)
}

fn open_chunk(row: &Row<'_>) -> Result<OpenChunk> {
    let body = row.get_ref(11)?.as_blob().map_err(rusqlite::Error::from)?;
    let recipients = packed::unpack_recipients(body)
        .filter(|recipients| recipients.len() as u64 == row.get(6).map_or(0, unsigned))
        .ok_or_else(|| corrupt("campaign_recipients.body"))?;
    Ok(OpenChunk {
        id: NotificationId(Id96(row.get(8)?)),
        shard: row.get(9)?,
        created_at: instant(row, 10)?,
        recipients,
        counts: history::counts(row)?,
        done: Done(row.get(7)?).ordinals(),
    })
}

/// Chunks that cannot be read.
pub(in crate::embedded) fn unreadable(db: &Connection) -> Result<u64> {
    let mut select = db.prepare(SELECT)?;
    let mut rows = select.query([])?;
    let mut unreadable = 0;
    while let Some(row) = rows.next()? {
        let sound =
            open_chunk(row).is_ok_and(|chunk| chunk.done.len() as u64 == chunk.counts.terminal());
        unreadable += u64::from(!sound);
    }
    Ok(unreadable)
}
