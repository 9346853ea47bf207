//! Dispatcher: takes accepted deliveries, routes those whose device must be read (again), fairly between apps
//! and urgent first, and hands them to the pools.
//!
//! Parent: the root. Restarted by it, empty. A crash loses the deliveries that waited to be routed; they are
//! still in the journal, and the feeder brings them back at once.

use std::fmt;
use std::sync::Arc;

use fanfare_core::dispatch::{Dispatch, Effect, Limits, Read};
use fanfare_core::revocations::Revocations;
use fanfare_store::Store;
use fanfare_types::{AppId, Clock, Delivery, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::failpoint::{failpoint, failpoints, handling};
use crate::outcomes::{Ending, OutcomesHandle};
use crate::slot::Slot;
use crate::task;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct DispatcherHandle(Slot<Msg>);

impl DispatcherHandle {
    pub(crate) fn new(slot: Slot<Msg>) -> Self {
        DispatcherHandle(slot)
    }

    /// Takes deliveries: freshly routed ones go on to their pool, others are routed first.
    pub fn dispatch(&self, batch: Vec<Delivery>) {
        if let Err(Msg::Deliveries(batch)) = self.0.cast(Msg::Deliveries(batch)) {
            // They stay in the journal, and the feeder brings them back.
            tracing::warn!(
                deliveries = batch.len(),
                "dispatcher is down, deliveries wait in the journal"
            );
        }
    }

    /// A notification of this app was cancelled, or a campaign withdrawn, and says so by now.
    pub(crate) fn cancelled(&self, app: &AppId) {
        // One that is down has nothing waiting.
        drop(self.0.cast(Msg::Cancelled(app.clone())));
    }
}

/// Where routed deliveries go: the pools.
pub(crate) type Exit = Arc<dyn Fn(Vec<Delivery>) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) limits: Limits,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) outcomes: OutcomesHandle,
    pub(crate) exit: Exit,
    pub(crate) clock: Clock,
}

#[derive(Debug)]
pub(crate) enum Msg {
    Deliveries(Vec<Delivery>),
    /// A routing read came back.
    Routed(Read),
    /// A notification of this app was cancelled.
    Cancelled(AppId),
    Wake,
    /// Routes no more; answers when everything before has left.
    Drain(RpcReplyPort<()>),
}

failpoints!("dispatcher", Msg: Deliveries, Routed, Cancelled, Wake, Drain);

pub(crate) struct State {
    args: Args,
    dispatch: Dispatch,
    effects: Vec<Effect>,
}

pub(crate) struct Dispatcher;

impl Actor for Dispatcher {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        failpoint!("dispatcher", "pre_start");
        Ok(State {
            dispatch: Dispatch::new(args.limits.clone()),
            effects: Vec::new(),
            args,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&message);
        let State {
            args,
            dispatch,
            effects,
        } = state;
        let now = args.clock.now();
        match message {
            Msg::Deliveries(batch) => {
                dispatch.on_deliveries(batch, &args.revocations, now, effects);
            }
            Msg::Routed(read) => dispatch.on_read(read, now, effects),
            Msg::Cancelled(app) => dispatch.on_cancelled(&app, now, effects),
            Msg::Wake => dispatch.on_wake(now, effects),
            Msg::Drain(reply) => {
                dispatch.on_drain();
                // Whoever asked may have stopped waiting.
                drop(reply.send(()));
            }
        }
        for effect in effects.drain(..) {
            args.perform(effect, &myself, now);
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

impl Args {
    fn perform(&self, effect: Effect, myself: &ActorRef<Msg>, now: Timestamp) {
        match effect {
            Effect::Deliver(batch) => (self.exit)(batch),
            Effect::End(ended) => {
                let ending = |finished| Ending {
                    finished,
                    verdict: None,
                };
                self.outcomes.ended(ended.into_iter().map(ending).collect());
            }
            Effect::Read { app, batch } => {
                // What it had is lost, and the read no longer under way.
                let panicked = Msg::Routed(Read {
                    batch: Vec::new(),
                    devices: None,
                    routed_at: now,
                });
                let route = route(self.clone(), app, batch);
                task::spawn(myself, ("dispatcher", "route"), panicked, route);
            }
            Effect::WakeAt(at) => drop(myself.send_after(at.since(now), || Msg::Wake)),
        }
    }
}

/// One routing read, off the handle. A dispatcher that died loses it like the rest.
async fn route(args: Args, app: AppId, batch: Vec<Delivery>) -> Msg {
    let routed_at = args.clock.now();
    let device = |delivery: &Delivery| delivery.device.as_ref().map(|(id, _)| *id);
    let ids = batch.iter().filter_map(device).collect();
    let devices = match args.store.devices_by_id(&app, ids).await {
        Ok(devices) => Some(devices),
        Err(error) => {
            tracing::warn!(%app, error = error.label(), "routing read failed, tried again later");
            None
        }
    };
    Msg::Routed(Read {
        batch,
        devices,
        routed_at,
    })
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dispatcher::Args")
    }
}
