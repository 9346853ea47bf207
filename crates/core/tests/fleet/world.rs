//! The world: time, chance, processes and the store between them; and what is checked.
//!
//! - No two processes would hand something of one slot over at the same time.
//! - What was told is known to everybody who could hand something over, when the teller goes on.
//! - A killed one's slots are held again within three leases; a drained one's within one.
//! - In quiet, everybody has as many as the others, but for one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use fanfare_core::fleet::{self, Effect, Failed, Limits, Telling};
use fanfare_types::{Lease, NodeId, Slot, Timestamp};

use crate::dice::Dice;
use crate::process::{Process, Stage};
use crate::store::{Op, Said, Store, Word};

/// What an answer is for.
#[derive(Clone, Debug)]
enum For {
    Join,
    Beat(NodeId),
    Census(NodeId, u64),
    Hear(NodeId, Timestamp),
    Bury,
    Claim(NodeId, Vec<Lease>),
    TakeUp(NodeId, Slot, fanfare_types::Epoch),
    Release(NodeId, Slot, fanfare_types::Epoch),
    Leave,
    Put(Word),
    Heard(Word),
    Nothing,
}

#[derive(Clone, Debug)]
enum Event {
    /// A call reaches the store; who hears of it, and what it is for.
    Store(usize, Op, For, Answers),
    Answer(usize, For, Option<Said>),
    Wake(usize, u64),
    Quiet(usize, NodeId, Slot, fanfare_types::Epoch),
    /// A teller looks who has heard.
    Look(usize, Word),
    /// A teller asks who is there.
    Tell(usize, Word),
    Chance,
}

/// Whether the answer comes.
#[derive(Clone, Copy, Debug)]
enum Answers {
    After(u64),
    Never,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    kills: u64,
    freezes: u64,
    outages: u64,
    deaths: u64,
    drains: u64,
    unknown: u64,
    late: u64,
    told: u64,
    told_unheard: u64,
    gained: u64,
    given: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Seen) {
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.outages += other.outages;
        self.deaths += other.deaths;
        self.drains += other.drains;
        self.unknown += other.unknown;
        self.late += other.late;
        self.told += other.told;
        self.told_unheard += other.told_unheard;
        self.gained += other.gained;
        self.given += other.given;
    }

    /// Everything the simulation is for did happen.
    pub(crate) fn nothing_is_missing(&self) {
        let all = [
            self.kills,
            self.freezes,
            self.outages,
            self.deaths,
            self.drains,
            self.unknown,
            self.late,
            self.told,
            self.told_unheard,
            self.gained,
            self.given,
        ];
        assert!(all.iter().all(|count| *count > 0), "{self:?}");
    }
}

pub(crate) struct World {
    limits: Limits,
    dice: Dice,
    now: u64,
    sequence: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    store: Store,
    processes: Vec<Process>,
    /// No call gets through before then.
    outage_until: u64,
    is_calm: bool,
    /// Somebody may hand over what it might not before.
    has_changed: bool,
    words: Word,
    /// What was told, and as of when whoever was there must know.
    told: BTreeMap<Word, u64>,
    asked: BTreeMap<Word, u64>,
    pub(crate) seen: Seen,
    pub(crate) trace: Vec<String>,
}

/// The process's own clocks differ by up to six hundredths in pace.
const PACES: [u64; 4] = [970, 1_000, 1_011, 1_030];

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        World {
            limits: Limits::default(),
            dice: Dice::new(seed),
            now: 1_000,
            sequence: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            store: Store::default(),
            processes: Vec::new(),
            outage_until: 0,
            is_calm: false,
            has_changed: false,
            words: 0,
            told: BTreeMap::new(),
            asked: BTreeMap::new(),
            seen: Seen::default(),
            trace: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self) {
        for _ in 0..1 + self.dice.below(4) {
            self.start();
        }
        self.at(500, Event::Chance);
        let storm = 60_000 + self.dice.below(60_000) as u64;
        self.until(self.now + storm);
        self.calm();
        let lease = self.lease();
        self.until(self.now + 3 * lease);
        self.all_is_held("after the storm");
        self.until(self.now + 3 * lease);
        self.all_is_even();
        self.lose_one();
    }

    fn lease(&self) -> u64 {
        self.limits.lease.as_millis() as u64
    }

    fn calm(&mut self) {
        self.is_calm = true;
        self.outage_until = 0;
        for process in 0..self.processes.len() {
            self.processes[process].frozen_until = 0;
        }
        while self.living().len() < 2 {
            self.start();
        }
    }

    /// In quiet: one is killed, another is drained.
    fn lose_one(&mut self) {
        self.start();
        self.until(self.now + 2 * self.lease());
        self.all_is_even();
        let victim = self.pick();
        self.kill(victim);
        self.until(self.now + 3 * self.lease());
        self.all_is_held("after a kill");
        if self.living().len() > 1 {
            let leaver = self.pick();
            self.drain(leaver);
            self.until(self.now + self.lease());
            assert!(self.processes[leaver].is_gone, "it did not leave");
            self.all_is_held("after a drain");
        }
        self.until(self.now + 2 * self.lease());
        self.all_is_even();
    }

    fn all_is_held(&self, when: &str) {
        for slot in Slot::all() {
            let sends = |process: &&Process| process.sends(slot, self.now);
            let holders = self.processes.iter().filter(sends).count();
            assert_eq!(holders, 1, "{slot} {when}: {:?}", self.store.lease(slot));
        }
    }

    fn all_is_even(&self) {
        self.all_is_held("in quiet");
        let held = self.processes.iter().filter(|p| p.is_alive && !p.is_gone);
        let held: Vec<_> = held.map(|process| process.held.len()).collect();
        let (least, most) = (held.iter().min(), held.iter().max());
        let (least, most) = (least.expect("somebody lives"), most.expect("the same"));
        assert!(most - least <= 1, "{held:?}");
    }

    fn living(&self) -> Vec<usize> {
        let lives = |n: &usize| self.processes[*n].is_alive && !self.processes[*n].is_gone;
        (0..self.processes.len()).filter(lives).collect()
    }

    fn pick(&mut self) -> usize {
        let living = self.living();
        living[self.dice.below(living.len())]
    }

    fn at(&mut self, after: u64, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now + after, self.sequence)));
        self.events.insert(self.sequence, event);
    }

    fn until(&mut self, end: u64) {
        while let Some(Reverse((at, sequence))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            let event = self.events.remove(&sequence).expect("queued once");
            self.now = self.now.max(at);
            self.step(event);
            if std::mem::take(&mut self.has_changed) {
                self.check();
            }
        }
        self.now = end;
    }

    fn check(&self) {
        let mut sent = BTreeSet::new();
        for process in self.processes.iter().filter(|p| p.has_tenure(self.now)) {
            for slot in &process.held {
                let is_first = sent.insert(*slot);
                assert!(is_first, "two hand {slot} over at {}", self.now);
            }
        }
    }

    fn note(&mut self, line: String) {
        self.trace.push(format!("{:>7} {line}", self.now));
    }

    fn step(&mut self, event: Event) {
        // What comes to a frozen process waits; to a dead one, it is lost.
        let to = match &event {
            Event::Answer(n, ..) | Event::Wake(n, _) | Event::Quiet(n, ..) => Some(*n),
            Event::Look(n, _) | Event::Tell(n, _) => Some(*n),
            Event::Store(..) | Event::Chance => None,
        };
        if let Some(process) = to.map(|n| &self.processes[n]) {
            if !process.is_alive {
                return;
            }
            if process.frozen_until > self.now {
                let after = (process.frozen_until - self.now).min(100);
                return self.at(after, event);
            }
        }
        match event {
            Event::Store(n, op, what, answers) => self.carry_out(n, op, what, answers),
            Event::Answer(n, what, said) => self.answer(n, what, said),
            Event::Wake(n, timer) => {
                if self.processes[n].timer == timer {
                    self.member(n, |member, world| member.on_wake(world));
                }
            }
            Event::Quiet(n, id, slot, epoch) => {
                if self.processes[n].quietening.get(&slot) == Some(&epoch) {
                    self.processes[n].quietening.remove(&slot);
                    self.member(n, |member, world| member.on_quiet(id, slot, epoch, world));
                }
            }
            Event::Look(n, word) => self.look(n, word),
            Event::Tell(n, word) => self.tell(n, word),
            Event::Chance => self.chance(),
        }
    }

    fn carry_out(&mut self, n: usize, op: Op, what: For, answers: Answers) {
        if self.now < self.outage_until {
            // Nobody is there; the caller gives up.
            if let Answers::After(_) = answers {
                self.at(1_500, Event::Answer(n, what, None));
            }
            return;
        }
        let said = self.store.carry_out(&op);
        if let Answers::After(time) = answers {
            match said {
                // The second half of a census.
                Said::Slots(slots) => self.call(n, Op::Nodes(slots), what),
                said => self.at(time, Event::Answer(n, what, Some(said))),
            }
        }
    }

    /// A call on its way, and what becomes of it.
    fn call(&mut self, n: usize, op: Op, what: For) {
        let slow = !self.is_calm && self.dice.once_in(30);
        let most = if slow { 2_000 } else { 15 };
        let (there, back) = (self.dice.below(most) as u64, self.dice.below(most) as u64);
        let fate = if self.is_calm {
            99
        } else {
            self.dice.below(40)
        };
        match fate {
            // Never done.
            0 => self.at(1_500, Event::Answer(n, what, None)),
            // Done, and the answer is lost.
            1 | 2 => {
                self.seen.unknown += 1;
                self.at(there, Event::Store(n, op, what.clone(), Answers::Never));
                self.at(1_500, Event::Answer(n, what, None));
            }
            // Given up, and done afterwards.
            3 => {
                self.seen.late += 1;
                let late = 1_500 + self.dice.below(3_000) as u64;
                self.at(1_500, Event::Answer(n, what, None));
                self.at(late, Event::Store(n, op, For::Nothing, Answers::Never));
            }
            // Done twice.
            4 => {
                self.at(
                    there,
                    Event::Store(n, op.clone(), what, Answers::After(back)),
                );
                let again = there + self.dice.below(200) as u64;
                self.at(again, Event::Store(n, op, For::Nothing, Answers::Never));
            }
            _ => self.at(there, Event::Store(n, op, what, Answers::After(back))),
        }
    }

    fn answer(&mut self, n: usize, what: For, said: Option<Said>) {
        let applied = match &said {
            Some(Said::Applied(applied)) => Ok(*applied),
            _ => Err(Failed),
        };
        let done = match &said {
            Some(Said::Done) => Ok(()),
            _ => Err(Failed),
        };
        match what {
            For::Join => {
                if done.is_ok() {
                    self.processes[n].joined_at = self.now;
                }
                self.member(n, |member, world| member.on_joined(done, world));
            }
            For::Beat(id) => self.member(n, |member, world| member.on_beaten(id, applied, world)),
            For::Census(id, number) => {
                let census = match said {
                    Some(Said::Census(census)) => Ok(census),
                    _ => Err(Failed),
                };
                self.member(n, |member, world| {
                    member.on_census(id, number, census, world)
                });
            }
            For::Hear(id, begun) => self.heard(n, id, begun, said),
            For::Bury => self.member(n, fleet::Member::on_buried),
            For::Claim(id, seen) => {
                self.member(n, |member, world| {
                    member.on_claimed(id, &seen, applied, world)
                });
            }
            For::TakeUp(id, slot, epoch) => {
                self.member(n, |m, world| m.on_taken_up(id, slot, epoch, done, world));
            }
            For::Release(id, slot, epoch) => {
                self.member(n, |m, world| m.on_released(id, slot, epoch, done, world));
            }
            For::Leave => self.member(n, fleet::Member::on_left),
            For::Put(word) => self.put(n, word, done),
            For::Heard(word) => {
                if let (Some(Said::Nodes(by)), Some(Stage::Waiting(telling))) =
                    (said, self.processes[n].tellings.get_mut(&word))
                {
                    telling.on_heard(&by);
                }
                self.at(50, Event::Look(n, word));
            }
            For::Nothing => {}
        }
    }

    fn heard(&mut self, n: usize, id: NodeId, begun: Timestamp, said: Option<Said>) {
        let heard = match said {
            Some(Said::Words(words)) => {
                let new = |word: &Word| !self.processes[n].knows.contains(word);
                let new: Vec<_> = words.into_iter().filter(new).collect();
                self.processes[n].knows.extend(&new);
                if !new.is_empty() {
                    self.call(n, Op::Acknowledge(id, new), For::Nothing);
                }
                Ok(())
            }
            _ => Err(Failed),
        };
        self.member(n, |member, world| member.on_heard(id, begun, heard, world));
    }

    /// Has a member take an event, and does what follows.
    fn member(&mut self, n: usize, event: impl FnOnce(&mut fleet::Member, &mut fleet::World<'_>)) {
        let mut effects = Vec::new();
        let process = &mut self.processes[n];
        let mut world = fleet::World {
            now: process.clock(self.now),
            random: &mut || self.dice.next(),
            doing: &mut String::new,
            effects: &mut effects,
        };
        event(&mut process.member, &mut world);
        for effect in effects {
            self.perform(n, effect);
        }
    }

    fn perform(&mut self, n: usize, effect: Effect) {
        if !matches!(
            effect,
            Effect::WakeAt(_)
                | Effect::Beat(_)
                | Effect::Hear { .. }
                | Effect::Count(_)
                | Effect::Tenure(_)
        ) {
            self.note(format!("{n}: {effect:?}"));
        }
        let id = self.processes[n].member.id();
        let id = id.unwrap_or(NodeId(fanfare_types::ids::Id96([0; 12])));
        match effect {
            Effect::Join(id) => {
                let name = format!("node-{n}");
                self.call(n, Op::Join(id, name), For::Join);
            }
            Effect::Beat(node) => self.call(n, Op::Beat(node), For::Beat(id)),
            Effect::Count(number) => self.call(n, Op::Slots, For::Census(id, number)),
            Effect::Hear { inbox, begun } => {
                self.call(n, Op::Hear(id, inbox), For::Hear(id, begun));
            }
            Effect::Bury(whom, beat) => self.call(n, Op::Bury(whom, beat), For::Bury),
            Effect::Claim(seen) => {
                let what = For::Claim(id, seen.clone());
                self.call(n, Op::Claim(id, seen), what);
            }
            Effect::TakeUp(slot, epoch) => {
                self.call(n, Op::TakeUp(slot, epoch), For::TakeUp(id, slot, epoch));
            }
            Effect::Gain(slot) => {
                self.seen.gained += 1;
                self.has_changed = true;
                assert!(self.processes[n].held.insert(slot), "gained twice");
            }
            Effect::Lose(slot) => {
                self.processes[n].held.remove(&slot);
                self.processes[n].quietening.remove(&slot);
            }
            Effect::Quieten(slot, epoch) => {
                self.seen.given += 1;
                assert!(self.processes[n].held.remove(&slot), "it was not held");
                self.processes[n].quietening.insert(slot, epoch);
                let after = self.dice.below(300) as u64;
                self.at(after, Event::Quiet(n, id, slot, epoch));
            }
            Effect::GiveUp(slot) => assert!(!self.processes[n].held.contains(&slot)),
            Effect::Release(slot, epoch) => {
                let op = Op::Release(id, slot, epoch);
                self.call(n, op, For::Release(id, slot, epoch));
            }
            Effect::Tenure(until) => {
                self.processes[n].tenure = until;
                self.has_changed = true;
            }
            Effect::Died(_) => self.seen.deaths += 1,
            Effect::Leave(id) => self.call(n, Op::Leave(id), For::Leave),
            Effect::Gone => self.processes[n].is_gone = true,
            Effect::WakeAt(at) => {
                self.processes[n].timer += 1;
                let (timer, due) = (self.processes[n].timer, self.processes[n].world_time(at));
                self.at(due.saturating_sub(self.now), Event::Wake(n, timer));
            }
        }
    }

    fn start(&mut self) {
        let n = self.processes.len();
        let ahead = 1_000_000 + self.dice.below(1_000_000_000) as u64;
        let pace = PACES[self.dice.below(PACES.len())];
        self.note(format!("{n} starts"));
        self.processes
            .push(Process::new(n, &self.limits, ahead, pace));
        self.member(n, |member, world| member.on_wake(world));
    }

    fn kill(&mut self, n: usize) {
        self.note(format!("{n} is killed"));
        self.seen.kills += 1;
        self.processes[n].is_alive = false;
    }

    fn drain(&mut self, n: usize) {
        self.note(format!("{n} drains"));
        self.seen.drains += 1;
        self.member(n, |member, world| member.on_drain(world));
        self.member(n, |member, world| member.on_leave(world));
    }

    fn chance(&mut self) {
        if self.is_calm {
            return;
        }
        let living = self.living();
        match self.dice.below(100) {
            0..=2 if living.len() > 1 => {
                let n = self.pick();
                self.kill(n);
            }
            3..=8 if living.len() < 6 => self.start(),
            9..=14 if !living.is_empty() => {
                let n = self.pick();
                let time = [300, 1_200, 4_000, 6_000, 60_000][self.dice.below(5)];
                self.note(format!("{n} is frozen for {time}"));
                self.seen.freezes += 1;
                self.processes[n].frozen_until = self.now + time;
            }
            15 | 16 => {
                let time = [500, 3_000, 8_000, 20_000][self.dice.below(4)];
                self.note(format!("no store for {time}"));
                self.seen.outages += 1;
                self.outage_until = self.now + time;
            }
            17 | 18 if living.len() > 2 => {
                let n = self.pick();
                if self.processes[n].frozen_until <= self.now {
                    self.drain(n);
                }
            }
            19..=60 if !living.is_empty() => {
                let n = self.pick();
                self.words += 1;
                self.at(0, Event::Tell(n, self.words));
            }
            _ => {}
        }
        let after = 50 + self.dice.below(1_000) as u64;
        self.at(after, Event::Chance);
    }

    /// Something was changed: whoever joins from now on reads it so.
    fn tell(&mut self, n: usize, word: Word) {
        let process = &mut self.processes[n];
        process.knows.insert(word);
        if process.member.id().is_none() {
            return;
        }
        self.asked.insert(word, self.now);
        // The nodes are read at one instant after the change; the rest takes its time.
        let delay = self.dice.below(if self.is_calm { 10 } else { 400 }) as u64;
        let me = self.processes[n].member.id();
        let mut to = self.store.listeners();
        to.retain(|(id, _)| Some(*id) != me);
        let nodes = to.iter().map(|(id, _)| *id).collect();
        let begun = self.processes[n].clock(self.now);
        self.processes[n]
            .tellings
            .insert(word, Stage::Putting { begun, to: nodes });
        if self.now < self.outage_until {
            return self.at(200, Event::Tell(n, word));
        }
        self.note(format!("{n} tells {word} to {to:?}"));
        let (op, what) = (Op::Put(word, to), For::Put(word));
        // On its way it may be lost like anything.
        let fate = self.dice.below(20);
        match fate {
            0 if !self.is_calm => self.at(1_500, Event::Answer(n, what, None)),
            _ => self.at(delay, Event::Store(n, op, what, Answers::After(delay))),
        }
    }

    fn put(&mut self, n: usize, word: Word, done: Result<(), Failed>) {
        let now = self.processes[n].clock(self.now);
        self.note(format!("{n} has put {word}: {done:?}"));
        let Some(Stage::Putting { begun, to }) = self.processes[n].tellings.remove(&word) else {
            return;
        };
        // Too late, or nobody knows: once more.
        if done.is_err() || now.since(begun) > self.limits.inbox_kept / 2 {
            return self.at(50, Event::Tell(n, word));
        }
        let telling = Telling::new(to, self.limits.settled_after(), now);
        self.processes[n]
            .tellings
            .insert(word, Stage::Waiting(telling));
        self.at(50, Event::Look(n, word));
    }

    fn look(&mut self, n: usize, word: Word) {
        let now = self.processes[n].clock(self.now);
        let Some(Stage::Waiting(telling)) = self.processes[n].tellings.get(&word) else {
            return;
        };
        if !telling.is_over(now) {
            return self.call(n, Op::Heard(word), For::Heard(word));
        }
        self.seen.told += 1;
        self.processes[n].tellings.remove(&word);
        let since = self.asked[&word];
        self.told.insert(word, since);
        for process in &self.processes {
            if process.has_tenure(self.now) && process.joined_at < since {
                let id = process.member.id();
                assert!(
                    process.knows.contains(&word),
                    "{word} was not heard by {id:?}"
                );
            } else if process.is_alive && !process.knows.contains(&word) {
                self.seen.told_unheard += 1;
            }
        }
    }
}
