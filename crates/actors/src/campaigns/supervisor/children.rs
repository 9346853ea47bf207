//! The campaigns' actors, and how much of the room each may use.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use fanfare_core::campaign::{Room, Share, Sight, share};
use fanfare_core::restart::{History, Policy, Verdict};
use fanfare_types::{AppId, CampaignId, Lane, Timestamp};
use ractor::{Actor, ActorId, ActorRef};

use super::tasks::Seen;
use crate::campaigns::run::{self, Campaign, Ways};

/// One for each campaign that runs, or crashed lately. Bounded by the unfinished campaigns an app may have.
pub(super) struct Children {
    ways: Ways,
    restart: Policy,
    window: usize,
    all: HashMap<CampaignId, Child>,
}

struct Child {
    app: AppId,
    actor: Option<ActorRef<run::Msg>>,
    history: History,
    /// What it was told last.
    share: Share,
}

impl Children {
    pub(super) fn new(ways: Ways, restart: Policy, window: usize) -> Self {
        Children {
            ways,
            restart,
            window,
            all: HashMap::new(),
        }
    }

    pub(super) fn sight(&self, seen: &Seen) -> Sight {
        let is_there = self
            .all
            .get(&seen.id)
            .is_some_and(|child| child.actor.is_some());
        Sight {
            state: seen.state,
            start_at: seen.start_at,
            has_open: seen.has_open,
            is_served: self.ways.admission.serves(&seen.app),
            has_run: is_there || self.ways.runs.get(seen.id).is_some(),
        }
    }

    /// Starts its actor, if it has none.
    pub(super) async fn run(&mut self, seen: &Seen, supervisor: &ActorRef<super::Msg>) {
        let child = self.all.entry(seen.id).or_insert_with(|| Child {
            app: seen.app.clone(),
            actor: None,
            history: History::default(),
            share: Share::default(),
        });
        if child.actor.is_some() {
            return;
        }
        let args = run::Args {
            app: seen.app.clone(),
            id: seen.id,
            ways: self.ways.clone(),
        };
        match Actor::spawn_linked(None, Campaign, args, supervisor.get_cell()).await {
            Ok((actor, _)) => {
                child.actor = Some(actor);
                child.share = Share::default();
            }
            Err(error) => {
                tracing::error!(campaign = %seen.id, %error, "campaign cannot be started");
                let failed = super::Msg::Failed(seen.app.clone(), seen.id);
                // One that is ending starts nothing.
                drop(supervisor.cast(failed));
            }
        }
        self.count();
    }

    pub(super) fn set_rate(&self, seen: &Seen, now: Timestamp) {
        if let Some(running) = self.ways.runs.get(seen.id) {
            running.set_rate(seen.revision, seen.rate, now);
            running.look();
        }
    }

    pub(super) fn withdraw(&self, id: CampaignId) {
        if let Some(running) = self.ways.runs.get(id) {
            running.withdraw();
        }
    }

    pub(super) fn cancel(&self, id: CampaignId) {
        if let Some(running) = self.ways.runs.get(id) {
            running.cancel();
        }
    }

    /// An actor ended by itself. Which campaign's it was.
    pub(super) fn ended(&mut self, who: ActorId) -> Option<(AppId, CampaignId)> {
        let id = self.find(who)?;
        let child = self.all.remove(&id)?;
        self.count();
        Some((child.app, id))
    }

    /// An actor crashed. After how long it is looked at again; never, when it crashed too often.
    pub(super) fn died(
        &mut self,
        who: ActorId,
        now: Timestamp,
    ) -> Option<(AppId, CampaignId, Option<Duration>)> {
        let id = self.find(who)?;
        let child = self.all.get_mut(&id)?;
        child.actor = None;
        let delay = match child.history.on_death(&self.restart, now) {
            Verdict::Restart(delay) => Some(delay),
            Verdict::GiveUp => None,
        };
        let app = child.app.clone();
        self.count();
        Some((app, id, delay))
    }

    fn find(&self, who: ActorId) -> Option<CampaignId> {
        let is_it = |child: &Child| child.actor.as_ref().is_some_and(|a| a.get_id() == who);
        let found = self.all.iter().find(|(_, child)| is_it(child));
        found.map(|(id, _)| *id)
    }

    /// Tells each what it may have in memory, if that changed.
    pub(super) fn share(&mut self) {
        let mut of_app = BTreeMap::<AppId, usize>::new();
        let running = self.all.values().filter(|child| child.actor.is_some());
        running.for_each(|child| *of_app.entry(child.app.clone()).or_default() += 1);
        for child in self.all.values_mut() {
            let Some(actor) = &child.actor else { continue };
            let room = Room {
                bulk: self.ways.admission.bulk_max(),
                app: self.ways.admission.most(&child.app, Lane::Bulk),
                apps: of_app.len(),
                campaigns: of_app.get(&child.app).copied().unwrap_or(1),
            };
            let share = share(self.window, room);
            if share != child.share {
                child.share = share;
                // One that just died is told when it is there again.
                drop(actor.cast(run::Msg::Share(share)));
            }
        }
    }

    pub(super) fn stop(&mut self) {
        for child in self.all.values() {
            if let Some(actor) = &child.actor {
                actor.stop(None);
            }
        }
    }

    fn count(&self) {
        let running = self.all.values().filter(|child| child.actor.is_some());
        self.ways.telemetry.campaigns_running(running.count());
    }
}
