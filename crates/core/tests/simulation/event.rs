//! What the one queue holds: messages in mailboxes, tasks that wait for the store, and the world's doings.

use std::time::Duration;

use fanfare_core::dispatch::Read;
use fanfare_core::pool::{ConnectionId, Ended, Job, Returned};
use fanfare_core::registration::Decision;
use fanfare_core::token::Generation;
use fanfare_types::{Delivery, Device, NotificationId, Permits, Timestamp};

use crate::accept::Accepting;
use crate::books::Key;
use crate::feeder::Walk;
use crate::lines::LineEvent;
use crate::provider::Push;
use crate::reaper::{Answers, Suspect};
use crate::store::{Trouble, Write, Wrote};
use crate::users::Op;

/// Whoever has a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Actor {
    Dispatcher,
    Outcomes,
    Feeder,
    Reaper,
    Pool(usize),
    /// A connection, by a name of its own over the whole simulation.
    Line(u64),
}

#[derive(Debug)]
pub(crate) enum News {
    Opened,
    Streams(u32),
    /// Whether the provider has had enough.
    GoingAway(bool),
    Silent,
    Returned(Vec<Returned>),
    Closed,
}

#[derive(Debug)]
pub(crate) enum Msg {
    /// To the dispatcher.
    Deliveries(Vec<Delivery>),
    Routed(Read),
    /// To the dispatcher and the pools: a notification of this app was cancelled.
    Cancelled(usize),
    /// To anyone; the number names the timer.
    Wake(u64),
    Drain,
    /// To a pool.
    Work(Vec<Delivery>),
    News(ConnectionId, News),
    /// Renew after, and lifetime; or whether the endpoint refused.
    Token(Result<(Duration, Duration), bool>),
    /// To a connection.
    Hand(Vec<Job>, Generation),
    Close,
    Forgotten,
    /// To outcomes.
    Ended(Vec<Ended>),
    Written(Vec<NotificationId>),
    /// To the feeder.
    Wanted(Timestamp),
    Walked(Result<Option<Timestamp>, ()>),
    Lost,
    /// To the reaper.
    Answers(Vec<Answers>),
    Due(usize),
}

/// A task of the process: what it does when its turn, or the store's answer, comes.
#[derive(Debug)]
pub(crate) enum Task {
    /// Look whether there is room for those who wait for some.
    Room,
    /// Read the recipients.
    Recipients(Box<Accepting>),
    /// They were read.
    Admit(Box<Accepting>),
    Journaled(Box<Accepting>, Permits),
    /// Read a user's rows, then the address' holder, then decide.
    Own(Box<Op>),
    Holder(Box<Op>, Vec<Device>),
    Decide(Box<Op>, Vec<Device>, Option<Box<Device>>),
    Applied(Box<Op>, Box<Decision>),
    /// Read back a write of unknown outcome.
    ReadBack(Box<Op>, Box<Decision>, Option<u64>),
    /// Of the dispatcher's life with this number.
    Route(u64, usize, Vec<Delivery>),
    RouteDone(u64, Read),
    /// Of the outcomes' life with this number; the wait before another try.
    Record(u64, Vec<Ended>, u64),
    Recorded(u64, Vec<Ended>, u64),
    CancelWritten(usize, NotificationId),
    CancelEnded(NotificationId),
    Walk(Box<Walk>),
    /// The walk waits for the end of something to be journaled.
    Ending(Box<Walk>),
    Bury(Box<Suspect>, u32),
    /// Make a provider token for a pool's life.
    Renewed(usize, u64, Result<(Duration, Duration), bool>),
    Prune,
    LostDue(u64),
}

#[derive(Debug)]
pub(crate) enum Event {
    /// The world does something.
    Act,
    Heal,
    DiskBack,
    /// A push reaches its provider.
    Arrive(Push),
    /// The process starts.
    Start,
    /// What follows is lost with the process.
    Mail(Actor, Msg),
    Task(Task),
    Commit(Write, Task, Option<Trouble>),
    /// The last is the number of the change, which only the books know.
    Written(Task, Result<Wrote, Trouble>, Option<u64>),
    Line(u64, LineEvent),
    Restart(Actor),
    Kill(Actor),
    Crash,
    DrainOver,
}

impl Event {
    /// Goes on when the process dies.
    pub(crate) fn is_of_the_world(&self) -> bool {
        matches!(
            self,
            Event::Act | Event::Heal | Event::DiskBack | Event::Arrive(_) | Event::Start
        )
    }

    /// Dies with this actor.
    pub(crate) fn is_lost_with(&self, actor: Actor) -> bool {
        match self {
            Event::Mail(to, _) => *to == actor,
            Event::Line(line, _) => Actor::Line(*line) == actor,
            _ => false,
        }
    }
}

impl Msg {
    /// The deliveries in it.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let of = |batch: &[Delivery]| batch.iter().map(key).collect();
        match self {
            Msg::Deliveries(batch) | Msg::Work(batch) => of(batch),
            Msg::Routed(read) => of(&read.batch),
            Msg::News(_, News::Returned(batch)) => {
                batch.iter().map(|back| key(&back.job.delivery)).collect()
            }
            Msg::Hand(batch, _) => batch.iter().map(|job| key(&job.delivery)).collect(),
            Msg::Ended(batch) => batch
                .iter()
                .map(|ended| key(&ended.finished.delivery))
                .collect(),
            _ => Vec::new(),
        }
    }
}

pub(crate) fn key(delivery: &Delivery) -> Key {
    (delivery.live.id, delivery.ordinal)
}
