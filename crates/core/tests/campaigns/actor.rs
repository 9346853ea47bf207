//! The campaign's actor, as its shell in `actors` is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fanfare_core::campaign::run::{
    self, Aim, Effect, End, Failed, Finished, Limits, Loaded, OpenChunk, Opened,
};
use fanfare_core::campaign::{self, Found, Ledger};
use fanfare_core::dispatch;
use fanfare_types::message::Variables;
use fanfare_types::{
    CampaignState, Counts, Lane, Live, MissingVariable, NotificationId, OnUnknown, Options,
    Outcome, Pace, Priority, Progress, Run, Standing, Timestamp,
};

use crate::store::{Chunk, Open, Page};
use crate::world::{Entry, Op, Timer, World, campaign_id, shop};

/// What comes back from a task, or is told.
#[derive(Debug)]
pub(crate) enum Msg {
    Begin,
    Found(Result<Standing, Failed>),
    Loaded(Result<Box<Load>, Failed>),
    Chunks(Result<(Vec<(NotificationId, Chunk)>, bool), Failed>),
    Page(u32, Result<Page, Failed>),
    Opened(u32, Result<bool, Failed>),
    Recorded(Vec<NotificationId>, u64),
    Lost,
    Wake,
    Finished(Result<Finished, Failed>),
}

/// Shards with their cursors, and the campaign as it stood after they were read.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) cursors: Vec<(u32, bool, usize)>,
    pub(crate) standing: Standing,
    pub(crate) found: Found,
}

#[derive(Default)]
pub(crate) struct Child {
    pub(crate) life: u64,
    pub(crate) present: Option<Present>,
}

pub(crate) struct Present {
    pub(crate) core: campaign::Run,
    run: Arc<Run>,
    lost: Arc<AtomicBool>,
    expires_at: Timestamp,
    places: HashMap<u32, usize>,
    pages: HashMap<u32, (Page, Option<Open>)>,
    recovered: Option<NotificationId>,
    pub(crate) feeds: VecDeque<Feed>,
    is_cancelled: bool,
}

pub(crate) struct Feed {
    pub(crate) live: Arc<Live>,
    pub(crate) ordinals: VecDeque<u32>,
}

impl World {
    pub(crate) fn at_child(&mut self, msg: Msg) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        match msg {
            Msg::Begin => self.begin(child.life),
            Msg::Found(found) => self.found(&mut child, found),
            msg => {
                if let Some(present) = &mut child.present {
                    let mut effects = Vec::new();
                    present.look(self.now, &mut effects);
                    self.hear(present, msg, &mut effects);
                    self.effects.append(&mut effects);
                }
            }
        }
        let goes_on = self.go_on(&mut child);
        if goes_on {
            self.child = Some(child);
        } else {
            self.wants_look = true;
        }
    }

    fn begin(&mut self, life: u64) {
        if let Some(former) = &self.entry {
            former.run.withdraw();
            if former.ledger.is_held() {
                self.sweep();
                return self.timer(
                    Limits::default().look_every,
                    Timer::Child(life, Box::new(Msg::Begin)),
                );
            }
        }
        self.task(life, Op::Find);
    }

    fn found(&mut self, child: &mut Child, found: Result<Standing, Failed>) {
        let Ok(standing) = found else {
            let delay = self.again.after(std::time::Duration::ZERO);
            return self.timer(delay, Timer::Child(child.life, Box::new(Msg::Begin)));
        };
        let aim = match standing.state {
            CampaignState::Running => Aim::Send,
            CampaignState::Cancelled => Aim::Cancel,
            _ => return self.end(child),
        };
        let run = Run::new(campaign_id(), MissingVariable::Fail, Pace::new(None));
        if aim == Aim::Cancel {
            run.cancel();
        }
        self.entry = Some(Entry {
            run: run.clone(),
            ledger: Ledger::new(self.now),
        });
        child.present = Some(Present {
            core: campaign::Run::new(self.limits.clone(), aim, 0),
            run,
            lost: Arc::default(),
            expires_at: standing.expires_at.expect("it was started"),
            places: HashMap::new(),
            pages: HashMap::new(),
            recovered: None,
            feeds: VecDeque::new(),
            is_cancelled: aim == Aim::Cancel,
        });
    }

    fn end(&mut self, child: &mut Child) {
        child.present = None;
        self.entry = None;
        child.life = 0;
    }

    /// Returns whether the actor lives on.
    fn go_on(&mut self, child: &mut Child) -> bool {
        let Some(present) = &mut child.present else {
            return child.life > 0;
        };
        let mut effects = std::mem::take(&mut self.effects);
        present.core.on_window(self.window, self.now, &mut effects);
        self.feed(present, child.life);
        let mut over = None;
        for effect in effects {
            match effect {
                Effect::Over(end) => over = Some(end),
                effect => self.perform(present, effect, child.life),
            }
        }
        match over {
            None => true,
            Some(End::Again) => {
                self.seen.again += 1;
                child.present = None;
                let delay = self.again.after(std::time::Duration::ZERO);
                self.timer(delay, Timer::Child(child.life, Box::new(Msg::Begin)));
                true
            }
            Some(End::Finished | End::Withdrawn) => {
                self.end(child);
                false
            }
        }
    }

    fn hear(&mut self, present: &mut Present, msg: Msg, effects: &mut Vec<Effect>) {
        let now = self.now;
        match msg {
            Msg::Loaded(loaded) => {
                let loaded = loaded.map(|load| {
                    let Load {
                        cursors,
                        standing,
                        found,
                    } = *load;
                    match standing.state {
                        CampaignState::Running => {}
                        CampaignState::Cancelled => {
                            present.run.cancel();
                            present.look(now, effects);
                        }
                        _ => present.core.on_withdrawn(now, effects),
                    }
                    self.ledger().begin(found);
                    present.places = cursors.iter().map(|(n, _, at)| (*n, *at)).collect();
                    Loaded {
                        shards: cursors.iter().map(|(n, done, _)| (*n, *done)).collect(),
                        left: found.opened - found.ended.terminal(),
                    }
                });
                present.core.on_loaded(loaded, now, effects);
            }
            Msg::Chunks(chunks) => {
                let chunks = chunks.map(|(chunks, is_last)| {
                    let found = chunks
                        .into_iter()
                        .map(|(id, c)| self.recover(present, id, &c));
                    (found.collect(), is_last)
                });
                present.core.on_chunks(chunks, now, effects);
            }
            Msg::Page(shard, page) => {
                let page = page.map(|page| {
                    let count = page.recipients.len();
                    present.pages.insert(shard, (page, None));
                    count
                });
                present.core.on_page(shard, page, now, effects);
            }
            Msg::Opened(shard, opened) => {
                let opened = opened.map(|is_open| match is_open {
                    true => self.opened(present, shard),
                    false => Opened::Lost,
                });
                present.core.on_opened(shard, opened, now, effects);
            }
            Msg::Recorded(chunks, ended) => {
                for chunk in self.ledger().on_recorded(chunks, ended, now) {
                    present.core.on_recorded(chunk);
                }
            }
            Msg::Lost if !present.core.is_withdrawn() => {
                self.seen.losses += 1;
                present.core.on_lost(now, effects);
            }
            Msg::Wake => {
                let is_held = present.core.is_withdrawn() && {
                    present.feeds.clear();
                    self.ledger().is_held()
                };
                present.core.on_wake(is_held, now, effects);
            }
            Msg::Finished(finished) => present.core.on_finished(finished, now, effects),
            Msg::Lost | Msg::Begin | Msg::Found(_) => {}
        }
    }

    fn perform(&mut self, present: &mut Present, effect: Effect, life: u64) {
        match effect {
            Effect::Load => self.task(life, Op::Load),
            Effect::ReadChunks { limit } => {
                self.task(life, Op::Chunks(present.recovered, limit));
            }
            Effect::ReadPage { shard, limit } => {
                let from = present.places[&shard];
                self.task(life, Op::Page(shard, from, limit));
            }
            Effect::Open { shard } => {
                let id = NotificationId::new(self.now, self.dice.next());
                let over = dispatch::over(false, present.expires_at, self.now);
                let (page, open) = present.pages.get_mut(&shard).expect("it was read");
                let make = || {
                    let ends = |n: &u32| over.is_some() || n.is_multiple_of(11);
                    let recipients = (0..).zip(&page.recipients);
                    let ended = recipients.filter(|(_, n)| ends(n)).map(|(ordinal, _)| {
                        let outcome = over.as_ref().map_or(Outcome::Cancelled, |over| over.0);
                        (ordinal, outcome)
                    });
                    Open {
                        id,
                        shard,
                        ended: ended.collect(),
                        page: page.clone(),
                    }
                };
                let open = open.get_or_insert_with(make).clone();
                self.task(life, Op::Open(open));
            }
            Effect::Finish => self.task(life, Op::Finish),
            Effect::Withdraw => {
                present.feeds.clear();
                present.run.withdraw();
                self.sweep();
            }
            Effect::WakeAt(at) => {
                self.timer(at.since(self.now), Timer::Child(life, Box::new(Msg::Wake)));
            }
            Effect::Over(_) => {}
        }
    }

    fn opened(&mut self, present: &mut Present, shard: u32) -> Opened {
        let (_, open) = present.pages.remove(&shard).expect("it was opened");
        let open = open.expect("it was made");
        present.places.insert(shard, open.page.to);
        let is_last = open.page.is_last;
        let scanned = (open.page.to - open.page.from) as u64;
        let now = self.now;
        if open.page.recipients.is_empty() {
            self.ledger().on_opened(scanned, None, now);
            let chunk = None;
            return Opened::Done { chunk, is_last };
        }
        let mut ended = Counts::default();
        for (_, outcome) in &open.ended {
            *ended.of(*outcome) += 1;
        }
        let live = present.live(open.id, open.page.recipients.len(), ended);
        self.ledger().on_opened(scanned, Some(&live), now);
        let done: Vec<u32> = open.ended.iter().map(|(ordinal, _)| *ordinal).collect();
        let left = present.feed_rest(live, open.page.recipients.len(), &done);
        let chunk = (left > 0).then_some(OpenChunk { id: open.id, left });
        Opened::Done { chunk, is_last }
    }

    fn recover(&mut self, present: &mut Present, id: NotificationId, chunk: &Chunk) -> OpenChunk {
        self.seen.recovered += 1;
        present.recovered = Some(id);
        let mut counts = Counts::default();
        let mut done = Vec::new();
        for (ordinal, outcome) in (0..).zip(&chunk.outcomes) {
            if let Some(outcome) = outcome {
                *counts.of(*outcome) += 1;
                done.push(ordinal);
            }
        }
        let live = present.live(id, chunk.recipients.len(), counts);
        self.ledger().on_recovered(&live);
        let left = present.feed_rest(live, chunk.recipients.len(), &done);
        OpenChunk { id, left }
    }
}

impl Present {
    fn look(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.run.is_cancelled() && !self.is_cancelled {
            self.is_cancelled = true;
            self.core.on_cancelled(now, effects);
        } else if self.run.is_withdrawn() && !self.core.is_withdrawn() {
            self.core.on_withdrawn(now, effects);
        }
    }

    /// How what waits ends, when it is over.
    pub(crate) fn over(&self, now: Timestamp) -> Option<Outcome> {
        dispatch::over(self.is_cancelled, self.expires_at, now).map(|over| over.0)
    }

    fn feed_rest(&mut self, live: Arc<Live>, count: usize, done: &[u32]) -> usize {
        let count = u32::try_from(count).expect("few");
        let rest = fanfare_core::feeder::remaining(count, done);
        let left = rest.len();
        if left > 0 {
            self.feeds.push_back(Feed {
                live,
                ordinals: rest.into(),
            });
        }
        left
    }

    fn live(&self, id: NotificationId, recipients: usize, ended: Counts) -> Arc<Live> {
        let progress = Progress::new(recipients as u64, ended);
        let lost = self.lost.clone();
        progress
            .losses()
            .tell(Arc::new(move || lost.store(true, Ordering::Relaxed)));
        Arc::new(Live {
            id,
            app: shop(),
            created_at: id.0.created_at(),
            options: Options {
                priority: Priority::Normal,
                collapse_key: None,
                lane: Lane::Bulk,
                on_unknown: OnUnknown::Retry,
                expires_at: self.expires_at,
                send_at: None,
            },
            message: fanfare_types::Message::default().into(),
            variables: Variables::new().into(),
            progress,
            run: Some(self.run.clone()),
            hold: fanfare_types::Hold::new(fanfare_types::Slot::of_shard(0)),
        })
    }

    /// Whether it is to be told of a loss; once.
    pub(crate) fn is_to_hear_of_losses(&self) -> bool {
        self.lost.swap(false, Ordering::Relaxed)
    }
}

/// The limits of a run whose chunks are small.
pub(crate) fn limits() -> run::Limits {
    run::Limits {
        chunk: 5,
        shards_at_once: 2,
        ..run::Limits::default()
    }
}
