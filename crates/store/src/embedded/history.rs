//! The journal's reads: summaries, deliveries, and what is unfinished. They run on the reader threads.

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, Counts, NotificationId, NotificationRecord, Outcome, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use super::fault::corrupt;
use super::values::{instant, instant_opt, integer, millis, unsigned};
use crate::codec::{self, Done};
use crate::notification::{Asked, Body, page, with_waiting};
use crate::{DeliveryPage, Ended, Recovered, Result, Summary};

/// The counts of a row whose first six columns they are, in the order of [`Outcome::ALL`].
pub(super) fn counts(row: &Row<'_>) -> rusqlite::Result<Counts> {
    let mut counts = Counts::default();
    for outcome in Outcome::ALL {
        *counts.of(*outcome) = unsigned(row.get(outcome.index())?);
    }
    Ok(counts)
}

pub(super) fn summary(db: &Connection, app: &AppId, id: NotificationId) -> Result<Option<Summary>> {
    let mut select = db.prepare_cached(
        "SELECT ended_delivered, ended_rejected, ended_dead, ended_expired, ended_cancelled,
            ended_failed, created_at, send_at, expires_at, cancelled, recipients
         FROM notifications WHERE id = ?1 AND app = ?2",
    )?;
    let found = select.query_row((&id.0.0[..], app.as_str()), |row| {
        let recipients = unsigned(row.get(10)?);
        Ok(Summary {
            id,
            app: app.clone(),
            created_at: instant(row, 6)?,
            send_at: instant_opt(row, 7)?,
            expires_at: instant(row, 8)?,
            cancelled: row.get(9)?,
            recipients,
            counts: with_waiting(counts(row)?, recipients),
        })
    });
    Ok(found.optional()?)
}

pub(super) fn deliveries(
    db: &Connection,
    app: &AppId,
    id: NotificationId,
    asked: &Asked,
) -> Result<Option<DeliveryPage>> {
    let found = db
        .prepare_cached(
            "SELECT seq, ended, targets FROM notifications JOIN records USING (seq)
             WHERE id = ?1 AND app = ?2",
        )?
        .query_row((&id.0.0[..], app.as_str()), |row| {
            let inline: Option<Vec<u8>> = row.get(1)?;
            Ok((row.get::<_, i64>(0)?, inline, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()?;
    let Some((seq, inline, targets)) = found else {
        return Ok(None);
    };
    let ended = ended(db, seq, inline)?;
    page(&targets, &ended, asked)
        .map(Some)
        .ok_or_else(|| corrupt("records.targets"))
}

/// All recorded outcomes of a notification, ascending by ordinal.
pub(super) fn ended(db: &Connection, seq: i64, inline: Option<Vec<u8>>) -> Result<Vec<Ended>> {
    let mut ended = Vec::new();
    if let Some(blob) = inline {
        codec::unpack_ended(&blob, &mut ended).ok_or_else(|| corrupt("notifications.ended"))?;
        return Ok(ended);
    }
    let mut select = db.prepare_cached("SELECT ended FROM outcomes WHERE seq = ?1")?;
    let mut rows = select.query([seq])?;
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        codec::unpack_ended(blob, &mut ended).ok_or_else(|| corrupt("outcomes.ended"))?;
    }
    ended.sort_unstable_by_key(|row| row.ordinal);
    Ok(ended)
}

pub(super) fn unfinished(
    db: &Connection,
    due: Timestamp,
    after: Option<NotificationId>,
    limit: usize,
) -> Result<Vec<Recovered>> {
    let mut select = db.prepare_cached(
        "SELECT ended_delivered, ended_rejected, ended_dead, ended_expired, ended_cancelled,
            ended_failed, recipients, cancelled, done, id, app, created_at, body, targets
         FROM notifications INDEXED BY notifications_unfinished JOIN records USING (seq)
         WHERE finished = 0 AND id > ?1 AND due_at <= ?2 ORDER BY id LIMIT ?3",
    )?;
    let after = after.map_or(Vec::new(), |id| id.0.0.to_vec());
    let mut rows = select.query((after, millis(due), integer(limit as u64)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(recovered(row)?);
    }
    Ok(found)
}

/// Notifications whose message, targets or outcomes cannot be read.
pub(super) fn unreadable(db: &Connection) -> Result<u64> {
    let mut select = db.prepare(
        "SELECT ended_delivered, ended_rejected, ended_dead, ended_expired, ended_cancelled,
            ended_failed, recipients, cancelled, done, id, app, created_at, body, targets, seq, ended
         FROM notifications JOIN records USING (seq)",
    )?;
    let mut rows = select.query([])?;
    let mut unreadable = 0;
    while let Some(row) = rows.next()? {
        let (seq, inline) = (row.get(14)?, row.get(15).unwrap_or_default());
        let sound = recovered(row).is_ok() && ended(db, seq, inline).is_ok();
        unreadable += u64::from(!sound);
    }
    Ok(unreadable)
}

pub(super) fn recovered(row: &Row<'_>) -> Result<Recovered> {
    let done = Done(row.get::<_, Option<Vec<u8>>>(8)?.unwrap_or_default());
    let text = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_str()?);
    let body: Body = serde_json::from_str(text(12)?).map_err(|_| corrupt("records.body"))?;
    let targets = row.get_ref(13)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok(Recovered {
        record: NotificationRecord {
            id: NotificationId(Id96(row.get(9)?)),
            app: AppId::new(text(10)?).map_err(|_| corrupt("notifications.app"))?,
            created_at: instant(row, 11)?,
            options: body.options,
            message: body.message,
            variables: body.variables,
            targets: codec::unpack_targets(targets).ok_or_else(|| corrupt("records.targets"))?,
        },
        cancelled: row.get(7)?,
        counts: with_waiting(counts(row)?, unsigned(row.get(6)?)),
        done: done.ordinals(),
    })
}

pub(super) fn next_due(db: &Connection, due: Timestamp) -> Result<Option<Timestamp>> {
    let next: Option<i64> = db
        .prepare_cached(
            "SELECT min(send_at) FROM notifications INDEXED BY notifications_scheduled
             WHERE finished = 0 AND send_at IS NOT NULL AND send_at > ?1",
        )?
        .query_row([millis(due)], |row| row.get(0))?;
    Ok(next.map(|at| Timestamp(unsigned(at))))
}
