//! A running campaign's ledger: what the store had when the run began, what closed chunks sum up to, and the live books
//! of the open ones.

use std::collections::HashMap;
use std::sync::Arc;

use fanfare_types::{CampaignState, Counts, Live, NotificationId, Outcome, Timestamp};

use super::run::OpenChunk;
use super::{Books, Meter, books};

/// What the store has of a campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Rows of the audience, and how many of them were looked at.
    pub rows: u64,
    pub scanned: u64,
    /// Recipients of all chunks.
    pub opened: u64,
    /// Their outcomes.
    pub ended: Counts,
}

#[derive(Debug)]
pub struct Ledger {
    /// With what was opened and closed since; `None` until it is known.
    base: Option<Found>,
    open: HashMap<NotificationId, Chunk>,
    meter: Meter,
}

#[derive(Debug)]
struct Chunk {
    live: Arc<Live>,
    /// What the base has of it already.
    before: Counts,
}

/// One moment of a ledger.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// With what is in flight among the counts.
    pub found: Found,
    /// Endings a second.
    pub rate: f64,
}

impl Ledger {
    pub fn new(now: Timestamp) -> Self {
        Ledger {
            base: None,
            open: HashMap::new(),
            meter: Meter::new(now),
        }
    }

    /// Begins with what the store has, of which nothing is in memory yet.
    pub fn begin(&mut self, found: Found) {
        self.base = Some(found);
    }

    /// A chunk that a former run left, among what was found.
    pub fn on_recovered(&mut self, live: &Arc<Live>) {
        let before = live.progress.counts();
        let live = live.clone();
        self.open.insert(live.id, Chunk { live, before });
    }

    /// A page was opened: so many rows were looked at, and this is its chunk, if it had recipients.
    pub fn on_opened(&mut self, scanned: u64, live: Option<&Arc<Live>>, now: Timestamp) {
        let Some(base) = &mut self.base else { return };
        base.scanned += scanned;
        let Some(live) = live else { return };
        base.opened += live.progress.recipients();
        let ended = live.progress.counts().terminal();
        self.meter.on_ended(ended, now);
        let chunk = Chunk {
            live: live.clone(),
            before: Counts::default(),
        };
        match ended == live.progress.recipients() {
            true => chunk.add_to(&mut base.ended),
            false => drop(self.open.insert(live.id, chunk)),
        }
    }

    /// Outcomes of these chunks became durable, so many together. How the chunks stand; complete ones are closed.
    pub fn on_recorded(
        &mut self,
        chunks: Vec<NotificationId>,
        ended: u64,
        now: Timestamp,
    ) -> Vec<OpenChunk> {
        self.meter.on_ended(ended, now);
        let look = |id| {
            let progress = &self.open.get(&id)?.live.progress;
            let left = progress.recipients() - progress.counts().terminal();
            if left == 0
                && let Some(chunk) = self.open.remove(&id)
                && let Some(base) = &mut self.base
            {
                chunk.add_to(&mut base.ended);
            }
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            Some(OpenChunk { id, left })
        };
        chunks.into_iter().filter_map(look).collect()
    }

    /// Whether somebody beside the ledger has a delivery of the run, or is about to record one.
    pub fn is_held(&self) -> bool {
        let mut open = self.open.values();
        open.any(|chunk| Arc::strong_count(&chunk.live) > 1)
    }

    /// Chunks of slots that are lost are another node's, as soon as nobody here has anything of them: the store has what
    /// there is to know of them.
    pub fn forget_lost(&mut self) {
        let is_over =
            |chunk: &Chunk| chunk.live.hold.is_lost() && Arc::strong_count(&chunk.live) == 1;
        self.open.retain(|_, chunk| !is_over(chunk));
    }

    /// `None` before it began: then the store has everything.
    pub fn look(&mut self, now: Timestamp) -> Option<Look> {
        let mut found = self.base?;
        for chunk in self.open.values() {
            chunk.add_to(&mut found.ended);
        }
        let rate = self.meter.rate(now);
        Some(Look { found, rate })
    }
}

impl Chunk {
    fn add_to(&self, counts: &mut Counts) {
        let (mut now, mut before) = (self.live.progress.counts(), self.before);
        for outcome in Outcome::ALL {
            *counts.of(*outcome) += *now.of(*outcome) - *before.of(*outcome);
        }
        counts.in_flight += now.in_flight;
    }
}

impl Found {
    /// The books of a campaign in this state, of which this was found; see [`books`].
    pub fn books(self, state: CampaignState, rows_are_recipients: bool) -> (u64, bool, Counts) {
        books(&Books {
            state,
            opened: self.opened,
            counts: self.ended,
            rows_left: self.rows.saturating_sub(self.scanned),
            scanned: self.scanned,
            rows_are_recipients,
        })
    }
}

#[cfg(test)]
mod tests {
    use fanfare_types::message::Variables;
    use fanfare_types::{AppId, Hold, Lane, Message, OnUnknown, Options, Priority, Progress, Slot};

    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn live(id: u64, recipients: u64, ended: Counts) -> Arc<Live> {
        Arc::new(Live {
            id: NotificationId::new(NOW, id),
            app: AppId::new("shop").unwrap(),
            created_at: NOW,
            options: Options {
                priority: Priority::Normal,
                collapse_key: None,
                lane: Lane::Bulk,
                on_unknown: OnUnknown::Retry,
                expires_at: Timestamp::MAX,
                send_at: None,
            },
            message: Message::default().into(),
            variables: Variables::new().into(),
            progress: Progress::new(recipients, ended),
            run: None,
            hold: Hold::new(Slot::of_shard(0)),
        })
    }

    fn delivered(count: u64) -> Counts {
        Counts {
            delivered: count,
            ..Counts::default()
        }
    }

    fn ends(live: &Live, outcome: Outcome) {
        live.progress.recording(1);
        live.progress.ended(outcome, 1);
    }

    fn sums(ledger: &mut Ledger) -> (u64, u64, u64, u64) {
        let found = ledger.look(NOW).unwrap().found;
        let Found {
            scanned,
            opened,
            ended,
            ..
        } = found;
        (scanned, opened, ended.delivered, ended.in_flight)
    }

    #[test]
    fn what_was_found_is_counted_once_and_what_is_added_at_once() {
        let mut ledger = Ledger::new(NOW);
        assert!(ledger.look(NOW).is_none());
        ledger.begin(Found {
            rows: 100,
            scanned: 20,
            opened: 10,
            ended: delivered(7),
        });
        let old = live(1, 5, delivered(2));
        ledger.on_recovered(&old);
        assert_eq!(sums(&mut ledger), (20, 10, 7, 0));
        ends(&old, Outcome::Delivered);
        old.progress.handed_over(1);
        assert_eq!(sums(&mut ledger), (20, 10, 8, 1));
        let new = live(2, 3, Counts::default());
        ledger.on_opened(30, Some(&new), NOW);
        ledger.on_opened(5, None, NOW);
        assert_eq!(sums(&mut ledger), (55, 13, 8, 1));
        for _ in 0..3 {
            ends(&new, Outcome::Delivered);
        }
        assert_eq!(sums(&mut ledger), (55, 13, 11, 1));
        let told = ledger.on_recorded(vec![new.id, old.id], 4, NOW);
        let left: Vec<_> = told.iter().map(|chunk| chunk.left).collect();
        assert_eq!(left, [0, 2]);
        assert_eq!(sums(&mut ledger), (55, 13, 11, 1));
        assert!(
            ledger.on_recorded(vec![new.id], 0, NOW).is_empty(),
            "closed"
        );
    }

    #[test]
    fn a_chunk_that_ended_when_it_was_opened_is_closed() {
        let mut ledger = Ledger::new(NOW);
        ledger.begin(Found::default());
        ledger.on_opened(2, Some(&live(1, 2, delivered(2))), NOW);
        assert_eq!(sums(&mut ledger), (2, 2, 2, 0));
        assert!(ledger.open.is_empty());
    }

    #[test]
    fn what_is_of_a_lost_slot_is_forgotten_when_nobody_has_it() {
        let mut ledger = Ledger::new(NOW);
        ledger.begin(Found::default());
        let live = live(1, 2, Counts::default());
        ledger.on_opened(2, Some(&live), NOW);
        ledger.forget_lost();
        let hold = live.hold.clone();
        hold.lose();
        ledger.forget_lost();
        assert_eq!(ledger.open.len(), 1, "somebody has it");
        drop(live);
        ledger.forget_lost();
        assert!(ledger.open.is_empty());
        assert_eq!(Arc::strong_count(&hold), 1);
    }

    #[test]
    fn it_is_held_while_anybody_has_a_part_of_it() {
        let mut ledger = Ledger::new(NOW);
        ledger.begin(Found::default());
        let live = live(1, 2, Counts::default());
        ledger.on_opened(2, Some(&live), NOW);
        assert!(ledger.is_held());
        drop(live);
        assert!(!ledger.is_held());
    }
}
