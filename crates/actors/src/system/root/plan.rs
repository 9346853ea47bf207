//! How the tree is built.

use std::sync::Arc;
use std::time::Duration;

use fanfare_core::admission::Admission;
use fanfare_core::revocations::Revocations;
use fanfare_core::{campaign, dispatch, feeder};
use fanfare_types::{AppId, Timestamp};
use ractor::ActorCell;
use tokio::sync::watch;

use super::child::Child;
use super::{Handles, Slots};
use crate::campaigns::run::Ways as CampaignWays;
use crate::campaigns::runs::Runs;
use crate::campaigns::supervisor::{self, CampaignsHandle, Supervisor};
use crate::dispatcher::{self, Dispatcher, DispatcherHandle};
use crate::feeder::{Feeder, FeederHandle};
use crate::fleet::actor::FleetActor;
use crate::fleet::{self, Changed, FleetHandle};
use crate::live::LiveBooks;
use crate::notifications::Room;
use crate::notifications::gate::Gate;
use crate::outcomes::{self, Outcomes, OutcomesHandle};
use crate::random::Random;
use crate::reaper::{self, Reaper, ReaperHandle};
use crate::registry::{self, Registry, RegistryActor, Rules, Shelter};
use crate::sweeper::{self, Sweeper};
use crate::system::sending::{Make, Parts, Sending};
use crate::system::{Config, Ways};
use crate::{App, Campaigns, Error, GaveUp, Notifications, Result, campaigns, notifications};

/// How often a node that has done its part of a campaign looks whether the others have.
const CAMPAIGN_REST: Duration = Duration::from_secs(1);

/// What was answered is recorded within this time, unless the store is in trouble.
const RECORDED_AFTER: Duration = Duration::from_secs(1);

/// What the tree is built from, once the root is there.
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) apps: Arc<[App]>,
    pub(super) ways: Ways,
    pub(super) admission: Arc<Admission>,
    pub(super) root: ActorCell,
    pub(super) give_up: watch::Sender<Option<String>>,
}

impl Plan {
    /// Sink first, so that whoever sends finds its receiver.
    pub(super) async fn build(self, make: Make) -> Result<(Handles, Vec<Child>)> {
        let revocations = Arc::new(Revocations::new(self.config.revocations.clone()));
        let slots = Slots::empty();
        let fleet = match &self.ways.fleet {
            None => FleetHandle::alone(),
            Some(_) => FleetHandle::among(slots.fleet.clone()),
        };
        let live = LiveBooks::new(FeederHandle::new(slots.feeder.clone()), fleet.clone());
        let random = Random::from_system();
        let (registry, shelter) = self.registry(&revocations, &fleet, &random, &slots);
        let slot = slots.registry.clone();
        let supervisor = Child::new("registry", || RegistryActor, shelter, slot);
        let reaper = self.reaper(&registry, &slots);
        let runs = Runs::default();
        let outcomes = self.outcomes(&live, &runs, &slots);
        let sending = make(self.parts(&random, &revocations, &fleet, &slots))?;
        let pools = Child::sending(sending.clone());
        let dispatcher = self.dispatcher(&sending, &revocations, &slots);
        let feeder = self.feeder(&live, &fleet, &slots);
        let sweeper = self.sweeper(&registry, &revocations, &slots);
        let campaigns = self.campaigns_supervisor(&runs, &fleet, &random, &sending, &slots);
        self.listen(&live, &fleet, &sending, &slots);
        let handles = Handles {
            campaigns: self.campaigns(&runs, &fleet, &random, &sending, &slots),
            notifications: self.notifications(&live, &fleet, &random, &sending, &slots),
            registry,
            fleet,
            sending,
            slots,
            call_timeout: self.config.call_timeout,
        };
        let mut children = vec![
            supervisor, reaper, outcomes, dispatcher, pools, feeder, sweeper, campaigns,
        ];
        children.extend(self.fleet(&handles, live, revocations, random));
        for child in &mut children {
            let started = child.start(self.root.clone()).await;
            started.map_err(|error| Error::Start(format!("{}: {error}", child.name)))?;
        }
        Ok((handles, children))
    }

    fn registry(
        &self,
        revocations: &Arc<Revocations>,
        fleet: &FleetHandle,
        random: &Random,
        slots: &Slots,
    ) -> (Registry, Shelter) {
        let random = random.clone();
        let args = registry::Args {
            store: self.ways.store.clone(),
            revocations: revocations.clone(),
            fleet: fleet.clone(),
            apps: self.apps.iter().map(Rules::of).collect(),
            config: self.config.registry.clone(),
            call_timeout: self.config.call_timeout,
            restart: self.ways.restart.clone(),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
            random: Arc::new(move || random.next()),
            gave_up: self.gave_up(),
        };
        Registry::new(args, slots.registry.clone())
    }

    fn gave_up(&self) -> GaveUp {
        let give_up = self.give_up.clone();
        Arc::new(move |why| {
            tracing::error!(error = why, "the tree gives up");
            give_up.send_replace(Some(why));
        })
    }

    fn reaper(&self, registry: &Registry, slots: &Slots) -> Child {
        let args = reaper::Args {
            limits: reaper::Limits {
                guard: self.config.cleanup.clone(),
                ..reaper::Limits::default()
            },
            registry: registry.clone(),
            store: self.ways.store.clone(),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
        };
        Child::new("reaper", || Reaper, args, slots.reaper.clone())
    }

    fn outcomes(&self, live: &LiveBooks, runs: &Runs, slots: &Slots) -> Child {
        let args = outcomes::Args {
            flush_after: self.config.journal.flush_after,
            flush_count: self.config.journal.flush_count,
            facts_after: self.config.journal.facts_after,
            facts_max: self.config.journal.facts_max,
            campaign_facts: self.config.campaigns.facts,
            store: self.ways.store.clone(),
            live: live.clone(),
            runs: runs.clone(),
            reaper: ReaperHandle::new(slots.reaper.clone()),
            telemetry: self.ways.telemetry.clone(),
            gave_up: self.gave_up(),
        };
        Child::new("outcomes", || Outcomes, args, slots.outcomes.clone())
    }

    fn parts(
        &self,
        random: &Random,
        revocations: &Arc<Revocations>,
        fleet: &FleetHandle,
        slots: &Slots,
    ) -> Parts {
        Parts {
            random: random.clone(),
            gave_up: self.gave_up(),
            config: self.config.clone(),
            apps: self.apps.clone(),
            ways: self.ways.clone(),
            revocations: revocations.clone(),
            tenure: fleet.tenure(),
            dispatcher: DispatcherHandle::new(slots.dispatcher.clone()),
            outcomes: OutcomesHandle::new(slots.outcomes.clone()),
        }
    }

    fn dispatcher(
        &self,
        sending: &Arc<dyn Sending>,
        revocations: &Arc<Revocations>,
        slots: &Slots,
    ) -> Child {
        let sending = sending.clone();
        let args = dispatcher::Args {
            limits: dispatch::Limits::default(),
            store: self.ways.store.clone(),
            revocations: revocations.clone(),
            outcomes: OutcomesHandle::new(slots.outcomes.clone()),
            exit: Arc::new(move |batch| sending.deliver(batch)),
            clock: self.ways.clock.clone(),
        };
        Child::new("dispatcher", || Dispatcher, args, slots.dispatcher.clone())
    }

    fn feeder(&self, live: &LiveBooks, fleet: &FleetHandle, slots: &Slots) -> Child {
        let args = crate::feeder::Args {
            limits: feeder::Limits::default(),
            store: self.ways.store.clone(),
            admission: self.admission.clone(),
            live: live.clone(),
            fleet: fleet.clone(),
            dispatcher: DispatcherHandle::new(slots.dispatcher.clone()),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
        };
        Child::new("feeder", || Feeder, args, slots.feeder.clone())
    }

    fn sweeper(&self, registry: &Registry, revocations: &Arc<Revocations>, slots: &Slots) -> Child {
        let config = &self.config;
        let args = sweeper::Args {
            limits: sweeper::Limits {
                sweep_every: config.registry.sweep_every,
                stale_after: config.registry.stale_after,
                retention: config.registry.retention,
                journal_retention: config.journal.retention,
                ..sweeper::Limits::default()
            },
            registry: registry.clone(),
            store: self.ways.store.clone(),
            revocations: revocations.clone(),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
        };
        Child::new("sweeper", || Sweeper, args, slots.sweeper.clone())
    }

    fn campaigns_supervisor(
        &self,
        runs: &Runs,
        fleet: &FleetHandle,
        random: &Random,
        sending: &Arc<dyn Sending>,
        slots: &Slots,
    ) -> Child {
        let pools = sending.clone();
        let moved = runs.clone();
        fleet.listen(Arc::new(move |_| moved.moved()));
        let ways = CampaignWays {
            limits: campaign::run::Limits {
                rest: (!fleet.is_alone()).then_some(CAMPAIGN_REST),
                ..campaign::run::Limits::default()
            },
            store: self.ways.store.clone(),
            admission: self.admission.clone(),
            runs: runs.clone(),
            fleet: fleet.clone(),
            dispatcher: DispatcherHandle::new(slots.dispatcher.clone()),
            pools: Arc::new(move |batch| pools.deliver(batch)),
            sweep: sweep(sending, slots),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
            random: random.clone(),
        };
        let args = supervisor::Args {
            limits: self.config.campaigns.clone(),
            ways,
            restart: self.ways.restart.clone(),
        };
        Child::new("campaigns", || Supervisor, args, slots.campaigns.clone())
    }

    fn campaigns(
        &self,
        runs: &Runs,
        fleet: &FleetHandle,
        random: &Random,
        sending: &Arc<dyn Sending>,
        slots: &Slots,
    ) -> Campaigns {
        Campaigns::new(campaigns::Parts {
            limits: self.config.campaigns.clone(),
            store: self.ways.store.clone(),
            runs: runs.clone(),
            fleet: fleet.clone(),
            supervisor: CampaignsHandle::new(slots.campaigns.clone()),
            sweep: sweep(sending, slots),
            clock: self.ways.clock.clone(),
            random: random.clone(),
        })
    }

    /// Among several nodes: last, when everybody is there who works on what it holds.
    fn fleet(
        &self,
        handles: &Handles,
        live: LiveBooks,
        revocations: Arc<Revocations>,
        random: Random,
    ) -> Option<Child> {
        let args = fleet::actor::Args {
            config: self.config.fleet.clone(),
            quiet_after: self.config.link.request_timeout + RECORDED_AFTER,
            handle: handles.fleet.clone(),
            fleet: self.ways.fleet.clone()?,
            live,
            revocations,
            notifications: handles.notifications.clone(),
            campaigns: handles.campaigns.clone(),
            admission: self.admission.clone(),
            clock: self.ways.clock.clone(),
            random,
        };
        let slot = handles.slots.fleet.clone();
        Some(Child::new("fleet", || FleetActor, args, slot))
    }

    /// What was gained is begun, what was lost is dropped.
    fn listen(
        &self,
        live: &LiveBooks,
        fleet: &FleetHandle,
        sending: &Arc<dyn Sending>,
        slots: &Slots,
    ) {
        let feeder = FeederHandle::new(slots.feeder.clone());
        let campaigns = CampaignsHandle::new(slots.campaigns.clone());
        let (sweep, live) = (sweep(sending, slots), live.clone());
        fleet.listen(Arc::new(move |changed: &Changed| {
            if !changed.lost.is_empty() {
                live.apps_with_lost().iter().for_each(|app| sweep(app));
            }
            if !changed.gained.is_empty() {
                feeder.wanted(Timestamp::default());
                // What is still worked on as it was before waits until that is over.
                feeder.look_for_lost();
                campaigns.look_at_all();
            }
        }));
    }

    fn notifications(
        &self,
        live: &LiveBooks,
        fleet: &FleetHandle,
        random: &Random,
        sending: &Arc<dyn Sending>,
        slots: &Slots,
    ) -> Notifications {
        let dispatcher = DispatcherHandle::new(slots.dispatcher.clone());
        Notifications::new(notifications::Parts {
            limits: self.config.notifications.clone(),
            call_timeout: self.config.call_timeout,
            admission: self.admission.clone(),
            store: self.ways.store.clone(),
            live: live.clone(),
            tenure: fleet.tenure(),
            fleet: fleet.clone(),
            dispatcher,
            cancelled: sweep(sending, slots),
            feeder: FeederHandle::new(slots.feeder.clone()),
            telemetry: self.ways.telemetry.clone(),
            clock: self.ways.clock.clone(),
            random: random.clone(),
            room: Room::new(self.config.notifications.room_waiting_max),
            gate: Gate::open(),
        })
    }
}

/// Has everybody who holds deliveries of an app look at them: something of it was cancelled or withdrawn.
fn sweep(sending: &Arc<dyn Sending>, slots: &Slots) -> Arc<dyn Fn(&AppId) + Send + Sync> {
    let dispatcher = DispatcherHandle::new(slots.dispatcher.clone());
    let sending = sending.clone();
    Arc::new(move |app| {
        dispatcher.cancelled(app);
        sending.cancelled(app);
    })
}
