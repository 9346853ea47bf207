//! Forgetting: buckets go whole, and are then no longer listed.

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::Timestamp;

use super::Room;
use super::fence::{minute_value, slot_value};
use super::list::{Day, MINUTE, day_of, end_of};
use super::relist::{Changes, day_read, day_value};
use super::shelf::Shelf;
use crate::Result;
use crate::scylla::fault::damaged;

/// What falls due sooner lets no bucket sleep.
const NAP: Duration = Duration::from_secs(120);

/// Buckets that are removed before the list says so: as many are removed again after a crash.
const BUCKETS: usize = 64;

impl Room {
    pub(super) async fn purge(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize> {
        let mut purged = 0;
        for shelf in self.shelves() {
            self.settle(&shelf, now, now + NAP).await?;
            while purged < limit {
                let old = self.old(&shelf, before, limit - purged).await?;
                if old.is_empty() {
                    break;
                }
                purged += self.remove(&shelf, &old).await?;
            }
        }
        Ok(purged)
    }

    /// Retired buckets of before, the oldest first, with how many notifications each has.
    async fn old(
        &self,
        shelf: &Shelf,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(u64, usize)>> {
        let last = day_of(before.as_millis() / MINUTE);
        let part = (slot_value(shelf.slot), day_value(last)?);
        let rows: Vec<(i32, Option<Vec<u8>>)> =
            self.db.rows(&self.statements.retired, part).await?;
        let (mut old, mut total) = (Vec::new(), 0);
        for (day, retired) in rows {
            let read = Day::read(day_read(day)?, None, retired.as_deref());
            let day = read.ok_or_else(|| damaged("a list of buckets"))?;
            for (minute, count) in day.retired {
                if end_of(minute) > before || total >= limit || old.len() == BUCKETS {
                    return Ok(old);
                }
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                total = total.saturating_add(count);
                old.push((minute, count));
            }
        }
        Ok(old)
    }

    async fn remove(&self, shelf: &Arc<Shelf>, old: &[(u64, usize)]) -> Result<usize> {
        let _listing = shelf.listing.lock().await;
        let (mut changes, mut purged) = (Changes::default(), 0);
        for (minute, count) in old {
            // A latecomer has opened it again.
            if shelf.open(*minute).is_some() {
                continue;
            }
            let part = (slot_value(shelf.slot), minute_value(*minute));
            self.db.write(&self.statements.bucket_delete, part).await?;
            changes.forget.insert(*minute);
            purged += count;
        }
        self.relist(shelf, &changes).await?;
        Ok(purged)
    }
}
