//! The journal's writes: accept, record, cancel, purge. They run on the writer thread.

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, Counts, NotificationId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::corrupt;
use super::history;
use super::idempotency;
use super::values::{integer, millis, millis_opt, unsigned};
use crate::codec::{self, Done};
use crate::notification::Packed;
use crate::{Accepted, Ended, Idempotency, OutcomeBatch, Result, Summary};

pub(super) fn accept(db: &Connection, packed: &Packed) -> Result<Accepted> {
    if let Some(idempotency) = &packed.idempotency
        && let Some(earlier) = used(db, packed, idempotency)?
    {
        return Ok(earlier);
    }
    let written = db
        .prepare_cached(
            "INSERT INTO notifications
                (id, app, created_at, send_at, due_at, expires_at, finished, recipients)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            &packed.id.0.0[..],
            packed.app.as_str(),
            millis(packed.created_at),
            millis_opt(packed.send_at),
            millis(packed.due()),
            millis(packed.expires_at),
            packed.recipients == 0,
            integer(packed.recipients),
        ])?;
    if written == 0 {
        return again(db, packed);
    }
    let seq = db.last_insert_rowid();
    db.prepare_cached("INSERT INTO records (seq, body, targets) VALUES (?1, ?2, ?3)")?
        .execute((seq, &packed.body, &packed.targets))?;
    if let Some(key) = &packed.idempotency {
        idempotency::keep(db, &packed.app, key, packed.id.0, packed.recipients)?;
    }
    Ok(Accepted::New)
}

/// What the key was used for before, unless it has expired.
fn used(db: &Connection, packed: &Packed, idempotency: &Idempotency) -> Result<Option<Accepted>> {
    let used = idempotency::used(db, &packed.app, idempotency, packed.created_at)?;
    Ok(used.map(|used| match used.is_same_body {
        true => Accepted::Repeated {
            id: NotificationId(used.id),
            recipients: used.recipients,
        },
        false => Accepted::Conflict,
    }))
}

/// The same id once more: a caller that tries again after an unknown outcome.
fn again(db: &Connection, packed: &Packed) -> Result<Accepted> {
    let recipients = db
        .prepare_cached("SELECT recipients FROM notifications WHERE id = ?1 AND app = ?2")?
        .query_row((&packed.id.0.0[..], packed.app.as_str()), |row| row.get(0))
        .optional()?;
    Ok(match recipients {
        Some(recipients) => Accepted::Repeated {
            id: packed.id,
            recipients: unsigned(recipients),
        },
        None => Accepted::Conflict,
    })
}

/// Records one notification's outcomes; ordinals that have theirs, or that do not exist, are passed over.
pub(super) fn record(db: &Connection, batch: &OutcomeBatch) -> Result<()> {
    let Some(mut books) = Books::read(db, batch)? else {
        return Ok(());
    };
    let mut fresh: Vec<&Ended> = Vec::with_capacity(batch.ended.len());
    for ended in &batch.ended {
        if u64::from(ended.ordinal) < books.recipients && books.done.set(ended.ordinal) {
            *books.counts.of(ended.outcome) += 1;
            fresh.push(ended);
        }
    }
    fresh.sort_unstable_by_key(|ended| ended.ordinal);
    let Some(first) = fresh.first() else {
        return Ok(());
    };
    let packed = codec::pack_ended(&fresh);
    if books.recipients == 1 {
        return books.write(db, Some(&packed));
    }
    db.prepare_cached("INSERT INTO outcomes (seq, first, ended) VALUES (?1, ?2, ?3)")?
        .execute((books.seq, first.ordinal, packed))?;
    books.write(db, None)
}

/// The part of a notification's row that outcomes change.
struct Books {
    seq: i64,
    recipients: u64,
    counts: Counts,
    done: Done,
}

impl Books {
    fn read(db: &Connection, batch: &OutcomeBatch) -> Result<Option<Books>> {
        let sql = "SELECT ended_delivered, ended_rejected, ended_dead, ended_expired,
                ended_cancelled, ended_failed, seq, recipients, done, ended IS NOT NULL
             FROM notifications WHERE id = ?1 AND app = ?2";
        let mut select = db.prepare_cached(sql)?;
        let books = select.query_row((&batch.id.0.0[..], batch.app.as_str()), |row| {
            let mut done = Done(row.get::<_, Option<Vec<u8>>>(8)?.unwrap_or_default());
            // The only target's outcome is kept in the row itself.
            if row.get(9)? {
                done.set(0);
            }
            Ok(Books {
                seq: row.get(6)?,
                recipients: unsigned(row.get(7)?),
                counts: history::counts(row)?,
                done,
            })
        });
        Ok(books.optional()?)
    }

    /// `inline` is the packed outcome of an only target.
    fn write(&self, db: &Connection, inline: Option<&[u8]>) -> Result<()> {
        let finished = self.counts.terminal() >= self.recipients;
        // `finished` is named only when it changes: it decides what is in the index of unfinished work.
        let sql = if finished {
            "UPDATE notifications SET ended_delivered = ?1, ended_rejected = ?2, ended_dead = ?3,
                ended_expired = ?4, ended_cancelled = ?5, ended_failed = ?6, done = ?7, ended = ?8,
                finished = 1 WHERE seq = ?9"
        } else {
            "UPDATE notifications SET ended_delivered = ?1, ended_rejected = ?2, ended_dead = ?3,
                ended_expired = ?4, ended_cancelled = ?5, ended_failed = ?6, done = ?7, ended = ?8
             WHERE seq = ?9"
        };
        let counts = &self.counts;
        let done = inline.is_none().then_some(&self.done.0);
        db.prepare_cached(sql)?.execute(params![
            integer(counts.delivered),
            integer(counts.rejected),
            integer(counts.dead),
            integer(counts.expired),
            integer(counts.cancelled),
            integer(counts.failed),
            done,
            inline,
            self.seq,
        ])?;
        Ok(())
    }
}

/// Marks an unfinished notification cancelled; a finished one has nothing left to cancel.
pub(super) fn cancel(db: &Connection, app: &AppId, id: NotificationId) -> Result<Option<Summary>> {
    db.prepare_cached(
        "UPDATE notifications SET cancelled = 1 WHERE id = ?1 AND app = ?2 AND finished = 0",
    )?
    .execute((&id.0.0[..], app.as_str()))?;
    history::summary(db, app, id)
}

/// Removes finished notifications whose ids were made before `before`, and expired keys. Ids are in time
/// order, so the oldest are found at the head of the index.
pub(super) fn purge(
    db: &Connection,
    before: Timestamp,
    now: Timestamp,
    limit: usize,
) -> Result<usize> {
    let limit = integer(limit as u64);
    let bound = Id96::new(before, 0).0;
    let gone: Vec<i64> = db
        .prepare_cached(
            "SELECT seq FROM notifications WHERE id < ?1 AND finished = 1 ORDER BY id LIMIT ?2",
        )?
        .query_map((&bound[..], limit), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for seq in &gone {
        for sql in [
            "DELETE FROM outcomes WHERE seq = ?1",
            "DELETE FROM records WHERE seq = ?1",
            "DELETE FROM notifications WHERE seq = ?1",
        ] {
            db.prepare_cached(sql)?.execute([seq])?;
        }
    }
    db.prepare_cached(
        "DELETE FROM idempotency WHERE (app, key) IN
            (SELECT app, key FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?
    .execute((millis(now), limit))?;
    Ok(gone.len())
}

/// A durable write that changes nothing else.
pub(super) fn ping(db: &Connection) -> Result<()> {
    let sql = "INSERT INTO pings (id, count) VALUES (1, 1)
        ON CONFLICT (id) DO UPDATE SET count = count + 1";
    match db.prepare_cached(sql)?.execute([])? {
        1 => Ok(()),
        _ => Err(corrupt("the row of pings")),
    }
}
