//! The feeder's shell and its walk over the journal, as `actors/src/feeder.rs` and `feeder/walk.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fanfare_core::dispatch::over;
use fanfare_core::feeder::{Again, Next, remaining};
use fanfare_types::{
    Address, AddressKind, Delivery, Environment, Live, NotificationId, NotificationRecord, Outcome,
    Permits, Target, Timestamp,
};

use crate::accept::live;
use crate::books::Place;
use crate::coverage::Seen;
use crate::event::{Actor, Event, Msg, Task};
use crate::gateway::{Drain, feeder_limits};
use crate::sim::Sim;
use crate::store::{Trouble, Write, Wrote};

/// A walk under way.
pub(crate) struct Walk {
    life: u64,
    due: Timestamp,
    stage: Stage,
    /// Where the pass is.
    after: Option<NotificationId>,
    page: VecDeque<Recovered>,
    half_fed: BTreeMap<usize, Feed>,
    again: Again,
    progress: bool,
    polls: u32,
    /// Notifications that lost deliveries and that others still work on.
    lost: VecDeque<Arc<Live>>,
    /// Apps without room have such notifications.
    losses_wait: bool,
    /// When the first of what waits behind something half fed expires.
    waits_until: Option<Timestamp>,
    /// A pass over all follows the look at what was lost.
    pass_all: bool,
    /// What is over, while the journal is told how it ends.
    ending: Option<(Feed, Outcome)>,
}

enum Stage {
    /// The next page is read.
    Page,
    /// The next one of the page is met.
    Meet,
    /// What was journaled since the page was read decides.
    Fresh(Box<Feed>, usize),
    /// The next notification that lost some is looked at.
    Lost,
    /// What the journal has of it decides.
    Again(Lost),
    /// It waits for room.
    Room,
    NextDue,
}

/// What a page says of a notification.
struct Recovered {
    record: NotificationRecord,
    cancelled: bool,
    done: Vec<u32>,
    counts: fanfare_types::Counts,
}

struct Feed {
    live: Arc<Live>,
    left: VecDeque<(u32, Target)>,
}

/// Polls for room between looks at what has become due, or is over, meanwhile.
const POLLS_PER_LOOK: u32 = 50;

impl Sim {
    pub(crate) fn at_feeder(&mut self, msg: Msg) {
        let now = self.now();
        let next = match msg {
            Msg::Wanted(at) => self.g.feeder.on_wanted(at, now),
            Msg::Wake(_) => self.g.feeder.on_wake(now),
            Msg::Walked(next_due) => self.g.feeder.on_walked(next_due, now),
            Msg::Lost => match self.lost_notifications() {
                0 => {
                    // It ended meanwhile; the next loss is told again.
                    self.has_new_losses();
                    Next::Wait
                }
                _ => self.g.feeder.on_lost(now),
            },
            other => unreachable!("{other:?} is not for the feeder"),
        };
        match next {
            Next::Wait => {}
            Next::WakeAt(at) => {
                let wake = Event::Mail(Actor::Feeder, Msg::Wake(0));
                self.later(at.since(now), wake);
            }
            Next::Walk => {
                let walk = Walk {
                    life: self.g.life(Actor::Feeder),
                    due: now,
                    stage: Stage::Lost,
                    after: None,
                    page: VecDeque::new(),
                    half_fed: BTreeMap::new(),
                    again: Again::default(),
                    progress: false,
                    polls: 0,
                    lost: VecDeque::new(),
                    losses_wait: false,
                    waits_until: None,
                    pass_all: true,
                    ending: None,
                };
                self.begin_lost(Box::new(walk));
            }
        }
    }

    /// Removes what nobody works on any more. Returns how many notifications have lost deliveries.
    fn lost_notifications(&mut self) -> usize {
        let (mut alone, mut among) = (0, 0);
        self.g.live.retain(|_, live| {
            let orphan = Arc::strong_count(live) == 1;
            let complete = live.progress.counts().terminal() >= live.progress.recipients();
            match orphan {
                true => alone += usize::from(!complete),
                false => among += usize::from(!live.progress.losses().is_empty()),
            }
            !orphan
        });
        if alone > 0 {
            self.mark(Seen::LostAlone);
        }
        alone + among
    }

    fn has_new_losses(&self) -> bool {
        self.g.losses.are_new.swap(false, Ordering::Relaxed)
    }

    /// After every step: what was lost in it is told at once.
    pub(crate) fn tell_of_losses(&mut self) {
        if self.g.losses.to_tell.swap(false, Ordering::Relaxed) && self.g.up {
            self.post(Actor::Feeder, Place::Nowhere, Msg::Lost);
        }
    }

    pub(crate) fn lost_due(&mut self, life: u64) {
        if self.g.life(Actor::Feeder) == life && self.g.is_up(Actor::Feeder) {
            self.post(Actor::Feeder, Place::Nowhere, Msg::Lost);
            let every = feeder_limits().lost_every;
            self.later(every, Event::Task(Task::LostDue(life)));
        }
    }

    pub(crate) fn walk_on(&mut self, mut walk: Box<Walk>) {
        if self.g.life(Actor::Feeder) != walk.life || self.g.drain != Drain::No {
            return;
        }
        match std::mem::replace(&mut walk.stage, Stage::Meet) {
            Stage::Page => self.read_page(walk),
            Stage::Meet => self.meet_next(walk),
            Stage::Fresh(feed, terminal) => self.look_afresh(walk, *feed, terminal),
            Stage::Lost => self.take_in_lost(walk),
            Stage::Again(lost) => self.take_in_again(walk, lost),
            Stage::Room => self.wait_for_room(walk),
            Stage::NextDue => {
                let next = match self.read_fails() {
                    true => Err(()),
                    false => Ok(self.store.next_due(walk.due)),
                };
                self.walked(next);
            }
        }
    }

    fn walked(&mut self, next: Result<Option<Timestamp>, ()>) {
        self.post(Actor::Feeder, Place::Nowhere, Msg::Walked(next));
    }

    fn read_page(&mut self, mut walk: Box<Walk>) {
        if self.read_fails() {
            return self.walked(Err(()));
        }
        let ids = self.store.page(walk.due, walk.after, feeder_limits().page);
        let Some(last) = ids.last() else {
            walk.polls = 0;
            walk.progress = walk.half_fed.is_empty();
            walk.stage = Stage::Room;
            return self.read_then(Task::Walk(walk));
        };
        walk.after = Some(*last);
        for id in ids {
            let entry = &self.store.journal[&id];
            walk.page.push_back(Recovered {
                record: entry.record.clone(),
                cancelled: entry.cancelled,
                done: entry.done(),
                counts: entry.counts(),
            });
        }
        self.read_then(Task::Walk(walk));
    }

    fn meet_next(&mut self, mut walk: Box<Walk>) {
        while let Some(recovered) = walk.page.pop_front() {
            let id = recovered.record.id;
            let app = self.app(&recovered.record.app);
            if self.g.live.contains_key(&id) {
                continue;
            }
            let terminal = recovered.done.len();
            let feed = Feed::of(recovered);
            if walk.half_fed.contains_key(&app) {
                if let Some(outcome) = outcome(&feed.live, self.now()) {
                    walk.stage = Stage::Meet;
                    return self.end(walk, feed, outcome);
                }
                walk.again.meet(id);
                walk.wait_until(feed.live.options.expires_at);
                continue;
            }
            self.g.enter(&feed.live);
            walk.stage = Stage::Fresh(Box::new(feed), terminal);
            return self.read_then(Task::Walk(walk));
        }
        self.push_on(&mut walk);
        walk.stage = Stage::Page;
        self.read_then(Task::Walk(walk));
    }

    fn look_afresh(&mut self, mut walk: Box<Walk>, mut feed: Feed, terminal: usize) {
        let id = feed.live.id;
        if self.read_fails() {
            self.g.live.remove(&id);
            return self.walked(Err(()));
        }
        let entry = &self.store.journal[&id];
        if entry.ended.len() == terminal {
            if entry.cancelled {
                feed.live.progress.cancel();
            }
            if !self.push(&mut feed) {
                self.mark(Seen::HalfFed);
                let app = self.app(&feed.live.app);
                walk.half_fed.insert(app, feed);
            }
        } else {
            self.g.live.remove(&id);
            walk.again.meet(id);
        }
        walk.stage = Stage::Meet;
        self.read_then(Task::Walk(walk));
    }

    /// Brings back what a crash lost of notifications that others still work on.
    fn begin_lost(&mut self, mut walk: Box<Walk>) {
        self.has_new_losses();
        walk.losses_wait = false;
        let lives = self.g.live.values();
        let lost = lives.filter(|live| !live.progress.losses().is_empty());
        walk.lost = lost.cloned().collect();
        walk.stage = Stage::Lost;
        self.walk_on(walk);
    }

    fn take_in_lost(&mut self, mut walk: Box<Walk>) {
        while let Some(live) = walk.lost.pop_front() {
            let app = self.app(&live.app);
            let is_over = outcome(&live, self.now()).is_some();
            if walk.half_fed.contains_key(&app) && !is_over {
                walk.losses_wait = true;
                walk.wait_until(live.options.expires_at);
                continue;
            }
            walk.stage = Stage::Again(Lost::take(live));
            return self.read_then(Task::Walk(walk));
        }
        if std::mem::take(&mut walk.pass_all) {
            return self.pass(walk, None);
        }
        walk.stage = Stage::Room;
        self.read_then(Task::Walk(walk));
    }

    fn take_in_again(&mut self, mut walk: Box<Walk>, mut lost: Lost) {
        if self.read_fails() {
            return self.walked(Err(()));
        }
        let live = lost.live.clone();
        let entry = &self.store.journal[&live.id];
        let mut left = VecDeque::new();
        let mut closed = Vec::new();
        for ordinal in std::mem::take(&mut lost.ordinals) {
            match entry.ended.get(&ordinal) {
                Some(outcome) => closed.push(*outcome),
                None => left.push_back((ordinal, entry.record.targets[ordinal as usize].clone())),
            }
        }
        for outcome in closed {
            self.mark(Seen::ClosedByFeeder);
            live.progress.recording(1);
            if live.progress.ended(outcome, 1) {
                self.g.live.remove(&live.id);
            }
        }
        let mut feed = Feed { live, left };
        if !feed.left.is_empty() {
            self.mark(Seen::LostAmongOthers);
        }
        walk.stage = Stage::Lost;
        let app = self.app(&feed.live.app);
        if walk.half_fed.contains_key(&app) {
            let outcome = outcome(&feed.live, self.now()).expect("it was over before");
            return self.end(walk, feed, outcome);
        }
        if !self.push(&mut feed) {
            walk.half_fed.insert(app, feed);
        }
        self.read_then(Task::Walk(walk));
    }

    fn wait_for_room(&mut self, mut walk: Box<Walk>) {
        if walk.polls > 0 {
            walk.progress |= self.push_on(&mut walk);
            if self.has_new_losses() || (walk.progress && walk.losses_wait) {
                return self.begin_lost(walk);
            }
            if walk.polls.is_multiple_of(POLLS_PER_LOOK) {
                if let Some((feed, outcome)) = walk.take_over(self.now()) {
                    walk.progress = true;
                    walk.stage = Stage::Room;
                    return self.end(walk, feed, outcome);
                }
                if walk.waits_until.is_some_and(|until| until <= self.now()) {
                    walk.waits_until = None;
                    walk.pass_all = true;
                    return self.begin_lost(walk);
                }
                if self.read_fails() {
                    return self.walked(Err(()));
                }
                let (now, next) = (self.now(), self.store.next_due(walk.due));
                if next.is_some_and(|at| at <= now) {
                    walk.due = now;
                    return self.pass(walk, None);
                }
            }
        }
        if walk.progress
            && let Some(from) = walk.again.take()
        {
            return self.pass(walk, from);
        }
        if walk.half_fed.is_empty() {
            walk.stage = Stage::NextDue;
            return self.read_then(Task::Walk(walk));
        }
        walk.polls += 1;
        walk.stage = Stage::Room;
        let poll = feeder_limits().room_poll;
        self.later(poll, Event::Task(Task::Walk(walk)));
    }

    /// What is left of this one is over, and ends in the journal.
    fn end(&mut self, mut walk: Box<Walk>, feed: Feed, outcome: Outcome) {
        self.mark(Seen::EndedInJournal);
        let ended = feed.left.iter().map(|(ordinal, _)| *ordinal);
        let ended: Vec<_> = ended.map(|n| (feed.live.id, n, outcome)).collect();
        for (id, ordinal, outcome) in &ended {
            self.books
                .ends_unsent((*id, *ordinal), *outcome, self.now());
        }
        walk.ending = Some((feed, outcome));
        self.write(Write::Record(ended), Task::Ending(walk));
    }

    /// The journal was told; so are the books, and the walk goes on.
    pub(crate) fn ended_unsent(&mut self, mut walk: Box<Walk>, wrote: Result<Wrote, Trouble>) {
        if self.g.life(Actor::Feeder) != walk.life || self.g.drain != Drain::No {
            return;
        }
        let (mut feed, outcome) = walk.ending.take().expect("it was being ended");
        if wrote.is_err() {
            return self.walked(Err(()));
        }
        for _ in feed.left.drain(..) {
            feed.live.progress.recording(1);
            if feed.live.progress.ended(outcome, 1) {
                self.g.live.remove(&feed.live.id);
            }
        }
        drop(feed);
        self.walk_on(walk);
    }

    fn pass(&mut self, mut walk: Box<Walk>, from: Option<NotificationId>) {
        walk.after = from;
        walk.stage = Stage::Page;
        self.read_then(Task::Walk(walk));
    }

    /// Goes on with what waits. Returns whether some of it is wholly fed now.
    fn push_on(&mut self, walk: &mut Walk) -> bool {
        let before = walk.half_fed.len();
        walk.half_fed.retain(|_, feed| !self.push(feed));
        walk.half_fed.len() < before
    }

    /// Hands on as much as there is room for. Returns whether that was all.
    fn push(&mut self, feed: &mut Feed) -> bool {
        let mut size = feeder_limits().batch_max;
        while !feed.left.is_empty() && size > 0 {
            let count = feed.left.len().min(size);
            let (app, lane) = (&feed.live.app, feed.live.options.lane);
            match self.g.admission.try_take(app, lane, count) {
                Ok(permits) => {
                    let now = self.now();
                    self.mark(Seen::Fed);
                    let batch = feed.deliveries(permits, now);
                    self.dispatch_new(batch);
                }
                Err(_) => size = count / 2,
            }
        }
        feed.left.is_empty()
    }
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Page => "page",
            Stage::Meet => "meet",
            Stage::Fresh(..) => "fresh",
            Stage::Lost | Stage::Again(_) => "lost",
            Stage::Room => "room",
            Stage::NextDue => "next due",
        };
        write!(f, "{stage}, {} half fed", self.half_fed.len())
    }
}

impl Walk {
    fn wait_until(&mut self, expires_at: Timestamp) {
        let until = self.waits_until.get_or_insert(expires_at);
        *until = (*until).min(expires_at);
    }

    /// Something that is half fed and over.
    fn take_over(&mut self, now: Timestamp) -> Option<(Feed, Outcome)> {
        let mut half_fed = self.half_fed.iter();
        let (app, outcome) =
            half_fed.find_map(|(app, feed)| Some((*app, outcome(&feed.live, now)?)))?;
        Some((self.half_fed.remove(&app)?, outcome))
    }
}

/// How a notification ends of which nothing more is handed over.
fn outcome(live: &Live, now: Timestamp) -> Option<Outcome> {
    let over = over(live.progress.is_cancelled(), live.options.expires_at, now);
    over.map(|(outcome, _)| outcome)
}

/// Ordinals that were taken to be looked up; they are lost again when that comes to nothing.
struct Lost {
    live: Arc<Live>,
    ordinals: Vec<u32>,
}

impl Lost {
    fn take(live: Arc<Live>) -> Self {
        let ordinals = live.progress.losses().take();
        Lost { live, ordinals }
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        if !self.ordinals.is_empty() {
            self.live.progress.losses().add(self.ordinals.drain(..));
        }
    }
}

impl Drop for Feed {
    /// A walk that is broken off leaves what it did not hand on to the next one.
    fn drop(&mut self) {
        if !self.left.is_empty() {
            let left = self.left.iter().map(|(ordinal, _)| *ordinal);
            self.live.progress.losses().add(left);
        }
    }
}

impl Feed {
    fn of(recovered: Recovered) -> Self {
        let record = recovered.record;
        let count = u32::try_from(record.targets.len()).expect("few");
        let left = remaining(count, &recovered.done);
        let live = Arc::new(live(&record, recovered.counts));
        if recovered.cancelled {
            live.progress.cancel();
        }
        let left = left
            .into_iter()
            .map(|ordinal| (ordinal, record.targets[ordinal as usize].clone()));
        Feed {
            live,
            left: left.collect(),
        }
    }

    fn deliveries(&mut self, mut permits: Permits, now: Timestamp) -> Vec<Delivery> {
        let mut batch = Vec::new();
        while let Some(permit) = permits.split() {
            let Some((ordinal, target)) = self.left.pop_front() else {
                break;
            };
            let routed_at = match target.address {
                Some(_) => now,
                None => Timestamp::default(),
            };
            let unknown = || {
                let kind = AddressKind::RegistrationToken;
                Address::new(target.channel, kind, Environment::Production, "")
            };
            batch.push(Delivery {
                live: self.live.clone(),
                ordinal,
                device: target.device,
                address: target.address.unwrap_or_else(unknown),
                locale: None,
                variables: None,
                registered_at: self.live.created_at,
                routed_at,
                attempts: 0,
                auth_refreshes: 0,
                permit,
            });
        }
        batch
    }
}
