//! Outcomes of a chunk, taken into its books: each ordinal keeps its first.

use fanfare_types::{Counts, Outcome};

use crate::Ended;
use crate::codec::Done;

/// Takes the outcomes that are new into the books of a chunk of `size`, and returns them ascending by ordinal.
pub(crate) fn take<'a>(
    ended: &'a [Ended],
    size: u64,
    counts: &mut Counts,
    done: &mut Done,
) -> Vec<&'a Ended> {
    let mut fresh = Vec::with_capacity(ended.len());
    for ended in ended {
        if u64::from(ended.ordinal) < size && done.set(ended.ordinal) {
            *counts.of(ended.outcome) += 1;
            fresh.push(ended);
        }
    }
    fresh.sort_unstable_by_key(|ended| ended.ordinal);
    fresh
}

/// Those that were not simply delivered.
pub(crate) fn exceptional<'a>(ended: &[&'a Ended]) -> Vec<&'a Ended> {
    let mut exceptions = ended.to_vec();
    exceptions.retain(|ended| ended.outcome != Outcome::Delivered);
    exceptions
}

/// One for each outcome: a batch has the bits of those that occur in it.
pub(crate) fn bit(outcome: Outcome) -> u8 {
    1 << outcome.index()
}

#[cfg(test)]
mod tests {
    use fanfare_types::{Reason, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn ended(ordinal: u32, outcome: Outcome) -> Ended {
        Ended {
            ordinal,
            outcome,
            reason: Reason::NONE,
            attempts: 1,
            at: Timestamp(1),
        }
    }

    proptest! {
        /// Whatever comes in whatever order and however often: the first outcome of each ordinal, once.
        #[test]
        fn each_ordinal_keeps_its_first_outcome(
            told in prop::collection::vec(
                prop::collection::vec((0..20_u32, prop::sample::select(Outcome::ALL)), 0..12),
                0..6,
            ),
            size in 0..16_u64,
        ) {
            let (mut counts, mut done) = (Counts::default(), Done::default());
            let (mut kept, mut expected) = (Vec::new(), std::collections::BTreeMap::new());
            for batch in told {
                let batch: Vec<_> = batch.into_iter().map(|(n, of)| ended(n, of)).collect();
                for row in batch.iter().filter(|row| u64::from(row.ordinal) < size) {
                    expected.entry(row.ordinal).or_insert(row.outcome);
                }
                let fresh = take(&batch, size, &mut counts, &mut done);
                prop_assert!(fresh.is_sorted_by_key(|row| row.ordinal));
                kept.extend(fresh.iter().map(|row| (row.ordinal, row.outcome)));
            }
            kept.sort_unstable_by_key(|(ordinal, _)| *ordinal);
            prop_assert_eq!(counts.terminal(), expected.len() as u64);
            prop_assert_eq!(done.ordinals(), expected.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(kept, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
