//! A tree with real pools on a simulator, and what must be true of it at the end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanfare_core::campaign::Command;
use fanfare_simulator::Simulator;
use fanfare_simulator::books::Query;
use fanfare_types::{CampaignId, CampaignState, Device, NotificationId, Status, Timestamp, UserId};
use ractor::ActorRef;
use tempfile::TempDir;

use super::super::super::sending::Make;
use super::super::super::*;
use super::super::rig::{self, eventually, user};
use super::cases::Case;
use super::traffic::{address, token};
use crate::campaigns::{run as campaign, supervisor as campaigns};
use crate::failpoint::plan;
use crate::fleet::actor as fleet;
use crate::fleet::commons::Commons;
use crate::pools::Pools;
use crate::pools::tests::{app as shop, other_account};
use crate::reaper::Credential;
use crate::{connection, dispatcher, feeder, pool, reaper, registry, sweeper};

/// How long a push may be under way in the simulator after it was handed over, on a machine that is busy.
const ON_ITS_WAY: u64 = 500;

pub(super) struct Stage<'a> {
    _dir: TempDir,
    pub(super) store: Arc<dyn Store>,
    fleet: Option<Arc<Commons>>,
    pub(super) system: System,
    pools: Pools,
    pub(super) simulator: &'a Simulator,
    config: Config,
    pub(super) books: RefCell<Books>,
}

/// What was promised.
#[derive(Default)]
pub(super) struct Books {
    /// Accepted notifications.
    pub(super) accepted: Vec<NotificationId>,
    /// Campaigns that were made.
    pub(super) campaigns: Vec<CampaignId>,
    /// Tokens, and whose they were when it was acknowledged last; nobody's when the device was deleted.
    pub(super) owners: BTreeMap<String, Option<UserId>>,
    /// A token that left a user, and when that was acknowledged.
    pub(super) moved: Vec<(String, UserId, Timestamp)>,
    pub(super) rounds: usize,
}

async fn spawn(
    config: Config,
    simulator: &Simulator,
    store: &Arc<dyn Store>,
    fleet: Option<Arc<Commons>>,
) -> Result<(System, Pools)> {
    let (tell, made) = std::sync::mpsc::channel();
    let make: Make = Box::new(move |parts| {
        let args = parts.pools(Vec::new())?;
        tell.send(args.pools.clone()).unwrap();
        Ok(Arc::new(args))
    });
    let ways = Ways {
        store: store.clone(),
        fleet: fleet.map(|commons| commons as Arc<dyn Fleet>),
        telemetry: Telemetry::new(),
        clock: Clock::system(),
        restart: Policy {
            delay_max: Duration::from_millis(20),
            ..Policy::default()
        },
    };
    let mut app = shop(simulator);
    // Each device that dies has failed often enough.
    app.registration.deactivate_after = 1;
    let system = System::spawn_with(config, vec![app], ways, make).await?;
    Ok((system, made.recv().unwrap()))
}

impl<'a> Stage<'a> {
    /// `is_shared`: it is a node of a fleet, if the only one.
    pub(super) async fn new(simulator: &'a Simulator, sweeping: bool, is_shared: bool) -> Self {
        plan::arm(&[]);
        let mut config = rig::config();
        config.journal.facts_after = Duration::from_millis(5);
        // Connections are closed here in every round: nobody should wait for another one for long.
        config.recovery.reconnect_max = Duration::from_millis(200);
        if sweeping {
            config.registry.sweep_every = Duration::from_millis(5);
            config.registry.stale_after = Duration::from_millis(60);
            config.registry.retention = Some(Duration::from_millis(20));
        }
        let dir = tempfile::tempdir().unwrap();
        let file = fanfare_store::embedded::Config::at(&dir.path().join("db"));
        let store: Arc<dyn Store> = fanfare_store::embedded::open(&file).unwrap();
        config.fleet.limits.lease = Duration::from_millis(800);
        let fleet = is_shared.then(Arc::<Commons>::default);
        let spawned = spawn(config.clone(), simulator, &store, fleet.clone()).await;
        let (system, pools) = spawned.unwrap();
        let joined = async || system.handles.fleet.share() > 0;
        eventually("there is work to hold", joined).await;
        Stage {
            _dir: dir,
            store,
            fleet,
            system,
            pools,
            simulator,
            config,
            books: RefCell::default(),
        }
    }

    /// Another tree on the same store, as after a restart of the process.
    async fn again(mut self) -> Self {
        plan::arm(&[]);
        let again = spawn(
            self.config.clone(),
            self.simulator,
            &self.store,
            self.fleet.clone(),
        )
        .await;
        (self.system, self.pools) = again.unwrap();
        self
    }

    pub(super) async fn traffic(&self, case: &Case) {
        case.arm();
        let begun = Instant::now();
        while !case.is_over() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{:?} is not passed",
                case.point
            );
            self.poke();
            self.round().await;
        }
        // Life goes on.
        self.round().await;
    }

    pub(super) async fn reloading(&self, case: &Case) {
        let moving = user("moving");
        self.register(&moving, &token("t", 1)).await;
        case.arm();
        let begun = Instant::now();
        while !case.is_over() {
            let took = begun.elapsed();
            assert!(
                took < Duration::from_secs(20),
                "{:?} is not passed",
                case.point
            );
            tokio::join!(self.round(), self.reload(&moving));
        }
        // Life goes on.
        self.round().await;
    }

    /// Another account, other limits, and back. What is sent in between waits for a connection that is not there yet,
    /// so that a pool that is replaced has something to give away.
    async fn reload(&self, moving: &UserId) {
        for change in 0..3 {
            let mut app = shop(self.simulator);
            let fcm = app.fcm.as_mut().and_then(Arc::get_mut).unwrap();
            match change {
                0 => fcm.account = other_account(self.simulator),
                1 => fcm.rate_max = 90_000,
                _ => {}
            }
            // One that fails changes nothing.
            drop(self.system.reload(&[app], &self.config.admission).await);
            self.send(moving, None).await;
        }
    }

    pub(super) async fn sweeping(&self, case: &Case) {
        case.arm();
        eventually("it has panicked", async || {
            self.register(&user("old"), &token("old", 0)).await;
            case.is_over()
        })
        .await;
        self.books.borrow_mut().owners.clear();
        eventually("every device is swept", async || {
            let rows = self.store.devices_of(&rig::app(), vec![user("old")]).await;
            rows.unwrap().is_empty()
        })
        .await;
    }

    pub(super) async fn draining(self, case: &Case) -> Self {
        self.round().await;
        self.round().await;
        case.arm();
        let begun = Instant::now();
        self.system.drain(Duration::from_secs(5)).await;
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", case.point);
        assert!(case.is_over(), "{:?} is not passed", case.point);
        self.again().await
    }

    pub(super) async fn fatal(self, case: &Case) -> Self {
        self.round().await;
        if case.point == ("root", "pre_start") {
            self.system.root.kill();
            self.system.root.wait(None).await.unwrap();
            case.arm();
            let refused = spawn(self.config.clone(), self.simulator, &self.store, None).await;
            assert!(matches!(refused, Err(Error::Start(_))));
            return self.again().await;
        }
        case.arm();
        let rounds = async {
            loop {
                self.round().await;
            }
        };
        let failed = tokio::time::timeout(Duration::from_secs(20), self.system.failed());
        let why = tokio::select! {
            () = rounds => unreachable!(),
            why = failed => why.unwrap(),
        };
        assert!(why.contains("root"), "{why}");
        assert!(self.system.unready().await.contains(&"failed".to_owned()));
        self.again().await
    }

    /// Sends what comes by itself only now and then.
    fn poke(&self) {
        let slots = &self.system.handles.slots;
        slots.registry.cast(registry::Msg::Passivate).ok();
        drop(slots.sweeper.cast(sweeper::Msg::Prune));
        drop(slots.feeder.cast(feeder::Msg::Lost));
        drop(slots.feeder.cast(feeder::Msg::LookAgain));
        drop(slots.feeder.cast(feeder::Msg::Wake));
        drop(slots.dispatcher.cast(dispatcher::Msg::Wake));
        drop(slots.fleet.cast(fleet::Msg::Look));
        drop(slots.campaigns.cast(campaigns::Msg::Walk));
        if let Some(id) = self.books.borrow().campaigns.last() {
            let failed = campaigns::Msg::Failed(rig::app(), *id);
            drop(slots.campaigns.cast(failed));
        }
        let supervisor = slots.campaigns.get().into_iter();
        for child in supervisor.flat_map(|actor| actor.get_children()) {
            let run: ActorRef<campaign::Msg> = child.into();
            drop(run.cast(campaign::Msg::Feed));
            drop(run.cast(campaign::Msg::Wake));
            drop(run.cast(campaign::Msg::Moved));
            drop(run.cast(campaign::Msg::Lost));
        }
        let credential = Credential {
            app: rig::app(),
            channel: fanfare_types::Channel::Fcm,
            environment: fanfare_types::Environment::Production,
        };
        drop(slots.reaper.cast(reaper::Msg::Due(credential)));
        for slot in self.pools.slots() {
            drop(slot.cast(pool::Msg::Wake));
            for child in slot.get().into_iter().flat_map(|pool| pool.get_children()) {
                let connection: ActorRef<connection::Msg> = child.into();
                drop(connection.cast(connection::Msg::Close));
            }
        }
    }

    /// After the last panic.
    pub(super) async fn all_is_well(&self) {
        self.later_calls_work().await;
        let accepted = self.books.borrow().accepted.clone();
        for id in accepted {
            self.ended_once(id).await;
        }
        let campaigns = self.books.borrow().campaigns.clone();
        for id in campaigns {
            self.campaign_ends(id).await;
        }
        eventually("permits come back", async || {
            let stats = self.system.stats().await;
            stats.is_ok_and(|stats| stats.permits_taken == 0)
        })
        .await;
        assert!(self.system.unready().await.is_empty());
        self.acknowledged_is_there().await;
        self.no_former_owner_was_sent_to();
    }

    async fn later_calls_work(&self) {
        eventually("the tree heals", async || {
            self.system.unready().await.is_empty() && self.system.stats().await.is_ok()
        })
        .await;
        let (late, token) = (user("late"), token("late", 1));
        // The last of its panics may be under way still.
        eventually("it registers", async || self.register(&late, &token).await).await;
        eventually("it accepts", async || {
            self.send(&late, None).await.is_some()
        })
        .await;
    }

    async fn ended_once(&self, id: NotificationId) {
        let notifications = self.system.notifications();
        eventually("every delivery ends", async || {
            let view = notifications.view(&rig::app(), id).await.unwrap().unwrap();
            view.counts.waiting + view.counts.in_flight == 0
        })
        .await;
        let view = notifications.view(&rig::app(), id).await.unwrap().unwrap();
        assert_eq!(view.counts.terminal(), view.recipients);
        let page = self.store.deliveries(&rig::app(), id, None, 0, 1_000).await;
        let rows = page.unwrap().unwrap().rows;
        assert_eq!(rows.len() as u64, view.recipients);
        assert!(rows.iter().all(|row| row.ended.is_some()), "{rows:?}");
    }

    async fn campaign_ends(&self, id: CampaignId) {
        let campaigns = self.system.campaigns();
        let ends = async || {
            let view = campaigns.view(&rig::app(), id).await.unwrap().unwrap();
            let counts = view.counts;
            let sum = counts.waiting + counts.in_flight + counts.terminal();
            assert_eq!(view.total, sum, "{counts:?}");
            match view.standing.state {
                // It crashed too often.
                CampaignState::Paused => {
                    let app = rig::app();
                    let resumed = campaigns.steer(&app, id, Command::Resume);
                    drop(resumed.await);
                    false
                }
                // Its start was not acknowledged.
                CampaignState::Draft => true,
                state => state.is_final() && counts.terminal() == view.total,
            }
        };
        eventually("the campaign ends", ends).await;
    }

    async fn acknowledged_is_there(&self) {
        let owners = self.books.borrow().owners.clone();
        for (token, owner) in owners {
            let holder = self.holder(&token).await;
            assert_eq!(
                holder.as_ref().map(|row| row.user.clone()),
                owner,
                "{token}"
            );
            if let Some(row) = holder {
                let is_dead = token.starts_with("dead");
                assert!(row.status == Status::Active || is_dead, "{token}");
            }
        }
    }

    async fn holder(&self, token: &str) -> Option<Device> {
        let key = address(token).key(None);
        self.store.holder(&rig::app(), key).await.unwrap()
    }

    fn no_former_owner_was_sent_to(&self) {
        for (token, former, at) in &self.books.borrow().moved {
            let query = Query {
                address: Some(token.clone()),
                ..Query::default()
            };
            let late = |at_ms: u64| at_ms > at.0 + ON_ITS_WAY;
            for entry in self.simulator.books().requests(&query) {
                let is_his = entry.collapse.as_deref() == Some(former.as_str());
                assert!(!(is_his && late(entry.at_ms)), "{entry:?} after {at:?}");
            }
        }
    }

    pub(super) async fn drain(&self) -> bool {
        self.system.drain(Duration::from_secs(10)).await.in_time
    }
}
