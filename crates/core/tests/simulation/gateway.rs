//! One process of the gateway: the real pieces of `core`, and what their shells keep beside them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare_core::admission::{self, Admission, Waiting};
use fanfare_core::dispatch::{self, Dispatch};
use fanfare_core::feeder::{self, Feeder};
use fanfare_core::outcomes::Buffer;
use fanfare_core::pool::Ended;
use fanfare_core::restart::History;
use fanfare_core::revocations::{self, Revocations};
use fanfare_core::steady::Steady;
use fanfare_types::{AppId, Live, NotificationId, Timestamp};

use crate::accept::{Accepting, ROOM_WAITING_MAX};
use crate::event::Actor;
use crate::lines::Line;
use crate::options::Options;
use crate::pools::PoolShell;
use crate::reaper::Reaper;
use crate::users::Op;

/// Pools of an app: APNs and FCM.
pub(crate) const WAYS: usize = 2;

/// Whether deliveries were lost to a crash, as the books of all notifications are told.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Since somebody looked last.
    pub(crate) are_new: AtomicBool,
    /// The feeder is to be told.
    pub(crate) to_tell: AtomicBool,
}

/// An actor as its supervisor sees it.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    pub(crate) up: bool,
    /// Which of its lives this is.
    pub(crate) life: u64,
    /// When the last message comes that is in its mailbox.
    pub(crate) mail_until: u64,
    pub(crate) history: History,
}

/// How far the process is on its way to a clean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    No,
    /// The dispatcher was asked.
    Dispatcher,
    /// The pools were.
    Pools,
    /// Outcomes were.
    Outcomes,
    /// Outcomes wait for the journal.
    Journal,
}

pub(crate) struct Gateway {
    pub(crate) up: bool,
    pub(crate) clock: Steady,
    /// How many processes there were before.
    pub(crate) run: u64,
    pub(crate) admission: Admission,
    pub(crate) revocations: Revocations,
    pub(crate) live: BTreeMap<NotificationId, Arc<Live>>,
    pub(crate) losses: Arc<Losses>,
    /// Accepts that wait for room.
    pub(crate) room: Waiting<Box<Accepting>>,
    /// Permits taken by accepts that have not handed on yet.
    pub(crate) permits_in_tasks: usize,
    pub(crate) seats: BTreeMap<Actor, Seat>,
    pub(crate) dispatcher: Dispatch,
    pub(crate) pools: Vec<PoolShell>,
    pub(crate) lines: BTreeMap<u64, Line>,
    pub(crate) outcomes: Buffer<Ended>,
    pub(crate) feeder: Feeder,
    pub(crate) reaper: Reaper,
    /// Calls that wait for a user's actor; the first is under way.
    pub(crate) users: BTreeMap<(usize, usize), VecDeque<Op>>,
    /// Calls begun from now on are of this life …
    pub(crate) user_lives: u64,
    /// … and those up to these lives, of these users, have nobody left.
    pub(crate) user_deaths: Vec<(usize, usize, u64)>,
    pub(crate) drain: Drain,
    /// Dies again whenever it is started again.
    pub(crate) hammered: Option<Actor>,
}

impl Gateway {
    /// `at`: how long the machine is up, and what time its clock says.
    pub(crate) fn new(
        options: &Options,
        apps: &[AppId],
        run: u64,
        at: (Duration, Timestamp),
    ) -> Self {
        let limits = admission::Limits {
            deliveries_max: options.deliveries_max,
            deliveries_per_app_max: options.deliveries_per_app_max,
            bulk_share: 0.8,
        };
        let revoked = revocations::Limits {
            entries_max: options.revocations_max,
            ..revocations::Limits::default()
        };
        Gateway {
            up: true,
            clock: Steady::new(at.0, at.1),
            run,
            admission: Admission::new(&limits, apps.iter().cloned()),
            revocations: Revocations::new(revoked),
            live: BTreeMap::new(),
            losses: Arc::default(),
            room: Waiting::new(ROOM_WAITING_MAX),
            permits_in_tasks: 0,
            seats: BTreeMap::new(),
            dispatcher: dispatcher(),
            pools: Vec::new(),
            lines: BTreeMap::new(),
            outcomes: Buffer::new(options.flush_count),
            feeder: feeder(),
            reaper: Reaper::default(),
            users: BTreeMap::new(),
            user_lives: 0,
            user_deaths: Vec::new(),
            drain: Drain::No,
            hammered: None,
        }
    }

    /// A notification comes into memory.
    pub(crate) fn enter(&mut self, live: &Arc<Live>) {
        let losses = self.losses.clone();
        live.progress.losses().tell(Arc::new(move || {
            // Once for a crash, however many deliveries go with it.
            if !losses.are_new.swap(true, Ordering::Relaxed) {
                losses.to_tell.store(true, Ordering::Relaxed);
            }
        }));
        self.live.insert(live.id, live.clone());
    }

    pub(crate) fn is_up(&self, actor: Actor) -> bool {
        self.seats.get(&actor).is_some_and(|seat| seat.up)
    }

    pub(crate) fn life(&self, actor: Actor) -> u64 {
        self.seats.get(&actor).map_or(0, |seat| seat.life)
    }
}

pub(crate) fn dispatcher() -> Dispatch {
    Dispatch::new(dispatch::Limits {
        batch_max: 8,
        reads_max: 3,
        ..dispatch::Limits::default()
    })
}

pub(crate) fn feeder() -> Feeder {
    Feeder::new(feeder_limits())
}

pub(crate) fn feeder_limits() -> feeder::Limits {
    feeder::Limits {
        page: 3,
        batch_max: 8,
        ..feeder::Limits::default()
    }
}
