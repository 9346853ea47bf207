//! What is old goes, some rows at a time. A campaign disappears in one step; what is large of it, and the blocks of an
//! upload that was replaced, are listed as trash by their numbers and removed little by little.

use fanfare_types::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::rows;
use crate::Result;
use crate::embedded::values::integer;

/// Rows of one campaign's own that go with it at once: its record, its upload's state, its shards.
const CAMPAIGNS_AT_ONCE: usize = 16;

/// A block weighs as much as this many rows: it lies on some ten pages.
const BLOCK_WEIGHT: usize = 16;

/// Removes campaigns made before `before`, and at most `limit` rows of trash. Returns whether there may be more.
pub(in crate::embedded) fn purge(db: &Connection, before: Timestamp, limit: usize) -> Result<bool> {
    let sql = "SELECT seq FROM campaigns WHERE id < ?1 AND finished = 1
            AND NOT EXISTS (SELECT 1 FROM campaign_chunks WHERE campaign = campaigns.seq)
        ORDER BY id LIMIT ?2";
    let at_once = limit.clamp(1, CAMPAIGNS_AT_ONCE);
    let gone: Vec<i64> = db
        .prepare_cached(sql)?
        .query_map((&rows::bound(before)[..], integer(at_once as u64)), |row| {
            row.get(0)
        })?
        .collect::<rusqlite::Result<_>>()?;
    for campaign in &gone {
        for sql in [
            "INSERT INTO campaign_trash (campaign, upload) VALUES (?1,
                (SELECT upload FROM campaign_uploads WHERE campaign = ?1))",
            "DELETE FROM campaign_uploads WHERE campaign = ?1",
            "DELETE FROM campaign_shards WHERE campaign = ?1",
            "DELETE FROM campaign_records WHERE seq = ?1",
            "DELETE FROM campaigns WHERE seq = ?1",
        ] {
            db.prepare_cached(sql)?.execute([campaign])?;
        }
    }
    let left = empty_trash(db, limit.max(1))?;
    Ok(left || gone.len() == at_once)
}

fn empty_trash(db: &Connection, limit: usize) -> Result<bool> {
    let mut room = limit;
    while room > 0 {
        let sql = "SELECT seq, campaign, upload FROM campaign_trash ORDER BY seq LIMIT 1";
        let first: Option<(i64, Option<i64>, Option<i64>)> = db
            .prepare_cached(sql)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((seq, campaign, upload)) = first else {
            return Ok(false);
        };
        let ended = "DELETE FROM campaign_ended WHERE batch IN
            (SELECT batch FROM campaign_ended WHERE campaign = ?1 LIMIT ?2)";
        let blocks = "DELETE FROM campaign_blocks WHERE seq IN
            (SELECT seq FROM campaign_blocks WHERE upload = ?1 LIMIT ?2)";
        for (sql, of, weight) in [(ended, campaign, 1), (blocks, upload, BLOCK_WEIGHT)] {
            let key = (of, integer(room.div_ceil(weight) as u64));
            let removed = db.prepare_cached(sql)?.execute(key)?;
            room = room.saturating_sub(removed * weight);
        }
        if room > 0 {
            db.prepare_cached("DELETE FROM campaign_trash WHERE seq = ?1")?
                .execute([seq])?;
        }
    }
    Ok(true)
}
