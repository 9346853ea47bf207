//! Outcomes of chunks: a bit and a count each, and what was not simply delivered packed beside them; of each shard in one
//! step, however many of its chunks there are.

use std::collections::BTreeMap;

use fanfare_types::{AppId, CampaignId, Counts, NotificationId, Recipient};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Room;
use super::chunks::{OfChunk, add, exceptions};
use super::create::{TRIES, contended};
use super::heads::{AT_ONCE, Head, Parts, blob, int};
use super::rows::Look;
use crate::campaigns::ChunkOutcomes;
use crate::codec::{Done, pack_counts, unpack_counts};
use crate::ended::{exceptional, take};
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Ended, Error, Result, packed};

/// Chunks in one step at most: what is not simply delivered of all of them goes with it.
const CHUNKS_A_STEP: usize = 64;

/// The part of a chunk that outcomes change.
pub(super) struct Books {
    campaign: CampaignId,
    id: NotificationId,
    created_at: i64,
    size: u64,
    counts: Counts,
    done: Done,
}

impl OfChunk for Books {
    fn campaign(&self) -> CampaignId {
        self.campaign
    }

    fn id(&self) -> NotificationId {
        self.id
    }

    fn created_at(&self) -> i64 {
        self.created_at
    }
}

/// A step of one shard, as far as it is worked out.
struct Step {
    after: Head,
    parts: Parts,
    /// Batches of what was not simply delivered.
    batches: u16,
}

impl Room {
    /// See [`crate::Campaigns::record_chunks`].
    pub(super) async fn record(&self, batches: &[ChunkOutcomes]) -> Result<()> {
        let mut shards: BTreeMap<(CampaignId, u32), Vec<&ChunkOutcomes>> = BTreeMap::new();
        for batch in batches {
            let key = (batch.campaign, batch.chunk.shard());
            shards.entry(key).or_default().push(batch);
        }
        let mut steps = Vec::new();
        for ((campaign, shard), batches) in &shards {
            let of = batches.chunks(CHUNKS_A_STEP);
            steps.extend(of.map(|batches| self.record_shard(*campaign, *shard, batches)));
        }
        stream::iter(steps)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }

    async fn record_shard(
        &self,
        campaign: CampaignId,
        shard: u32,
        batches: &[&ChunkOutcomes],
    ) -> Result<()> {
        let Some(epoch) = self.epoch(shard) else {
            return Ok(());
        };
        let desk = self.desks.desk(campaign, shard);
        let mut desk = desk.lock().await;
        let mut look = Look::Plain;
        for _ in 0..TRIES {
            let known = match desk.take() {
                Some(known) => known,
                None => match self.head(campaign, shard, look).await? {
                    None => return Ok(()),
                    Some(read) => read,
                },
            };
            if known.fence != epoch {
                // Another node's, or to be taken over: what has no outcome is sent from there.
                return Ok(());
            }
            let step = self.merge(campaign, &known, batches).await?;
            if step.parts.is_empty() {
                *desk = Some(known);
                return Ok(());
            }
            let set = self.step_head(campaign, shard, &known, &step.after, step.parts);
            match set.await {
                Ok(Cas::Applied) => {
                    *desk = Some(step.after);
                    return Ok(());
                }
                Ok(Cas::Refused) => {}
                // What was recorded by it is passed over when merged again.
                Err(Error::Unknown(_)) => look = Look::Decided,
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    /// What becomes of a head and its chunks with these outcomes.
    async fn merge(
        &self,
        campaign: CampaignId,
        head: &Head,
        batches: &[&ChunkOutcomes],
    ) -> Result<Step> {
        let mut step = Step {
            after: Head {
                revision: head.revision + 1,
                ..head.clone()
            },
            parts: Parts::new(),
            batches: 0,
        };
        let mut of_chunk: BTreeMap<NotificationId, Vec<Ended>> = BTreeMap::new();
        for batch in batches {
            if self.is_of(&batch.app, campaign).await? {
                let ended = of_chunk.entry(batch.chunk).or_default();
                ended.extend(batch.ended.iter().cloned());
            }
        }
        let read = of_chunk.keys().map(|id| self.books(campaign, *id));
        let read: Vec<_> = read.collect();
        let books: Vec<_> = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
        for (books, ended) in books.into_iter().zip(of_chunk.values()) {
            if let Some(books) = books {
                self.enter_books(books, ended, &mut step).await?;
            }
        }
        Ok(step)
    }

    async fn enter_books(&self, mut books: Books, ended: &[Ended], step: &mut Step) -> Result<()> {
        let mut counts = Counts::default();
        let fresh = take(ended, books.size, &mut counts, &mut books.done);
        if fresh.is_empty() {
            return Ok(());
        }
        add(&mut books.counts, counts);
        add(&mut step.after.ended, counts);
        let exceptional = exceptional(&fresh);
        if !exceptional.is_empty() {
            let recipients = self.recipients(&books, &exceptional).await?;
            let revision = step.after.revision;
            let part = exceptions(
                self,
                &books,
                revision,
                step.batches,
                &exceptional,
                &recipients,
            );
            step.parts.push(part);
            step.batches += 1;
        }
        let key = [
            blob(books.campaign.0.0.to_vec()),
            int(books.id.shard()),
            blob(books.id.0.0.to_vec()),
        ];
        // With an outcome for everybody, what is kept of it are the shard's numbers and the exceptions.
        step.parts.push(if books.counts.terminal() >= books.size {
            (self.sql.chunk_remove.clone(), key.to_vec())
        } else {
            let mut values = vec![blob(pack_counts(&books.counts)), blob(books.done.0)];
            values.extend(key);
            (self.sql.chunk_set.clone(), values)
        });
        Ok(())
    }

    /// `None`: there is no such chunk, or it is finished.
    pub(super) async fn books(
        &self,
        campaign: CampaignId,
        id: NotificationId,
    ) -> Result<Option<Books>> {
        type Row = (Option<i64>, Option<i32>, Option<Vec<u8>>, Option<Vec<u8>>);
        let values = (&campaign.0.0[..], id.shard() as i32, &id.0.0[..]);
        let row: Option<Row> = self.db.row(&self.sql.chunk_books, values).await?;
        let Some((created_at, size, ended, done)) = row else {
            return Ok(None);
        };
        let read = || {
            Some(Books {
                campaign,
                id,
                created_at: created_at?,
                size: u64::from(size?.unsigned_abs()),
                counts: unpack_counts(&ended.unwrap_or_default())?,
                done: Done(done.unwrap_or_default()),
            })
        };
        let books = read().ok_or_else(|| damaged("a chunk of campaign_shards"))?;
        Ok(Some(books))
    }

    async fn recipients(&self, books: &Books, of: &[&Ended]) -> Result<Vec<Recipient>> {
        let ordinals: Vec<u32> = of.iter().map(|ended| ended.ordinal).collect();
        let id = books.id;
        let values = (&books.campaign.0.0[..], id.shard() as i32, &id.0.0[..]);
        let row: Option<(Option<Vec<u8>>,)> = self.db.row(&self.sql.recipients, values).await?;
        row.and_then(|(body,)| packed::recipients_at(&body?, &ordinals))
            .ok_or_else(|| damaged("the recipients of a chunk"))
    }

    /// Whether the campaign is this app's.
    async fn is_of(&self, app: &AppId, campaign: CampaignId) -> Result<bool> {
        Ok(self.cut_of(app, campaign).await?.is_some())
    }
}
