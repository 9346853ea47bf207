//! A day of a slot's list of buckets: which are open, and which are retired.

use std::collections::BTreeMap;

use fanfare_types::{NotificationId, Timestamp};

use crate::codec::{Input, VERSION, put_number};

/// One bucket a minute.
pub(super) const MINUTE: u64 = 60_000;

const MINUTES: u64 = 24 * 60;

/// The bucket of a notification: the minute of its id's time, since the epoch.
pub(super) fn minute_of(id: NotificationId) -> u64 {
    id.0.created_at().as_millis() / MINUTE
}

/// From when on nobody makes ids of this minute any more.
pub(super) fn end_of(minute: u64) -> Timestamp {
    Timestamp((minute + 1) * MINUTE)
}

pub(super) fn day_of(minute: u64) -> u64 {
    minute / MINUTES
}

/// One day's buckets, by their minute since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Day {
    /// Some notification may be unfinished; nothing of it is due before this time: 0 for at once.
    pub(super) open: BTreeMap<u64, Timestamp>,
    /// All of it has ended; with how many notifications there are.
    pub(super) retired: BTreeMap<u64, u64>,
}

impl Day {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.retired.is_empty()
    }

    /// `None` when it cannot be read.
    pub(super) fn read(day: u64, open: Option<&[u8]>, retired: Option<&[u8]>) -> Option<Day> {
        Some(Day {
            open: unpack(day, open)?.collect_as(Timestamp),
            retired: unpack(day, retired)?.collect_as(|count| count),
        })
    }

    pub(super) fn pack_open(&self) -> Vec<u8> {
        pack(self.open.iter().map(|(minute, due)| (*minute, due.0)))
    }

    pub(super) fn pack_retired(&self) -> Vec<u8> {
        pack(self.retired.iter().map(|(minute, count)| (*minute, *count)))
    }
}

struct Pairs(Vec<(u64, u64)>);

impl Pairs {
    fn collect_as<T>(self, make: impl Fn(u64) -> T) -> BTreeMap<u64, T> {
        let pairs = self.0.into_iter();
        pairs.map(|(minute, value)| (minute, make(value))).collect()
    }
}

/// Ascending; each minute as what it is after the one before it.
fn pack(pairs: impl Iterator<Item = (u64, u64)>) -> Vec<u8> {
    let mut out = vec![VERSION];
    let mut next = 0;
    for (minute, value) in pairs {
        let minute = minute % MINUTES;
        put_number(&mut out, minute - next);
        next = minute + 1;
        put_number(&mut out, value);
    }
    out
}

fn unpack(day: u64, blob: Option<&[u8]>) -> Option<Pairs> {
    let mut pairs = Vec::new();
    let Some(blob) = blob else {
        return Some(Pairs(pairs));
    };
    let mut input = Input::new(blob);
    if input.byte()? != VERSION {
        return None;
    }
    let mut next: u64 = 0;
    while !input.is_empty() {
        let minute = next.checked_add(input.number()?)?;
        if minute >= MINUTES {
            return None;
        }
        next = minute + 1;
        pairs.push((day * MINUTES + minute, input.number()?));
    }
    Some(Pairs(pairs))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_day_comes_back(
            open in prop::collection::btree_map(0..MINUTES, any::<u64>(), 0..50),
            retired in prop::collection::btree_map(0..MINUTES, any::<u64>(), 0..50),
        ) {
            let at = |minute| 20_000 * MINUTES + minute;
            let day = Day {
                open: open.into_iter().map(|(m, due)| (at(m), Timestamp(due))).collect(),
                retired: retired.into_iter().map(|(m, count)| (at(m), count)).collect(),
            };
            let (open, retired) = (day.pack_open(), day.pack_retired());
            prop_assert_eq!(Day::read(20_000, Some(&open), Some(&retired)), Some(day));
        }

        #[test]
        fn damage_is_no_panic(blob: Vec<u8>) {
            let _read = Day::read(1, Some(&blob), None);
        }
    }

    #[test]
    fn a_whole_day_is_small() {
        let due = Timestamp(1_700_000_000_000);
        let day = Day {
            open: (0..MINUTES).map(|minute| (minute, due)).collect(),
            retired: (0..MINUTES).map(|minute| (minute, 9_999)).collect(),
        };
        assert!(day.pack_open().len() < 12_000, "seven bytes a bucket");
        assert!(day.pack_retired().len() < 5_000, "three bytes a bucket");
    }

    #[test]
    fn an_id_has_its_minute() {
        let id = NotificationId::new(Timestamp(2 * MINUTES * MINUTE + 61_000), 7);
        let minute = minute_of(id);
        assert_eq!(minute, 2 * MINUTES + 1);
        assert_eq!((day_of(minute), end_of(minute).0 % MINUTE), (2, 0));
        assert!(end_of(minute) > id.0.created_at());
    }
}
