//! The reaper's shell, as `actors/src/reaper.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare_core::cleanup::{self, Guard, Ruling, Turn};
use fanfare_types::{Address, DeviceId, Timestamp, UserId};

use crate::coverage::Seen;
use crate::event::{Actor, Event, Msg, Task};
use crate::sim::Sim;
use crate::users::{Command, Op};

const TRIES_MAX: u32 = 5;
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// An address that a provider would not have.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    pub(crate) app: usize,
    pub(crate) device: Option<(DeviceId, UserId)>,
    pub(crate) address: Address,
    pub(crate) since: Timestamp,
}

/// What a provider said of the addresses of one pool.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) pool: usize,
    pub(crate) sound: u64,
    pub(crate) dead: Vec<Suspect>,
    pub(crate) suspects: Vec<Suspect>,
}

impl Answers {
    pub(crate) fn none_of(pool: usize) -> Self {
        Answers {
            pool,
            sound: 0,
            dead: Vec::new(),
            suspects: Vec::new(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Reaper {
    guards: BTreeMap<usize, Watched>,
}

/// A guard, and what the books count beside it.
struct Watched {
    guard: Guard<Suspect>,
    ever_sound: bool,
    marked: u64,
}

impl Sim {
    pub(crate) fn at_reaper(&mut self, msg: Msg) {
        match msg {
            Msg::Answers(all) => {
                for answers in all {
                    self.take_in(answers);
                }
            }
            Msg::Due(pool) => {
                let now = self.now();
                if let Some(watched) = self.g.reaper.guards.get_mut(&pool) {
                    let ruling = watched.guard.on_time(now);
                    self.follow(pool, ruling);
                }
            }
            other => unreachable!("{other:?} is not for the reaper"),
        }
    }

    fn take_in(&mut self, answers: Answers) {
        for dead in answers.dead {
            self.later(Duration::ZERO, begin(dead));
        }
        let now = self.now();
        let guards = &mut self.g.reaper.guards;
        let watched = guards.entry(answers.pool).or_insert_with(|| Watched {
            guard: Guard::new(cleanup::Limits::default()),
            ever_sound: false,
            marked: 0,
        });
        watched.ever_sound |= answers.sound > 0;
        let said = cleanup::Answers {
            sound: answers.sound,
            suspects: answers.suspects,
        };
        let ruling = watched.guard.on_answers(said, now);
        self.follow(answers.pool, ruling);
    }

    fn follow(&mut self, pool: usize, ruling: Ruling<Suspect>) {
        if let Some(Turn::Misconfigured { .. }) = ruling.turn {
            self.mark(Seen::GuardTripped);
        }
        let watched = self.g.reaper.guards.get_mut(&pool).expect("it ruled");
        watched.marked += ruling.mark.len() as u64;
        let few = cleanup::Limits::default().suspect_min;
        assert!(
            watched.ever_sound || watched.marked <= few,
            "a credential that never was any good empties the registry"
        );
        for suspect in ruling.mark {
            self.later(Duration::ZERO, begin(suspect));
        }
        if let Some(at) = ruling.wake_at {
            let due = Event::Mail(Actor::Reaper, Msg::Due(pool));
            self.later(at.since(self.now()), due);
        }
    }

    pub(crate) fn bury(&mut self, suspect: Suspect, tries: u32) {
        if self.read_fails() {
            if tries > 1 {
                let again = Task::Bury(Box::new(suspect), tries - 1);
                self.later(RETRY_DELAY, Event::Task(again));
            }
            return;
        }
        let (id, user) = match &suspect.device {
            Some((id, user)) => (*id, self.user(user)),
            // A bare address has no user, so where addresses are shared it names no single row.
            None => {
                let app = &self.apps[suspect.app];
                match self.store.holder(app, suspect.address.key(None)) {
                    Some(row) => (row.id, self.user(&row.user)),
                    None => return,
                }
            }
        };
        let command = Command::Bury(id, suspect.since);
        self.call_user(Op::new(suspect.app, user, command));
    }
}

fn begin(suspect: Suspect) -> Event {
    Event::Task(Task::Bury(Box::new(suspect), TRIES_MAX))
}
