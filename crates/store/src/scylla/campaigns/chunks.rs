//! Chunks: opened with their shard's cursor in one step, and brought back while they are not finished.

use fanfare_types::ids::Id96;
use fanfare_types::{AppId, CampaignId, Counts, NotificationId, Recipient};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use scylla::value::CqlValue;

use super::Room;
use super::create::{TRIES, contended, millis};
use super::heads::{AT_ONCE, Head, Parts, bigint, blob, int};
use super::rows::Look;
use crate::campaigns::{Chunk, OpenChunk, Opened};
use crate::codec::{Done, pack_counts, unpack_counts};
use crate::ended::{bit, exceptional, take};
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Ended, Error, Result, packed};

/// A chunk packed for its rows.
struct Packed<'a> {
    chunk: &'a Chunk,
    counts: Counts,
    done: Done,
    /// What ended at once, and not by being delivered; with its recipients.
    exceptions: Vec<&'a Ended>,
    bare: Vec<Recipient>,
}

impl<'a> Packed<'a> {
    fn new(chunk: &'a Chunk) -> Self {
        let size = chunk.recipients.len() as u64;
        let (mut counts, mut done) = (Counts::default(), Done::default());
        let fresh = take(&chunk.ended, size, &mut counts, &mut done);
        let exceptions = exceptional(&fresh);
        let bare = |ended: &&Ended| Recipient {
            variables: None,
            ..chunk.recipients[ended.ordinal as usize].clone()
        };
        Packed {
            chunk,
            bare: exceptions.iter().map(bare).collect(),
            exceptions,
            counts,
            done,
        }
    }

    /// The head behind this chunk. One that was read to its end has as many rows as were found: devices may have gone
    /// since it was cut.
    fn after(&self, before: &Head) -> Head {
        let chunk = self.chunk;
        let scanned = before.scanned + chunk.scanned;
        let mut after = Head {
            revision: before.revision + 1,
            cursor: chunk.cursor.clone(),
            opener: chunk.id.0.0.to_vec(),
            is_done: chunk.is_last,
            scanned,
            opened: before.opened + chunk.recipients.len() as u64,
            rows: if chunk.is_last { scanned } else { before.rows },
            ..before.clone()
        };
        add(&mut after.ended, self.counts);
        after
    }

    fn parts(&self, room: &Room, revision: i64) -> Parts {
        let chunk = self.chunk;
        let mut parts = Parts::new();
        if !self.exceptions.is_empty() {
            parts.push(exceptions(
                room,
                chunk,
                revision,
                0,
                &self.exceptions,
                &self.bare,
            ));
        }
        let size = chunk.recipients.len() as u64;
        // With nothing left to send it is finished before it was there.
        if self.counts.terminal() < size {
            let recipients = packed::pack_recipients(chunk.recipients.iter());
            let values = vec![
                blob(chunk.campaign.0.0.to_vec()),
                int(chunk.shard),
                blob(chunk.id.0.0.to_vec()),
                bigint(millis(chunk.created_at.0)),
                int(size as u32),
                blob(recipients),
                blob(pack_counts(&self.counts)),
                blob(self.done.0.clone()),
            ];
            parts.push((room.sql.chunk_put.clone(), values));
        }
        parts
    }
}

/// Where a batch of what was not simply delivered lies: in the order of the steps that recorded them.
pub(super) fn batch_name(revision: i64, place: u16) -> Vec<u8> {
    let mut name = revision.to_be_bytes().to_vec();
    name.extend(place.to_be_bytes());
    name
}

/// What names a batch beside its place.
pub(super) trait OfChunk {
    fn campaign(&self) -> CampaignId;
    fn id(&self) -> NotificationId;
    fn created_at(&self) -> i64;
}

impl OfChunk for Chunk {
    fn campaign(&self) -> CampaignId {
        self.campaign
    }

    fn id(&self) -> NotificationId {
        self.id
    }

    fn created_at(&self) -> i64 {
        millis(self.created_at.0)
    }
}

pub(super) fn exceptions(
    room: &Room,
    of: &impl OfChunk,
    revision: i64,
    place: u16,
    ended: &[&Ended],
    recipients: &[Recipient],
) -> (
    scylla::statement::prepared::PreparedStatement,
    Vec<Option<CqlValue>>,
) {
    let outcomes = ended.iter().fold(0, |bits, row| bits | bit(row.outcome));
    let values = vec![
        blob(of.campaign().0.0.to_vec()),
        int(of.id().shard()),
        blob(batch_name(revision, place)),
        blob(of.id().0.0.to_vec()),
        bigint(of.created_at()),
        Some(CqlValue::TinyInt(outcomes.cast_signed())),
        blob(packed::pack_exceptions(ended, recipients)),
    ];
    (room.sql.ended_put.clone(), values)
}

pub(super) fn add(to: &mut Counts, mut counts: Counts) {
    for outcome in fanfare_types::Outcome::ALL {
        *to.of(*outcome) += *counts.of(*outcome);
    }
}

impl Room {
    /// See [`crate::Campaigns::open`]: one round trip while the head is known.
    pub(super) async fn open(&self, chunk: &Chunk) -> Result<Opened> {
        let (Some(epoch), true) = (self.epoch(chunk.shard), chunk.id.shard() == chunk.shard) else {
            return Ok(Opened::Lost);
        };
        if self.cut_of(&chunk.app, chunk.campaign).await?.is_none() {
            return Ok(Opened::Lost);
        }
        let packed = Packed::new(chunk);
        let desk = self.desks.desk(chunk.campaign, chunk.shard);
        let mut desk = desk.lock().await;
        let mut look = Look::Plain;
        for _ in 0..TRIES {
            let known = match desk.take() {
                Some(known) => known,
                None => {
                    let read = self.head(chunk.campaign, chunk.shard, look).await;
                    match read.map_err(|error| look.failed(error))? {
                        None => return Ok(Opened::Lost),
                        Some(read) => read,
                    }
                }
            };
            if known.opener == chunk.id.0.0 {
                *desk = Some(known);
                return Ok(if look == Look::Decided {
                    Opened::New
                } else {
                    Opened::Repeated
                });
            }
            if known.fence != epoch || known.cursor != chunk.from || known.is_closed {
                // What is known may be old: it is kept only when it fits.
                return self.not_opened(chunk, look).await;
            }
            let after = packed.after(&known);
            let parts = packed.parts(self, after.revision);
            let step = self.step_head(chunk.campaign, chunk.shard, &known, &after, parts);
            match step.await {
                Ok(Cas::Applied) => {
                    *desk = Some(after);
                    return Ok(Opened::New);
                }
                Ok(Cas::Refused) => {}
                Err(Error::Unknown(_)) => look = Look::Decided,
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    /// The head does not fit: it was this very chunk, opened a while ago, or somebody else's step.
    async fn not_opened(&self, chunk: &Chunk, look: Look) -> Result<Opened> {
        let books = self.books(chunk.campaign, chunk.id).await;
        let is_there = books.map_err(|error| look.failed(error))?.is_some();
        Ok(match (is_there, look) {
            (true, Look::Decided) => Opened::New,
            (true, Look::Plain) => Opened::Repeated,
            (false, _) => Opened::Lost,
        })
    }

    /// See [`crate::Campaigns::open_chunks`].
    pub(super) async fn open_chunks(
        &self,
        app: &AppId,
        id: CampaignId,
        after: Option<NotificationId>,
        limit: usize,
    ) -> Result<Vec<OpenChunk>> {
        let Some(cut) = self.cut_of(app, id).await? else {
            return Ok(Vec::new());
        };
        let after = after.map_or(Vec::new(), |id| id.0.0.to_vec());
        let held = (0..cut.parts()).filter(|shard| self.epoch(*shard).is_some());
        let names = held.map(|shard| self.chunk_names(id, shard, &after, limit));
        let names = stream::iter(names).buffer_unordered(AT_ONCE);
        let mut names: Vec<NotificationId> = names.try_concat().await?;
        names.sort_unstable();
        names.truncate(limit);
        let found = names.into_iter().map(|name| self.open_chunk(id, name));
        let found = stream::iter(found).buffered(AT_ONCE);
        let found: Vec<_> = found.try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn chunk_names(
        &self,
        campaign: CampaignId,
        shard: u32,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<NotificationId>> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let values = (&campaign.0.0[..], shard as i32, after, limit);
        let names: Vec<(Vec<u8>,)> = self.db.rows(&self.sql.chunk_names, values).await?;
        let name = |(name,): (Vec<u8>,)| {
            let bytes = name.try_into().map_err(|_| damaged("a chunk's id"))?;
            Ok(NotificationId(Id96(bytes)))
        };
        names.into_iter().map(name).collect()
    }

    /// `None`: it was finished meanwhile.
    async fn open_chunk(
        &self,
        campaign: CampaignId,
        id: NotificationId,
    ) -> Result<Option<OpenChunk>> {
        type Row = (
            Option<i64>,
            Option<i32>,
            Option<Vec<u8>>,
            Option<Vec<u8>>,
            Option<Vec<u8>>,
        );
        let values = (&campaign.0.0[..], id.shard() as i32, &id.0.0[..]);
        let row: Option<Row> = self.db.row(&self.sql.chunk, values).await?;
        let Some((created_at, size, recipients, ended, done)) = row else {
            return Ok(None);
        };
        let read = || {
            let recipients = packed::unpack_recipients(&recipients?)?;
            (recipients.len() as u64 == u64::from(size?.unsigned_abs())).then_some(())?;
            Some(OpenChunk {
                id,
                shard: id.shard(),
                created_at: fanfare_types::Timestamp(created_at?.unsigned_abs()),
                recipients,
                counts: unpack_counts(&ended.unwrap_or_default())?,
                done: Done(done.unwrap_or_default()).ordinals(),
            })
        };
        let chunk = read().ok_or_else(|| damaged("a chunk of campaign_shards"))?;
        Ok(Some(chunk))
    }
}
