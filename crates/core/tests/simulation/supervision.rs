//! Who dies and is started again, as the supervisors of `actors` do it, and the end of the whole process: a crash
//! loses what was not committed, a drain loses nothing.

use std::time::Duration;

use fanfare_core::outcomes::Buffer;
use fanfare_core::restart::{Policy, Verdict};
use fanfare_types::Timestamp;

use crate::books::Place;
use crate::coverage::Seen;
use crate::event::{Actor, Event, Msg, Task};
use crate::gateway::{self, Drain, Gateway, WAYS};
use crate::pools::PoolShell;
use crate::reaper::Reaper;
use crate::sim::Sim;

/// Revocations are pruned so often.
const PRUNE_EVERY: Duration = Duration::from_secs(10);
/// What a drain may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(25);

impl Sim {
    pub(crate) fn start_process(&mut self) {
        let run = self.g.run + 1;
        self.g = Gateway::new(&self.options, &self.apps, run, self.machine());
        self.g.pools = (0..self.options.apps * WAYS)
            .map(|pool| PoolShell::new(&self.options, pool))
            .collect();
        let pools = (0..self.g.pools.len()).map(Actor::Pool);
        let others = [Actor::Reaper, Actor::Outcomes, Actor::Dispatcher];
        for actor in others.into_iter().chain(pools) {
            self.sit_down(actor);
        }
        self.sit_down(Actor::Feeder);
        self.begin_feeding();
        self.later(PRUNE_EVERY, Event::Task(Task::Prune));
    }

    pub(crate) fn sit_down(&mut self, actor: Actor) {
        let at = self.at;
        let seat = self.g.seats.entry(actor).or_default();
        seat.up = true;
        seat.mail_until = at;
    }

    pub(crate) fn stand_up(&mut self, actor: Actor) {
        self.books
            .lost(|place| place == Place::Mail(actor) || place == Place::At(actor));
        self.empty_mailbox(actor);
        if let Some(seat) = self.g.seats.get_mut(&actor) {
            seat.up = false;
            seat.life += 1;
        }
    }

    fn begin_feeding(&mut self) {
        let from_the_start = Msg::Wanted(Timestamp::default());
        self.post(Actor::Feeder, Place::Nowhere, from_the_start);
        let life = self.g.life(Actor::Feeder);
        let every = gateway::feeder_limits().lost_every;
        self.later(every, Event::Task(Task::LostDue(life)));
    }

    /// An actor dies, with all it has and all its mail.
    pub(crate) fn kill(&mut self, actor: Actor) {
        if !self.g.is_up(actor) {
            return;
        }
        self.mark(match actor {
            Actor::Dispatcher => Seen::DispatcherDied,
            Actor::Outcomes => Seen::OutcomesDied,
            Actor::Feeder => Seen::FeederDied,
            Actor::Reaper => Seen::ReaperDied,
            Actor::Pool(_) => Seen::PoolDied,
            Actor::Line(_) => Seen::ConnectionDied,
        });
        if let Actor::Line(line) = actor {
            // What it has goes back like that of any connection that ends; what is in its mail is lost.
            self.end_line(line);
            self.stand_up(actor);
            return self.drop_line(line);
        }
        self.stand_up(actor);
        match actor {
            Actor::Dispatcher => self.g.dispatcher = gateway::dispatcher(),
            Actor::Outcomes => self.g.outcomes = Buffer::new(self.options.flush_count),
            Actor::Feeder => self.g.feeder = gateway::feeder(),
            Actor::Reaper => self.g.reaper = Reaper::default(),
            Actor::Pool(pool) => self.pool_died(pool),
            Actor::Line(_) => {}
        }
        if self.g.drain == Drain::No {
            self.start_again(actor);
        } else {
            self.drain_on(self.g.drain);
        }
    }

    fn start_again(&mut self, actor: Actor) {
        let now = self.now();
        let seat = self.g.seats.get_mut(&actor).expect("it lived");
        match seat.history.on_death(&Policy::default(), now) {
            Verdict::Restart(delay) => self.later(delay, Event::Restart(actor)),
            Verdict::GiveUp => {
                self.mark(Seen::GaveUp);
                self.crash();
            }
        }
    }

    fn pool_died(&mut self, pool: usize) {
        let lines: Vec<_> = self.g.pools[pool].lines().collect();
        for line in lines {
            self.stand_up(Actor::Line(line));
            self.drop_line(line);
        }
        self.g.pools[pool] = PoolShell::new(&self.options, pool);
    }

    pub(crate) fn restart(&mut self, actor: Actor) {
        if self.g.drain != Drain::No {
            return;
        }
        self.sit_down(actor);
        if actor == Actor::Feeder {
            self.begin_feeding();
        }
        if self.g.hammered == Some(actor) {
            self.later(Duration::from_millis(1), Event::Kill(actor));
        }
    }

    pub(crate) fn prune(&mut self) {
        self.g.revocations.prune(self.now());
        self.later(PRUNE_EVERY, Event::Task(Task::Prune));
    }

    /// The process dies at once. What is committed stays, and what is on its way to a provider arrives.
    pub(crate) fn crash(&mut self) {
        if !self.g.up {
            return;
        }
        self.mark(Seen::Crashed);
        let (uncommitted, unanswered) = self.empty_process();
        if uncommitted {
            self.mark(Seen::CrashBeforeCommit);
        }
        if unanswered {
            self.mark(Seen::CrashAfterCommit);
        }
        self.books.lost(|_| true);
        self.go_down();
    }

    fn go_down(&mut self) {
        let run = self.g.run;
        self.g = Gateway::new(&self.options, &self.apps, run, self.machine());
        self.g.up = false;
        self.store.commits_at = self.at;
        self.store.answers_at = self.at;
        self.later_within(50, 1_000, Event::Start);
    }

    /// From the source to the sink: the feeder, the dispatcher, the pools, the outcomes.
    pub(crate) fn begin_drain(&mut self) {
        if self.g.drain != Drain::No {
            return;
        }
        self.stand_up(Actor::Feeder);
        self.g.drain = Drain::Dispatcher;
        self.later(DRAIN_TIMEOUT, Event::DrainOver);
        if self.g.is_up(Actor::Dispatcher) {
            self.post(Actor::Dispatcher, Place::Nowhere, Msg::Drain);
        } else {
            self.drain_on(Drain::Dispatcher);
        }
    }

    /// What this stage was waited for is done.
    pub(crate) fn drain_on(&mut self, stage: Drain) {
        if self.g.drain != stage {
            return;
        }
        match stage {
            Drain::No => {}
            Drain::Dispatcher => {
                self.g.drain = Drain::Pools;
                for pool in 0..self.g.pools.len() {
                    self.post(Actor::Pool(pool), Place::Nowhere, Msg::Drain);
                }
                self.drain_on(Drain::Pools);
            }
            Drain::Pools => {
                let pools = self.g.pools.iter().enumerate();
                let mut busy = pools.filter(|(pool, shell)| {
                    self.g.is_up(Actor::Pool(*pool)) && !shell.is_drained()
                });
                if busy.next().is_none() {
                    self.g.drain = Drain::Outcomes;
                    self.post(Actor::Outcomes, Place::Nowhere, Msg::Drain);
                    self.drain_on(Drain::Outcomes);
                }
            }
            Drain::Outcomes | Drain::Journal => {
                let is_up = self.g.is_up(Actor::Outcomes);
                if !is_up || (stage == Drain::Journal && self.g.outcomes.is_idle()) {
                    self.end_process();
                }
            }
        }
    }

    /// The store finishes what is queued, and nothing was lost.
    fn end_process(&mut self) {
        self.mark(Seen::Drained);
        self.commit_all();
        self.empty_process();
        match self.g.life(Actor::Outcomes) {
            0 => self.books.left_to_the_journal(),
            // It died: what came back meanwhile had nobody to go to, and nobody waits for its last write.
            _ => self.books.lost(|_| true),
        }
        self.go_down();
    }

    pub(crate) fn drain_over(&mut self) {
        self.mark(Seen::DrainCut);
        self.crash();
    }
}
