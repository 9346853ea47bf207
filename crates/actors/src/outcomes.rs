//! Outcomes: journals how deliveries ended, in batches, and tells the reaper of dead addresses.
//!
//! Delivery facts of devices are summed up on the way and written behind, after the outcomes they are of.
//!
//! Parent: the root. Restarted by it, empty. A crash loses the endings that were not journaled yet; the feeder
//! reads those deliveries from the journal again, and they are sent again under the same `apns-id` or collapse key.
//! It loses the facts of the last `facts_after`, too: they are counted a little too low, and never twice.

mod batch;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::facts::{self, Tally};
use fanfare_core::outcomes::{Buffer, Next};
use fanfare_store::Store;
use fanfare_telemetry::Telemetry;
use fanfare_types::{Channel, DeviceRef, Finished, NotificationId, Verdict};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::campaigns::runs::Runs;
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

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) flush_after: Duration,
    pub(crate) flush_count: usize,
    /// Facts are written at the latest after this long …
    pub(crate) facts_after: Duration,
    /// … or when those of this many devices wait. With 0 there are none.
    pub(crate) facts_max: usize,
    /// Whether there are any of campaigns.
    pub(crate) campaign_facts: bool,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) live: LiveBooks,
    pub(crate) runs: Runs,
    pub(crate) reaper: ReaperHandle,
    pub(crate) telemetry: Telemetry,
    /// Told when there is no store to write to any more.
    pub(crate) gave_up: GaveUp,
}

#[derive(Debug)]
pub(crate) enum Msg {
    Ended(Vec<Ending>),
    FlushDue,
    FactsDue,
    /// A write is over. Its notifications whose last delivery ended may leave memory; those of a write that
    /// panicked are read again.
    Written(Vec<NotificationId>),
    /// Answers when everything before is durable.
    Drain(RpcReplyPort<()>),
}

failpoints!("outcomes", Msg: Ended, FlushDue, FactsDue, Written, Drain);

pub(crate) struct State {
    args: Args,
    buffer: Buffer<Ending>,
    tally: Tally,
    facts_timing: bool,
    facts_due: bool,
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
            tally: Tally::new(args.facts_max),
            facts_timing: false,
            facts_due: false,
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
            Msg::FactsDue => {
                state.facts_timing = false;
                state.facts_due = true;
                Next::Wait
            }
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
        let telemetry = &self.args.telemetry;
        let mut series = None;
        for alike in batch.chunk_by(are_alike) {
            let (Ending { finished, verdict }, count) = (&alike[0], alike.len() as u64);
            let live = &finished.delivery.live;
            live.progress.recording(count);
            let key = (&live.app, channel(finished));
            let sender = match &series {
                Some((known, sender)) if *known == key => sender,
                _ => &series.insert((key, telemetry.sender(key.0, key.1))).1,
            };
            sender.ended(finished.outcome, count);
            if verdict.is_some() {
                let time = finished.at.since(live.created_at);
                telemetry.answered(live.options.lane, time, count);
            }
        }
    }

    fn perform(&mut self, next: Next, myself: &ActorRef<Msg>) {
        match next {
            Next::Wait if self.are_facts_wanted() && !self.buffer.is_writing() => {
                self.flush(myself)
            }
            Next::Wait => {}
            Next::SetTimer => drop(myself.send_after(self.args.flush_after, || Msg::FlushDue)),
            Next::Flush => self.flush(myself),
        }
    }

    /// Writes what waits: outcomes, and facts when it is time for them.
    fn flush(&mut self, myself: &ActorRef<Msg>) {
        let endings = self.buffer.take();
        self.args.reaper.answers(batch::answers(&endings));
        for ending in &endings {
            self.note(ending);
        }
        let facts = if self.are_facts_wanted() {
            self.facts_due = false;
            self.tally.take()
        } else {
            Vec::new()
        };
        if !self.tally.is_empty() && !self.facts_timing {
            self.facts_timing = true;
            drop(myself.send_after(self.args.facts_after, || Msg::FactsDue));
        }
        let write = write::all(self.args.clone(), endings, facts);
        let panicked = Msg::Written(Vec::new());
        task::spawn(myself, ("outcomes", "write"), panicked, write);
    }

    fn are_facts_wanted(&self) -> bool {
        let is_due = self.facts_due || !self.drains.is_empty();
        !self.tally.is_empty() && (is_due || self.tally.is_full())
    }

    fn note(&mut self, Ending { finished, verdict }: &Ending) {
        if self.args.facts_max == 0 {
            return;
        }
        let delivery = &finished.delivery;
        if delivery.live.run.is_some() && !self.args.campaign_facts {
            return;
        }
        let said = facts::said(finished.outcome, *verdict);
        if let (Some(said), Some((id, user))) = (said, &delivery.device) {
            let device = DeviceRef {
                user: user.clone(),
                id: *id,
            };
            let (app, registered_at) = (&delivery.live.app, delivery.registered_at);
            self.tally
                .note(app, device, said, registered_at, finished.at);
        }
    }

    fn answer_drains(&mut self) {
        if self.buffer.is_idle() && self.tally.is_empty() {
            for reply in self.drains.drain(..) {
                // Whoever asked may have stopped waiting.
                drop(reply.send(()));
            }
        }
    }
}

/// Whether metrics and books say the same of both.
fn are_alike(one: &Ending, other: &Ending) -> bool {
    let (finished, same) = (&one.finished, &other.finished);
    Arc::ptr_eq(&finished.delivery.live, &same.delivery.live)
        && (finished.outcome, finished.at) == (same.outcome, same.at)
        && channel(finished) == channel(same)
        && one.verdict.is_some() == other.verdict.is_some()
}

fn channel(finished: &Finished) -> Channel {
    finished.delivery.address.channel
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outcomes::Args")
    }
}
