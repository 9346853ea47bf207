//! The root of the actor tree: spawns it sink first, drains it source first.

mod root;
mod sending;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::admission::Admission;
use fanfare_core::restart::Policy;
use fanfare_core::{admission, cleanup, pool, revocations};
use fanfare_store::{Fleet, Store};
use fanfare_telemetry::Telemetry;
use fanfare_types::Clock;
use ractor::{Actor, ActorRef};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::{App, Campaigns, Error, Notifications, Registry, Result, campaigns, notifications};
use root::{Handles, Root};

/// What the tree is built from.
#[derive(Clone, Debug)]
pub struct Config {
    pub admission: admission::Limits,
    pub revocations: revocations::Limits,
    pub notifications: notifications::Limits,
    pub campaigns: campaigns::Limits,
    pub registry: RegistryConfig,
    pub journal: JournalConfig,
    /// When suspect addresses are too many to be believed.
    pub cleanup: cleanup::Limits,
    /// For every connection; FCM is never pinged.
    pub link: fanfare_link::Config,
    /// For every pool, when its provider was away.
    pub recovery: pool::Recovery,
    /// Of this node, on a store that several share.
    pub fleet: crate::fleet::Config,
    /// Longest wait of a `call` into the tree. Default 5 s; afterwards 503.
    pub call_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Supervisors that user actors are spread over. Default 8.
    pub shards: usize,
    /// A user's actor goes away after this long without work. Default 30 s.
    pub passivate_after: Duration,
    /// Calls one user's actor may have waiting; the next one is refused. Default 64.
    pub user_queue_max: usize,
    /// User actors alive at once; beyond it a call waits for `call_timeout` and is refused. Default 10,000.
    pub users_max: usize,
    /// A row not seen for this long becomes `stale`. Default 60 days.
    pub stale_after: Duration,
    /// `stale` and `invalid` rows go away this long after they became so; `None` keeps them. Default none.
    pub retention: Option<Duration>,
    /// How often the sweeper walks the registry. Default 1 h.
    pub sweep_every: Duration,
}

#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// Outcomes are journaled at the latest after this long. Default 20 ms.
    pub flush_after: Duration,
    /// Or when this many have come. Default 1,024.
    pub flush_count: usize,
    /// Finished notifications go away after this long. Default 7 days.
    pub retention: Duration,
    /// Delivery facts of devices are written at the latest after this long, and lost with a crash until then.
    /// Default 2 s.
    pub facts_after: Duration,
    /// Or when those of this many devices wait. Default 10,000. With 0 there are none, and no device is switched off
    /// for its failures.
    pub facts_max: usize,
}

/// Figures for `/v1/stats` and tests.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Stats {
    pub permits_taken: usize,
    pub permits_max: usize,
    pub users_active: usize,
    /// Credentials (`app/channel/environment`) whose addresses are refused in such numbers that none is marked.
    pub misconfigured: Vec<String>,
    pub pools: Vec<PoolStats>,
}

#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct PoolStats {
    pub app: String,
    pub provider: &'static str,
    pub environment: &'static str,
    pub connections: usize,
    pub streams: usize,
    pub in_flight: usize,
    pub waiting: usize,
    pub retrying: usize,
    /// `closed` (all is well), `open` (credential refused), `half_open` (probing).
    pub breaker: &'static str,
    /// Neither the provider nor the token endpoint refuses the credential, as far as is known. One that cannot be
    /// reached refuses nothing.
    pub credential_usable: bool,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Whether every part of the tree came to its end in time.
    pub in_time: bool,
    /// Deliveries that were handed over and have no answer, or whose outcome is not journaled.
    pub left: usize,
}

/// The running tree.
pub struct System {
    root: ActorRef<root::Msg>,
    handles: Handles,
    admission: Arc<Admission>,
    store: Arc<dyn Store>,
    telemetry: Telemetry,
    clock: Clock,
    call_timeout: Duration,
    failed: watch::Receiver<Option<String>>,
}

impl System {
    /// Spawns the tree. The caller's runtime gets everything but connections, which are spread over `senders`
    /// (the caller's runtime when empty). Unfinished work found in the store goes on.
    pub async fn spawn(
        config: Config,
        apps: Vec<App>,
        store: Arc<dyn Store>,
        telemetry: Telemetry,
        clock: Clock,
        senders: Vec<Handle>,
    ) -> Result<Self> {
        let ways = Ways {
            fleet: store.clone().fleet(),
            store,
            telemetry,
            clock,
            restart: Policy::default(),
        };
        Self::spawn_with(config, apps, ways, sending::pools(senders)).await
    }

    async fn spawn_with(
        config: Config,
        apps: Vec<App>,
        ways: Ways,
        sending: sending::Make,
    ) -> Result<Self> {
        let ids = apps.iter().map(|app| app.id.clone());
        let admission = Arc::new(Admission::new(&config.admission, ids));
        let (store, telemetry) = (ways.store.clone(), ways.telemetry.clone());
        let clock = ways.clock.clone();
        let call_timeout = config.call_timeout;
        let (handles, built) = oneshot::channel();
        let (give_up, failed) = watch::channel(None);
        let args = root::Args {
            config,
            apps,
            ways,
            admission: admission.clone(),
            sending,
            handles,
            give_up,
        };
        let (root, _) = Actor::spawn(None, Root, args)
            .await
            .map_err(|error| Error::Start(error.to_string()))?;
        let handles = built
            .await
            .map_err(|_| Error::Start("the root went away".to_owned()))?;
        Ok(System {
            root,
            handles,
            admission,
            store,
            telemetry,
            clock,
            call_timeout,
            failed,
        })
    }

    pub fn registry(&self) -> Registry {
        self.handles.registry.clone()
    }

    pub fn campaigns(&self) -> Campaigns {
        self.handles.campaigns.clone()
    }

    pub fn notifications(&self) -> Notifications {
        self.handles.notifications.clone()
    }

    /// Serves these apps, under these limits, from now on. Connections under a credential that is the same go on;
    /// permits that were given out stay good. What waits for an app that is not served any more stays in the
    /// journal until the app comes back.
    ///
    /// # Errors
    /// A credential that cannot be used, or pools that are being started again; then nothing is changed.
    pub async fn reload(&self, apps: &[App], limits: &admission::Limits) -> Result<()> {
        let ids = || apps.iter().map(|app| app.id.clone());
        let admit = || self.admission.reload(limits, ids());
        self.handles.reload(apps, admit).await
    }

    /// Figures of this moment; tells the metrics those that are gauges.
    pub async fn stats(&self) -> Result<Stats> {
        let (taken, max) = (self.admission.taken(), self.admission.max());
        self.telemetry.permits(taken, max);
        self.telemetry.clock(self.clock.now(), self.clock.wall());
        Ok(Stats {
            permits_taken: taken,
            permits_max: max,
            users_active: self.handles.registry.users_active(),
            misconfigured: self.handles.misconfigured().await?,
            pools: self.handles.stats().await?,
        })
    }

    /// Why the gateway should get no traffic now; empty when ready (not draining, store writable, recovery under
    /// way or done, no credential refused). A store's trouble is named by its label (`store_unavailable`,
    /// `store_corrupt`, …; `store_timeout` when it does not answer), a refused credential so:
    /// `credential:shop/ios_push`. `fleet`: other gateways may take this one for dead, or it holds no slot yet.
    pub async fn unready(&self) -> Vec<String> {
        if self.is_draining() {
            return vec!["draining".to_owned()];
        }
        let mut why = Vec::new();
        if self.failed.borrow().is_some() {
            why.push("failed".to_owned());
        }
        // A store that does not answer is as good as one that refuses.
        match tokio::time::timeout(self.call_timeout, self.store.ping()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => why.push(error.label().to_owned()),
            Err(_) => why.push("store_timeout".to_owned()),
        }
        // Without a slot it accepts nothing.
        let fleet = &self.handles.fleet;
        if fleet.tenure().is_over(self.clock.now()) || fleet.share() == 0 {
            why.push("fleet".to_owned());
        }
        match self.handles.stats().await {
            Ok(pools) => {
                let refused = pools.iter().filter(|pool| !pool.credential_usable);
                why.extend(
                    refused.map(|pool| format!("credential:{}/{}", pool.app, pool.provider)),
                );
                // Two environments of one credential are next to each other.
                why.dedup();
            }
            Err(_) => why.push("pools".to_owned()),
        }
        why
    }

    /// Resolves when the tree has given up (restart limits reached): the process should end with a message.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "the root actor is gone".to_owned(),
        }
    }

    /// The tree drains, or has: new requests are to be refused.
    pub fn is_draining(&self) -> bool {
        self.handles.notifications.is_draining()
    }

    /// Drains from source to sink: no new work, what is handed over gets its answer, outcomes are journaled,
    /// connections close with GOAWAY. What is not handed over stays in the journal for the next start. Bounded
    /// by `timeout` (and a moment for the actors to be gone). The store stays open.
    pub async fn drain(&self, timeout: Duration) -> Drained {
        let draining = self.handles.drain(&self.root, timeout);
        let drained = tokio::time::timeout(timeout, draining).await;
        let left = self.admission.taken();
        self.root.stop(None);
        let _stopped = tokio::time::timeout(STOP_TIMEOUT, self.root.wait(None)).await;
        Drained {
            in_time: drained.unwrap_or(false),
            left,
        }
    }
}

/// Longest a stopped tree takes to be gone; its actors wait for nothing in their handles.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// What everything in the tree is given.
#[derive(Clone)]
struct Ways {
    store: Arc<dyn Store>,
    /// `None`: nobody shares the store.
    fleet: Option<Arc<dyn Fleet>>,
    telemetry: Telemetry,
    clock: Clock,
    /// How often an actor may die before its supervisor gives up.
    restart: Policy,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("System")
    }
}
