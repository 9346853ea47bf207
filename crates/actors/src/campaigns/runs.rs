//! The campaigns that run, for whoever steers or looks at one, and for what records outcomes.

use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;
use fanfare_core::campaign::{Found, Ledger, Pulse};
use fanfare_store::campaigns::StoredCampaign;
use fanfare_types::{Audience, CampaignId, NotificationId, Run, Timestamp};
use parking_lot::Mutex;
use ractor::ActorRef;

use super::CampaignView;
use super::run::Msg;

/// Cheap to clone. An entry stays until nothing of its run is with anybody, whatever becomes of its actor.
#[derive(Clone, Default)]
pub(crate) struct Runs(Arc<DashMap<CampaignId, Arc<Running>>>);

/// A campaign's present run.
pub(crate) struct Running {
    pub(super) run: Arc<Run>,
    /// One lock for all of it, so that a look sees one moment.
    pub(super) ledger: Mutex<Ledger>,
    actor: ActorRef<Msg>,
    /// Other nodes run other parts of the campaign: how fast they go together.
    pulse: Option<Mutex<Pulse>>,
    /// Of the standing that the rate is from.
    rated_by: Mutex<u64>,
}

impl Running {
    pub(super) fn new(
        run: Arc<Run>,
        actor: ActorRef<Msg>,
        is_part: bool,
        now: Timestamp,
    ) -> Arc<Self> {
        Arc::new(Running {
            run,
            ledger: Mutex::new(Ledger::new(now)),
            actor,
            pulse: is_part.then(Mutex::default),
            rated_by: Mutex::new(0),
        })
    }

    /// From now on nothing more of it is handed over.
    pub(super) fn withdraw(&self) {
        self.run.withdraw();
        self.look();
    }

    /// From now on what waits of it ends as cancelled.
    pub(super) fn cancel(&self) {
        self.run.cancel();
        self.look();
    }

    /// The rate as of a standing; an older one than is known changes nothing.
    pub(super) fn set_rate(&self, revision: u64, rate: Option<u32>, now: Timestamp) {
        let mut rated_by = self.rated_by.lock();
        if revision > *rated_by {
            *rated_by = revision;
            if self.run.pace.rate() != rate {
                self.run.pace.set_rate(rate, now);
            }
        }
    }

    /// Its actor is to look at how it stands.
    pub(super) fn look(&self) {
        // One that died looks when it begins again.
        drop(self.actor.cast(Msg::Look));
    }
}

impl Runs {
    pub(super) fn get(&self, id: CampaignId) -> Option<Arc<Running>> {
        self.0.get(&id).map(|running| running.clone())
    }

    /// Enters a run instead of a former one that is gone.
    pub(super) fn enter(&self, running: &Arc<Running>) {
        self.0.insert(running.run.campaign, running.clone());
    }

    /// Nothing of it is with anybody: the store has everything.
    pub(super) fn leave(&self, running: &Arc<Running>) {
        self.0.remove_if(&running.run.campaign, |_, entered| {
            Arc::ptr_eq(entered, running)
        });
    }

    pub(super) fn withdraw_all(&self) {
        for running in self.0.iter() {
            running.withdraw();
        }
    }

    /// This node holds other slots: each run begins again with what is its part now.
    pub(crate) fn moved(&self) {
        for running in self.0.iter() {
            // One that died reads everything anew.
            drop(running.actor.cast(Msg::Moved));
        }
    }

    /// Lets go of what is of lost slots and with nobody.
    pub(super) fn forget_lost(&self) {
        for running in self.0.iter() {
            running.ledger.lock().forget_lost();
        }
    }

    /// Of these chunks outcomes became durable, so many together.
    pub(crate) fn recorded(&self, id: CampaignId, chunks: Vec<NotificationId>, ended: u64) {
        if let Some(running) = self.get(id) {
            // A successor reads it from the store.
            drop(running.actor.cast(Msg::Recorded(chunks, ended)));
        }
    }

    /// A campaign that was read from the store, with what memory knows better.
    pub(super) fn view(&self, stored: StoredCampaign, now: Timestamp) -> CampaignView {
        let running = self.get(stored.record.id);
        let look = running.and_then(|running| {
            let mut look = running.ledger.lock().look(now)?;
            if let Some(pulse) = &running.pulse {
                // What other nodes did since the run began is in the store alone.
                let in_flight = look.found.ended.in_flight;
                look.found = found(&stored);
                let ended = look.found.ended.terminal();
                look.rate = pulse.lock().on_look(ended, now).unwrap_or(look.rate);
                look.found.ended.in_flight = in_flight;
            }
            Some(look)
        });
        CampaignView::of(stored, look)
    }
}

/// What the store has of a campaign.
pub(super) fn found(stored: &StoredCampaign) -> Found {
    Found {
        rows: match stored.record.audience {
            Audience::Upload => stored.upload.rows,
            _ => stored.scan.rows,
        },
        scanned: stored.scan.scanned,
        opened: stored.scan.opened,
        ended: stored.counts,
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running({})", self.run.campaign)
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runs({})", self.0.len())
    }
}
