//! Sweeper: walks the registry for rows unseen for long or kept long enough, purges the journal, and lets the
//! revocations forget.
//!
//! Parent: the root. Restarted by it; it begins anew. A crash loses the place of a walk under way.

mod walk;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::revocations::Revocations;
use fanfare_store::Store;
use fanfare_telemetry::Telemetry;
use fanfare_types::Clock;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::task::JoinHandle;

use crate::failpoint::{failpoint, failpoints, handling};
use crate::{Registry, task};

/// When and how much is swept.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// How often the registry is walked. Default 1 h.
    pub(crate) sweep_every: Duration,
    /// Active rows not seen for this long become stale. Default 60 days.
    pub(crate) stale_after: Duration,
    /// Stale and invalid rows go this long after they became so. Default never.
    pub(crate) retention: Option<Duration>,
    /// Finished notifications go this long after they were accepted, and campaigns after they were made. Default 7 days.
    pub(crate) journal_retention: Duration,
    /// Rows read from the registry at once. Default 1,024.
    pub(crate) page: usize,
    /// How often the journal is purged. Default 1 min.
    pub(crate) purge_every: Duration,
    /// Notifications purged in one store call; calls follow each other until less is left. Default 1,000.
    pub(crate) purge_page: usize,
    /// How often revocations forget. Default 5 s.
    pub(crate) prune_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Limits {
            sweep_every: Duration::from_secs(60 * 60),
            stale_after: 60 * DAY,
            retention: None,
            journal_retention: 7 * DAY,
            page: 1_024,
            purge_every: Duration::from_secs(60),
            purge_page: 1_000,
            prune_every: Duration::from_secs(5),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) limits: Limits,
    pub(crate) registry: Registry,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
}

#[derive(Debug)]
pub(crate) enum Msg {
    Prune,
    /// A walk panicked, and goes on only in a successor.
    WalkEnded,
}

failpoints!("sweeper", Msg: Prune, WalkEnded);

/// The walks; they end with the actor, however that ends.
pub(crate) struct State {
    args: Args,
    walks: [JoinHandle<()>; 2],
}

impl Drop for State {
    fn drop(&mut self) {
        self.walks.iter().for_each(JoinHandle::abort);
    }
}

pub(crate) struct Sweeper;

impl Actor for Sweeper {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        args: Args,
    ) -> Result<State, ActorProcessingErr> {
        failpoint!("sweeper", "pre_start");
        drop(myself.send_interval(args.limits.prune_every, || Msg::Prune));
        let registry = walk::registry_again_and_again(args.clone());
        let journal = walk::journal_again_and_again(args.clone());
        Ok(State {
            walks: [
                task::spawn(&myself, ("sweeper", "registry"), Msg::WalkEnded, registry),
                task::spawn(&myself, ("sweeper", "journal"), Msg::WalkEnded, journal),
            ],
            args,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&message);
        match message {
            Msg::Prune => state.args.revocations.prune(state.args.clock.now()),
            Msg::WalkEnded => return Err("a walk ended".into()),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        _: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            // It has no children.
            SupervisionEvent::ActorStarted(_)
            | SupervisionEvent::ActorTerminated(..)
            | SupervisionEvent::ActorFailed(..)
            | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sweeper::Args")
    }
}
