//! Looking a bucket through, for which of its notifications are unfinished.

use fanfare_types::ids::Id96;
use fanfare_types::{NotificationId, Timestamp};
use scylla::response::PagingState;

use super::bucket::{Bucket, Unfinished};
use super::fence::{contended, minute_value, slot_value};
use super::shelf::Shelf;
use super::{Room, TRIES, not_held};
use crate::Result;
use crate::scylla::fault::damaged;

/// Id, `send_at`, recipients, finished.
type Head = (Vec<u8>, Option<i64>, Option<i64>, Option<bool>);

pub(super) fn id_read(blob: &[u8]) -> Result<NotificationId> {
    let bytes = blob.try_into().map_err(|_| damaged("an id"))?;
    Ok(NotificationId(Id96(bytes)))
}

pub(super) fn instant(millis: i64) -> Timestamp {
    Timestamp(u64::try_from(millis).unwrap_or(0))
}

pub(super) fn number(value: Option<i64>) -> u64 {
    value
        .and_then(|value| u64::try_from(value).ok())
        .unwrap_or(0)
}

impl Room {
    /// Afterwards it is known which are unfinished. Its fence is raised first: what is read nobody else changes.
    pub(super) async fn load(&self, shelf: &Shelf, bucket: &Bucket) -> Result<()> {
        if bucket.is_known() {
            return Ok(());
        }
        let mut work = bucket.work.lock().await;
        for _ in 0..TRIES {
            if bucket.is_known() {
                return Ok(());
            }
            if !self.fence(shelf, bucket, &mut work).await? {
                return Err(not_held(shelf.slot));
            }
            bucket.loading();
            let (found, total) = self.heads(shelf, bucket).await?;
            bucket.loaded(found, total);
        }
        if bucket.is_known() {
            Ok(())
        } else {
            Err(contended())
        }
    }

    async fn heads(&self, shelf: &Shelf, bucket: &Bucket) -> Result<(Unfinished, u64)> {
        let part = (slot_value(shelf.slot), minute_value(bucket.minute));
        let (mut found, mut total) = (Unfinished::new(), 0);
        let mut from = Some(PagingState::start());
        while let Some(state) = from {
            let page = self.db.page::<Head>(&self.statements.heads, part, state);
            let (rows, next) = page.await?;
            from = next;
            total += rows.len() as u64;
            for (id, send_at, recipients, finished) in rows {
                let is_unfinished = finished != Some(true) && number(recipients) > 0;
                if is_unfinished {
                    let due = send_at.map_or(Timestamp(0), instant);
                    found.insert(id_read(&id)?, due);
                }
            }
        }
        Ok((found, total))
    }
}
