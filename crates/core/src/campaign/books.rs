//! A campaign's books: total = waiting + in flight + each outcome, at every moment.

use fanfare_types::{CampaignState, Counts};

/// What the books are made of.
#[derive(Clone, Copy, Debug)]
pub struct Books {
    pub state: CampaignState,
    /// Recipients of all opened chunks.
    pub opened: u64,
    /// Outcomes of these, and how many are in flight; `waiting` is not looked at.
    pub counts: Counts,
    /// Rows of the audience that are not opened yet: uploaded rows, or devices in the shards.
    pub rows_left: u64,
    /// Rows looked at so far.
    pub scanned: u64,
    /// Every row is a recipient (an upload): one that was not opened is still known.
    pub rows_are_recipients: bool,
}

/// The total (and whether it is an estimate), and the counts that add up to it.
///
/// Until everything is read, an audience that is filtered is reckoned at the share that matched so far. What was never
/// opened of a cancelled campaign's upload was cancelled; of a filter it was never known, and is not counted.
pub fn books(of: &Books) -> (u64, bool, Counts) {
    let rest = match (of.state.is_final(), of.rows_are_recipients) {
        (_, true) => of.rows_left,
        (true, false) => 0,
        (false, false) => reckoned(of),
    };
    let total = of.opened + rest;
    let mut counts = of.counts;
    if of.state.is_final() {
        match of.state {
            CampaignState::Failed => counts.failed += rest,
            _ => counts.cancelled += rest,
        }
    }
    let left = total.saturating_sub(counts.terminal());
    counts.in_flight = counts.in_flight.min(left);
    counts.waiting = left - counts.in_flight;
    let is_estimate = !of.state.is_final() && of.rows_left > 0 && !of.rows_are_recipients;
    (total, is_estimate, counts)
}

fn reckoned(of: &Books) -> u64 {
    match of.scanned {
        0 => of.rows_left,
        scanned => {
            let share = u128::from(of.rows_left) * u128::from(of.opened) / u128::from(scanned);
            u64::try_from(share).unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HALF: Books = Books {
        state: CampaignState::Running,
        opened: 50,
        counts: Counts {
            waiting: 0,
            in_flight: 10,
            delivered: 20,
            rejected: 0,
            dead: 1,
            expired: 0,
            cancelled: 0,
            failed: 0,
        },
        rows_left: 100,
        scanned: 100,
        rows_are_recipients: false,
    };

    #[test]
    fn a_filter_is_reckoned_by_what_matched_so_far() {
        let (total, is_estimate, counts) = books(&HALF);
        assert_eq!((total, is_estimate, counts.waiting), (100, true, 69));
        let read = Books {
            rows_left: 0,
            ..HALF
        };
        let (total, is_estimate, counts) = books(&read);
        assert_eq!((total, is_estimate, counts.waiting), (50, false, 19));
    }

    #[test]
    fn what_was_never_opened_of_an_upload_is_cancelled_with_it() {
        let cancelled = Books {
            state: CampaignState::Cancelled,
            rows_are_recipients: true,
            ..HALF
        };
        let (total, is_estimate, counts) = books(&cancelled);
        assert_eq!((total, is_estimate, counts.cancelled), (150, false, 100));
        let of_a_filter = Books {
            rows_are_recipients: false,
            ..cancelled
        };
        assert_eq!(books(&of_a_filter).0, 50);
    }

    proptest! {
        #[test]
        fn they_add_up(opened in 0..1_000u64, delivered in 0..1_000u64, in_flight in 0..1_000u64,
            rows_left in 0..1_000u64, scanned in 0..1_000u64, is_upload: bool,
            state in proptest::sample::select(CampaignState::ALL)) {
            let delivered = delivered.min(opened);
            let counts = Counts { delivered, in_flight: in_flight.min(opened - delivered), ..Counts::default() };
            let of = Books { state, opened, counts, rows_left, scanned, rows_are_recipients: is_upload };
            let (total, _, counts) = books(&of);
            prop_assert_eq!(total, counts.waiting + counts.in_flight + counts.terminal());
        }
    }
}
