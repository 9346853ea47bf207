//! The pools: one for each (app, provider, environment, credential), and the way to them.

use std::fmt;
use std::sync::Arc;

use fanfare_core::restart;
use fanfare_core::revocations::Revocations;
use fanfare_telemetry::Telemetry;
use fanfare_types::{Clock, Delivery};
use tokio::runtime::Handle;

use crate::App;
use crate::dispatcher::DispatcherHandle;
use crate::outcomes::OutcomesHandle;
use crate::random::Random;

/// What the pools are made from. The root makes [`Pools::new`] first (the dispatcher's exit), then spawns
/// the supervisor with `Pools::spawn(args, root)`, and again with the same args when it died.
#[derive(Clone)]
pub(crate) struct Args {
    /// Whose slots are filled.
    pub(crate) pools: Pools,
    pub(crate) apps: Arc<[App]>,
    pub(crate) outcomes: OutcomesHandle,
    pub(crate) dispatcher: DispatcherHandle,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) link: fanfare_link::Config,
    pub(crate) restart: restart::Policy,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) telemetry: Telemetry,
    /// Runtimes that connections are spread over; the caller's when empty.
    pub(crate) senders: Arc<[Handle]>,
    /// Told why, when a pool dies too often.
    pub(crate) gave_up: Arc<dyn Fn(String) + Send + Sync>,
}

/// Hands deliveries to the pool that sends them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pools {}

impl Pools {
    /// The handle, before anything runs: what is delivered meanwhile is dropped and stays in the journal.
    pub(crate) fn new(apps: &[App], outcomes: OutcomesHandle, clock: Clock) -> Self {
        let _ = (apps, outcomes, clock);
        todo!("the sending room")
    }

    /// Spawns the supervisor and every pool under `parent`.
    pub(crate) async fn spawn(
        args: Args,
        parent: ractor::ActorCell,
    ) -> crate::Result<ractor::ActorCell> {
        let _ = (args, parent);
        todo!("the sending room")
    }

    /// Hands a batch over, whatever mix of apps and channels; each delivery finds its pool. One without a pool
    /// (its app has no credential for the channel) ends as `failed` with reason `no_credential`.
    pub fn deliver(&self, batch: Vec<Delivery>) {
        let _ = batch;
        todo!("the sending room")
    }

    /// One entry a pool, in the order of the apps.
    pub(crate) async fn stats(
        &self,
        timeout: std::time::Duration,
    ) -> crate::Result<Vec<crate::system::PoolStats>> {
        let _ = timeout;
        todo!("the sending room")
    }

    /// Hands nothing over any more, waits for the answers of what was, closes the connections. Returns whether
    /// all ended within `timeout`; what was not handed over is dropped and stays in the journal.
    pub(crate) async fn drain(&self, timeout: std::time::Duration) -> bool {
        let _ = timeout;
        todo!("the sending room")
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pools::Args")
    }
}
