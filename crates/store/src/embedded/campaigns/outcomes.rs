//! Outcomes of chunks: a bit and a count each; what was not simply delivered is packed apart, with its recipient.

use std::collections::BTreeMap;

use fanfare_types::{Counts, NotificationId, Outcome, Recipient, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::campaigns::ChunkOutcomes;
use crate::codec::Done;
use crate::embedded::fault::corrupt;
use crate::embedded::history;
use crate::embedded::values::{instant, integer, millis, unsigned};
use crate::ended::{bit, exceptional, take};
use crate::packed;
use crate::{Ended, Result};

/// What was not simply delivered of one batch, packed for its row.
pub(super) struct Exceptions {
    /// One [`bit`] for each outcome that occurs.
    outcomes: u8,
    body: Vec<u8>,
}

impl Exceptions {
    /// `None` when there are none. The recipients are those of the outcomes, one for each.
    pub(super) fn pack(ended: &[&Ended], recipients: &[Recipient]) -> Option<Self> {
        let outcomes = ended.iter().fold(0, |bits, row| bits | bit(row.outcome));
        (outcomes != 0).then(|| Exceptions {
            outcomes,
            body: packed::pack_exceptions(ended, recipients),
        })
    }

    pub(super) fn keep(
        &self,
        db: &Connection,
        campaign: i64,
        chunk: NotificationId,
        created_at: Timestamp,
    ) -> Result<()> {
        db.prepare_cached(
            "INSERT INTO campaign_ended (campaign, chunk, created_at, outcomes, body)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            campaign,
            &chunk.0.0[..],
            millis(created_at),
            self.outcomes,
            self.body,
        ])?;
        Ok(())
    }
}

/// Records outcomes of many chunks. A shard's numbers are written once, however many of its chunks there are.
pub(in crate::embedded) fn record(db: &Connection, batches: &[ChunkOutcomes]) -> Result<()> {
    let mut shards: BTreeMap<(i64, u32), Counts> = BTreeMap::new();
    for batch in batches {
        if let Some(mut books) = Books::read(db, batch)? {
            let before = books.counts;
            books.record(db, batch)?;
            let shard = shards.entry((books.campaign, books.shard)).or_default();
            for outcome in Outcome::ALL {
                let (mut after, mut before) = (books.counts, before);
                *shard.of(*outcome) += *after.of(*outcome) - *before.of(*outcome);
            }
        }
    }
    for ((campaign, shard), counts) in shards {
        if counts.terminal() > 0 {
            add(db, campaign, shard, &counts)?;
        }
    }
    Ok(())
}

/// Adds to a shard's numbers.
pub(super) fn add(db: &Connection, campaign: i64, shard: u32, counts: &Counts) -> Result<()> {
    db.prepare_cached(
        "UPDATE campaign_shards SET ended_delivered = ended_delivered + ?3, ended_rejected = ended_rejected + ?4,
            ended_dead = ended_dead + ?5, ended_expired = ended_expired + ?6,
            ended_cancelled = ended_cancelled + ?7, ended_failed = ended_failed + ?8
         WHERE campaign = ?1 AND number = ?2",
    )?
    .execute(params![
        campaign,
        shard,
        integer(counts.delivered),
        integer(counts.rejected),
        integer(counts.dead),
        integer(counts.expired),
        integer(counts.cancelled),
        integer(counts.failed),
    ])?;
    Ok(())
}

/// The part of a chunk that outcomes change.
struct Books {
    seq: i64,
    campaign: i64,
    shard: u32,
    size: u64,
    created_at: Timestamp,
    counts: Counts,
    done: Done,
}

impl Books {
    fn read(db: &Connection, batch: &ChunkOutcomes) -> Result<Option<Books>> {
        let sql = "SELECT ended_delivered, ended_rejected, ended_dead, ended_expired, ended_cancelled, ended_failed,
                seq, campaign, shard, recipients, created_at, done FROM campaign_chunks
             WHERE campaign = (SELECT seq FROM campaigns WHERE app = ?1 AND id = ?2) AND id = ?3";
        let key = (
            batch.app.as_str(),
            &batch.campaign.0.0[..],
            &batch.chunk.0.0[..],
        );
        let books = db.prepare_cached(sql)?.query_row(key, |row| {
            Ok(Books {
                seq: row.get(6)?,
                campaign: row.get(7)?,
                shard: row.get(8)?,
                size: unsigned(row.get(9)?),
                created_at: instant(row, 10)?,
                counts: history::counts(row)?,
                done: Done(row.get(11)?),
            })
        });
        Ok(books.optional()?)
    }

    fn record(&mut self, db: &Connection, batch: &ChunkOutcomes) -> Result<()> {
        let fresh = take(&batch.ended, self.size, &mut self.counts, &mut self.done);
        if fresh.is_empty() {
            return Ok(());
        }
        let exceptions = exceptional(&fresh);
        if !exceptions.is_empty() {
            let recipients = self.recipients(db, &exceptions)?;
            if let Some(packed) = Exceptions::pack(&exceptions, &recipients) {
                packed.keep(db, self.campaign, batch.chunk, self.created_at)?;
            }
        }
        if self.counts.terminal() >= self.size {
            self.finish(db)
        } else {
            self.write(db)
        }
    }

    fn recipients(&self, db: &Connection, of: &[&Ended]) -> Result<Vec<Recipient>> {
        let ordinals: Vec<u32> = of.iter().map(|ended| ended.ordinal).collect();
        let sql = "SELECT body FROM campaign_recipients WHERE seq = ?1";
        let mut select = db.prepare_cached(sql)?;
        let mut rows = select.query([self.seq])?;
        let row = rows.next()?;
        let body = row.map(|row| row.get_ref(0)).transpose()?;
        body.and_then(|body| packed::recipients_at(body.as_blob().ok()?, &ordinals))
            .ok_or_else(|| corrupt("campaign_recipients.body"))
    }

    fn write(&self, db: &Connection) -> Result<()> {
        let counts = &self.counts;
        db.prepare_cached(
            "UPDATE campaign_chunks SET ended_delivered = ?2, ended_rejected = ?3, ended_dead = ?4,
                ended_expired = ?5, ended_cancelled = ?6, ended_failed = ?7, done = ?8 WHERE seq = ?1",
        )?
        .execute(params![
            self.seq,
            integer(counts.delivered),
            integer(counts.rejected),
            integer(counts.dead),
            integer(counts.expired),
            integer(counts.cancelled),
            integer(counts.failed),
            &self.done.0,
        ])?;
        Ok(())
    }

    /// Every recipient has its outcome: what is kept of the chunk are the shard's numbers and the exceptions.
    fn finish(&self, db: &Connection) -> Result<()> {
        for sql in [
            "DELETE FROM campaign_recipients WHERE seq = ?1",
            "DELETE FROM campaign_chunks WHERE seq = ?1",
        ] {
            db.prepare_cached(sql)?.execute([self.seq])?;
        }
        Ok(())
    }
}
