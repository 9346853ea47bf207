//! A cut: what the shards of a campaign are, decided once and kept with it.
//!
//! Of devices, shard n is the n-th of equal parts of the token ring, whatever nodes, vnodes or tablets there are; of an
//! upload, a run of its blocks.

use fanfare_types::{AppId, CampaignId, NotificationId, Slot, Timestamp};
use serde::{Deserialize, Serialize};

/// A shard has about as many devices at most, as far as can be told when it is cut: its partition holds what was not
/// simply delivered of all of them.
const SHARD_ROWS_MAX: u64 = 250_000;

/// Kept as JSON in the campaign's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cut {
    pub(super) app: AppId,
    /// Devices whose id says a later time are in no shard; nor are those that got their user later.
    pub(super) at: Timestamp,
    /// Of each shard; of devices, as far as it was looked.
    pub(super) rows: Vec<u64>,
    pub(super) blocks: Option<Blocks>,
}

/// Of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Blocks {
    pub(super) upload: [u8; 16],
    /// Where each shard ends: just before this block.
    pub(super) ends: Vec<u64>,
}

/// Tokens from just after the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) after: i64,
    pub(super) last: i64,
}

impl Range {
    /// No row has the token that it starts after: a partitioner gives the last one instead.
    pub(super) const RING: Range = Range {
        after: i64::MIN,
        last: i64::MAX,
    };

    /// How many tokens are in it.
    pub(super) fn width(self) -> u128 {
        (i128::from(self.last) - i128::from(self.after)).unsigned_abs()
    }
}

/// The part of the ring with this number, of so many equal ones.
pub(super) fn part(number: u32, parts: u32) -> Range {
    let start = |number: u32| {
        let ring = Range::RING.width();
        let passed = ring * u128::from(number) / u128::from(parts.max(1));
        // No more than the ring has.
        (i128::from(i64::MIN) + passed as i128) as i64
    };
    Range {
        after: start(number),
        last: start(number + 1),
    }
}

/// What was seen of an app's devices: all of them, or samples.
pub(super) struct Seen {
    /// Tokens of its rows.
    pub(super) tokens: Vec<i64>,
    /// How many tokens were looked at.
    pub(super) width: u128,
}

impl Seen {
    fn is_whole(&self) -> bool {
        self.width >= Range::RING.width()
    }

    /// How many there are on the whole ring.
    fn rows(&self) -> u64 {
        let rows = self.tokens.len() as u128;
        let all = rows * Range::RING.width() / self.width.max(1);
        u64::try_from(all).unwrap_or(u64::MAX)
    }
}

impl Cut {
    /// Of an app's devices, into `parts`, or so many times more that none is too large.
    pub(super) fn of_devices(app: AppId, at: Timestamp, parts: usize, seen: &Seen) -> Self {
        let rows = seen.rows();
        let parts = parts_of(rows, parts);
        let mut each = vec![0; parts as usize];
        if seen.is_whole() {
            for token in &seen.tokens {
                each[holder(*token, parts) as usize] += 1;
            }
        } else {
            let share = |number: u64| rows * number / u64::from(parts);
            for (number, rows) in (0..).zip(&mut each) {
                *rows = share(number + 1) - share(number);
            }
        }
        Cut {
            app,
            at,
            rows: each,
            blocks: None,
        }
    }

    /// Of an upload whose blocks have so many rows, into at most `parts` runs of about the same size.
    pub(super) fn of_upload(
        app: AppId,
        at: Timestamp,
        parts: usize,
        upload: [u8; 16],
        blocks: &[u64],
    ) -> Self {
        let all: u64 = blocks.iter().sum();
        let parts = u64::from(parts_of(all, parts)).clamp(1, blocks.len().max(1) as u64);
        let (mut rows, mut ends) = (Vec::new(), Vec::new());
        let (mut passed, mut before) = (0, 0);
        for (behind, block) in (1..).zip(blocks) {
            passed += block;
            let is_enough = passed * parts >= all * (ends.len() as u64 + 1);
            if is_enough && behind < blocks.len() as u64 {
                rows.push(passed - before);
                ends.push(behind);
                before = passed;
            }
        }
        rows.push(passed - before);
        ends.push(blocks.len() as u64);
        Cut {
            app,
            at,
            rows,
            blocks: Some(Blocks { upload, ends }),
        }
    }

    pub(super) fn parts(&self) -> u32 {
        // There are no more than `NotificationId::SHARDS_MAX`.
        self.rows.len() as u32
    }

    pub(super) fn range(&self, shard: u32) -> Range {
        part(shard, self.parts())
    }

    /// Whether a device was there when it was cut.
    pub(super) fn has(&self, made_at: Timestamp, its_users_since: Option<Timestamp>) -> bool {
        made_at <= self.at && its_users_since.is_none_or(|since| since <= self.at)
    }
}

fn parts_of(rows: u64, parts: usize) -> u32 {
    let parts = u64::try_from(parts).unwrap_or(u64::MAX).max(1);
    let times = rows.div_ceil(parts.saturating_mul(SHARD_ROWS_MAX)).max(1);
    let parts = parts.saturating_mul(times);
    parts.min(u64::from(NotificationId::SHARDS_MAX)) as u32
}

/// The part that a token is in.
fn holder(token: i64, parts: u32) -> u32 {
    let passed = (i128::from(token) - i128::from(i64::MIN)).unsigned_abs();
    let guess = (passed * u128::from(parts) / Range::RING.width()) as u32;
    // A part ends with its last token, which the division takes for the next one's.
    [guess.saturating_sub(1), guess]
        .into_iter()
        .find(|number| token <= part(*number, parts).last)
        .unwrap_or(parts - 1)
}

/// Who looks after a campaign where one node is enough.
pub(super) fn keeper(id: CampaignId) -> Slot {
    Slot::of(NotificationId(id.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn app() -> AppId {
        AppId::new("shop").expect("a valid app id")
    }

    proptest! {
        /// Each part begins where the one before ends, the first after the smallest token, and the last ends at the
        /// greatest: every token is in one part, whatever nodes own it.
        #[test]
        fn the_ring_is_covered_exactly_once(parts in 1..5_000_u32, token: i64) {
            let mut at = i64::MIN;
            for number in 0..parts {
                let Range { after, last } = part(number, parts);
                prop_assert_eq!(after, at);
                prop_assert!(after < last);
                at = last;
            }
            prop_assert_eq!(at, i64::MAX);
            if token > i64::MIN {
                let Range { after, last } = part(holder(token, parts), parts);
                prop_assert!(after < token && token <= last);
            }
        }

        #[test]
        fn every_block_of_an_upload_is_in_one_shard(
            blocks in prop::collection::vec(1..2_000_u64, 0..200),
            parts in 0..100_usize,
        ) {
            let cut = Cut::of_upload(app(), Timestamp(1), parts, [7; 16], &blocks);
            let ends = cut.blocks.clone().map(|blocks| blocks.ends).unwrap_or_default();
            prop_assert_eq!(ends.len(), cut.rows.len());
            prop_assert!(!ends.is_empty() && ends.len() <= parts.max(1));
            let (mut first, mut sum) = (0, 0);
            for (end, rows) in ends.iter().zip(&cut.rows) {
                let expected: u64 = blocks[first..*end as usize].iter().sum();
                prop_assert_eq!(*rows, expected);
                (first, sum) = (*end as usize, sum + rows);
            }
            prop_assert_eq!(first, blocks.len());
            prop_assert_eq!(sum, blocks.iter().sum::<u64>());
        }
    }

    #[test]
    fn the_ends_of_the_ring_and_of_parts_have_their_part() {
        for parts in [1, 2, 3, 7, 64, 640, NotificationId::SHARDS_MAX] {
            for number in [0, parts / 2, parts - 1] {
                let Range { after, last } = part(number, parts);
                assert_eq!(holder(last, parts), number);
                assert_eq!(holder(after + 1, parts), number);
            }
        }
    }

    #[test]
    fn a_whole_look_counts_and_a_sample_is_drawn_out() {
        let tokens = vec![i64::MIN + 1, -1, 0, 1, i64::MAX];
        let whole = Seen {
            tokens: tokens.clone(),
            width: Range::RING.width(),
        };
        let cut = Cut::of_devices(app(), Timestamp(1), 2, &whole);
        assert_eq!(cut.rows, [2, 3]);
        let sample = Seen {
            tokens,
            width: Range::RING.width() / 100_000,
        };
        let cut = Cut::of_devices(app(), Timestamp(1), 2, &sample);
        assert_eq!(cut.parts(), 2);
        assert!((500_000..500_010).contains(&cut.rows.iter().sum::<u64>()));
        let large = Seen {
            width: sample.width / 10,
            ..sample
        };
        let cut = Cut::of_devices(app(), Timestamp(1), 4, &large);
        assert_eq!(cut.parts() % 4, 0);
        assert!(cut.rows.iter().all(|rows| *rows <= SHARD_ROWS_MAX));
    }

    #[test]
    fn who_comes_after_the_cut_is_in_no_shard() {
        let seen = Seen {
            tokens: Vec::new(),
            width: 1,
        };
        let cut = Cut::of_devices(app(), Timestamp(5), 1, &seen);
        assert!(cut.has(Timestamp(5), None) && cut.has(Timestamp(5), Some(Timestamp(5))));
        assert!(!cut.has(Timestamp(6), None));
        assert!(!cut.has(Timestamp(5), Some(Timestamp(6))), "it moved");
    }
}
