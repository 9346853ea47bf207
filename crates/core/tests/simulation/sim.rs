//! The queue of events and the clock: takes the next event, has it happen, and checks the books.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use fanfare_types::{AppId, Timestamp, UserId};

use crate::books::{Books, Place};
use crate::coverage::{Coverage, Seen};
use crate::dice::Dice;
use crate::event::{Actor, Event, Msg, Task};
use crate::gateway::Gateway;
use crate::options::Options;
use crate::provider::Provider;
use crate::store::{Store, Trouble, Write, Wrote};

/// 2023-11-14, as good as any.
const START: u64 = 1_700_000_000_000;

/// What ends later than this after all is well (and after it expired) does not end.
const PATIENCE: Duration = Duration::from_secs(120);

/// More events than any seed needs: one that goes on and on is one that spins.
const STEPS_MAX: u64 = 400_000;

pub(crate) struct Sim {
    pub(crate) options: Options,
    pub(crate) dice: Dice,
    pub(crate) coverage: Coverage,
    pub(crate) steps: u64,
    /// Milliseconds since the start; timers go by it.
    pub(crate) at: u64,
    /// What the machine's clock is ahead of it, or behind.
    pub(crate) clock_off: i64,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    trace: Option<String>,
    pub(crate) apps: Vec<AppId>,
    pub(crate) users: Vec<UserId>,
    pub(crate) store: Store,
    pub(crate) disk: Disk,
    pub(crate) provider: Provider,
    pub(crate) books: Books,
    pub(crate) g: Gateway,
    /// Nothing goes wrong any more.
    pub(crate) healed_at: Option<u64>,
    pub(crate) lines: u64,
    pub(crate) timers: u64,
}

/// How the disk is.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) is_full: bool,
    pub(crate) is_slow: bool,
}

impl Sim {
    pub(crate) fn new(seed: u64, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let options = Options::draw(&mut dice);
        let apps: Vec<_> = (0..options.apps)
            .map(|n| AppId::new(&format!("app{n}")).expect("a name"))
            .collect();
        let users = (0..options.users)
            .map(|n| UserId::new(&format!("user{n}")).expect("a name"))
            .collect();
        Sim {
            g: Gateway::new(&options, &apps, 0, (Duration::ZERO, Timestamp(START))),
            provider: Provider::new(&options),
            dice,
            coverage: Coverage::new(),
            steps: 0,
            at: 0,
            clock_off: 0,
            queue: BTreeMap::new(),
            queued: 0,
            trace: traced.then(String::new),
            apps,
            users,
            store: Store::default(),
            disk: Disk::default(),
            books: Books::new(options.weights.clock > 0),
            options,
            healed_at: None,
            lines: 0,
            timers: 0,
        }
    }

    /// The gateway's time: it begins with the machine's and does not jump when that is set.
    pub(crate) fn now(&self) -> Timestamp {
        self.g.clock.now(Duration::from_millis(self.at))
    }

    /// How long the machine is up, and what time its clock says.
    pub(crate) fn machine(&self) -> (Duration, Timestamp) {
        let wall = (START + self.at).saturating_add_signed(self.clock_off);
        (Duration::from_millis(self.at), Timestamp(wall))
    }

    fn look_at_the_clock(&mut self) {
        let (uptime, wall) = self.machine();
        if self.g.clock.wants_look(uptime) {
            self.g.clock.on_look(uptime, wall);
        }
    }

    pub(crate) fn mark(&mut self, seen: Seen) {
        self.coverage.mark(seen);
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let (step, at) = (self.steps, self.at);
            writeln!(trace, "{step:>6} {at:>9} ms  {}", line()).expect("to a string");
        }
    }

    pub(crate) fn trace_lines(&self) -> impl Iterator<Item = &str> {
        self.trace.as_deref().unwrap_or("").lines()
    }

    pub(crate) fn run(&mut self) {
        self.start_process();
        self.plan_acts();
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.at = at;
            self.steps += 1;
            self.look_at_the_clock();
            assert!(self.steps < STEPS_MAX, "it goes on and on");
            self.note(|| show(&event));
            self.happen(event);
            self.tell_of_losses();
            self.check();
            if self.steps.is_multiple_of(16) {
                self.check_quiet();
            }
            if self.is_over() {
                return;
            }
        }
        panic!("the queue is empty, and not everything has ended");
    }

    fn is_over(&self) -> bool {
        self.healed_at.is_some()
            && self.g.up
            && self.store.all_ended()
            && self.books.in_memory() == 0
            && self.g.permits_in_tasks == 0
            && self.g.room.is_empty()
            && self.g.users.values().all(|calls| calls.is_empty())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act => self.act(),
            Event::Heal => self.heal(),
            Event::DiskBack => self.disk = Disk::default(),
            Event::Arrive(push) => self.arrive(push),
            Event::Start => self.start_process(),
            Event::Mail(actor, msg) => self.receive(actor, msg),
            Event::Task(task) => self.go_on(task),
            Event::Commit(write, task, trouble) => self.commit(&write, task, trouble),
            Event::Written(task, wrote, change) => self.written(task, wrote, change),
            Event::Line(line, event) => self.on_line(line, event),
            Event::Restart(actor) => self.restart(actor),
            Event::Kill(actor) => self.kill(actor),
            Event::Crash => self.crash(),
            Event::DrainOver => self.drain_over(),
        }
    }

    fn receive(&mut self, actor: Actor, msg: Msg) {
        for key in msg.keys() {
            self.books.moved(key, Place::Mail(actor), Place::At(actor));
        }
        match actor {
            Actor::Dispatcher => self.at_dispatcher(msg),
            Actor::Outcomes => self.at_outcomes(msg),
            Actor::Feeder => self.at_feeder(msg),
            Actor::Reaper => self.at_reaper(msg),
            Actor::Pool(pool) => self.at_pool(pool, msg),
            Actor::Line(line) => self.at_line(line, msg),
        }
    }

    fn go_on(&mut self, task: Task) {
        match task {
            Task::Room => self.look_for_room(),
            Task::Recipients(accepting) => self.read_recipients(accepting),
            Task::Admit(accepting) => self.admit(accepting),
            Task::Own(op) => self.read_own(op),
            Task::Holder(op, own) => self.read_holder(op, own),
            Task::Decide(op, own, holder) => self.decide(op, &own, holder.as_deref()),
            Task::ReadBack(op, decision, change) => self.read_back(op, &decision, change),
            Task::Route(life, app, batch) => self.read_route(life, app, batch),
            Task::RouteDone(life, read) => self.routed(life, read),
            Task::Record(life, endings, delay) => self.record(life, endings, delay),
            Task::Walk(walk) => self.walk_on(walk),
            Task::Bury(suspect, tries) => self.bury(*suspect, tries),
            Task::Renewed(pool, life, token) => {
                if self.g.life(Actor::Pool(pool)) == life {
                    self.post(Actor::Pool(pool), Place::Nowhere, Msg::Token(token));
                }
            }
            Task::Prune => self.prune(),
            Task::LostDue(life) => self.lost_due(life),
            Task::Journaled(..)
            | Task::Applied(..)
            | Task::Recorded(..)
            | Task::CancelWritten(..)
            | Task::CancelEnded(..)
            | Task::Ending(_) => unreachable!("these wait for a write"),
        }
    }

    /// Something happens so much later.
    pub(crate) fn later(&mut self, delay: Duration, event: Event) {
        let delay = u64::try_from(delay.as_millis()).expect("64 bits");
        self.enqueue(self.at + delay, event);
    }

    pub(crate) fn later_within(&mut self, least: u64, most: u64, event: Event) {
        let delay = self.dice.millis(least, most);
        self.later(delay, event);
    }

    fn enqueue(&mut self, at: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((at, self.queued), event);
    }

    /// A message for an actor; lost, with the deliveries in it, when nobody is there. `from` is where these are.
    pub(crate) fn post(&mut self, to: Actor, from: Place, msg: Msg) {
        let is_up = self.g.is_up(to);
        for key in msg.keys() {
            self.books.moved(key, from, Place::Mail(to));
        }
        if !is_up {
            self.note(|| format!("{to:?} is not there"));
            self.books.lost(|place| place == Place::Mail(to));
            return;
        }
        let lag = self.dice.between(0, self.options.lag_max);
        let seat = self.g.seats.get_mut(&to).expect("it is up");
        seat.mail_until = seat.mail_until.max(self.at + lag);
        let at = seat.mail_until;
        self.enqueue(at, Event::Mail(to, msg));
    }

    /// Drops what waits for this actor.
    pub(crate) fn empty_mailbox(&mut self, actor: Actor) {
        self.queue.retain(|_, event| !event.is_lost_with(actor));
    }

    /// Drops all that dies with the process. Returns whether writes were among it.
    pub(crate) fn empty_process(&mut self) -> (bool, bool) {
        let commits = self.any(|event| matches!(event, Event::Commit(..)));
        let written = self.any(|event| matches!(event, Event::Written(_, Ok(_), _)));
        self.queue.retain(|_, event| event.is_of_the_world());
        (commits, written)
    }

    /// A store that is closed commits what it has.
    pub(crate) fn commit_all(&mut self) {
        while let Some(place) = self.first_commit() {
            if let Some(Event::Commit(write, ..)) = self.queue.remove(&place) {
                let done = self.store.commit(&write);
                self.book(&write, done);
            }
        }
    }

    fn first_commit(&self) -> Option<(u64, u64)> {
        let mut queue = self.queue.iter();
        let found = queue.find(|(_, event)| matches!(event, Event::Commit(..)));
        found.map(|(place, _)| *place)
    }

    /// A push that its provider has not got yet.
    pub(crate) fn is_on_its_way(&self, flight: u64) -> bool {
        self.any(|event| matches!(event, Event::Arrive(push) if push.flight == flight))
    }

    fn any(&self, is_it: impl Fn(&Event) -> bool) -> bool {
        self.queue.values().any(is_it)
    }

    /// How long a read takes until it looks, or until its answer is there.
    pub(crate) fn read_then(&mut self, task: Task) {
        let most = self.options.store.latency_max.div_ceil(4);
        self.later_within(0, most, Event::Task(task));
    }

    pub(crate) fn read_fails(&mut self) -> bool {
        let fails = self.healed_at.is_none() && self.dice.chance(self.options.store.read_fails);
        if fails {
            self.mark(Seen::StoreReadFailed);
        }
        fails
    }

    /// Queues a write: it is committed in its turn, many in one commit, and answered afterwards.
    pub(crate) fn write(&mut self, write: Write, task: Task) {
        let faults = &self.options.store;
        let (fails, unknown) = match self.healed_at {
            None => (faults.fails, faults.unknown),
            Some(_) => (0, 0),
        };
        let trouble = match () {
            () if self.disk.is_full || self.dice.chance(fails) => Some(Trouble::Unavailable),
            () if self.dice.chance(unknown) => Some(Trouble::Unknown),
            () => None,
        };
        let slow = if self.disk.is_slow { 500 } else { 0 };
        let takes = self.dice.between(0, self.options.store.latency_max) + slow;
        // While a commit is under way the next one gathers.
        if self.store.commits_at > self.at {
            self.mark(Seen::GroupCommit);
        }
        self.store.commits_at = self.store.commits_at.max(self.at + takes);
        let at = self.store.commits_at;
        self.enqueue(at, Event::Commit(write, task, trouble));
    }

    fn commit(&mut self, write: &Write, task: Task, trouble: Option<Trouble>) {
        let is_written = match trouble {
            None => true,
            Some(Trouble::Unavailable) => false,
            Some(Trouble::Unknown) => self.dice.chance(500),
        };
        match (trouble, is_written) {
            (Some(Trouble::Unavailable), _) => self.mark(Seen::StoreFailed),
            (Some(Trouble::Unknown), false) => self.mark(Seen::StoreUnknown),
            (Some(Trouble::Unknown), true) => self.mark(Seen::StoreUnknownWritten),
            (None, _) => {}
        }
        let mut change = None;
        let mut wrote = Err(trouble.unwrap_or(Trouble::Unavailable));
        if is_written {
            let done = self.store.commit(write);
            change = self.book(write, done);
            if trouble.is_none() {
                wrote = Ok(done);
            }
        }
        // The writer answers in the order of its commits.
        let delay = self
            .dice
            .between(0, self.options.store.latency_max.div_ceil(8));
        self.store.answers_at = self.store.answers_at.max(self.at + delay);
        let at = self.store.answers_at;
        self.enqueue(at, Event::Written(task, wrote, change));
    }

    /// What the books learn from a commit. Returns the number of a change.
    fn book(&mut self, write: &Write, done: Wrote) -> Option<u64> {
        match write {
            Write::Accept(record) => {
                let app = self.app(&record.app);
                self.books.journaled(app, record);
            }
            Write::Record(ended) => {
                for (id, ordinal, outcome) in ended {
                    self.books.recorded((*id, *ordinal), *outcome);
                }
            }
            Write::Apply(change) if done == Wrote::Done => {
                let app = self.app(&change.app);
                return Some(self.books.changed(app, change, &self.store));
            }
            Write::Apply(_) | Write::Cancel(_) => {}
        }
        None
    }

    fn written(&mut self, task: Task, wrote: Result<Wrote, Trouble>, change: Option<u64>) {
        match task {
            Task::Journaled(accepting, permits) => self.journaled(accepting, permits, wrote),
            Task::Applied(op, decision) => self.applied(op, *decision, wrote, change),
            Task::Recorded(life, endings, delay) => self.recorded(life, endings, delay, wrote),
            Task::CancelWritten(app, id) => self.cancel_written(app, id, wrote),
            Task::CancelEnded(id) => self.cancel_ended(id, wrote),
            Task::Ending(walk) => self.ended_unsent(walk, wrote),
            other => unreachable!("{other:?} waits for no write"),
        }
    }

    /// After every step.
    fn check(&self) {
        if !self.g.up {
            return;
        }
        let g = &self.g;
        assert_eq!(
            g.admission.taken(),
            self.books.in_memory() + g.permits_in_tasks,
            "permits"
        );
        let at = |actor| self.books.count(Place::At(actor));
        assert_eq!(g.dispatcher.waiting(), at(Actor::Dispatcher), "dispatcher");
        self.check_pools();
        for (id, live) in &g.live {
            let counts = live.progress.counts();
            let sum = counts.waiting + counts.in_flight + counts.terminal();
            assert_eq!(sum, live.progress.recipients(), "counts of {id}");
            let journaled = self.store.journal.get(id);
            let journaled = journaled.map_or(0, |entry| entry.ended.len() as u64);
            assert!(
                counts.terminal() <= journaled,
                "{id} says more than the journal"
            );
        }
        if let Some(healed_at) = self.healed_at {
            self.check_end(healed_at);
        }
    }

    /// All is well: what is over by its time must have ended soon after it.
    fn check_end(&self, healed_at: u64) {
        let now = self.now();
        let well_since = now - Duration::from_millis(self.at - healed_at);
        let overdue = |over_by: Timestamp| now > over_by.max(well_since) + PATIENCE;
        if !self.steps.is_multiple_of(64) {
            return;
        }
        for (key, fate) in &self.books.fates {
            let late = fate.outcome.is_none() && overdue(fate.over_by());
            assert!(!late, "{key:?} does not end: {fate:?}");
        }
    }

    pub(crate) fn user(&self, name: &UserId) -> usize {
        let found = self.users.iter().position(|user| user == name);
        found.expect("a user of this world")
    }

    pub(crate) fn app(&self, name: &AppId) -> usize {
        let found = self.apps.iter().position(|app| app == name);
        found.expect("an app of this world")
    }
}

fn show(event: &Event) -> String {
    let mut text = format!("{event:?}");
    if text.len() > 300 {
        let end = (0..=300).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}
