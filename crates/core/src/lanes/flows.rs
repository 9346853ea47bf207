//! The bulk lane: a flow for each campaign's run, and one for bulk notifications, served in turn.
//!
//! A turn is a few deliveries, so that a hundred campaigns share a pool fairly and none starves another. A flow whose
//! pace lets nothing leave is passed over until it may; the others go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fanfare_types::{Run, Timestamp};

use super::queue::Queue;
use crate::pool::Job;

/// Deliveries that leave in a row while other flows wait.
const TURN: u32 = 8;

/// A flow that was passed over is looked at again after this at the latest: its rate may have been raised. No longer
/// than what a pace makes up for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A flow that was passed over is not looked at sooner, so that a few may leave together.
const GATHER: Duration = Duration::from_millis(5);

/// Where a flow is in [`Flows::places`].
type Place = usize;

#[derive(Debug, Default)]
pub(super) struct Flows {
    places: Vec<Option<Flow>>,
    free: Vec<Place>,
    /// By [`key`]: only those with something waiting.
    by_run: BTreeMap<usize, Place>,
    /// Where the last delivery was pushed: most come many in a row.
    last: Option<Place>,
    /// Those that may go on, in turn. Each flow is here or among those passed over.
    turns: VecDeque<Place>,
    /// How many the first of them has sent in its turn.
    in_turn: u32,
    /// Those whose pace lets nothing leave yet.
    passed_over: Vec<Place>,
    /// When the first of these is looked at again.
    look_at: Option<Timestamp>,
    len: usize,
}

#[derive(Debug)]
struct Flow {
    /// `None` for bulk notifications. Held, so that no other run comes to its address.
    run: Option<Arc<Run>>,
    queue: Queue,
    /// When it is looked at again, if it is passed over.
    look_at: Timestamp,
}

impl Flows {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is one that is not passed over.
    pub(super) fn have_turn(&self) -> bool {
        !self.turns.is_empty()
    }

    pub(super) fn push(&mut self, job: Job) {
        self.flow(&job).queue.push(job);
        self.len += 1;
    }

    /// The next one whose flow's pace lets it leave: leave is taken for it.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Job> {
        loop {
            let place = *self.turns.front()?;
            let Some(flow) = &mut self.places[place] else {
                self.turns.pop_front();
                continue;
            };
            if let Some(run) = &flow.run
                && !run.pace.try_take(now)
            {
                let may_at = run.pace.wake_at(now).unwrap_or(now);
                flow.look_at = may_at.clamp(now + GATHER, now + LOOK_AGAIN);
                self.look_at = Some(self.look_at.map_or(flow.look_at, |at| at.min(flow.look_at)));
                self.next_turn();
                self.passed_over.push(place);
                continue;
            }
            let job = flow.queue.pop();
            let is_empty = flow.queue.len() == 0;
            self.in_turn += 1;
            if is_empty {
                self.next_turn();
                self.remove(place);
            } else if self.in_turn >= TURN {
                self.next_turn();
                self.turns.push_back(place);
            }
            if job.is_some() {
                self.len -= 1;
                return job;
            }
        }
    }

    /// Puts the one that was just popped back: its flow comes first, and has leave for it again.
    pub(super) fn put_back(&mut self, job: Job) {
        job.give_leave_back();
        let place = self.place(&job);
        if let Some(at) = self.turns.iter().position(|turn| *turn == place) {
            self.turns.remove(at);
        }
        self.turns.push_front(place);
        self.in_turn = 0;
        if let Some(flow) = &mut self.places[place] {
            flow.queue.push_front(job);
            self.len += 1;
        }
    }

    /// Those passed over long enough have their turn again, before they are asked for what may leave.
    pub(super) fn look_again(&mut self, now: Timestamp) {
        if self.look_at.is_none_or(|at| at > now) {
            return;
        }
        let mut next = None;
        let (places, turns) = (&self.places, &mut self.turns);
        self.passed_over.retain(|place| match &places[*place] {
            Some(flow) if flow.look_at > now => {
                next = Some(next.map_or(flow.look_at, |at: Timestamp| at.min(flow.look_at)));
                true
            }
            Some(_) => {
                turns.push_back(*place);
                false
            }
            None => false,
        });
        self.look_at = next;
    }

    /// When a flow that was passed over is looked at again.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.look_at
    }

    /// How many could leave now, by the pace of those that have their turn, as far as there were room.
    pub(super) fn demand(&self) -> usize {
        let flows = self.turns.iter().filter_map(|at| self.places[*at].as_ref());
        let thousandths = flows
            .map(|flow| {
                let waiting = flow.queue.len().saturating_mul(1_000);
                let rate = flow.run.as_ref().and_then(|run| run.pace.thousandths());
                let millis = u64::try_from(LOOK_AGAIN.as_millis()).unwrap_or(u64::MAX);
                let at_once = rate.map_or(u64::MAX, |rate| rate.saturating_mul(millis) / 1_000);
                waiting.min(usize::try_from(at_once).unwrap_or(usize::MAX))
            })
            .fold(0_usize, usize::saturating_add);
        thousandths.div_ceil(1_000)
    }

    /// Walks all that waits, and takes out what `is_over`.
    pub(super) fn sweep(&mut self, mut is_over: impl FnMut(&Job) -> bool, over: &mut Vec<Job>) {
        for place in 0..self.places.len() {
            let Some(flow) = &mut self.places[place] else {
                continue;
            };
            let before = over.len();
            flow.queue.sweep(&mut is_over, over);
            self.len -= over.len() - before;
            if flow.queue.len() == 0 {
                if self.turns.front() == Some(&place) {
                    self.in_turn = 0;
                }
                self.turns.retain(|turn| *turn != place);
                self.passed_over.retain(|passed| *passed != place);
                self.remove(place);
            }
        }
    }

    /// Takes all, flow by flow, each in its order.
    pub(super) fn into_jobs(self) -> impl Iterator<Item = Job> + use<> {
        let queues = self.places.into_iter().flatten().map(|flow| flow.queue);
        queues.flat_map(Queue::into_jobs)
    }

    /// The first flow's turn is over.
    fn next_turn(&mut self) {
        self.turns.pop_front();
        self.in_turn = 0;
    }

    fn flow(&mut self, job: &Job) -> &mut Flow {
        let place = self.place(job);
        self.places[place].get_or_insert_with(|| Flow::of(job))
    }

    /// The place of its flow, which is made if there is none.
    fn place(&mut self, job: &Job) -> Place {
        let key = key(job);
        if let Some(last) = self.last
            && let Some(flow) = &self.places[last]
            && flow.key() == key
        {
            return last;
        }
        let place = match self.by_run.get(&key) {
            Some(place) => *place,
            None => self.insert(key, Flow::of(job)),
        };
        self.last = Some(place);
        place
    }

    fn insert(&mut self, key: usize, flow: Flow) -> Place {
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(flow);
                place
            }
            None => {
                self.places.push(Some(flow));
                self.places.len() - 1
            }
        };
        self.by_run.insert(key, place);
        self.turns.push_back(place);
        place
    }

    /// Forgets a flow that is in no turn.
    fn remove(&mut self, place: Place) {
        if let Some(flow) = self.places[place].take() {
            self.by_run.remove(&flow.key());
            self.free.push(place);
        }
    }
}

impl Flow {
    fn of(job: &Job) -> Self {
        Flow {
            run: job.delivery.live.run.clone(),
            queue: Queue::default(),
            look_at: Timestamp::default(),
        }
    }

    fn key(&self) -> usize {
        key_of(self.run.as_ref())
    }
}

fn key(job: &Job) -> usize {
    key_of(job.delivery.live.run.as_ref())
}

/// A run's address names it for as long as a flow holds it. Nothing is ordered by it.
fn key_of(run: Option<&Arc<Run>>) -> usize {
    run.map_or(0, |run| Arc::as_ptr(run).addr())
}
