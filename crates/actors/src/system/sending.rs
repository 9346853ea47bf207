//! The sending side as the root needs it: the pools, or a stand-in in tests.

use std::sync::Arc;
use std::time::Duration;

use fanfare_core::revocations::Revocations;
use fanfare_types::{AppId, Delivery, Tenure};
use futures_util::future::BoxFuture;
use ractor::{ActorCell, ActorId};
use tokio::runtime::Handle;

use super::{Config, PoolStats, Ways};
use crate::dispatcher::DispatcherHandle;
use crate::outcomes::OutcomesHandle;
use crate::pools::{self, Pools};
use crate::random::Random;
use crate::{App, GaveUp, Result};

pub(super) trait Sending: Send + Sync + 'static {
    /// Spawns what sends under `root` (again, when it died); `None` when nothing is to be supervised.
    fn start(&self, root: ActorCell) -> BoxFuture<'static, Result<Option<ActorId>>>;

    fn deliver(&self, batch: Vec<Delivery>);

    /// A notification of this app was cancelled: what is held of it ends.
    fn cancelled(&self, app: &AppId);

    /// Other apps and credentials from now on; on an error nothing is changed.
    fn reload<'a>(&'a self, apps: &'a [App]) -> BoxFuture<'a, Result<()>>;

    fn stats(&self, timeout: Duration) -> BoxFuture<'_, Result<Vec<PoolStats>>>;

    /// Hands nothing more over; returns when what was handed over has ended and connections are closed, and
    /// whether that was within `timeout`.
    fn drain(&self, timeout: Duration) -> BoxFuture<'_, bool>;
}

/// What the sending side is made from.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) apps: Arc<[App]>,
    pub(super) ways: Ways,
    pub(super) random: Random,
    pub(super) revocations: Arc<Revocations>,
    pub(super) tenure: Arc<Tenure>,
    pub(super) dispatcher: DispatcherHandle,
    pub(super) outcomes: OutcomesHandle,
    /// Told why, when what sends dies too often.
    pub(super) gave_up: GaveUp,
}

pub(super) type Make = Box<dyn FnOnce(Parts) -> Result<Arc<dyn Sending>> + Send + Sync>;

/// The pools, their connections spread over `senders`.
pub(super) fn pools(senders: Vec<Handle>) -> Make {
    Box::new(move |parts| Ok(Arc::new(parts.pools(senders)?)))
}

impl Parts {
    pub(super) fn pools(self, senders: Vec<Handle>) -> Result<pools::Args> {
        let resolver = self.config.link.resolver.clone();
        let (outcomes, clock) = (self.outcomes.clone(), self.ways.clock.clone());
        let pools = Pools::new(&self.apps, resolver, outcomes, clock)?;
        Ok(pools::Args {
            pools,
            outcomes: self.outcomes,
            dispatcher: self.dispatcher,
            revocations: self.revocations,
            tenure: self.tenure,
            link: self.config.link,
            recovery: self.config.recovery,
            restart: self.ways.restart,
            clock: self.ways.clock,
            random: self.random,
            telemetry: self.ways.telemetry,
            senders: senders.into(),
            gave_up: self.gave_up,
        })
    }
}

impl Sending for pools::Args {
    fn start(&self, root: ActorCell) -> BoxFuture<'static, Result<Option<ActorId>>> {
        let args = self.clone();
        Box::pin(async move { Ok(Some(Pools::spawn(args, root).await?.get_id())) })
    }

    fn deliver(&self, batch: Vec<Delivery>) {
        self.pools.deliver(batch);
    }

    fn cancelled(&self, app: &AppId) {
        self.pools.cancelled(app);
    }

    fn reload<'a>(&'a self, apps: &'a [App]) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.pools.reload(apps))
    }

    fn stats(&self, timeout: Duration) -> BoxFuture<'_, Result<Vec<PoolStats>>> {
        Box::pin(self.pools.stats(timeout))
    }

    fn drain(&self, timeout: Duration) -> BoxFuture<'_, bool> {
        Box::pin(self.pools.drain(timeout))
    }
}
