//! The list of a slot's buckets in the store: read when the slot is taken up, changed by its holder alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fanfare_types::{Epoch, Slot, Timestamp};
use futures_util::future::{try_join, try_join_all};
use scylla::value::CqlValue;

use super::bucket::{Bucket, Next};
use super::fence::{contended, epoch_value, slot_value};
use super::list::{Day, day_of};
use super::shelf::Shelf;
use super::{Room, TRIES, not_held};
use crate::scylla::fault::damaged;
use crate::scylla::session::Cas;
use crate::{Error, Result};

/// Days in one batch: 20 KB each at most.
const DAYS: usize = 8;

type Days = BTreeMap<u64, Day>;

/// What is to be said of buckets.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) open: BTreeMap<u64, Timestamp>,
    /// With how many notifications each has.
    pub(super) retire: BTreeMap<u64, u64>,
    /// Removed whole.
    pub(super) forget: BTreeSet<u64>,
}

impl Changes {
    fn days(&self) -> BTreeSet<u64> {
        let minutes = self.open.keys().chain(self.retire.keys());
        minutes.chain(&self.forget).map(|at| day_of(*at)).collect()
    }

    fn apply(&self, days: &mut Days) {
        let of = |days: &mut Days, minute| std::mem::take(days.entry(day_of(minute)).or_default());
        let put = |days: &mut Days, minute, day| drop(days.insert(day_of(minute), day));
        for (minute, due) in &self.open {
            let mut day = of(days, *minute);
            day.retired.remove(minute);
            day.open.insert(*minute, *due);
            put(days, *minute, day);
        }
        for (minute, total) in &self.retire {
            let mut day = of(days, *minute);
            day.open.remove(minute);
            day.retired.insert(*minute, *total);
            put(days, *minute, day);
        }
        for minute in &self.forget {
            let mut day = of(days, *minute);
            day.retired.remove(minute);
            put(days, *minute, day);
        }
    }
}

impl Room {
    /// The buckets of a slot, as they are listed.
    pub(super) async fn listed(&self, slot: Slot, epoch: Epoch) -> Result<Shelf> {
        let part = slot_value(slot);
        let rows: Vec<(Option<i32>, Option<Vec<u8>>)> =
            self.db.rows(&self.statements.days, (part,)).await?;
        let mut listed = BTreeMap::new();
        for (day, open) in rows {
            // Without days there is a fence alone.
            let Some(day) = day else { continue };
            let day = day_read(day)?;
            let read = Day::read(day, open.as_deref(), None);
            listed.extend(read.ok_or_else(|| damaged("a list of buckets"))?.open);
        }
        Ok(Shelf::new(slot, epoch, listed))
    }

    /// Opens the bucket of a minute. To be called by whoever holds `shelf.listing`.
    ///
    /// # Errors
    /// Nothing was inserted; the bucket may be listed or not.
    pub(super) async fn open_bucket(&self, shelf: &Shelf, minute: u64) -> Result<()> {
        let opened = self.list_open(shelf, minute).await;
        opened.map_err(|error| match error {
            // Of what was asked nothing happened.
            Error::Unknown(said) => Error::Unavailable(said),
            error => error,
        })
    }

    async fn list_open(&self, shelf: &Shelf, minute: u64) -> Result<()> {
        let mut changes = Changes::default();
        changes.open.insert(minute, Timestamp(0));
        // Those that are over go in the same step, but not the minute before: it may have latecomers.
        let older = shelf.all_awake().into_iter();
        for bucket in older.filter(|bucket| bucket.minute + 1 < minute) {
            // Never: what sleeps is looked for by `purge`.
            if let Next::Retire { total } = bucket.settle(Timestamp(u64::MAX)) {
                changes.retire.insert(bucket.minute, total);
            }
        }
        let mut days = self.days(shelf, changes.days()).await?;
        let day = days.entry(day_of(minute)).or_default();
        let is_new = !day.open.contains_key(&minute) && !day.retired.contains_key(&minute);
        changes.apply(&mut days);
        let list = self.write_days(shelf, &days);
        try_join(list, self.fence_new(shelf, minute)).await?;
        for minute in changes.retire.keys() {
            shelf.retired(*minute);
        }
        match shelf.open(minute) {
            Some(bucket) => bucket.list(),
            None if is_new => shelf.insert(Bucket::new(minute)),
            None => shelf.insert(Bucket::reopened(minute)),
        }
        Ok(())
    }

    /// To be called by whoever holds `shelf.listing`.
    pub(super) async fn relist(&self, shelf: &Shelf, changes: &Changes) -> Result<()> {
        let mut days = self.days(shelf, changes.days()).await?;
        changes.apply(&mut days);
        self.write_days(shelf, &days).await
    }

    async fn days(&self, shelf: &Shelf, days: BTreeSet<u64>) -> Result<Days> {
        let read = days.into_iter().map(|day| async move {
            let part = (slot_value(shelf.slot), day_value(day)?);
            let row = self.db.row(&self.statements.day, part).await?;
            let (open, retired): (Option<Vec<u8>>, Option<Vec<u8>>) = row.unwrap_or_default();
            let read = Day::read(day, open.as_deref(), retired.as_deref());
            let read = read.ok_or_else(|| damaged("a list of buckets"))?;
            Ok::<_, Error>((day, read))
        });
        Ok(try_join_all(read).await?.into_iter().collect())
    }

    async fn write_days(&self, shelf: &Shelf, days: &Days) -> Result<()> {
        let days: Vec<_> = days.iter().collect();
        for days in days.chunks(DAYS) {
            self.write_some_days(shelf, days).await?;
        }
        Ok(())
    }

    /// All of them, if the slot is still this node's. The same said twice is the same.
    async fn write_some_days(&self, shelf: &Shelf, days: &[(&u64, &Day)]) -> Result<()> {
        let s = &self.statements;
        let slot = CqlValue::TinyInt(slot_value(shelf.slot));
        let mine = CqlValue::BigInt(epoch_value(shelf.epoch));
        let mut statements = vec![s.slot_raise.clone()];
        let mut values = vec![vec![mine.clone(), slot.clone(), mine]];
        for (number, day) in days {
            let number = CqlValue::Int(day_value(**number)?);
            if day.is_empty() {
                statements.push(s.day_delete.clone());
                values.push(vec![slot.clone(), number]);
            } else {
                let (open, retired) = (day.pack_open(), day.pack_retired());
                let (open, retired) = (CqlValue::Blob(open), CqlValue::Blob(retired));
                statements.push(s.day_write.clone());
                values.push(vec![open, retired, slot.clone(), number]);
            }
        }
        for _ in 0..TRIES {
            match self.db.cas_all(statements.clone(), &values).await {
                Ok(Cas::Applied) => return Ok(()),
                Ok(Cas::Refused) => return Err(not_held(shelf.slot)),
                Err(Error::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }

    /// Whichever bucket is over by `now`: retired when all of it has ended, put to sleep when all of it is for after
    /// `wakes`.
    pub(super) async fn settle(
        &self,
        shelf: &Arc<Shelf>,
        now: Timestamp,
        wakes: Timestamp,
    ) -> Result<()> {
        let over = shelf.all_awake().into_iter();
        let over: Vec<_> = over
            .filter(|bucket| super::list::end_of(bucket.minute) <= now)
            .collect();
        for bucket in &over {
            self.load(shelf, bucket).await?;
        }
        let _listing = shelf.listing.lock().await;
        let mut changes = Changes::default();
        let mut sleep = BTreeMap::new();
        for bucket in over {
            match bucket.settle(wakes) {
                Next::Stay => {}
                Next::Retire { total } => drop(changes.retire.insert(bucket.minute, total)),
                Next::Sleep { due, is_listed } => {
                    sleep.insert(bucket.minute, due);
                    if !is_listed {
                        changes.open.insert(bucket.minute, due);
                    }
                }
            }
        }
        if !changes.days().is_empty() {
            self.relist(shelf, &changes).await?;
        }
        for minute in changes.retire.keys() {
            shelf.retired(*minute);
        }
        for (minute, due) in sleep {
            shelf.fell_asleep(minute, due);
        }
        Ok(())
    }
}

pub(super) fn day_value(day: u64) -> Result<i32> {
    i32::try_from(day).map_err(|_| Error::Row("a time that cannot be kept".to_owned()))
}

pub(super) fn day_read(day: i32) -> Result<u64> {
    u64::try_from(day).map_err(|_| damaged("a list of buckets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_reach_each_day() {
        let minutes = |day: u64| day * 24 * 60;
        let mut changes = Changes::default();
        changes.open.insert(minutes(3), Timestamp(0));
        changes.retire.insert(minutes(3) - 1, 7);
        assert_eq!(changes.days(), [2, 3].into());
        let mut days = Days::new();
        changes.apply(&mut days);
        assert_eq!(days[&2].retired, [(minutes(3) - 1, 7)].into());
        assert_eq!(days[&3].open, [(minutes(3), Timestamp(0))].into());

        let mut back = Changes::default();
        back.open.insert(minutes(3) - 1, Timestamp(9));
        back.retire.insert(minutes(3), 1);
        back.apply(&mut days);
        assert_eq!(days[&2].open, [(minutes(3) - 1, Timestamp(9))].into());
        assert!(days[&2].retired.is_empty());

        let mut forget = Changes::default();
        forget.forget.insert(minutes(3));
        forget.apply(&mut days);
        assert!(days[&3].is_empty());
    }
}
