//! Fences: the epoch below which nothing is written any more, of a slot's list and of each bucket.

use fanfare_types::{Epoch, Slot};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::bucket::{Bucket, Work};
use super::shelf::Shelf;
use super::{AT_ONCE, Room, TRIES, not_held};
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Error, Result};

/// As it is written.
pub(super) fn epoch_value(epoch: Epoch) -> i64 {
    i64::try_from(epoch.0).unwrap_or(i64::MAX)
}

pub(super) fn slot_value(slot: Slot) -> i8 {
    // Below 64.
    slot.number().cast_signed()
}

pub(super) fn minute_value(minute: u64) -> i64 {
    minute.cast_signed()
}

impl Room {
    /// # Errors
    /// The slot is held at a later epoch.
    pub(super) async fn raise_slot(&self, slot: Slot, epoch: Epoch) -> Result<()> {
        let (mine, s) = (epoch_value(epoch), &self.statements);
        let part = slot_value(slot);
        for _ in 0..TRIES {
            let found: Option<(Option<i64>,)> = self.db.row(&s.slot_fence, (part,)).await?;
            let raised = match found.and_then(|(fence,)| fence) {
                Some(fence) if fence == mine => return Ok(()),
                Some(fence) if fence > mine => return Err(not_held(slot)),
                Some(fence) => self.db.cas(&s.slot_raise, (mine, part, fence)).await,
                None => self.db.cas(&s.slot_first, (mine, part)).await,
            };
            match raised {
                Ok(Cas::Applied) => return Ok(()),
                Ok(Cas::Refused) | Err(Error::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    /// Raises the fences of all buckets in which something may be due. A sleeping one's is raised when it wakes.
    pub(super) async fn raise_buckets(&self, shelf: &Shelf) -> Result<()> {
        let raised = stream::iter(shelf.all_awake()).map(|bucket| async move {
            let mut work = bucket.work.lock().await;
            match self.fence(shelf, &bucket, &mut work).await? {
                true => Ok(()),
                false => Err(not_held(shelf.slot)),
            }
        });
        raised.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Makes sure that no earlier epoch writes into a bucket. `false`: this one is an earlier one itself.
    pub(super) async fn fence(
        &self,
        shelf: &Shelf,
        bucket: &Bucket,
        work: &mut Work,
    ) -> Result<bool> {
        if !work.is_fenced {
            work.is_fenced = self.raise(shelf, bucket.minute).await?;
        }
        Ok(work.is_fenced)
    }

    async fn raise(&self, shelf: &Shelf, minute: u64) -> Result<bool> {
        let (mine, s) = (epoch_value(shelf.epoch), &self.statements);
        let (slot, minute) = (slot_value(shelf.slot), minute_value(minute));
        for _ in 0..TRIES {
            match self
                .db
                .cas(&s.fence_raise, (mine, slot, minute, mine))
                .await
            {
                Ok(Cas::Applied) => return Ok(true),
                Ok(Cas::Refused) | Err(Error::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
            let found: Option<(Option<i64>,)> =
                self.db.row(&s.fence_serial, (slot, minute)).await?;
            match found.and_then(|(fence,)| fence) {
                Some(fence) if fence == mine => return Ok(true),
                Some(fence) if fence > mine => return Ok(false),
                Some(_) => {}
                // It was listed, and nothing came of it.
                None => {
                    if self.fence_first(shelf, minute).await? {
                        return Ok(true);
                    }
                }
            }
        }
        Err(contended())
    }

    /// The first fence of a bucket. `false`: it has one.
    async fn fence_first(&self, shelf: &Shelf, minute: i64) -> Result<bool> {
        let (mine, slot) = (epoch_value(shelf.epoch), slot_value(shelf.slot));
        let first = &self.statements.fence_first;
        match self.db.cas(first, (mine, slot, minute)).await {
            Ok(Cas::Applied) => Ok(true),
            Ok(Cas::Refused) | Err(Error::Unknown(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Fences a bucket that may be new.
    pub(super) async fn fence_new(&self, shelf: &Shelf, minute: u64) -> Result<()> {
        if self.fence_first(shelf, minute_value(minute)).await? || self.raise(shelf, minute).await?
        {
            return Ok(());
        }
        Err(not_held(shelf.slot))
    }

    /// Whether nobody has taken the slot over, as far as one of its buckets tells. Asked after an insert: whoever takes
    /// over afterwards finds what was inserted.
    pub(super) async fn is_still_ours(&self, shelf: &Shelf, minute: u64) -> Result<bool> {
        let part = (slot_value(shelf.slot), minute_value(minute));
        let found: Option<(Option<i64>,)> = self.db.row(&self.statements.fence, part).await?;
        let (fence,) = found.ok_or_else(|| damaged("a bucket"))?;
        Ok(fence.is_some_and(|fence| fence <= epoch_value(shelf.epoch)))
    }
}

pub(super) fn contended() -> Error {
    Error::Unavailable("others were faster, again and again".to_owned())
}
