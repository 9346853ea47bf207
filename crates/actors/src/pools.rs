//! The pools: one for each (app, provider, environment, credential), the way to them, and their supervisor.
//!
//! Parent: the root, which starts the supervisor again with all pools empty. A pool that dies is started again,
//! within limits. What a crash loses is in the pool's own file.

pub(crate) mod supervisor;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::pool::{Moved, Recovery};
use fanfare_core::restart::Policy;
use fanfare_core::revocations::Revocations;
use fanfare_link::Resolver;
use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, Clock, Delivery, Finished, Outcome, Reason, Tenure};
use futures_util::future::join_all;
use parking_lot::{Mutex, RwLock};
use ractor::rpc::CallResult;
use ractor::{Actor, ActorCell, ActorRef};
use tokio::runtime::Handle;

use crate::dispatcher::DispatcherHandle;
use crate::outcomes::{Ending, OutcomesHandle};
use crate::pool;
use crate::random::Random;
use crate::slot::Slot;
use crate::system::PoolStats;
use crate::{App, Error, GaveUp, Result};
use supervisor::Supervisor;
use table::{Place, Table};

/// The delivery's app has no credential for its channel.
const NO_CREDENTIAL: Reason = Reason::of("no_credential");

/// Hands deliveries to the pool that sends them. Cheap to clone.
#[derive(Clone)]
pub struct Pools(Arc<Ways>);

struct Ways {
    /// Read for each batch, and while it is handed over: a pool that is taken out of it gets nothing afterwards.
    table: RwLock<Table>,
    /// Looks up the names of token endpoints, as connections do theirs.
    resolver: Resolver,
    supervisor: Slot<supervisor::Msg>,
    /// Pools that were replaced, until their last connection is closed.
    retired: Mutex<Vec<ActorRef<pool::Msg>>>,
    outcomes: OutcomesHandle,
    clock: Clock,
}

impl Pools {
    /// The handle, before anything runs: what is delivered meanwhile is dropped and stays in the journal.
    ///
    /// # Errors
    /// A credential that cannot be used.
    pub(crate) fn new(
        apps: &[App],
        resolver: Resolver,
        outcomes: OutcomesHandle,
        clock: Clock,
    ) -> Result<Self> {
        Ok(Pools(Arc::new(Ways {
            table: RwLock::new(Table::new(apps, &resolver)?),
            resolver,
            supervisor: Slot::empty(),
            retired: Mutex::default(),
            outcomes,
            clock,
        })))
    }

    /// Spawns the supervisor and every pool under `parent`.
    pub(crate) async fn spawn(args: Args, parent: ActorCell) -> Result<ActorCell> {
        let slot = args.pools.0.supervisor.clone();
        let spawned = Actor::spawn_linked(None, Supervisor, args, parent).await;
        let (supervisor, _) = spawned.map_err(|error| Error::Start(error.to_string()))?;
        slot.set(supervisor.clone());
        Ok(supervisor.get_cell())
    }

    /// Other apps and credentials from now on. A pool whose credential is the same goes on with its connections,
    /// under its new limits. One whose credential is another's by now gives away what waits and ends when what it
    /// handed over is answered; what waits for an app that is not served any more stays in the journal.
    ///
    /// # Errors
    /// A credential that cannot be used; then nothing is changed. [`Error::ShuttingDown`] while the pools are
    /// being started again.
    pub(crate) async fn reload(&self, apps: &[App]) -> Result<()> {
        let table = Box::new(Table::new(apps, &self.0.resolver)?);
        let supervisor = self.0.supervisor.get().ok_or(Error::ShuttingDown)?;
        let reload = |reply| supervisor::Msg::Reload(table, reply);
        match supervisor.call(reload, None).await {
            Ok(CallResult::Success(())) => Ok(()),
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => Err(Error::ShuttingDown),
        }
    }

    /// Hands a batch over, whatever mix of apps and channels; each delivery finds its pool. One without a pool
    /// (its app has no credential for the channel) ends as `failed` with reason `no_credential`; one of an app
    /// that is not served stays in the journal.
    pub fn deliver(&self, batch: Vec<Delivery>) {
        let table = self.0.table.read();
        let Some(first) = batch.first() else {
            return;
        };
        let place = table.place(first);
        // Most batches are of one notification or campaign, and of one channel: nothing is looked up for these.
        let is_there =
            |delivery: &Delivery| are_alike(first, delivery) || table.place(delivery) == place;
        if batch.iter().all(is_there) {
            return self.deliver_to(&table, place, batch);
        }
        let mut parts: Vec<(Place, Vec<Delivery>)> = Vec::new();
        for delivery in batch {
            let place = table.place(&delivery);
            match parts.iter_mut().find(|(of, _)| *of == place) {
                Some((_, part)) => part.push(delivery),
                None => parts.push((place, vec![delivery])),
            }
        }
        for (place, part) in parts {
            self.deliver_to(&table, place, part);
        }
    }

    fn deliver_to(&self, table: &Table, place: Place, batch: Vec<Delivery>) {
        match place {
            Place::Pool(pool) => cast(table.slot(pool), pool::Msg::Work(batch)),
            Place::NoCredential => self.fail(batch),
            Place::NotServed => not_served(batch.len()),
        }
    }

    /// Deliveries of a pool that was replaced, all of that pool.
    pub(crate) fn moved(&self, batch: Vec<Moved>) {
        let table = self.0.table.read();
        let Some(first) = batch.first() else {
            return;
        };
        match table.place(&first.delivery) {
            Place::Pool(pool) => cast(table.slot(pool), pool::Msg::Moved(batch)),
            Place::NoCredential => self.fail(batch.into_iter().map(|m| *m.delivery).collect()),
            Place::NotServed => not_served(batch.len()),
        }
    }

    /// A notification of this app was cancelled, or a campaign withdrawn, and says so by now: what its pools hold of it
    /// ends, or is dropped.
    pub(crate) fn cancelled(&self, app: &AppId) {
        for slot in self.0.table.read().slots_of(app) {
            // One that is down holds nothing.
            drop(slot.cast(pool::Msg::Cancelled));
        }
    }

    fn fail(&self, batch: Vec<Delivery>) {
        let at = self.0.clock.now();
        let goes_on = |delivery: &Delivery| !delivery.live.is_withdrawn();
        let ending = |delivery: Delivery| Ending {
            finished: Finished {
                delivery: delivery.into(),
                outcome: Outcome::Failed,
                reason: NO_CREDENTIAL,
                at,
            },
            verdict: None,
        };
        self.0
            .outcomes
            .ended(batch.into_iter().filter(goes_on).map(ending).collect());
    }

    /// One entry a pool, in the order of the apps. A pool that was replaced has none.
    ///
    /// # Errors
    /// [`Error::Timeout`] when a pool does not answer in time, [`Error::ShuttingDown`] when one is down.
    pub(crate) async fn stats(&self, timeout: Duration) -> Result<Vec<PoolStats>> {
        let slots = self.slots();
        let asked = slots.iter().map(|slot| async move {
            let pool = slot.get().ok_or(Error::ShuttingDown)?;
            match pool.call(pool::Msg::Stats, Some(timeout)).await {
                Ok(CallResult::Success(stats)) => Ok(stats),
                Ok(CallResult::Timeout) => Err(Error::Timeout(timeout)),
                Ok(CallResult::SenderError) | Err(_) => Err(Error::ShuttingDown),
            }
        });
        join_all(asked).await.into_iter().collect()
    }

    /// Hands nothing over any more, waits for the answers of what was, closes the connections. Returns whether
    /// all ended within `timeout`; what was not handed over is dropped and stays in the journal.
    pub(crate) async fn drain(&self, timeout: Duration) -> bool {
        let slots = self.slots();
        let drained = slots.iter().map(|slot| async move {
            let Some(pool) = slot.get() else {
                return true;
            };
            let answer = pool.call(pool::Msg::Drain, Some(timeout)).await;
            matches!(answer, Ok(CallResult::Success(())))
        });
        let retired = self.0.retired.lock().clone();
        let gone = retired.iter().map(|pool| async move {
            let answer = pool.call(pool::Msg::Drain, Some(timeout)).await;
            // It ends by itself, maybe before it was asked.
            !matches!(answer, Ok(CallResult::Timeout))
        });
        let (drained, gone) = tokio::join!(join_all(drained), join_all(gone));
        drained.into_iter().chain(gone).all(|ended| ended)
    }

    /// Where the pools are, in the order of the apps.
    pub(crate) fn slots(&self) -> Vec<Slot<pool::Msg>> {
        self.0.table.read().slots().cloned().collect()
    }
}

/// Whether it is plain that both have the same place.
fn are_alike(one: &Delivery, other: &Delivery) -> bool {
    let of = |delivery: &Delivery| (delivery.address.channel, delivery.address.environment);
    Arc::ptr_eq(&one.live, &other.live) && of(one) == of(other)
}

fn cast(slot: &Slot<pool::Msg>, message: pool::Msg) {
    let deliveries = match slot.cast(message) {
        Err(pool::Msg::Work(batch)) => batch.len(),
        Err(pool::Msg::Moved(batch)) => batch.len(),
        _ => return,
    };
    // They stay in the journal, and the feeder brings them back.
    tracing::warn!(deliveries, "pool is down, deliveries wait in the journal");
}

fn not_served(deliveries: usize) {
    tracing::info!(
        deliveries,
        "app is not served any more, deliveries wait in the journal"
    );
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pools({})", self.0.table.read().slots().count())
    }
}

/// What the pools are made from. The root makes [`Pools::new`] first (the dispatcher's exit), then spawns
/// the supervisor with [`Pools::spawn`], and again with the same args when it died.
#[derive(Clone)]
pub(crate) struct Args {
    /// Whose slots are filled.
    pub(crate) pools: Pools,
    pub(crate) outcomes: OutcomesHandle,
    pub(crate) dispatcher: DispatcherHandle,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) link: fanfare_link::Config,
    pub(crate) recovery: Recovery,
    pub(crate) restart: Policy,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) telemetry: Telemetry,
    /// Runtimes that connections are spread over; the caller's when empty.
    pub(crate) senders: Arc<[Handle]>,
    /// Told why, when a pool dies too often.
    pub(crate) gave_up: GaveUp,
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pools::Args")
    }
}
