//! The pools' shells, as `actors/src/pool.rs`, and what is checked at each hand-over.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use fanfare_core::pool::{ConnectionId, Effect, Ended, How, Job, Limits, Pool, Returned, World};
use fanfare_core::retry;
use fanfare_core::revocations::Standing;
use fanfare_core::token::Generation;
use fanfare_types::{Channel, Lane, Verdict};

use crate::books::{Fate, Key, Place};
use crate::coverage::Seen;
use crate::event::{Actor, Event, Msg, News, Task, key};
use crate::gateway::{Drain, WAYS};
use crate::options::Options;
use crate::provider::Minted;
use crate::sim::Sim;

/// Urgent pushes that go before one of bulk goes.
const URGENT_WEIGHT: u32 = 8;
/// One in so many streams is kept for urgent ones.
const URGENT_SHARE: usize = 10;
/// So many wakes in a row, each so many milliseconds at most after the one before, are too many.
const SPIN_MAX: u32 = 50;
const SPIN_WITHIN: u64 = 10;
/// A quiet app's push is handed over within this time.
const QUIET_WAIT: u64 = 2_000;

/// What the books know of a connection by the pool's own messages.
#[derive(Debug, Default)]
struct Known {
    line: u64,
    open: bool,
    /// Nothing more may be handed over.
    retired: bool,
    streams: usize,
    out: usize,
    bulk_out: usize,
    /// The provider has answered on it.
    useful: bool,
}

pub(crate) struct PoolShell {
    core: Pool,
    channel: Channel,
    rate_max: Option<u32>,
    lines: BTreeMap<ConnectionId, Known>,
    timer: u64,
    generation: Generation,
    minted: BTreeMap<Generation, Minted>,
    renewing: bool,
    /// When the last renewal failed.
    renewal_failed_at: Option<u64>,
    /// Connections in a row that came to nothing, and when the last one did.
    failures: (u32, u64),
    /// Urgent ones handed over since the last of bulk.
    streak: u32,
    /// What was handed over during the present event, in order: whether it was bulk.
    order: Vec<bool>,
    /// When pushes were handed over within the last second.
    last_second: VecDeque<u64>,
    draining: bool,
    drained: bool,
    /// Pushes that went while the breaker was half open and have not come back.
    probes: usize,
    /// Wakes in a row that came soon one after the other, and the last one.
    wakes: (u32, u64),
}

impl PoolShell {
    pub(crate) fn new(options: &Options, pool: usize) -> Self {
        let channel = match pool % WAYS {
            0 => Channel::IosPush,
            _ => Channel::Fcm,
        };
        let quiet = options.is_quiet(pool / WAYS);
        let rate_max = options
            .rate_max
            .filter(|_| channel == Channel::Fcm && !quiet);
        let mut limits = Limits::for_channel(channel, options.connections_max, rate_max);
        limits.batch_max = 16;
        limits.urgent_weight = URGENT_WEIGHT;
        limits.idle_after = limits.idle_after.map(|_| Duration::from_secs(10));
        PoolShell {
            core: Pool::new(limits, retry::Policy::for_channel(channel), true),
            channel,
            rate_max,
            lines: BTreeMap::new(),
            timer: 0,
            generation: 0,
            minted: BTreeMap::new(),
            renewing: false,
            renewal_failed_at: None,
            failures: (0, 0),
            streak: 0,
            order: Vec::new(),
            last_second: VecDeque::new(),
            draining: false,
            drained: false,
            probes: 0,
            wakes: (0, 0),
        }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = u64> {
        self.lines.values().map(|known| known.line)
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.drained
    }
}

impl Sim {
    pub(crate) fn minted(&self, pool: usize, token: Generation) -> Option<Minted> {
        self.g.pools[pool].minted.get(&token).copied()
    }

    pub(crate) fn at_pool(&mut self, pool: usize, msg: Msg) {
        let now = self.now();
        if let Msg::Wake(timer) = &msg
            && *timer != self.g.pools[pool].timer
        {
            return;
        }
        self.check_spin(pool, &msg);
        self.g.pools[pool].draining |= matches!(msg, Msg::Drain);
        self.look_at(pool, &msg);
        let Sim { g, dice, .. } = self;
        let mut effects = Vec::new();
        let mut random = || dice.next();
        let mut world = World {
            now,
            random: &mut random,
            revocations: &g.revocations,
            tenure: &fanfare_types::Tenure::alone(),
            effects: &mut effects,
        };
        let world = &mut world;
        let core = &mut g.pools[pool].core;
        match msg {
            Msg::Work(batch) => core.on_work(batch, world),
            Msg::News(id, News::Opened) => core.on_opened(id, world),
            Msg::News(id, News::Streams(count)) => core.on_streams(id, count, world),
            Msg::News(id, News::GoingAway(calm)) => core.on_going_away(id, calm, world),
            Msg::News(id, News::Silent) => core.on_silent(id, world),
            Msg::News(id, News::Returned(batch)) => core.on_returned(id, batch, world),
            Msg::News(id, News::Closed) => core.on_closed(id, world),
            Msg::Token(Ok((renew_after, lifetime))) => core.on_token(renew_after, lifetime, world),
            Msg::Token(Err(refused)) => core.on_no_token(refused, world),
            Msg::Cancelled(_) => core.on_cancelled(world),
            Msg::Wake(_) => core.on_wake(world),
            Msg::Drain => core.on_drain(world),
            other => unreachable!("{other:?} is not for a pool"),
        }
        self.check_opens(pool, &effects);
        for effect in effects {
            self.pool_does(pool, effect);
        }
        let handed = self.check_order(pool);
        self.check_one_probe(pool, handed);
        if self.g.drain != Drain::No {
            self.forget_drained(pool);
            self.drain_on(Drain::Pools);
        }
    }

    /// What is due is done, and not asked for again and again.
    fn check_spin(&mut self, pool: usize, msg: &Msg) {
        let at = self.at;
        let (wakes, last) = &mut self.g.pools[pool].wakes;
        let soon = matches!(msg, Msg::Wake(_)) && at < *last + SPIN_WITHIN;
        *wakes = if soon { *wakes + 1 } else { 0 };
        *last = at;
        assert!(*wakes < SPIN_MAX, "pool {pool} spins");
    }

    /// What the books learn from a message, before the pool does.
    fn look_at(&mut self, pool: usize, msg: &Msg) {
        let now = self.now();
        match msg {
            Msg::Work(batch) => {
                for delivery in batch {
                    if self.books.routed(delivery, self.at) {
                        self.mark(Seen::RoutedAnew);
                    }
                }
            }
            Msg::Token(token) => {
                let serial = self.provider.serials;
                self.provider.serials += 1;
                let at = self.at;
                let shell = &mut self.g.pools[pool];
                shell.renewing = false;
                match token {
                    Ok((_, lifetime)) => {
                        shell.generation += 1;
                        let good_until = at + lifetime.as_millis() as u64;
                        let minted = Minted { serial, good_until };
                        shell.minted.insert(shell.generation, minted);
                        shell.renewal_failed_at = None;
                    }
                    Err(_) => shell.renewal_failed_at = Some(at),
                }
            }
            Msg::News(id, news) => self.look_at_news(pool, *id, news, now),
            _ => {}
        }
    }

    fn look_at_news(
        &mut self,
        pool: usize,
        id: ConnectionId,
        news: &News,
        now: fanfare_types::Timestamp,
    ) {
        let at = self.at;
        let life = self.g.life(Actor::Pool(pool));
        let shell = &mut self.g.pools[pool];
        if matches!(news, News::Returned(_) | News::Closed) {
            shell.probes = 0;
        }
        if let News::Returned(batch) = news {
            for Returned { job, how } in batch {
                // What nobody had and a draining pool gets back stays in the journal.
                if !(shell.draining && matches!(how, How::Unsendable(..))) {
                    self.books
                        .returned(key(&job.delivery), how, (pool, life), now);
                }
                let bulk = usize::from(job.delivery.live.options.lane == Lane::Bulk);
                if let Some(known) = shell.lines.get_mut(&id) {
                    known.out -= 1;
                    known.bulk_out -= bulk;
                    known.useful |= is_useful(how);
                    if known.useful && is_useful(how) {
                        shell.failures = (0, 0);
                    }
                }
            }
            return;
        }
        let Some(known) = shell.lines.get_mut(&id) else {
            return;
        };
        match news {
            News::Opened => known.open = true,
            News::Streams(streams) => known.streams = *streams as usize,
            News::GoingAway(_) | News::Silent => known.retired = true,
            News::Closed => {
                let (line, known) = (known.line, shell.lines.remove(&id).expect("there"));
                if !known.useful && !known.retired {
                    shell.failures = (shell.failures.0 + 1, at);
                }
                self.post(Actor::Line(line), Place::Nowhere, Msg::Forgotten);
            }
            News::Returned(_) => {}
        }
    }

    fn pool_does(&mut self, pool: usize, effect: Effect) {
        let now = self.now();
        let here = Place::At(Actor::Pool(pool));
        match effect {
            Effect::Hand {
                connection,
                batch,
                token,
            } => self.check_hand(pool, connection, batch, token),
            Effect::Open(id) => {
                let line = self.dial(pool, id);
                let known = Known {
                    line,
                    ..Known::default()
                };
                self.g.pools[pool].lines.insert(id, known);
            }
            Effect::Close(id) => {
                let known = self.g.pools[pool].lines.get_mut(&id).expect("a connection");
                if !known.retired && known.open && known.out == 0 {
                    self.coverage.mark(Seen::IdleClosed);
                }
                known.retired = true;
                let line = known.line;
                self.post(Actor::Line(line), Place::Nowhere, Msg::Close);
            }
            Effect::RenewToken => self.renew(pool),
            Effect::End(batch) => {
                for ended in &batch {
                    self.mark_end(ended);
                    self.books.ended(ended, now);
                }
                self.post(Actor::Outcomes, here, Msg::Ended(batch));
            }
            Effect::Reroute(batch) => {
                self.mark(Seen::StaleAtPool);
                self.post(Actor::Dispatcher, here, Msg::Deliveries(batch));
            }
            Effect::WakeAt(at) => {
                assert!(at > now, "it would spin");
                self.timers += 1;
                let timer = self.timers;
                self.g.pools[pool].timer = timer;
                let wake = Event::Mail(Actor::Pool(pool), Msg::Wake(timer));
                self.later(at.since(now), wake);
            }
            Effect::Refused(_) => {}
            Effect::Move(_) => unreachable!("nothing is reloaded"),
            Effect::Drained => self.g.pools[pool].drained = true,
        }
    }

    fn mark_end(&mut self, ended: &Ended) {
        if ended.finished.reason == retry::NO_ANSWER {
            self.mark(Seen::UnknownDropped);
        }
    }

    fn renew(&mut self, pool: usize) {
        let at = self.at;
        let shell = &mut self.g.pools[pool];
        shell.renewing = true;
        if let Some(failed_at) = shell.renewal_failed_at
            && self.options.weights.clock == 0
        {
            assert!(
                at >= failed_at + 500,
                "a failed renewal is tried again at once"
            );
        }
        let (delay, token) = self.mint(pool);
        let life = self.g.life(Actor::Pool(pool));
        self.later(delay, Event::Task(Task::Renewed(pool, life, token)));
    }

    /// Everything a hand-over must keep.
    fn check_hand(
        &mut self,
        pool: usize,
        connection: ConnectionId,
        batch: Vec<Job>,
        token: Generation,
    ) {
        let is_drained = matches!(self.g.drain, Drain::Outcomes | Drain::Journal);
        assert!(!is_drained, "nothing leaves after a drain");
        let now = self.now();
        assert!((1..=16).contains(&batch.len()));
        assert_eq!(token, self.g.pools[pool].generation, "the present token");
        let shown = (pool, self.g.life(Actor::Pool(pool)), token);
        for job in &batch {
            let again = self.books.handed(&job.delivery, shown, now);
            if again {
                self.mark(Seen::UnknownRetried);
            }
            if self.options.is_quiet(pool / WAYS) {
                self.mark(Seen::QuietApp);
            }
            self.check_streams(pool, connection, is_bulk(job));
        }
        self.check_rate(pool, batch.len());
        let line = self.g.pools[pool].lines[&connection].line;
        let here = Place::At(Actor::Pool(pool));
        self.post(Actor::Line(line), here, Msg::Hand(batch, token));
    }

    fn check_streams(&mut self, pool: usize, connection: ConnectionId, bulk: bool) {
        let shell = &mut self.g.pools[pool];
        let known = shell.lines.get_mut(&connection).expect("a connection");
        assert!(known.open && !known.retired, "it takes no more");
        assert!(known.out < known.streams, "more pushes than streams");
        known.out += 1;
        shell.order.push(bulk);
        if bulk {
            let for_bulk = known.streams - known.streams / URGENT_SHARE;
            assert!(
                known.bulk_out < for_bulk,
                "bulk takes what is kept for urgent"
            );
            known.bulk_out += 1;
        }
    }

    /// While urgent deliveries wait that could go, bulk goes once in so many of them that went.
    /// Returns how many went.
    fn check_order(&mut self, pool: usize) -> usize {
        let order = std::mem::take(&mut self.g.pools[pool].order);
        let handed = order.len();
        let contested = order.contains(&true) && self.urgent_that_waits(pool).is_some();
        for bulk in order {
            let streak = &mut self.g.pools[pool].streak;
            if !bulk {
                *streak += 1;
                continue;
            }
            let streak = std::mem::take(streak);
            if contested {
                let waits = self.urgent_that_waits(pool);
                assert!(streak >= URGENT_WEIGHT, "{waits:?} waits behind bulk");
                self.mark(Seen::LaneContended);
            } else if streak > 0 {
                self.mark(Seen::UrgentFirst);
            }
        }
        handed
    }

    /// An urgent delivery that waits in this pool and could go.
    fn urgent_that_waits(&self, pool: usize) -> Option<(&Key, &Fate)> {
        let now = self.now();
        let here = Place::At(Actor::Pool(pool));
        self.books.fates.iter().find(|(_, fate)| {
            let good = fate.routed.is_none_or(|(device, routed_at)| {
                self.g.revocations.standing(device, routed_at, now) == Standing::Good
            });
            fate.place == here && fate.lane == Lane::Urgent && fate.is_ready(now) && good
        })
    }

    fn check_rate(&mut self, pool: usize, count: usize) {
        let at = self.at;
        let shell = &mut self.g.pools[pool];
        let Some(rate) = shell.rate_max else {
            return;
        };
        let recent = &mut shell.last_second;
        recent.extend(std::iter::repeat_n(at, count));
        while recent.front().is_some_and(|then| then + 1_000 <= at) {
            recent.pop_front();
        }
        let most = rate as usize + rate as usize / 10 + 1;
        let is_bound = recent.len() >= rate as usize;
        assert!(
            self.options.weights.clock > 0 || recent.len() <= most,
            "faster than its rate"
        );
        if is_bound {
            self.mark(Seen::RateBound);
        }
    }

    /// Connections that come to nothing are opened more and more seldom.
    fn check_opens(&self, pool: usize, effects: &[Effect]) {
        let (failures, since) = self.g.pools[pool].failures;
        let opens = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Open(_)));
        if opens && failures > 0 && self.options.weights.clock == 0 {
            let least = (50 << (failures - 1).min(20)).min(15_000);
            assert!(
                self.at >= since + least,
                "connections are opened in a storm"
            );
        }
    }

    /// While the breaker is not closed, one push goes at a time.
    fn check_one_probe(&mut self, pool: usize, handed: usize) {
        let breaker = self.g.pools[pool].core.figures(self.now()).breaker;
        let probes = &mut self.g.pools[pool].probes;
        *probes = match breaker {
            "half_open" => *probes + handed,
            _ => 0,
        };
        assert!(*probes <= 1, "a credential in doubt is tried with one push");
        match breaker {
            "half_open" => self.mark(Seen::Probe),
            "open" => self.mark(Seen::BreakerOpen),
            _ => {}
        }
    }

    /// What a draining pool does not hold any more stays in the journal.
    fn forget_drained(&mut self, pool: usize) {
        let figures = self.g.pools[pool].core.figures(self.now());
        if figures.waiting + figures.retrying == 0 {
            self.books.left_at(Place::At(Actor::Pool(pool)));
        }
    }

    /// After every step: no pool has lost or doubled a delivery, and a quiet app's go on.
    pub(crate) fn check_pools(&self) {
        for (pool, shell) in self.g.pools.iter().enumerate() {
            let actor = Actor::Pool(pool);
            if !self.g.is_up(actor) {
                continue;
            }
            let figures = shell.core.figures(self.now());
            let held = self.books.count(Place::At(actor));
            assert_eq!(
                figures.waiting + figures.retrying,
                held,
                "pool {pool} of {:?}",
                shell.channel
            );
            let out: usize = shell.lines.values().map(|known| known.out).sum();
            assert_eq!(figures.in_flight, out, "in flight of pool {pool}");
        }
    }

    /// Nobody else's trouble reaches a quiet app.
    pub(crate) fn check_quiet(&mut self) {
        let Some(app) = (0..self.options.apps).find(|app| self.options.is_quiet(*app)) else {
            return;
        };
        if self.options.weights.clock > 0 {
            return;
        }
        let at = self.at;
        let waits = |since: u64| at > since + QUIET_WAIT;
        for (key, fate) in &self.books.fates {
            if fate.app == app && matches!(fate.place, Place::At(Actor::Pool(_))) {
                let late = fate.in_pool_since.is_some_and(waits);
                assert!(!late, "{key:?} of the quiet app waits: {fate:?}");
            }
        }
    }
}

fn is_bulk(job: &Job) -> bool {
    job.delivery.live.options.lane == Lane::Bulk
}

/// The provider has answered a push, and not only about the credential or the connection.
fn is_useful(how: &fanfare_core::pool::How) -> bool {
    match how {
        How::Answered { verdict, .. } => !matches!(
            verdict,
            Verdict::Unknown
                | Verdict::NotSent
                | Verdict::AuthRefresh { .. }
                | Verdict::ThrottleConnection
        ),
        _ => false,
    }
}
