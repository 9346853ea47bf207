//! Feeder: brings journaled work into memory: what a former process left unfinished, what was scheduled and is
//! due now, and what a crash of another actor lost.
//!
//! Parent: the root. Restarted by it; it begins with a walk. A crash loses nothing but the walk under way.

mod feed;
mod walk;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::admission::Admission;
use fanfare_core::feeder::{Feeder as Core, Limits, Next};
use fanfare_store::Store;
use fanfare_telemetry::Telemetry;
use fanfare_types::{Clock, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::task::JoinHandle;

use crate::dispatcher::DispatcherHandle;
use crate::failpoint::{failpoint, failpoints, handling};
use crate::fleet::FleetHandle;
use crate::live::{LiveBooks, Losses};
use crate::slot::Slot;
use crate::task;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct FeederHandle(Slot<Msg>);

impl FeederHandle {
    pub(crate) fn new(slot: Slot<Msg>) -> Self {
        FeederHandle(slot)
    }

    /// There is, or will be, something to feed at `at`.
    pub(crate) fn wanted(&self, at: Timestamp) {
        // A feeder that is not there begins with a walk when it is.
        drop(self.0.cast(Msg::Wanted(at)));
    }

    /// Deliveries were lost to a crash.
    pub(crate) fn look_for_lost(&self) {
        // A feeder that is not there begins with a walk when it is.
        drop(self.0.cast(Msg::Lost));
    }
}

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) limits: Limits,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) live: LiveBooks,
    pub(crate) fleet: FleetHandle,
    pub(crate) dispatcher: DispatcherHandle,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
}

#[derive(Debug)]
pub(crate) enum Msg {
    Wanted(Timestamp),
    Wake,
    /// The walk ended, with the next scheduled time.
    Walked(Result<Option<Timestamp>, ()>),
    /// Look for deliveries that were lost to a crash.
    Lost,
    /// The same, for those that somebody still worked on.
    LookAgain,
    /// Feeds no more; answers when the walk has stopped.
    Drain(RpcReplyPort<()>),
}

failpoints!("feeder", Msg: Wanted, Wake, Walked, Lost, LookAgain, Drain);

pub(crate) struct State {
    args: Args,
    core: Core,
    walk: Option<Walk>,
    looks_again: bool,
}

/// How often it is looked whether something of a slot that came back is still worked on as it was before.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The walk under way; ends with the actor, however that ends.
struct Walk(JoinHandle<()>);

impl Drop for Walk {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) struct Feeder;

impl Actor for Feeder {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        args: Args,
    ) -> Result<State, ActorProcessingErr> {
        failpoint!("feeder", "pre_start");
        myself.cast(Msg::Wanted(Timestamp::default()))?;
        drop(myself.send_interval(args.limits.lost_every, || Msg::Lost));
        Ok(State {
            core: Core::new(args.limits.clone()),
            args,
            walk: None,
            looks_again: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&message);
        let now = state.args.clock.now();
        let next = match message {
            Msg::Wanted(at) => state.core.on_wanted(at, now),
            Msg::Wake => state.core.on_wake(now),
            Msg::Walked(next_due) => state.core.on_walked(next_due, now),
            Msg::LookAgain => {
                state.looks_again = false;
                state.look_for_lost(now, &myself)
            }
            Msg::Lost => state.look_for_lost(now, &myself),
            Msg::Drain(reply) => {
                state.drain(reply, &myself).await;
                return Ok(());
            }
        };
        state.perform(next, now, &myself);
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

impl State {
    fn look_for_lost(&mut self, now: Timestamp, myself: &ActorRef<Msg>) -> Next {
        let Losses { lost, is_waiting } = self.args.live.lost();
        if is_waiting && !self.looks_again {
            self.looks_again = true;
            drop(myself.send_after(LOOK_AGAIN, || Msg::LookAgain));
        }
        if lost == 0 {
            // It ended meanwhile; the next loss is told again.
            self.args.live.has_new_losses();
            return Next::Wait;
        }
        tracing::warn!(
            notifications = lost,
            "deliveries that left memory unsent are read again"
        );
        self.core.on_lost(now)
    }

    fn perform(&mut self, next: Next, now: Timestamp, myself: &ActorRef<Msg>) {
        match next {
            Next::Wait => {}
            Next::WakeAt(at) => drop(myself.send_after(at.since(now), || Msg::Wake)),
            Next::Walk => {
                let args = self.args.clone();
                let walk = async move {
                    Msg::Walked(walk::walk(&args).await.map_err(|error| {
                        tracing::warn!(
                            error = error.label(),
                            "journal could not be walked, tried again"
                        );
                    }))
                };
                let panicked = Msg::Walked(Err(()));
                let walk = task::spawn(myself, ("feeder", "walk"), panicked, walk);
                self.walk = Some(Walk(walk));
            }
        }
    }

    /// A broken-off walk leaves what it did not hand over in the journal.
    async fn drain(&mut self, reply: RpcReplyPort<()>, myself: &ActorRef<Msg>) {
        if let Some(mut walk) = self.walk.take() {
            walk.0.abort();
            // It ends at its next await; either end is fine.
            drop((&mut walk.0).await);
        }
        drop(reply.send(()));
        myself.stop(None);
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("feeder::Args")
    }
}
