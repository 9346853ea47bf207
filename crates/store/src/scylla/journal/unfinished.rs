//! What is unfinished, in the slots that are held.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare_types::{AppId, NotificationId, NotificationRecord, Timestamp};
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::response::PagingState;

use super::bucket::{Bucket, Doubt};
use super::fence::{epoch_value, minute_value, slot_value};
use super::keys::Key;
use super::list::minute_of;
use super::load::{id_read, instant, number};
use super::shelf::Shelf;
use super::{AT_ONCE, Room};
use crate::codec::{self, Done};
use crate::notification::{Body, with_waiting};
use crate::scylla::fault::damaged;
use crate::{Recovered, Result};

/// Id, app, `created_at`, body, targets, epoch, key, its body, its end, cancelled, finished, counts, done, ended,
/// recipients.
type Row = (
    Vec<u8>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<bool>,
    Option<bool>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<i64>,
);

/// A bucket, and what is wanted of it.
struct Wanted {
    shelf: Arc<Shelf>,
    bucket: Arc<Bucket>,
    ids: Vec<NotificationId>,
}

impl Room {
    /// Minute by minute: ids are in the order of their times, whichever slot they are of.
    pub(super) async fn unfinished(
        &self,
        due: Timestamp,
        after: Option<NotificationId>,
        limit: usize,
    ) -> Result<Vec<Recovered>> {
        let from = after.map_or(0, minute_of);
        let mut minutes: BTreeMap<u64, Vec<Arc<Shelf>>> = BTreeMap::new();
        for shelf in self.shelves() {
            for minute in shelf.due(due, from) {
                minutes.entry(minute).or_default().push(shelf.clone());
            }
        }
        let mut found = Vec::new();
        for (minute, shelves) in minutes {
            let buckets = self.loaded(shelves, minute).await?;
            let mut after = after;
            while found.len() < limit {
                let wanted = wanted(&buckets, due, after, limit - found.len());
                let last = wanted.iter().filter_map(|wanted| wanted.ids.last()).max();
                let Some(last) = last.copied() else { break };
                found.extend(self.fetch_all(wanted).await?);
                after = Some(last);
            }
        }
        Ok(found)
    }

    /// A minute's buckets, each known.
    async fn loaded(
        &self,
        shelves: Vec<Arc<Shelf>>,
        minute: u64,
    ) -> Result<Vec<(Arc<Shelf>, Arc<Bucket>)>> {
        let open = shelves.into_iter().filter_map(|shelf| {
            let bucket = shelf.open(minute)?;
            Some((shelf, bucket))
        });
        let loaded = stream::iter(open).map(|(shelf, bucket)| async move {
            self.load(&shelf, &bucket).await?;
            Ok((shelf, bucket))
        });
        loaded.buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn fetch_all(&self, wanted: Vec<Wanted>) -> Result<Vec<Recovered>> {
        let fetched = stream::iter(wanted).map(|wanted| self.fetch(wanted));
        let fetched = fetched.buffer_unordered(AT_ONCE);
        let mut found: Vec<Recovered> = fetched.try_concat().await?;
        found.sort_unstable_by_key(|found| found.record.id);
        Ok(found)
    }

    async fn fetch(&self, wanted: Wanted) -> Result<Vec<Recovered>> {
        let Wanted { shelf, bucket, ids } = wanted;
        let (slot, minute) = (slot_value(shelf.slot), minute_value(bucket.minute));
        let names: Vec<&[u8]> = ids.iter().map(|id| &id.0.0[..]).collect();
        let mut from = Some(PagingState::start());
        let (mut found, mut gone) = (Vec::new(), ids.clone());
        while let Some(state) = from {
            let values = (slot, minute, &names);
            let page = self.db.page::<Row>(&self.statements.whole, values, state);
            let (rows, next) = page.await?;
            from = next;
            for row in rows {
                let id = id_read(&row.0)?;
                if row.10 == Some(true) || !self.is_accepted(&shelf, &bucket, id, &row).await? {
                    continue;
                }
                gone.retain(|gone| *gone != id);
                if bucket.doubt(id) != Some(Doubt::UnderWay) {
                    found.push(recovered(id, row)?);
                }
            }
        }
        bucket.ended(gone);
        Ok(found)
    }

    /// Whether a notification holds its key, if it has one. Not asked twice; one that does not is removed.
    async fn is_accepted(
        &self,
        shelf: &Shelf,
        bucket: &Bucket,
        id: NotificationId,
        row: &Row,
    ) -> Result<bool> {
        let (Some(key), Some(body), Some(expires_at)) = (&row.6, &row.7, row.8) else {
            return Ok(true);
        };
        match bucket.doubt(id) {
            Some(Doubt::UnderWay | Doubt::Settled) => return Ok(true),
            // Accepted by this node at this epoch, and answered.
            None if row.5 == Some(epoch_value(shelf.epoch)) => return Ok(true),
            Some(Doubt::Open) | None => {}
        }
        let app = app(row.1.as_deref())?;
        let key = Key {
            app: &app,
            key,
            body,
            expires_at: instant(expires_at),
            id,
            created_at: row.2.map_or(Timestamp(0), instant),
            recipients: number(row.14),
        };
        if self.holds_key(&key).await? {
            bucket.settled(id);
            return Ok(true);
        }
        self.annul(shelf.slot, id).await?;
        Ok(false)
    }

    pub(super) async fn next_due(&self, due: Timestamp) -> Result<Option<Timestamp>> {
        let mut next = Vec::new();
        for shelf in self.shelves() {
            for minute in shelf.due(due, 0) {
                let Some(bucket) = shelf.open(minute) else {
                    continue;
                };
                self.load(&shelf, &bucket).await?;
                next.extend(bucket.next_due(due));
            }
            next.extend(shelf.next_due(due));
        }
        Ok(next.into_iter().min())
    }
}

/// The first so many of all buckets together.
fn wanted(
    buckets: &[(Arc<Shelf>, Arc<Bucket>)],
    due: Timestamp,
    after: Option<NotificationId>,
    limit: usize,
) -> Vec<Wanted> {
    let mut first: Vec<(NotificationId, usize)> = Vec::new();
    for (at, (_, bucket)) in buckets.iter().enumerate() {
        let ids = bucket.due(due, after, limit);
        first.extend(ids.into_iter().map(|id| (id, at)));
    }
    first.sort_unstable();
    first.truncate(limit);
    let mut wanted: BTreeMap<usize, Vec<NotificationId>> = BTreeMap::new();
    for (id, at) in first {
        wanted.entry(at).or_default().push(id);
    }
    let wanted = wanted.into_iter().map(|(at, ids)| Wanted {
        shelf: buckets[at].0.clone(),
        bucket: buckets[at].1.clone(),
        ids,
    });
    wanted.collect()
}

fn app(text: Option<&str>) -> Result<AppId> {
    let app = text.and_then(|text| AppId::new(text).ok());
    app.ok_or_else(|| damaged("journal.app"))
}

fn recovered(id: NotificationId, row: Row) -> Result<Recovered> {
    let (_, owner, created_at, body, targets, .., cancelled, _, counts, done, ended, recipients) =
        row;
    let body = body.ok_or_else(|| damaged("journal.body"))?;
    let body: Body = serde_json::from_str(&body).map_err(|_| damaged("journal.body"))?;
    let targets = targets.and_then(|targets| codec::unpack_targets(&targets));
    let counts = codec::unpack_counts(counts.as_deref().unwrap_or_default())
        .ok_or_else(|| damaged("journal.counts"))?;
    let mut done = Done(done.unwrap_or_default());
    if ended.is_some() {
        done.set(0);
    }
    Ok(Recovered {
        record: NotificationRecord {
            id,
            app: app(owner.as_deref())?,
            created_at: created_at.map_or(Timestamp(0), instant),
            options: body.options,
            message: body.message,
            variables: body.variables,
            targets: targets.ok_or_else(|| damaged("journal.targets"))?,
        },
        cancelled: cancelled == Some(true),
        counts: with_waiting(counts, number(recipients)),
        done: done.ordinals(),
    })
}
