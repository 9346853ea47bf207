//! Outcomes: journals how deliveries ended, in batches, and tells the reaper of dead addresses.
//!
//! Parent: the root. Restarted by it, empty. A crash loses the endings that were not journaled yet; the feeder
//! reads those deliveries from the journal again, and they are sent again under the same `apns-id` or collapse key.

mod batch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::outcomes::{Buffer, Next};
use fanfare_store::Store;
use fanfare_telemetry::Telemetry;
use fanfare_types::{Channel, Finished, NotificationId, Verdict};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::failpoint::{failpoint, failpoints, handling};
use crate::live::LiveBooks;
use crate::reaper::ReaperHandle;
use crate::slot::Slot;
use crate::{GaveUp, task};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct OutcomesHandle(Slot<Msg>);

/// A delivery that has ended, and the verdict it ended on (`None` when it never reached a provider).
#[derive(Debug)]
pub struct Ending {
    pub finished: Finished,
    pub verdict: Option<Verdict>,
}

impl OutcomesHandle {
    pub(crate) fn new(slot: Slot<Msg>) -> Self {
        OutcomesHandle(slot)
    }

    /// Takes deliveries that have ended. Each must be given exactly once; its live books are closed when its outcome is durable.
    pub fn ended(&self, batch: Vec<Ending>) {
        if let Err(Msg::Ended(batch)) = self.0.cast(Msg::Ended(batch)) {
            tracing::warn!(
                deliveries = batch.len(),
                "outcomes is down, endings are lost and their deliveries read again"
            );
        }
    }
}

/// Waits between tries to write outcomes: from this, doubling …
const RETRY_DELAY_MIN: Duration = Duration::from_millis(50);
/// … up to this.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) flush_after: Duration,
    pub(crate) flush_count: usize,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) live: LiveBooks,
    pub(crate) reaper: ReaperHandle,
    pub(crate) telemetry: Telemetry,
    /// Told when there is no store to write to any more.
    pub(crate) gave_up: GaveUp,
}

#[derive(Debug)]
pub(crate) enum Msg {
    Ended(Vec<Ending>),
    FlushDue,
    /// A write is over. Its notifications whose last delivery ended may leave memory; those of a write that
    /// panicked are read again.
    Written(Vec<NotificationId>),
    /// Answers when everything before is durable.
    Drain(RpcReplyPort<()>),
}

failpoints!("outcomes", Msg: Ended, FlushDue, Written, Drain);

pub(crate) struct State {
    args: Args,
    buffer: Buffer<Ending>,
    drains: Vec<RpcReplyPort<()>>,
}

pub(crate) struct Outcomes;

impl Actor for Outcomes {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        failpoint!("outcomes", "pre_start");
        Ok(State {
            buffer: Buffer::new(args.flush_count),
            args,
            drains: Vec::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        handling!(&message);
        let next = match message {
            Msg::Ended(batch) => {
                state.count(&batch);
                state.buffer.on_items(batch)
            }
            Msg::FlushDue => state.buffer.on_timer(),
            Msg::Written(complete) => {
                complete
                    .into_iter()
                    .for_each(|id| state.args.live.remove(id));
                state.buffer.on_written()
            }
            Msg::Drain(reply) => {
                state.drains.push(reply);
                state.buffer.on_timer()
            }
        };
        state.perform(next, &myself);
        state.answer_drains();
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
    /// The metrics, and the live books: what has ended is no longer waiting, and has no outcome either before
    /// that is durable.
    fn count(&self, batch: &[Ending]) {
        let mut series = None;
        for Ending { finished, verdict } in batch {
            let live = &finished.delivery.live;
            live.progress.recording();
            let key = (&live.app, channel(finished));
            let sender = match &series {
                Some((known, sender)) if *known == key => sender,
                _ => {
                    &series
                        .insert((key, self.args.telemetry.sender(key.0, key.1)))
                        .1
                }
            };
            sender.ended(finished.outcome);
            if verdict.is_some() {
                let time = finished.at.since(live.created_at);
                self.args.telemetry.answered(live.options.lane, time);
            }
        }
    }

    fn perform(&mut self, next: Next, myself: &ActorRef<Msg>) {
        match next {
            Next::Wait => {}
            Next::SetTimer => drop(myself.send_after(self.args.flush_after, || Msg::FlushDue)),
            Next::Flush => {
                let endings = self.buffer.take();
                self.args.reaper.answers(batch::answers(&endings));
                let write = write(self.args.store.clone(), endings, self.args.gave_up.clone());
                let panicked = Msg::Written(Vec::new());
                task::spawn(myself, ("outcomes", "write"), panicked, write);
            }
        }
    }

    fn answer_drains(&mut self) {
        if self.buffer.is_idle() {
            for reply in self.drains.drain(..) {
                // Whoever asked may have stopped waiting.
                drop(reply.send(()));
            }
        }
    }
}

fn channel(finished: &Finished) -> Channel {
    finished.delivery.address.channel
}

/// Whoever looks now finds in the journal what the books say. Returns the notifications that are complete.
fn close_books(endings: Vec<Ending>) -> Vec<NotificationId> {
    let last = |Ending { mut finished, .. }: Ending| {
        let is_last = finished.delivery.ended(finished.outcome);
        is_last.then_some(finished.delivery.live.id)
    };
    endings.into_iter().filter_map(last).collect()
}

/// Writes until it is durable; the deliveries keep their permits meanwhile, which bounds what can wait behind.
async fn write(store: Arc<dyn Store>, endings: Vec<Ending>, gave_up: GaveUp) -> Msg {
    let mut delay = RETRY_DELAY_MIN;
    while let Err(error) = store.record(batch::outcomes(&endings)).await {
        tracing::error!(
            error = error.label(),
            deliveries = endings.len(),
            "outcomes cannot be journaled, tried again"
        );
        if matches!(error, fanfare_store::Error::Closed) {
            gave_up("the store is closed".to_owned());
            return Msg::Written(Vec::new());
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(RETRY_DELAY_MAX);
    }
    failpoint!("outcomes", "recorded");
    // A successor knows nothing of this write; the feeder clears what it leaves.
    Msg::Written(close_books(endings))
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outcomes::Args")
    }
}
