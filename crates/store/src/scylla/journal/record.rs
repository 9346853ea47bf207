//! Recording outcomes: of each bucket, one read and one conditional batch.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fanfare_types::{NotificationId, Slot};
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlValue;

use super::bucket::Bucket;
use super::fence::{contended, epoch_value, minute_value, slot_value};
use super::list::minute_of;
use super::load::{id_read, number};
use super::merge::{Books, by_id};
use super::shelf::Shelf;
use super::{AT_ONCE, Room, TRIES};
use crate::codec::{self, Done};
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Ended, Error, OutcomeBatch, Result};

/// Notifications in one batch: 1.3 KB each at most, for 10,000 targets, and their outcomes.
const TOGETHER: usize = 64;

/// Id, app, recipients, counts, done, ended, fence, revision.
type Row = (
    Vec<u8>,
    Option<String>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<i64>,
);

type Batches<'a> = HashMap<NotificationId, Vec<&'a OutcomeBatch>>;

/// What a bucket's batch says.
struct Writes {
    statements: Vec<PreparedStatement>,
    values: Vec<Vec<CqlValue>>,
    finished: Vec<NotificationId>,
}

impl Room {
    pub(super) async fn record(&self, batches: Vec<OutcomeBatch>) -> Result<()> {
        let mut buckets: BTreeMap<(Slot, u64), Vec<OutcomeBatch>> = BTreeMap::new();
        for batch in batches {
            let key = (Slot::of(batch.id), minute_of(batch.id));
            buckets.entry(key).or_default().push(batch);
        }
        let mine = buckets.into_iter().filter_map(|((slot, minute), batches)| {
            // What is not open has all its outcomes, or is not there.
            let shelf = self.shelf(slot)?;
            let bucket = shelf.open(minute)?;
            Some((shelf, bucket, batches))
        });
        let recorded = stream::iter(mine).map(|(shelf, bucket, batches)| async move {
            self.record_bucket(&shelf, &bucket, &batches).await
        });
        recorded.buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn record_bucket(
        &self,
        shelf: &Arc<Shelf>,
        bucket: &Arc<Bucket>,
        batches: &[OutcomeBatch],
    ) -> Result<()> {
        let mut work = bucket.work.lock().await;
        if !self.fence(shelf, bucket, &mut work).await? {
            return Ok(());
        }
        let batches = by_id(batches);
        let ids: Vec<NotificationId> = batches.keys().copied().collect();
        for ids in ids.chunks(TOGETHER) {
            let finished = self.record_some(shelf, bucket, ids, &batches).await?;
            bucket.ended(finished);
        }
        Ok(())
    }

    /// Returns those that have all their outcomes now.
    async fn record_some(
        &self,
        shelf: &Shelf,
        bucket: &Bucket,
        ids: &[NotificationId],
        batches: &Batches<'_>,
    ) -> Result<Vec<NotificationId>> {
        let s = &self.statements;
        // Reads what this node alone writes; after a refusal, or an answer that never came, what was decided.
        let mut select = &s.books;
        for _ in 0..TRIES {
            let wanted: Vec<&[u8]> = ids.iter().map(|id| &id.0.0[..]).collect();
            let part = (slot_value(shelf.slot), minute_value(bucket.minute), wanted);
            let rows: Vec<Row> = self.db.rows(select, part).await?;
            let Some((fence, revision)) = rows.first().map(|row| (row.6, row.7)) else {
                return Ok(Vec::new());
            };
            if fence != Some(epoch_value(shelf.epoch)) {
                return Ok(Vec::new());
            }
            let revision = revision.ok_or_else(|| damaged("a bucket"))?;
            let writes = self.writes(shelf, bucket, revision, rows, batches)?;
            if writes.statements.len() == 1 {
                return Ok(writes.finished);
            }
            match self.db.cas_all(writes.statements, &writes.values).await {
                Ok(Cas::Applied) => return Ok(writes.finished),
                Ok(Cas::Refused) | Err(Error::Unknown(_)) => select = &s.books_serial,
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    fn writes(
        &self,
        shelf: &Shelf,
        bucket: &Bucket,
        revision: i64,
        rows: Vec<Row>,
        batches: &Batches<'_>,
    ) -> Result<Writes> {
        let s = &self.statements;
        let slot = CqlValue::TinyInt(slot_value(shelf.slot));
        let minute = CqlValue::BigInt(minute_value(bucket.minute));
        let mut writes = Writes {
            statements: vec![s.compare.clone()],
            values: vec![vec![
                CqlValue::BigInt(revision.wrapping_add(1)),
                slot.clone(),
                minute.clone(),
                CqlValue::BigInt(epoch_value(shelf.epoch)),
                CqlValue::BigInt(revision),
            ]],
            finished: Vec::new(),
        };
        for row in rows {
            let mut books = books(row)?;
            let Some(batches) = batches.get(&books.id) else {
                continue;
            };
            let fresh = books.merge(batches);
            if books.is_finished() {
                writes.finished.push(books.id);
            }
            if !fresh.is_empty() {
                let place = [slot.clone(), minute.clone()];
                self.write_row(&mut writes, &place, &books, &fresh);
            }
        }
        Ok(writes)
    }

    fn write_row(
        &self,
        writes: &mut Writes,
        place: &[CqlValue; 2],
        books: &Books,
        fresh: &[&Ended],
    ) {
        let s = &self.statements;
        let id = CqlValue::Blob(books.id.0.0.to_vec());
        let [slot, minute] = place;
        let row = [slot.clone(), minute.clone(), id];
        let mut write = |statement: &PreparedStatement, values: Vec<CqlValue>, row: &[CqlValue]| {
            writes.statements.push(statement.clone());
            writes.values.push([&values[..], row].concat());
        };
        let counts = CqlValue::Blob(codec::pack_counts(&books.counts));
        let ended = CqlValue::Blob(codec::pack_ended(fresh));
        if books.recipients == 1 {
            write(&s.update_only, vec![counts, ended], &row);
        } else {
            let done = CqlValue::Blob(books.done.0.clone());
            write(&s.update, vec![counts, done], &row);
            // No two batches have the same first ordinal.
            let first = fresh.first().map_or(0, |ended| ended.ordinal.cast_signed());
            write(&s.outcome, row.to_vec(), &[CqlValue::Int(first), ended]);
        }
        if books.is_finished() {
            write(&s.finish, Vec::new(), &row);
        }
    }
}

fn books(row: Row) -> Result<Books> {
    let (id, app, recipients, counts, done, ended, ..) = row;
    let mut done = Done(done.unwrap_or_default());
    if ended.is_some() {
        done.set(0);
    }
    Ok(Books {
        id: id_read(&id)?,
        app: app.unwrap_or_default(),
        recipients: number(recipients),
        counts: codec::unpack_counts(counts.as_deref().unwrap_or_default())
            .ok_or_else(|| damaged("journal.counts"))?,
        done,
    })
}
