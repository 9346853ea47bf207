//! Buckets of which nothing is due for a while: minutes, and from when on each is to be looked into.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_types::Timestamp;

/// 50 bytes a bucket, whatever is in it.
#[derive(Debug, Default)]
pub(super) struct Asleep {
    due: BTreeMap<u64, Timestamp>,
    by_due: BTreeSet<(Timestamp, u64)>,
}

impl Asleep {
    pub(super) fn insert(&mut self, minute: u64, due: Timestamp) {
        self.remove(minute);
        self.due.insert(minute, due);
        self.by_due.insert((due, minute));
    }

    pub(super) fn remove(&mut self, minute: u64) -> Option<Timestamp> {
        let due = self.due.remove(&minute)?;
        self.by_due.remove(&(due, minute));
        Some(due)
    }

    /// Those that are due, from a minute on, ascending.
    pub(super) fn due(&self, due: Timestamp, from: u64) -> Vec<u64> {
        if due >= Timestamp::MAX {
            return self.due.range(from..).map(|(minute, _)| *minute).collect();
        }
        let found = self.by_due.range(..=(due, u64::MAX));
        let found = found.map(|(_, minute)| *minute);
        let mut found: Vec<u64> = found.filter(|minute| *minute >= from).collect();
        found.sort_unstable();
        found
    }

    /// When the first of those falls due that are not by then.
    pub(super) fn next_due(&self, due: Timestamp) -> Option<Timestamp> {
        let later = (due, u64::MAX)..;
        self.by_due
            .range(later)
            .map(|(due, _)| *due)
            .find(|next| *next > due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_wake_when_they_are_due() {
        let mut asleep = Asleep::default();
        for (minute, due) in [(5, 100), (3, 200), (9, 100), (1, 300)] {
            asleep.insert(minute, Timestamp(due));
        }
        assert!(asleep.due(Timestamp(99), 0).is_empty());
        assert_eq!(asleep.due(Timestamp(100), 0), [5, 9]);
        assert_eq!(asleep.due(Timestamp(200), 4), [5, 9]);
        assert_eq!(asleep.due(Timestamp::MAX, 2), [3, 5, 9]);
        assert_eq!(asleep.next_due(Timestamp(100)), Some(Timestamp(200)));
        asleep.insert(3, Timestamp(400));
        assert_eq!(asleep.next_due(Timestamp(100)), Some(Timestamp(300)));
        assert_eq!(asleep.remove(1), Some(Timestamp(300)));
        assert_eq!(asleep.remove(1), None);
        assert_eq!(asleep.next_due(Timestamp(400)), None);
    }
}
