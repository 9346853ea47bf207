//! A running campaign's books in memory: what closed chunks sum up to, and the live books of the open ones.

use std::collections::HashMap;
use std::sync::Arc;

use fanfare_core::campaign::{Meter, run::OpenChunk};
use fanfare_store::campaigns::StoredCampaign;
use fanfare_types::{Counts, Live, NotificationId, Outcome, Timestamp};
use parking_lot::Mutex;

/// One lock for all, so that a look sees one moment.
#[derive(Debug)]
pub(super) struct Books(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// As the store had it when the run was loaded, and what was opened and closed since; `None` before.
    base: Option<Base>,
    open: HashMap<NotificationId, Chunk>,
    meter: Meter,
}

#[derive(Clone, Copy, Debug)]
struct Base {
    rows: u64,
    scanned: u64,
    opened: u64,
    ended: Counts,
}

#[derive(Debug)]
struct Chunk {
    live: Arc<Live>,
    /// What the base has of it already.
    before: Counts,
}

/// A look at the books.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) rows: u64,
    pub(super) scanned: u64,
    pub(super) opened: u64,
    /// Outcomes, and what is in flight.
    pub(super) counts: Counts,
    pub(super) rate: f64,
}

impl Books {
    pub(super) fn new(now: Timestamp) -> Self {
        Books(Mutex::new(Inner {
            base: None,
            open: HashMap::new(),
            meter: Meter::new(now),
        }))
    }

    /// Begins with what the store has, of which nothing is in memory yet.
    pub(super) fn begin(&self, stored: &StoredCampaign) {
        self.0.lock().base = Some(Base {
            rows: stored.scan.rows,
            scanned: stored.scan.scanned,
            opened: stored.scan.opened,
            ended: stored.counts,
        });
    }

    /// A chunk that a former run left: the base has it.
    pub(super) fn recovered(&self, live: &Arc<Live>) {
        let before = live.progress.counts();
        let live = live.clone();
        let chunk = Chunk { live, before };
        self.0.lock().open.insert(chunk.live.id, chunk);
    }

    /// A page was opened: so many rows were looked at, and these are its recipients, if it had any.
    pub(super) fn opened(&self, scanned: u64, live: Option<&Arc<Live>>, now: Timestamp) {
        let mut inner = self.0.lock();
        let Inner { base, open, meter } = &mut *inner;
        let Some(base) = base else { return };
        base.scanned += scanned;
        let Some(live) = live else { return };
        base.opened += live.progress.recipients();
        meter.on_ended(live.progress.counts().terminal(), now);
        let chunk = Chunk {
            live: live.clone(),
            before: Counts::default(),
        };
        if live.progress.counts().terminal() == live.progress.recipients() {
            chunk.add_to(&mut base.ended);
        } else {
            open.insert(live.id, chunk);
        }
    }

    /// Outcomes of these chunks became durable. What they are now; the complete ones are closed.
    pub(super) fn recorded(
        &self,
        chunks: Vec<NotificationId>,
        ended: u64,
        now: Timestamp,
    ) -> Vec<OpenChunk> {
        let mut inner = self.0.lock();
        inner.meter.on_ended(ended, now);
        let look = |id| {
            let chunk = inner.open.get(&id)?;
            let progress = &chunk.live.progress;
            let left = progress.recipients() - progress.counts().terminal();
            if left == 0
                && let Some(chunk) = inner.open.remove(&id)
                && let Some(base) = &mut inner.base
            {
                chunk.add_to(&mut base.ended);
            }
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            Some(OpenChunk { id, left })
        };
        chunks.into_iter().filter_map(look).collect()
    }

    /// Whether somebody beside these books has a delivery of the run, or is about to record one.
    pub(super) fn are_held(&self) -> bool {
        let inner = self.0.lock();
        inner
            .open
            .values()
            .any(|chunk| Arc::strong_count(&chunk.live) > 1)
    }

    /// `None` before it was loaded: then the store has everything.
    pub(super) fn look(&self, now: Timestamp) -> Option<Look> {
        let mut inner = self.0.lock();
        let base = inner.base?;
        let mut counts = base.ended;
        for chunk in inner.open.values() {
            chunk.add_to(&mut counts);
        }
        Some(Look {
            rows: base.rows,
            scanned: base.scanned,
            opened: base.opened,
            counts,
            rate: inner.meter.rate(now),
        })
    }
}

impl Chunk {
    fn add_to(&self, counts: &mut Counts) {
        let mut now = self.live.progress.counts();
        let mut before = self.before;
        for outcome in Outcome::ALL {
            *counts.of(*outcome) += *now.of(*outcome) - *before.of(*outcome);
        }
        counts.in_flight += now.in_flight;
    }
}
