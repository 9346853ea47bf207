//! The root of the actor tree: spawns it sink first, drains it source first.

use std::sync::Arc;
use std::time::Duration;

use fanfare_core::{admission, revocations};
use fanfare_store::Store;
use fanfare_telemetry::Telemetry;
use fanfare_types::Clock;
use tokio::runtime::Handle;

use crate::{App, Notifications, Registry, Result, notifications};

/// What the tree is built from.
#[derive(Clone, Debug)]
pub struct Config {
    pub admission: admission::Limits,
    pub revocations: revocations::Limits,
    pub notifications: notifications::Limits,
    pub registry: RegistryConfig,
    pub journal: JournalConfig,
    pub link: fanfare_link::Config,
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
}

/// The running tree.
#[derive(Debug)]
pub struct System {}

/// Figures for `/v1/stats` and tests.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Stats {
    pub permits_taken: usize,
    pub permits_max: usize,
    pub users_active: usize,
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
    /// Whether a provider token is at hand (always, with certificates).
    pub credential_usable: bool,
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
        let _ = (config, apps, store, telemetry, clock, senders);
        todo!("the flow room")
    }

    pub fn registry(&self) -> Registry {
        todo!("the flow room")
    }

    pub fn notifications(&self) -> Notifications {
        todo!("the flow room")
    }

    pub async fn stats(&self) -> Result<Stats> {
        todo!("the flow room")
    }

    /// Why the gateway should get no traffic now; empty when ready (store writable, recovery under way or done,
    /// every credential usable or not yet needed).
    pub async fn unready(&self) -> Vec<&'static str> {
        todo!("the flow room")
    }

    /// Resolves when the tree has given up (restart limits reached): the process should end with a message.
    pub async fn failed(&self) -> String {
        todo!("the flow room")
    }

    /// Drains from source to sink: no new work, what is handed over gets its answer, outcomes are journaled,
    /// connections close with GOAWAY. What is not handed over stays in the journal for the next start. Bounded
    /// by `timeout`; returns whether everything ended in time.
    pub async fn drain(&self, timeout: Duration) -> bool {
        let _ = timeout;
        todo!("the flow room")
    }
}
