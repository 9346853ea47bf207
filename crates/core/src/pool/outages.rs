//! A provider that is away: what the pool does meanwhile, and how it comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare_types::{Channel, Lane};

use super::fixtures::{Handed, Rig, START};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What happens to a pool, later.
enum Event {
    Opened(ConnectionId),
    Closed(ConnectionId),
    Answer(Vec<Handed>),
}

/// A provider on a clock of its own: away until an instant, then with 1,000 streams a connection, answering after 50 ms.
struct Provider {
    rig: Rig,
    back_at: Timestamp,
    events: BTreeMap<(Timestamp, usize), Event>,
    scheduled: usize,
    wake_at: Option<Timestamp>,
    /// When connections were tried.
    tried: Vec<Timestamp>,
    /// Pushes by the second after it was back.
    taken: Vec<usize>,
}

impl Provider {
    fn away_for(time: Duration, channel: Channel) -> Self {
        Provider {
            rig: Rig::new(channel, |_| {}),
            back_at: START + time,
            events: BTreeMap::new(),
            scheduled: 0,
            wake_at: None,
            tried: Vec::new(),
            taken: vec![0; 120],
        }
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.scheduled += 1;
        self.events
            .insert((self.rig.now + after, self.scheduled), event);
    }

    fn look(&mut self) {
        for effect in std::mem::take(&mut self.rig.effects) {
            match effect {
                Effect::Open(id) => {
                    self.tried.push(self.rig.now);
                    match self.rig.now < self.back_at {
                        true => self.later(Duration::from_millis(5), Event::Closed(id)),
                        false => self.later(Duration::from_millis(5), Event::Opened(id)),
                    }
                }
                Effect::Hand {
                    connection,
                    batch,
                    token,
                } => {
                    let second = self.rig.now.since(self.back_at).as_secs();
                    self.taken[usize::try_from(second).unwrap()] += batch.len();
                    let handed = batch.into_iter().map(|job| Handed {
                        connection,
                        token,
                        job,
                    });
                    let handed = handed.collect();
                    self.later(Duration::from_millis(50), Event::Answer(handed));
                }
                // Routed as before, at once.
                Effect::Reroute(mut batch) => {
                    for delivery in &mut batch {
                        delivery.routed_at = self.rig.now;
                    }
                    self.rig.event(|pool, world| pool.on_work(batch, world));
                    self.look();
                }
                Effect::WakeAt(at) => self.wake_at = Some(at),
                Effect::RenewToken => {
                    self.rig.token();
                    self.look();
                }
                Effect::Close(id) => panic!("closes {id}"),
                Effect::End(batch) => self.rig.effects.push(Effect::End(batch)),
                Effect::Refused(_) | Effect::Drained | Effect::Move(_) => panic!("{effect:?}"),
            }
        }
    }

    /// What comes next happens.
    fn step(&mut self) {
        let next = self.events.first_key_value().map(|((at, _), _)| *at);
        if let Some(at) = self
            .wake_at
            .filter(|wake| next.is_none_or(|next| *wake < next))
        {
            self.wake_at = None;
            self.rig.now = at;
            return self.rig.event(Pool::on_wake);
        }
        let ((at, _), event) = self.events.pop_first().expect("something will happen");
        self.rig.now = at;
        match event {
            Event::Opened(id) => self.rig.up(id, 1_000),
            Event::Closed(id) => self.rig.event(|pool, world| pool.on_closed(id, world)),
            Event::Answer(handed) => self.rig.answer_all(handed, Verdict::Accepted),
        }
    }

    /// Until so many are delivered.
    fn deliver(&mut self, count: usize) {
        let mut delivered = 0;
        self.look();
        while delivered < count {
            self.step();
            self.look();
            let ended = self.rig.ended();
            assert!(ended.iter().all(|(how, _)| *how == Outcome::Delivered));
            delivered += ended.len();
        }
        assert_eq!(delivered, count);
    }
}

#[test]
fn ten_minutes_away_with_a_hundred_thousand_waiting() {
    for channel in [Channel::IosPush, Channel::Fcm] {
        let mut provider = Provider::away_for(600 * SECOND, channel);
        provider.rig.work(100_000, Lane::Bulk);
        provider.deliver(100_000);
        let back_at = provider.back_at;
        let (during, after): (Vec<Timestamp>, Vec<Timestamp>) =
            provider.tried.iter().copied().partition(|at| *at < back_at);
        // Four at first, then one at a time with doubling waits: nine up to half a minute, and two or three a minute.
        assert!((20..60).contains(&during.len()), "{} tries", during.len());
        assert!(after[0].since(back_at) <= 30 * SECOND);
        assert!(after.len() <= 4);
        let begun = provider.taken.iter().position(|taken| *taken > 0).unwrap();
        let first = &provider.taken[begun..begun + 4];
        // By whole seconds of the clock, which are not the ramp's.
        assert!(first[0] <= 1_100 && first[1] <= 2_200, "{first:?}");
        assert!(first[2] <= 4_400 && first[3] <= 8_800, "{first:?}");
        let seconds = provider.taken.iter().filter(|taken| **taken > 0).count();
        assert!((6..=10).contains(&seconds), "{:?}", provider.taken);
    }
}

#[test]
fn a_short_outage_is_noticed_by_its_end() {
    let mut provider = Provider::away_for(SECOND, Channel::IosPush);
    provider.rig.work(10, Lane::Urgent);
    provider.deliver(10);
    let back_at = provider.back_at;
    let again = provider.tried.iter().find(|at| **at >= back_at).unwrap();
    assert!(again.since(back_at) <= SECOND);
}

fn apns() -> Rig {
    Rig::open(Channel::IosPush, |_| {})
}

#[test]
fn a_silent_connection_is_replaced_and_the_new_one_probed() {
    let mut rig = apns();
    rig.work(50, Lane::Urgent);
    let lost = rig.handed();
    rig.event(|pool, world| pool.on_silent(0, world));
    assert_eq!(rig.closed(), [0]);
    rig.work(50, Lane::Urgent);
    assert!(rig.handed().is_empty(), "nothing more goes into the hole");
    rig.answer_all(lost, Verdict::Unknown);
    rig.event(|pool, world| pool.on_closed(0, world));
    rig.up(1, 100);
    let mut probes = rig.handed();
    assert_eq!(probes.len(), 4);
    rig.answer(probes.remove(0), Verdict::Server { after: None });
    assert_eq!(rig.handed().len(), 1, "an error is no sign of health");
    rig.answer(probes.remove(0), Verdict::Accepted);
    assert!(rig.handed().len() > 40);
}

#[test]
fn while_others_answer_nothing_slows_down() {
    let mut rig = apns();
    rig.work(200, Lane::Urgent);
    rig.up(1, 100);
    let handed = rig.handed();
    assert_eq!(handed.len(), 200);
    rig.answer_all(handed, Verdict::Accepted);
    rig.event(|pool, world| pool.on_silent(0, world));
    rig.event(|pool, world| pool.on_closed(0, world));
    rig.work(100, Lane::Urgent);
    assert_eq!(rig.handed().len(), 100);
}

#[test]
fn a_provider_that_asks_for_calm_is_left_alone_for_a_while() {
    let mut rig = Rig::new(Channel::Fcm, |limits| limits.connections_max = 1);
    rig.token();
    rig.work(1, Lane::Bulk);
    let mut waits = Vec::new();
    for connection in 0..4 {
        rig.up(connection, 100);
        let handed = rig.handed();
        rig.answer_all(handed, Verdict::Accepted);
        rig.event(|pool, world| pool.on_going_away(connection, true, world));
        rig.event(|pool, world| pool.on_closed(connection, world));
        rig.work(1, Lane::Bulk);
        let began = rig.now;
        rig.effects.clear();
        while rig.opened() == 0 {
            rig.after(Duration::from_millis(100));
        }
        waits.push(rig.now.since(began).as_millis());
    }
    assert!(waits[0] >= 2_400 && waits[3] > 14_000, "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= 30_100), "{waits:?}");
}

#[test]
fn what_is_not_taken_opens_nothing_before_it_is_known_why() {
    for calm in [false, true] {
        let mut rig = Rig::new(Channel::Fcm, |limits| limits.connections_max = 2);
        rig.token();
        rig.work(1, Lane::Bulk);
        rig.effects.clear();
        rig.up(0, 100);
        let handed = rig.handed();
        // The link knows of the GOAWAY already, and the pool learns of it next.
        let batch = handed.into_iter().map(|handed| Returned {
            job: handed.job,
            how: How::NotTaken,
        });
        let batch = batch.collect();
        rig.event(|pool, world| pool.on_returned(0, batch, world));
        assert_eq!(rig.opened(), 0);
        rig.event(|pool, world| pool.on_going_away(0, calm, world));
        assert_eq!(rig.opened(), usize::from(!calm));
        rig.event(|pool, world| pool.on_closed(0, world));
        rig.after(Duration::from_millis(2_400));
        assert_eq!(rig.opened(), usize::from(!calm));
        rig.after(Duration::from_millis(2_700));
        assert_eq!(rig.opened(), 1);
    }
}

#[test]
fn connections_that_hardly_live_wait_for_the_next_one_too() {
    let mut rig = Rig::new(Channel::Fcm, |limits| limits.connections_max = 1);
    rig.token();
    rig.work(10_000, Lane::Bulk);
    let mut opened = 0;
    let end = rig.now + 60 * SECOND;
    while rig.now < end {
        if rig.opened() > 0 {
            rig.effects.clear();
            rig.up(opened, 100);
            let handed = rig.handed();
            rig.answer_all(handed, Verdict::Accepted);
            rig.event(|pool, world| pool.on_closed(opened, world));
            opened += 1;
        }
        rig.after(Duration::from_millis(10));
    }
    assert!((5..15).contains(&opened), "{opened} in a minute");
}

#[test]
fn a_connection_without_streams_for_long_is_replaced() {
    let mut rig = Rig::open(Channel::IosPush, |limits| limits.connections_max = 1);
    for _ in 0..5 {
        rig.work(1, Lane::Bulk);
        let handed = rig.handed();
        rig.answer_all(handed, Verdict::Accepted);
    }
    rig.event(|pool, world| pool.on_streams(0, 0, world));
    rig.work(5, Lane::Urgent);
    rig.after(59 * SECOND);
    assert_eq!((rig.closed(), rig.opened()), (vec![], 0));
    rig.after(SECOND);
    assert_eq!((rig.closed(), rig.opened()), (vec![0], 1));
    rig.up(1, 100);
    assert_eq!(rig.rerouted(), 5, "they have waited for long");
}
