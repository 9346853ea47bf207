//! Random walks: whatever happens in whatever order, no delivery is lost or doubled and no limit is passed.

mod books;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fanfare_types::{Budget, Channel, Lane, Live};

use super::fixtures::{Handed, Rig, chunk, delivery_of, live, run};
use super::*;
use crate::revocations::Standing;
use crate::token;

const CONNECTIONS_MAX: usize = 3;
const WALKS: u64 = 100;
const STEPS: usize = 400;

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Pool,
    OnConnection,
    BeingRouted,
    Ended,
    /// Went down with a crashed connection, or was dropped as its campaign was withdrawn: the journal's business.
    Lost,
}

#[derive(Default)]
struct Line {
    is_open: bool,
    is_closing: bool,
    streams: usize,
    jobs: Vec<Handed>,
}

struct Walk {
    rig: Rig,
    dice: u64,
    budget: Arc<Budget>,
    lives: Vec<Arc<Live>>,
    places: BTreeMap<u32, Place>,
    counts: BTreeMap<Place, usize>,
    lines: BTreeMap<ConnectionId, Line>,
    routing: Vec<Delivery>,
    token: u32,
    is_renewing: bool,
    renewing_since: Timestamp,
    /// Jobs on a connection that has ended, not given back yet.
    late: usize,
    /// As the limits are now.
    connections_max: usize,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let channel = match seed % 2 {
            0 => Channel::IosPush,
            _ => Channel::Fcm,
        };
        let change = |limits: &mut Limits| {
            limits.connections_max = CONNECTIONS_MAX;
            limits.rate_max = seed.is_multiple_of(3).then_some(200);
        };
        Walk {
            rig: Rig::new(channel, change),
            dice: seed,
            budget: Budget::new(1_000_000),
            lives: Vec::new(),
            places: BTreeMap::new(),
            counts: BTreeMap::new(),
            lines: BTreeMap::new(),
            routing: Vec::new(),
            token: 0,
            is_renewing: false,
            renewing_since: Timestamp::default(),
            late: 0,
            connections_max: CONNECTIONS_MAX,
        }
    }

    /// SplitMix64, below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick(&mut self, is_it: impl Fn(&Line) -> bool) -> Option<ConnectionId> {
        let found = self.lines.iter().filter(|(_, line)| is_it(line));
        let found: Vec<_> = found.map(|(id, _)| *id).collect();
        let index = self.roll(found.len().max(1) as u64);
        found.get(index as usize).copied()
    }

    fn step(&mut self) {
        match self.roll(20) {
            0..=2 => self.work(),
            3 | 4 => self.connect(),
            5..=10 => self.answer(false),
            11 => {
                if let Some(id) = self.pick(|line| line.is_open) {
                    let streams = [0, 1, 10, 100, 300][self.roll(5) as usize];
                    self.streams(id, streams);
                }
            }
            12 => {
                if let Some(id) = self.pick(|line| line.is_open) {
                    self.line(id).is_closing = true;
                    match self.roll(3) {
                        0 => self.event(|pool, world| pool.on_silent(id, world)),
                        calm => {
                            self.event(|pool, world| pool.on_going_away(id, calm == 1, world));
                        }
                    }
                }
            }
            13 => self.disconnect(),
            14 | 15 => self.renewed(),
            16 | 17 => {
                let millis = [1, 30, 1_000, 20_000][self.roll(4) as usize];
                self.rig.now = self.rig.now + Duration::from_millis(millis);
                self.event(Pool::on_wake);
            }
            18 => self.route(),
            _ => match self.roll(3) {
                0 => self.relimit(),
                _ => self.meddle(),
            },
        }
    }

    /// The configuration was read again.
    fn relimit(&mut self) {
        self.connections_max = 1 + self.roll(CONNECTIONS_MAX as u64) as usize;
        let rate_max = [None, Some(50), Some(500)][self.roll(3) as usize];
        let limits = Limits::for_channel(Channel::Fcm, self.connections_max, rate_max);
        self.event(|pool, world| pool.on_limits(limits, world));
        let live = self.lines.values().filter(|line| !line.is_closing).count();
        assert!(live <= self.connections_max, "the surplus is dismissed");
    }

    fn work(&mut self) {
        let lane = [Lane::Urgent, Lane::Bulk][self.roll(2) as usize];
        let ttl = Duration::from_secs([2, 60, 3_600][self.roll(3) as usize]);
        let live = match self.roll(3) {
            0 => {
                let rate = [None, Some(20), Some(2_000)][self.roll(3) as usize];
                chunk(&run(rate), self.rig.now)
            }
            _ => live(lane, self.rig.now, ttl),
        };
        let count = 1 + self.roll(60) as u32;
        let first = self.places.len() as u32;
        let batch: Vec<_> = (first..first + count)
            .map(|n| delivery_of(live.clone(), n, &self.budget))
            .collect();
        for delivery in &batch {
            self.put(delivery.ordinal, Place::Pool);
        }
        self.lives.push(live);
        self.event(|pool, world| pool.on_work(batch, world));
    }

    fn connect(&mut self) {
        let Some(id) = self.pick(|line| !line.is_open) else {
            return;
        };
        if self.roll(4) == 0 || self.lines[&id].is_closing {
            self.lines.remove(&id);
            self.event(|pool, world| pool.on_closed(id, world));
            return;
        }
        self.line(id).is_open = true;
        self.event(|pool, world| pool.on_opened(id, world));
        self.streams(id, 1);
    }

    fn streams(&mut self, id: ConnectionId, streams: u32) {
        self.line(id).streams = streams as usize;
        self.event(|pool, world| pool.on_streams(id, streams, world));
    }

    fn answer(&mut self, well: bool) {
        let Some(id) = self.pick(|line| !line.jobs.is_empty()) else {
            return;
        };
        let count = 1 + self.roll(self.lines[&id].jobs.len() as u64) as usize;
        let jobs: Vec<_> = self.line(id).jobs.drain(..count).collect();
        let batch = jobs
            .into_iter()
            .map(|handed| {
                let how = match well {
                    true => answered(Verdict::Accepted, handed.token),
                    false => self.some_answer(handed.token),
                };
                self.returned(handed, how)
            })
            .collect();
        self.event(|pool, world| pool.on_returned(id, batch, world));
    }

    fn returned(&mut self, handed: Handed, how: How) -> Returned {
        let mut job = handed.job;
        self.put(job.delivery.ordinal, Place::Pool);
        job.delivery.attempts += u32::from(matches!(how, How::Answered { .. }));
        Returned { job, how }
    }

    fn some_answer(&mut self, token: Generation) -> How {
        let after = [None, Some(Duration::from_secs(3))][self.roll(2) as usize];
        let verdict = match self.roll(40) {
            0 => Verdict::TokenDead { since: None },
            1 => Verdict::TokenSuspect,
            2 => Verdict::BadRequest,
            3 => Verdict::AuthRefresh { reconnect: true },
            4 => Verdict::AuthRefresh { reconnect: false },
            5 => Verdict::Config,
            6 => Verdict::ThrottleDevice { after },
            7 => Verdict::ThrottleProject { after },
            8 => Verdict::ThrottleConnection,
            9 => Verdict::Server { after },
            10 => Verdict::NotSent,
            11 => Verdict::Unknown,
            12 => return How::Stale,
            13 => return How::Unsendable(Outcome::Rejected, Reason::of("payload_too_large")),
            14 => return How::NotTaken,
            _ => Verdict::Accepted,
        };
        answered(verdict, token)
    }

    /// A connection ends: it gives all back, or it crashes.
    fn disconnect(&mut self) {
        let Some(id) = self.pick(|line| line.is_open) else {
            return;
        };
        let jobs = std::mem::take(&mut self.line(id).jobs);
        if self.roll(5) == 0 {
            for handed in jobs {
                self.put(handed.job.delivery.ordinal, Place::Lost);
            }
        } else {
            let back = |walk: &mut Self, handed: Handed| {
                let verdict = [Verdict::Unknown, Verdict::NotSent][walk.roll(2) as usize];
                let how = answered(verdict, handed.token);
                walk.returned(handed, how)
            };
            let batch = jobs.into_iter().map(|handed| back(self, handed)).collect();
            self.event(|pool, world| pool.on_returned(id, batch, world));
        }
        // What was handed over before the pool knew comes back after all else.
        let late = self.lines.remove(&id).expect("picked").jobs;
        self.late = late.len();
        self.event(|pool, world| pool.on_closed(id, world));
        self.late = 0;
        let batch = late
            .into_iter()
            .map(|handed| self.returned(handed, How::NotTaken))
            .collect();
        self.event(|pool, world| pool.on_returned(id, batch, world));
    }

    fn renewed(&mut self) {
        if !std::mem::take(&mut self.is_renewing) {
            return;
        }
        match self.roll(4) {
            0 => {
                let refused = self.roll(2) == 0;
                self.event(|pool, world| pool.on_no_token(refused, world));
            }
            _ => {
                self.token += 1;
                self.rig_token();
            }
        }
    }

    fn rig_token(&mut self) {
        self.rig.token();
        self.look();
    }

    /// The dispatcher gives back what it routed, as if the devices stood as before.
    fn route(&mut self) {
        let mut batch = std::mem::take(&mut self.routing);
        for delivery in &mut batch {
            delivery.routed_at = self.rig.now;
            self.put(delivery.ordinal, Place::Pool);
        }
        self.event(|pool, world| pool.on_work(batch, world));
    }

    fn meddle(&mut self) {
        if self.places.is_empty() {
            return;
        }
        let victim = self.roll(self.places.len() as u64);
        let device = super::fixtures::device(victim as u32);
        self.rig.revocations.revoke(device, self.rig.now);
        let live = self.roll(4 * self.lives.len() as u64) as usize;
        match self.lives.get(live).map(|live| (live, &live.run)) {
            Some((_, Some(run))) if live.is_multiple_of(2) => {
                run.withdraw();
                self.event(Pool::on_cancelled);
            }
            Some((_, Some(run))) => {
                run.pace.set_rate(Some(500), self.rig.now);
                run.cancel();
            }
            Some((live, None)) => live.progress.cancel(),
            None => {}
        }
    }

    fn line(&mut self, id: ConnectionId) -> &mut Line {
        self.lines.get_mut(&id).expect("a connection of this walk")
    }

    fn event(&mut self, event: impl FnOnce(&mut Pool, &mut World<'_>)) {
        self.rig.event(event);
        self.look();
    }

    fn hand(&mut self, connection: ConnectionId, batch: Vec<Job>, token: Generation) {
        assert_eq!(token, self.token, "the present token");
        assert!((1..=64).contains(&batch.len()));
        let now = self.rig.now;
        for job in batch {
            let delivery = &job.delivery;
            self.moved(delivery, Place::OnConnection);
            assert!(now < delivery.live.options.expires_at);
            assert!(!delivery.live.is_cancelled() && !delivery.live.is_withdrawn());
            let device = super::fixtures::device(delivery.ordinal);
            let standing = self
                .rig
                .revocations
                .standing(device, delivery.routed_at, now);
            assert_eq!(standing, Standing::Good);
            let is_bulk = |handed: &&Handed| handed.job.delivery.live.options.lane == Lane::Bulk;
            let is_this_bulk = delivery.live.options.lane == Lane::Bulk;
            let line = self.line(connection);
            assert!(line.is_open && !line.is_closing);
            assert!(line.jobs.len() < line.streams);
            let bulk = line.jobs.iter().filter(is_bulk).count();
            assert!(!is_this_bulk || bulk < line.streams - line.streams / 10);
            line.jobs.push(Handed {
                connection,
                token,
                job,
            });
        }
    }

    fn moved(&mut self, delivery: &Delivery, to: Place) {
        let from = self.put(delivery.ordinal, to);
        assert_eq!(from, Some(Place::Pool), "{delivery:?} to {to:?}");
    }

    fn put(&mut self, ordinal: u32, to: Place) -> Option<Place> {
        let from = self.places.insert(ordinal, to);
        *self.counts.entry(to).or_default() += 1;
        if let Some(from) = from {
            *self.counts.entry(from).or_default() -= 1;
        }
        from
    }

    /// All is well from now on: everything must come to its end.
    fn heal(&mut self) {
        for _ in 0..4_000 {
            let over = [Place::Ended, Place::Lost];
            let over = over.iter().filter_map(|place| self.counts.get(place));
            if over.sum::<usize>() == self.places.len() {
                return;
            }
            if std::mem::take(&mut self.is_renewing) {
                self.token += 1;
                self.rig_token();
            }
            while let Some(id) = self.pick(|line| !line.is_open && !line.is_closing) {
                self.line(id).is_open = true;
                self.event(|pool, world| pool.on_opened(id, world));
                self.streams(id, 100);
            }
            let done = |line: &Line| line.is_closing && line.jobs.is_empty();
            while let Some(id) = self.pick(done) {
                self.lines.remove(&id);
                self.event(|pool, world| pool.on_closed(id, world));
            }
            for _ in 0..10 {
                self.answer(true);
            }
            self.route();
            self.rig.now = self.rig.now + Duration::from_millis(900);
            self.event(Pool::on_wake);
        }
        let figures = self.rig.pool.figures(self.rig.now);
        panic!("not all ended: {figures:?}");
    }
}

fn answered(verdict: Verdict, token: Generation) -> How {
    How::Answered {
        verdict,
        reason: Reason::NONE,
        token,
    }
}

#[test]
fn nothing_is_lost_or_doubled_whatever_happens() {
    for seed in 0..WALKS {
        let mut walk = Walk::new(seed);
        for _ in 0..STEPS {
            walk.step();
        }
        walk.heal();
    }
}
