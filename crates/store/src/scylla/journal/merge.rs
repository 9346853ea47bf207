//! Adding outcomes to what a notification has: the first one of an ordinal stays.

use std::collections::HashMap;

use fanfare_types::{Counts, NotificationId};

use crate::codec::Done;
use crate::{Ended, OutcomeBatch};

/// The part of a notification's row that outcomes change.
pub(super) struct Books {
    pub(super) id: NotificationId,
    pub(super) app: String,
    pub(super) recipients: u64,
    pub(super) counts: Counts,
    /// The only target's outcome is in the row itself, and this is not written.
    pub(super) done: Done,
}

impl Books {
    /// Returns what is new, ascending by ordinal.
    pub(super) fn merge<'a>(&mut self, batches: &[&'a OutcomeBatch]) -> Vec<&'a Ended> {
        let mine = batches
            .iter()
            .filter(|batch| batch.app.as_str() == self.app);
        let mut fresh = Vec::new();
        for ended in mine.flat_map(|batch| &batch.ended) {
            if u64::from(ended.ordinal) < self.recipients && self.done.set(ended.ordinal) {
                *self.counts.of(ended.outcome) += 1;
                fresh.push(ended);
            }
        }
        fresh.sort_unstable_by_key(|ended| ended.ordinal);
        fresh
    }

    pub(super) fn is_finished(&self) -> bool {
        self.counts.terminal() >= self.recipients
    }
}

/// Batches by what they are of.
pub(super) fn by_id(batches: &[OutcomeBatch]) -> HashMap<NotificationId, Vec<&OutcomeBatch>> {
    let mut by_id: HashMap<_, Vec<_>> = HashMap::with_capacity(batches.len());
    for batch in batches {
        by_id.entry(batch.id).or_default().push(batch);
    }
    by_id
}

#[cfg(test)]
mod tests {
    use fanfare_types::{AppId, Outcome, Timestamp};

    use super::*;
    use crate::codec::{pack_counts, unpack_counts};
    use crate::contract::fixtures::{batch, ended};

    #[test]
    fn the_first_outcome_stays() {
        let id = NotificationId::new(Timestamp(1), 1);
        let mut books = Books {
            id,
            app: "shop".to_owned(),
            recipients: 3,
            counts: Counts::default(),
            done: Done::default(),
        };
        let first = batch(id, vec![ended(2, Outcome::Dead), ended(0, Outcome::Failed)]);
        let second = batch(
            id,
            vec![ended(2, Outcome::Delivered), ended(3, Outcome::Dead)],
        );
        let other = OutcomeBatch {
            app: AppId::new("news").expect("valid"),
            ..batch(id, vec![ended(1, Outcome::Delivered)])
        };
        let fresh = books.merge(&[&first, &second, &other]);
        let fresh: Vec<_> = fresh.iter().map(|row| (row.ordinal, row.outcome)).collect();
        assert_eq!(fresh, [(0, Outcome::Failed), (2, Outcome::Dead)]);
        assert!(!books.is_finished());
        let last = batch(id, vec![ended(1, Outcome::Delivered)]);
        assert_eq!(books.merge(&[&last]).len(), 1);
        assert!(books.is_finished());
        let packed = pack_counts(&books.counts);
        assert_eq!(unpack_counts(&packed), Some(books.counts));
        assert_eq!(unpack_counts(&[]), Some(Counts::default()));
        assert_eq!(unpack_counts(&[9]), None);
    }
}
