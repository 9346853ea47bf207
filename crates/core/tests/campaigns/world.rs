//! The world: what may happen next, and what must hold after each step.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::admission::{self, Admission};
use fanfare_core::campaign::run::{Effect, Failed, Finished, Limits};
use fanfare_core::campaign::{self, Again, Command, Known, Ledger, Plan, Sight, plan};
use fanfare_types::{
    AppId, CampaignId, CampaignState, Delivery, Live, NotificationId, Outcome, Run, Standing,
    Timestamp,
};

use crate::actor::{Child, Load, Msg, limits};
use crate::dice::Dice;
use crate::store::{Open, Store};

/// Steps with faults, and without.
const CHAOS: usize = 500;
const CALM: usize = 6_000;

/// What the store is asked.
pub(crate) enum Op {
    Find,
    Load,
    Chunks(Option<NotificationId>, usize),
    Page(u32, usize, usize),
    Open(Open),
    Finish,
    /// Of what is over before it was handed on.
    End(Arc<Live>, Vec<u32>, Outcome),
    Record(Vec<Ended>),
    /// A change of standing.
    Steer(Standing),
}

pub(crate) struct Task {
    /// Of the actor that wants to know.
    life: u64,
    pub(crate) op: Op,
    /// The store has done it, and does not say so.
    pub(crate) is_done: bool,
}

pub(crate) struct Ended {
    pub(crate) delivery: Delivery,
    pub(crate) outcome: Outcome,
}

/// The run that whoever steers finds.
pub(crate) struct Entry {
    pub(crate) run: Arc<Run>,
    pub(crate) ledger: Ledger,
}

pub(crate) enum Timer {
    Child(u64, Box<Msg>),
    Look,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) now: Timestamp,
    pub(crate) trace: VecDeque<String>,
    pub(crate) seen: Seen,
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) window: usize,
    pub(crate) admission: Admission,
    pub(crate) again: Again,
    pub(crate) child: Option<Child>,
    lives: u64,
    pub(crate) entry: Option<Entry>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) mail: VecDeque<Msg>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) timers: Vec<(Timestamp, Timer)>,
    pub(crate) waiting: Vec<Delivery>,
    pub(crate) flying: Vec<Delivery>,
    pub(crate) buffer: Vec<Ended>,
    pub(crate) is_writing: bool,
    pub(crate) is_feed_waiting: bool,
    pub(crate) is_draining: bool,
    pub(crate) wants_look: bool,
    /// A pause or cancel was answered.
    pub(crate) is_quiet: bool,
    /// A durable standing that is to be carried out and answered.
    pub(crate) flip: Option<Standing>,
    is_healed: bool,
    is_slow: bool,
    /// The provider is slower than the store.
    sends_slowly: bool,
    pub(crate) sent: BTreeMap<u32, usize>,
    /// How often a recipient's push was handed over, and nobody knows what became of it.
    pub(crate) doubt: BTreeMap<u32, usize>,
    terminal: u64,
}

/// What came about, over all seeds.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) completed: u64,
    pub(crate) cancelled: u64,
    pub(crate) paused: u64,
    pub(crate) drained: u64,
    pub(crate) again: u64,
    pub(crate) losses: u64,
    pub(crate) recovered: u64,
    pub(crate) lost_opens: u64,
    pub(crate) expired: u64,
    pub(crate) process_crashes: u64,
    pub(crate) child_crashes: u64,
    pub(crate) pool_crashes: u64,
    pub(crate) outcome_crashes: u64,
    pub(crate) store_failures: u64,
}

pub(crate) fn shop() -> AppId {
    AppId::new("shop").expect("a name")
}

pub(crate) fn campaign_id() -> CampaignId {
    CampaignId::new(Timestamp(1), 1)
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let now = Timestamp(1_000_000);
        let store = Store::new(&mut dice, now);
        let budget = admission::Limits {
            deliveries_max: [3, 10, 100][dice.below(3)],
            ..admission::Limits::default()
        };
        World {
            store,
            now,
            limits: limits(),
            window: [1, 6, 40, 200][dice.below(4)],
            admission: Admission::new(&budget, [shop()]),
            trace: VecDeque::new(),
            seen: Seen::default(),
            again: Again::default(),
            child: None,
            lives: 0,
            entry: None,
            effects: Vec::new(),
            mail: VecDeque::new(),
            tasks: Vec::new(),
            timers: Vec::new(),
            waiting: Vec::new(),
            flying: Vec::new(),
            buffer: Vec::new(),
            is_writing: false,
            is_feed_waiting: false,
            is_draining: false,
            wants_look: false,
            is_quiet: false,
            flip: None,
            is_healed: false,
            is_slow: dice.once_in(2),
            sends_slowly: dice.once_in(3),
            sent: BTreeMap::new(),
            doubt: BTreeMap::new(),
            terminal: 0,
            dice,
        }
    }

    pub(crate) fn run(&mut self) {
        self.start();
        for _ in 0..CHAOS {
            self.step();
        }
        if self.dice.once_in(2) {
            self.child_dies();
        }
        self.is_healed = true;
        for _ in 0..CALM {
            if self.is_over() {
                return self.check_end();
            }
            self.step();
        }
        panic!("it does not come to an end");
    }

    fn start(&mut self) {
        let ttl = match self.dice.once_in(6) {
            true => Duration::from_millis(1_500),
            false => Duration::from_secs(10_000_000),
        };
        let next = campaign::steer(
            Command::Start,
            &self.store.standing,
            Known::of_any(ttl),
            self.now,
        );
        let next = next.expect("it may start").expect("it has not");
        assert!(self.store.change(&next));
        self.wants_look = true;
    }

    fn is_over(&self) -> bool {
        self.store.standing.state.is_final()
            && !self.is_draining
            && self.child.is_none()
            && self.tasks.is_empty()
            && self.flying.is_empty()
            && self.buffer.is_empty()
            && !self.wants_look
            && self.flip.is_none()
    }

    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        let line = line(self);
        self.trace.push_back(line);
        if self.trace.len() > 200 {
            self.trace.pop_front();
        }
    }

    /// Something happens.
    fn step(&mut self) {
        if !self.is_healed && !self.is_draining {
            match self.dice.below(60) {
                0 => {
                    self.note(|_| "crash".to_owned());
                    self.crash();
                }
                1 => self.command(),
                2 if self.dice.once_in(3) => self.drain(),
                _ => {}
            }
        } else if self.is_healed && self.store.standing.state == CampaignState::Paused {
            self.command();
        }
        self.go();
        self.hear_of_losses();
        self.check();
    }

    fn go(&mut self) {
        for _ in 0..40 {
            let is_done = match self.dice.below(8) {
                0 if self.wants_look && !self.is_draining => {
                    self.wants_look = false;
                    self.look();
                    true
                }
                1 if !self.mail.is_empty() => {
                    let msg = self.mail.pop_front().expect("some");
                    self.note(|w| format!("{} {msg:?}", w.now.0));
                    self.at_child(msg);
                    true
                }
                2 if !self.tasks.is_empty() => {
                    self.go_on_with_a_task();
                    true
                }
                3 if !self.waiting.is_empty() && !self.is_draining && self.sends() => {
                    self.hand_over();
                    true
                }
                4 if !self.flying.is_empty() && self.sends() => {
                    self.answer();
                    true
                }
                5 if !self.buffer.is_empty() && !self.is_writing => {
                    self.flush();
                    true
                }
                6 if self.flip.is_some() => {
                    self.flip();
                    true
                }
                // A busy machine's tasks are slower than its timers.
                7 if self.is_slow && !self.is_draining && self.dice.once_in(4) => {
                    self.let_time_pass();
                    true
                }
                _ => false,
            };
            if is_done {
                return;
            }
        }
        self.let_time_pass();
    }

    fn sends(&mut self) -> bool {
        !self.sends_slowly || self.dice.once_in(12)
    }

    fn let_time_pass(&mut self) {
        if self.is_draining && self.flying.is_empty() && self.buffer.is_empty() && !self.is_writing
        {
            self.note(|_| "drained".to_owned());
            self.seen.drained += 1;
            self.tasks.clear();
            return self.start_anew();
        }
        if std::mem::take(&mut self.is_feed_waiting) {
            self.tell(Msg::Recorded(Vec::new(), 0));
        }
        let first = (0..self.timers.len()).min_by_key(|at| self.timers[*at].0);
        if let Some(first) = first {
            let (at, timer) = self.timers.swap_remove(first);
            self.now = self.now.max(at);
            match timer {
                Timer::Look => self.wants_look = true,
                Timer::Child(life, msg) => {
                    if self.child.as_ref().is_some_and(|child| child.life == life) {
                        self.tell(*msg);
                    }
                }
            }
        }
    }

    pub(crate) fn tell(&mut self, msg: Msg) {
        if self.child.is_some() {
            self.mail.push_back(msg);
        }
    }

    pub(crate) fn timer(&mut self, delay: Duration, timer: Timer) {
        self.timers.push((self.now + delay, timer));
    }

    pub(crate) fn ledger(&mut self) -> &mut Ledger {
        &mut self.entry.as_mut().expect("it was entered").ledger
    }

    pub(crate) fn task(&mut self, life: u64, op: Op) {
        self.tasks.push(Task {
            life,
            op,
            is_done: false,
        });
    }

    fn hear_of_losses(&mut self) {
        let present = self.child.as_ref().and_then(|child| child.present.as_ref());
        if present.is_some_and(|present| present.is_to_hear_of_losses()) {
            self.tell(Msg::Lost);
        }
    }

    fn go_on_with_a_task(&mut self) {
        let at = self.dice.below(self.tasks.len());
        let life = self.child.as_ref().map_or(0, |child| child.life);
        if ![0, life].contains(&self.tasks[at].life) && !self.dice.once_in(10) {
            // What a crashed actor asked for may come late.
            return;
        }
        let mut task = self.tasks.swap_remove(at);
        let fails = !self.is_healed && !self.is_draining && self.dice.once_in(10);
        if fails {
            self.seen.store_failures += 1;
            if self.dice.once_in(2) {
                // Done, and nobody is told.
                drop(self.run_op(&task.op));
                task.is_done = true;
            }
        }
        let failed = fails.then_some(Failed);
        let answer = match failed {
            None => self.run_op(&task.op),
            Some(failed) => match &task.op {
                Op::Find => Some(Msg::Found(Err(failed))),
                Op::Load => Some(Msg::Loaded(Err(failed))),
                Op::Chunks(..) => Some(Msg::Chunks(Err(failed))),
                Op::Page(shard, ..) => Some(Msg::Page(*shard, Err(failed))),
                Op::Open(open) => Some(Msg::Opened(open.shard, Err(failed))),
                Op::Finish => Some(Msg::Finished(Err(failed))),
                // Whoever asks gets an error; what is durable is carried out by whoever looks.
                Op::Steer(_) => return self.wants_look = true,
                Op::End(live, ..) if live.is_withdrawn() => return,
                Op::End(..) | Op::Record(_) => return self.tasks.push(task),
            },
        };
        match task.op {
            Op::Record(endings) => self.close(endings),
            Op::End(live, ordinals, outcome) => {
                ordinals.iter().for_each(|_| {
                    live.progress.ended(outcome, 1);
                });
                self.tell(Msg::Recorded(vec![live.id], ordinals.len() as u64));
            }
            _ => {
                let is_its = |child: &Child| child.life == task.life;
                if let Some(msg) = answer
                    && self.child.as_ref().is_some_and(is_its)
                {
                    self.tell(msg);
                }
            }
        }
    }

    /// The store does it.
    pub(crate) fn run_op(&mut self, op: &Op) -> Option<Msg> {
        let store = &mut self.store;
        Some(match op {
            Op::Find => Msg::Found(Ok(store.standing.clone())),
            Op::Load => Msg::Loaded(Ok(Box::new(Load {
                cursors: store.cursors(),
                standing: store.standing.clone(),
                found: store.found(),
            }))),
            Op::Chunks(after, limit) => Msg::Chunks(Ok(store.open_chunks(*after, *limit))),
            Op::Page(shard, from, limit) => {
                Msg::Page(*shard, Ok(store.page(*shard, *from, *limit)))
            }
            Op::Open(open) => {
                let is_open = store.open(open);
                self.seen.lost_opens += u64::from(!is_open);
                Msg::Opened(open.shard, Ok(is_open))
            }
            Op::Finish => Msg::Finished(Ok(self.finish())),
            Op::End(live, ordinals, outcome) => {
                let ended: Vec<_> = ordinals
                    .iter()
                    .map(|ordinal| (*ordinal, *outcome))
                    .collect();
                store.record(live.id, &ended);
                return None;
            }
            Op::Record(endings) => {
                self.record(endings);
                return None;
            }
            Op::Steer(standing) => {
                if store.change(standing) {
                    self.flip = Some(standing.clone());
                }
                return None;
            }
        })
    }

    pub(crate) fn record(&mut self, endings: &[Ended]) {
        for Ended { delivery, outcome } in endings {
            let ended = [(delivery.ordinal, *outcome)];
            self.store.record(delivery.live.id, &ended);
        }
    }

    fn finish(&mut self) -> Finished {
        let found = self.store.found();
        if !self.store.is_scanned() || found.opened > found.ended.terminal() {
            return Finished::Neither;
        }
        let is_over = match campaign::finish(&self.store.standing, self.now) {
            Some(next) => self.store.change(&next),
            None => self.store.standing.state == CampaignState::Completed,
        };
        match is_over {
            true => Finished::All,
            false => Finished::Neither,
        }
    }

    /// The supervisor looks at the campaign.
    fn look(&mut self) {
        let found = self.store.found();
        let sight = Sight {
            state: self.store.standing.state,
            start_at: None,
            has_open: found.opened > found.ended.terminal(),
            is_served: true,
            has_run: self.child.is_some() || self.entry.is_some(),
        };
        self.timer(Duration::from_secs(30), Timer::Look);
        let entry = self.entry.as_ref().map(|entry| entry.run.clone());
        match plan(sight, self.now) {
            Plan::Nothing | Plan::LookAt(_) | Plan::Start => return,
            Plan::Run => {}
            Plan::Withdraw => entry.iter().for_each(|run| run.withdraw()),
            Plan::Cancel => entry.iter().for_each(|run| run.cancel()),
        }
        if self.child.is_none() {
            self.lives += 1;
            self.child = Some(Child {
                life: self.lives,
                present: None,
            });
            self.tell(Msg::Begin);
        } else {
            self.tell(Msg::Recorded(Vec::new(), 0));
        }
    }

    fn command(&mut self) {
        let state = self.store.standing.state;
        let command = match state {
            CampaignState::Running if self.dice.once_in(6) => Command::Cancel,
            CampaignState::Running => Command::Pause,
            CampaignState::Paused => match self.dice.once_in(6) {
                true => Command::Cancel,
                false => Command::Resume,
            },
            _ => return,
        };
        let is_steering = self
            .tasks
            .iter()
            .any(|task| matches!(task.op, Op::Steer(_)));
        if is_steering || self.flip.is_some() {
            return;
        }
        let known = Known::of_any(Duration::ZERO);
        let next = campaign::steer(command, &self.store.standing, known, self.now);
        if let Ok(Some(next)) = next {
            self.note(|_| format!("{command:?}"));
            if command == Command::Resume {
                self.is_quiet = false;
            }
            self.task(0, Op::Steer(next));
        }
    }

    /// What is durable is so in memory, and then it is answered.
    fn flip(&mut self) {
        let Some(standing) = self.flip.take() else {
            return;
        };
        let run = self.entry.as_ref().map(|entry| entry.run.clone());
        match standing.state {
            CampaignState::Paused => {
                self.seen.paused += 1;
                run.iter().for_each(|run| run.withdraw());
                self.is_quiet = true;
            }
            CampaignState::Cancelled => {
                run.iter().for_each(|run| run.cancel());
                self.is_quiet = true;
            }
            _ => {}
        }
        self.sweep();
        self.tell(Msg::Recorded(Vec::new(), 0));
        self.wants_look = true;
    }

    /// SIGTERM: nothing more is handed over, and what was is answered and recorded.
    fn drain(&mut self) {
        self.note(|_| "drains".to_owned());
        self.is_draining = true;
        if let Some(entry) = &self.entry {
            entry.run.withdraw();
        }
        self.child = None;
        self.mail.clear();
        // Where they are dropped.
        self.waiting.clear();
    }

    fn check(&mut self) {
        let state = self.store.standing.state;
        let stored = self.store.found();
        let now = self.now;
        let look = self.entry.as_mut().and_then(|entry| entry.ledger.look(now));
        let found = look.map_or(stored, |look| look.found);
        assert!(
            found.ended.terminal() <= stored.ended.terminal(),
            "memory knows more than the store"
        );
        assert!(
            found.opened <= stored.opened,
            "memory has more open than the store"
        );
        let (total, _, counts) = found.books(state, true);
        let sum = counts.waiting + counts.in_flight + counts.terminal();
        assert_eq!(total, sum, "{counts:?}");
        assert_eq!(total, self.store.recipients() as u64);
        assert!(
            self.terminal <= counts.terminal() || look.is_some(),
            "an outcome was taken back"
        );
        self.terminal = found.ended.terminal();
        let with_others = self.flying.len() + self.waiting.len() + self.buffer.len();
        assert!(
            with_others <= self.admission.max(),
            "more than there are permits"
        );
        let present = self.child.as_ref().and_then(|child| child.present.as_ref());
        let feeds = present.into_iter().flat_map(|present| &present.feeds);
        let fed: usize = feeds.map(|feed| feed.ordinals.len()).sum();
        // Of what former runs left, a chunk is taken in whatever the window.
        assert!(
            with_others + fed <= self.window + limits().chunk,
            "more than the window"
        );
    }

    fn check_end(&mut self) {
        let found = self.store.found();
        assert_eq!(
            found.opened,
            found.ended.terminal(),
            "something has no outcome"
        );
        assert_eq!(self.admission.taken(), 0, "permits are left");
        assert!(self.entry.is_none(), "a run is left");
        let mut recipients = BTreeMap::new();
        for chunk in self.store.chunks.values() {
            for (recipient, outcome) in chunk.recipients.iter().zip(&chunk.outcomes) {
                let before = recipients.insert(*recipient, outcome.expect("it ended"));
                assert_eq!(before, None, "{recipient} was opened twice");
                let is_sent = self.sent.contains_key(recipient);
                if outcome == &Some(Outcome::Delivered) {
                    assert!(is_sent, "{recipient} got nothing");
                }
                self.seen.expired += u64::from(outcome == &Some(Outcome::Expired));
            }
        }
        match self.store.standing.state {
            CampaignState::Completed => {
                self.seen.completed += 1;
                assert_eq!(
                    recipients.len(),
                    self.store.recipients(),
                    "somebody was left out"
                );
            }
            _ => self.seen.cancelled += 1,
        }
    }
}

impl Seen {
    fn all(&mut self) -> [(&'static str, &mut u64); 14] {
        [
            ("completed", &mut self.completed),
            ("cancelled", &mut self.cancelled),
            ("paused", &mut self.paused),
            ("drained", &mut self.drained),
            ("again", &mut self.again),
            ("losses", &mut self.losses),
            ("recovered", &mut self.recovered),
            ("lost_opens", &mut self.lost_opens),
            ("expired", &mut self.expired),
            ("process_crashes", &mut self.process_crashes),
            ("child_crashes", &mut self.child_crashes),
            ("pool_crashes", &mut self.pool_crashes),
            ("outcome_crashes", &mut self.outcome_crashes),
            ("store_failures", &mut self.store_failures),
        ]
    }

    pub(crate) fn add(&mut self, other: &Seen) {
        let mut other = Seen { ..*other };
        for ((_, sum), (_, more)) in self.all().into_iter().zip(other.all()) {
            *sum += *more;
        }
    }

    pub(crate) fn nothing_is_missing(&mut self) {
        let missing: Vec<_> = self.all().into_iter().filter(|(_, n)| **n == 0).collect();
        assert!(missing.is_empty(), "never came about: {missing:?}");
    }
}
