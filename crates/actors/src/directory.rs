//! The directory of users whose actor is alive: how a call finds its actor, and how an idle actor leaves without
//! losing one.
//!
//! A call is counted under the lock of its entry before it is sent, and an actor leaves the directory under the
//! same lock, only while nothing is counted. So a call either reaches an actor that stays, or finds no entry and
//! has a new actor made. While an actor is being made its calls wait in the entry, in the order they came.

mod seat;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry;
use fanfare_core::admission::{Refused, Scope};
use fanfare_telemetry::Telemetry;
use fanfare_types::{AppId, UserId};
use ractor::{ActorRef, MessagingErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

pub(crate) use seat::{Seat, Ticket};

use crate::user::{Call, Work};
use crate::{Error, Result};

/// Whose actor it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) app: AppId,
    pub(crate) user: UserId,
}

/// Idle actors that leave at once when somebody needs the room of one.
const ROOM_BATCH: usize = 64;
/// When a refused caller may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Directory {
    entries: DashMap<Key, Entry>,
    /// A permit is a living actor; see [`Seat`].
    room: Arc<Semaphore>,
    users_max: usize,
    user_queue_max: usize,
    /// Calls waiting for room.
    waiting: AtomicUsize,
    closed: AtomicBool,
    generations: AtomicU64,
    started_at: Instant,
    telemetry: Telemetry,
}

#[derive(Debug)]
struct Entry {
    /// Tells this entry from a later one of the same user.
    generation: u64,
    /// Calls that were taken and have not been answered.
    pending: Arc<AtomicUsize>,
    /// When the last call was taken, in milliseconds since the directory was made.
    used_at: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The actor is being made; its calls wait here, at most `user_queue_max`.
    Starting(VecDeque<Call>),
    Running(ActorRef<Call>),
}

/// What became of a call.
enum Sent {
    Taken,
    /// The user's queue is full.
    Full,
    /// No living actor: here is the work back.
    Absent(Work),
}

impl Directory {
    pub(crate) fn new(users_max: usize, user_queue_max: usize, telemetry: Telemetry) -> Arc<Self> {
        let users_max = users_max.clamp(1, u32::MAX as usize >> 3);
        Arc::new(Directory {
            entries: DashMap::new(),
            room: Arc::new(Semaphore::new(users_max)),
            users_max,
            user_queue_max: user_queue_max.max(1),
            waiting: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            generations: AtomicU64::new(0),
            started_at: Instant::now(),
            telemetry,
        })
    }

    /// Actors alive, or about to be.
    pub(crate) fn users_active(&self) -> usize {
        self.users_max - self.room.available_permits()
    }

    /// Takes work for a user: sends it to the living actor, or calls `start` with the seat of a new one.
    /// Waits until `deadline` for room for that one.
    pub(crate) async fn send(
        self: &Arc<Self>,
        key: &Key,
        mut work: Work,
        deadline: Instant,
        start: impl Fn(Seat) + Sync,
    ) -> Result<()> {
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Err(Error::ShuttingDown);
            }
            work = match self.try_send(key, work) {
                Sent::Taken => return Ok(()),
                Sent::Full => return Err(self.refused(key, Scope::App, "user_queue")),
                Sent::Absent(work) => work,
            };
            let room = match self.room.clone().try_acquire_owned() {
                Ok(room) => room,
                Err(_) => self.wait_for_room(key, deadline).await?,
            };
            work = match self.try_start(key, work, room) {
                Ok(seat) => {
                    start(seat);
                    return Ok(());
                }
                Err(work) => work,
            };
        }
    }

    fn try_send(&self, key: &Key, work: Work) -> Sent {
        let Some(mut entry) = self.entries.get_mut(key) else {
            return Sent::Absent(work);
        };
        let Some(ticket) = self.ticket(&entry) else {
            return Sent::Full;
        };
        entry.used_at = self.now();
        let call = Call { work, ticket };
        match &mut entry.stage {
            Stage::Starting(calls) => calls.push_back(call),
            Stage::Running(actor) => match actor.cast(call) {
                Ok(()) => {}
                Err(MessagingErr::SendErr(call)) => {
                    // Dead, and its seat not dropped yet.
                    let dead = entry.generation;
                    drop(entry);
                    let is_dead = |_: &Key, entry: &Entry| entry.generation == dead;
                    drop(self.entries.remove_if(key, is_dead));
                    return Sent::Absent(call.work);
                }
                Err(_) => {}
            },
        }
        Sent::Taken
    }

    fn ticket(&self, entry: &Entry) -> Option<Ticket> {
        let more = |pending| (pending < self.user_queue_max).then_some(pending + 1);
        let taken = entry
            .pending
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.ok().map(|_| Ticket::taken(&entry.pending))
    }

    /// A new entry with the work waiting in it, unless another caller was quicker.
    fn try_start(
        self: &Arc<Self>,
        key: &Key,
        work: Work,
        room: OwnedSemaphorePermit,
    ) -> std::result::Result<Seat, Work> {
        let entry::Entry::Vacant(vacant) = self.entries.entry(key.clone()) else {
            return Err(work);
        };
        let pending = Arc::new(AtomicUsize::new(1));
        let ticket = Ticket::taken(&pending);
        let generation = self.generations.fetch_add(1, Ordering::Relaxed);
        drop(vacant.insert(Entry {
            generation,
            pending,
            used_at: self.now(),
            stage: Stage::Starting([Call { work, ticket }].into()),
        }));
        self.telemetry.user_started();
        Ok(Seat::new(self.clone(), key.clone(), generation, room))
    }

    /// `users_max` actors are alive: idle ones leave early, and the call waits for the room of one.
    async fn wait_for_room(&self, key: &Key, deadline: Instant) -> Result<OwnedSemaphorePermit> {
        let Some(_waiting) = Waiting::new(self) else {
            return Err(self.refused(key, Scope::Gateway, "users"));
        };
        self.passivate(Duration::ZERO, ROOM_BATCH);
        match timeout_at(deadline, self.room.clone().acquire_owned()).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) => Err(Error::ShuttingDown),
            Err(_) => Err(self.refused(key, Scope::Gateway, "users")),
        }
    }

    fn refused(&self, key: &Key, scope: Scope, limit: &'static str) -> Error {
        self.telemetry.refused(&key.app, limit);
        Error::Refused(Refused {
            scope,
            retry_after: RETRY_AFTER,
        })
    }

    fn is_room_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0 || self.closed.load(Ordering::Acquire)
    }

    /// Stops actors that have no call under way and took none for `idle_for`, `most` of them at most.
    pub(crate) fn passivate(&self, idle_for: Duration, most: usize) {
        let until = self.now().saturating_sub(millis(idle_for));
        let idle = self.entries.iter().filter(|entry| entry.is_idle(until));
        let idle: Vec<_> = idle
            .take(most)
            .map(|entry| (entry.key().clone(), entry.generation))
            .collect();
        for (key, generation) in idle {
            if let Some(actor) = self.remove_idle(&key, generation, until) {
                actor.stop(None);
            }
        }
    }

    fn remove_idle(&self, key: &Key, generation: u64, until: u64) -> Option<ActorRef<Call>> {
        let is_idle =
            |_: &Key, entry: &Entry| entry.generation == generation && entry.is_idle(until);
        let (_, entry) = self.entries.remove_if(key, is_idle)?;
        match entry.stage {
            Stage::Running(actor) => Some(actor),
            Stage::Starting(_) => None,
        }
    }

    /// Takes no more calls, and returns when those under way are answered and every actor is gone. The caller
    /// bounds how long that may take.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.passivate(Duration::ZERO, usize::MAX);
        let all = u32::try_from(self.users_max).unwrap_or(u32::MAX);
        // Once nobody sits, the semaphore closes, so that a call that waited for room is told.
        drop(self.room.acquire_many(all).await);
        self.room.close();
    }

    fn now(&self) -> u64 {
        millis(self.started_at.elapsed())
    }
}

impl Entry {
    fn is_idle(&self, until: u64) -> bool {
        self.used_at <= until
            && self.pending.load(Ordering::Acquire) == 0
            && matches!(self.stage, Stage::Running(_))
    }
}

/// One call in the queue for room; at most as many wait as there are places.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(directory: &'a Directory) -> Option<Self> {
        let before = directory.waiting.fetch_add(1, Ordering::AcqRel);
        let waiting = Waiting(&directory.waiting);
        (before < directory.users_max).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
