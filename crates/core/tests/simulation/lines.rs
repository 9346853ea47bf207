//! Connections: the actor as `actors/src/connection.rs`, and below it a model of the link and the network.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use fanfare_core::pool::{ConnectionId, How, Job, Returned};
use fanfare_core::revocations::Standing;
use fanfare_core::token::Generation;
use fanfare_types::{Outcome, Reason, Verdict};

use crate::books::Place;
use crate::coverage::Seen;
use crate::event::{Actor, Event, Msg, News, key};
use crate::gateway::WAYS;
use crate::provider::{Answer, Minted, Push};
use crate::sim::Sim;

/// An answer is awaited so long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Dialling,
    Up,
    Ended,
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) pool: usize,
    id: ConnectionId,
    state: State,
    /// No new requests: by our wish, or the peer's.
    closing: bool,
    /// Nothing comes from the peer any more.
    silent: bool,
    /// What the peer allows.
    streams: usize,
    flights: BTreeMap<u64, Flight>,
    /// Those that wait for a stream.
    waiting: VecDeque<u64>,
    /// When the peer answered last.
    answered_at: u64,
}

#[derive(Debug)]
struct Flight {
    job: Job,
    token: Generation,
    minted: Option<Minted>,
    written: bool,
    written_at: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum LineEvent {
    Dialled(bool),
    Answer(u64, Verdict),
    /// Nothing came in time.
    TimedOut(u64),
    RefusedStream(u64),
    Reset(u64),
    Dies,
    /// Whether the provider has had enough.
    GoesAway(bool),
    Streams(usize),
    GoesSilent,
}

impl Line {
    pub(crate) fn new(pool: usize, id: ConnectionId) -> Self {
        Line {
            pool,
            id,
            state: State::Dialling,
            closing: false,
            silent: false,
            streams: 1,
            flights: BTreeMap::new(),
            waiting: VecDeque::new(),
            answered_at: 0,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    fn written(&self) -> usize {
        self.flights.len() - self.waiting.len()
    }

    fn remove(&mut self, flight: u64) -> Option<Flight> {
        self.waiting.retain(|waiting| *waiting != flight);
        self.flights.remove(&flight)
    }
}

impl Sim {
    pub(crate) fn dial(&mut self, pool: usize, id: ConnectionId) -> u64 {
        self.lines += 1;
        let line = self.lines;
        self.g.lines.insert(line, Line::new(pool, id));
        self.sit_down(Actor::Line(line));
        let troubled = self.is_troubled(pool);
        let gone = troubled && self.at < self.provider.conditions[pool].gone_until;
        if gone {
            self.mark(Seen::Gone);
        }
        let fails = gone || (troubled && self.dice.chance(self.options.provider.dial_fails));
        let delay = self.dice.millis(1, 100);
        self.later(delay, Event::Line(line, LineEvent::Dialled(!fails)));
        line
    }

    fn line(&mut self, line: u64) -> &mut Line {
        self.g.lines.get_mut(&line).expect("a line that lives")
    }

    fn tell(&mut self, line: u64, news: News) {
        let (pool, id) = (self.line(line).pool, self.line(line).id);
        let from = Place::At(Actor::Line(line));
        self.post(Actor::Pool(pool), from, Msg::News(id, news));
    }

    pub(crate) fn at_line(&mut self, line: u64, msg: Msg) {
        match msg {
            Msg::Hand(batch, token) => self.hand(line, batch, token),
            Msg::Close => match self.line(line).state {
                State::Dialling => self.end_line(line),
                State::Up => {
                    self.line(line).closing = true;
                    self.end_if_done(line);
                }
                State::Ended => {}
            },
            Msg::Forgotten => {
                self.g.lines.remove(&line);
                self.stand_up(Actor::Line(line));
            }
            other => unreachable!("{other:?} is not for a connection"),
        }
    }

    /// The last look before a push leaves.
    fn hand(&mut self, line: u64, batch: Vec<Job>, token: Generation) {
        let now = self.now();
        let pool = self.line(line).pool;
        let minted = self.minted(pool, token);
        let mut back = Vec::new();
        for mut job in batch {
            let delivery = &job.delivery;
            let stale = delivery.device.as_ref().is_some_and(|(device, _)| {
                let revocations = &self.g.revocations;
                revocations.standing(*device, delivery.routed_at, now) == Standing::Stale
            });
            let unsendable =
                self.is_troubled(pool) && self.dice.chance(self.options.provider.unsendable);
            let refuses = self.line(line).state != State::Up || self.line(line).closing;
            let how = match () {
                () if stale => {
                    self.mark(Seen::StaleAtConnection);
                    How::Stale
                }
                () if unsendable => {
                    How::Unsendable(Outcome::Rejected, Reason::of("payload_too_large"))
                }
                () if refuses => {
                    self.mark(Seen::NotTaken);
                    How::NotTaken
                }
                () => {
                    self.books.leaves(delivery, pool / WAYS);
                    job.delivery.attempts += 1;
                    job.delivery.live.progress.handed_over(1);
                    self.take_off(line, job, token, minted);
                    continue;
                }
            };
            back.push(Returned { job, how });
        }
        self.give_back(line, back);
    }

    fn take_off(&mut self, line: u64, job: Job, token: Generation, minted: Option<Minted>) {
        self.timers += 1;
        let number = self.timers;
        let flight = Flight {
            job,
            token,
            minted,
            written: false,
            written_at: 0,
        };
        let Line {
            flights, waiting, ..
        } = self.line(line);
        flights.insert(number, flight);
        waiting.push_back(number);
        let timeout = Event::Line(line, LineEvent::TimedOut(number));
        self.later(REQUEST_TIMEOUT, timeout);
        self.write_waiting(line);
    }

    /// Writes what there are streams for.
    fn write_waiting(&mut self, line: u64) {
        let at = self.at;
        loop {
            let Line {
                flights,
                waiting,
                streams,
                ..
            } = self.line(line);
            if flights.len() - waiting.len() >= *streams {
                return;
            }
            let Some(number) = waiting.pop_front() else {
                return;
            };
            let flight = flights.get_mut(&number).expect("it waits");
            flight.written = true;
            flight.written_at = at;
            let push = Push {
                line,
                flight: number,
                key: key(&flight.job.delivery),
                pool: 0,
                token: flight.minted,
                address: flight.job.delivery.address.expose().to_owned(),
                answer: Answer::InTime,
            };
            self.send(line, push);
        }
    }

    /// What the network does to a request.
    fn send(&mut self, line: u64, mut push: Push) {
        push.pool = self.line(line).pool;
        let flight = push.flight;
        let delay = self.latency(push.pool) / 2;
        if !self.is_troubled(push.pool) {
            return self.later(delay, Event::Arrive(push));
        }
        let (silent, faults) = (self.line(line).silent, &self.options.provider);
        let (refused, reset, unanswered) = (faults.refused_stream, faults.reset, faults.no_answer);
        if silent {
            push.answer = Answer::Never;
            if self.dice.chance(300) {
                self.later(delay, Event::Arrive(push));
            }
        } else if self.dice.chance(refused) {
            self.later(delay, Event::Line(line, LineEvent::RefusedStream(flight)));
        } else if self.dice.chance(reset) {
            push.answer = Answer::Never;
            self.later(delay, Event::Line(line, LineEvent::Reset(flight)));
            if self.dice.chance(500) {
                self.later(delay, Event::Arrive(push));
            }
        } else if self.dice.chance(unanswered) {
            push.answer = self.dice.pick(&[Answer::Late, Answer::Never]);
            self.later(delay, Event::Arrive(push));
        } else {
            self.later(delay, Event::Arrive(push));
        }
    }

    pub(crate) fn on_line(&mut self, line: u64, event: LineEvent) {
        let Some(state) = self.g.lines.get(&line).map(|line| line.state) else {
            return;
        };
        match (event, state) {
            (LineEvent::Dialled(true), State::Dialling) => self.opened(line),
            (LineEvent::Dialled(false), State::Dialling) => {
                self.mark(Seen::DialFailed);
                self.end_line(line);
            }
            (LineEvent::Answer(flight, verdict), State::Up) => match self.line(line).silent {
                true => {}
                false => {
                    self.line(line).answered_at = self.at;
                    self.land(line, flight, verdict);
                }
            },
            (LineEvent::TimedOut(flight), State::Up) => self.timed_out(line, flight),
            (LineEvent::RefusedStream(flight), State::Up) => {
                self.mark(Seen::RefusedStream);
                self.land(line, flight, Verdict::NotSent);
            }
            (LineEvent::Reset(flight), State::Up) => {
                self.mark(Seen::Reset);
                self.land(line, flight, Verdict::Unknown);
            }
            (LineEvent::Dies, State::Up) => {
                if self.line(line).written() > 0 {
                    self.mark(Seen::Died);
                }
                self.end_line(line);
            }
            (LineEvent::GoesAway(calm), State::Up) => self.goes_away(line, calm),
            (LineEvent::Streams(streams), State::Up) => self.streams(line, streams),
            (LineEvent::GoesSilent, State::Up) => {
                self.mark(Seen::Silent);
                self.line(line).silent = true;
                // A PING, or TCP, finds out some time.
                let delay = self.dice.millis(20_000, 90_000);
                self.later(delay, Event::Line(line, LineEvent::Dies));
            }
            _ => {}
        }
    }

    fn opened(&mut self, line: u64) {
        self.line(line).state = State::Up;
        self.tell(line, News::Opened);
        // APNs allows one stream at first, FCM tells at once.
        let pool = self.line(line).pool;
        let is_apns = pool.is_multiple_of(WAYS);
        let streams = self.streams_of(pool);
        if is_apns {
            self.streams(line, 1);
            let delay = self.dice.millis(5, 300);
            self.later(delay, Event::Line(line, LineEvent::Streams(streams)));
        } else {
            self.streams(line, streams);
        }
    }

    pub(crate) fn streams_of(&self, pool: usize) -> usize {
        match self.options.is_quiet(pool / WAYS) {
            true => 100,
            false => self.options.streams as usize,
        }
    }

    pub(crate) fn streams(&mut self, line: u64, streams: usize) {
        let before = std::mem::replace(&mut self.line(line).streams, streams);
        match streams {
            0 => self.mark(Seen::StreamsZero),
            1 if before > 1 => self.mark(Seen::StreamsOne),
            _ if before < streams => self.mark(Seen::StreamsBack),
            _ => {}
        }
        let told = u32::try_from(streams).expect("few");
        self.tell(line, News::Streams(told));
        self.write_waiting(line);
    }

    fn timed_out(&mut self, line: u64, flight: u64) {
        let it = self.line(line);
        let Some(found) = it.flights.get(&flight) else {
            return;
        };
        let (written, since) = (found.written, found.written_at);
        let nothing_since = written && it.answered_at <= since;
        let verdict = match written {
            true => Verdict::Unknown,
            false => Verdict::NotSent,
        };
        self.mark(Seen::TimedOut);
        if nothing_since {
            self.mark(Seen::SilenceTold);
            self.tell(line, News::Silent);
        }
        self.land(line, flight, verdict);
    }

    /// An answer, or what its absence means.
    fn land(&mut self, line: u64, flight: u64, verdict: Verdict) {
        let Some(found) = self.line(line).remove(flight) else {
            return self.mark(Seen::LateAnswer);
        };
        let back = vec![landed(found, verdict)];
        self.give_back(line, back);
        self.write_waiting(line);
        self.end_if_done(line);
    }

    /// GOAWAY: what is above its last id was surely not processed; the rest is answered.
    fn goes_away(&mut self, line: u64, calm: bool) {
        if std::mem::replace(&mut self.line(line).closing, true) {
            return;
        }
        if calm {
            self.mark(Seen::Calm);
        }
        self.tell(line, News::GoingAway(calm));
        let flights: Vec<_> = self.line(line).flights.keys().copied().collect();
        let last = self.dice.below(flights.len() + 1);
        let mut back = Vec::new();
        for (place, number) in flights.iter().enumerate() {
            let waits = self.line(line).waiting.contains(number);
            // The answer of one that was looked at may be on its way.
            if waits || (place >= last && self.refuse_on_its_way(*number)) {
                self.mark(Seen::GoawayAbove);
                let flight = self.line(line).remove(*number).expect("a flight");
                back.push(landed(flight, Verdict::NotSent));
            } else {
                self.mark(Seen::GoawayBelow);
            }
        }
        self.give_back(line, back);
        self.end_if_done(line);
    }

    /// A push that has not come to its provider yet never will. Returns whether it had not.
    fn refuse_on_its_way(&mut self, flight: u64) -> bool {
        let on_its_way = self.is_on_its_way(flight);
        if on_its_way {
            self.provider.refused.insert(flight);
        }
        on_its_way
    }

    fn end_if_done(&mut self, line: u64) {
        let it = self.line(line);
        if it.state == State::Up && it.closing && it.flights.is_empty() {
            self.end_line(line);
        }
    }

    /// Whatever was written may have been processed; what waited was not.
    pub(crate) fn end_line(&mut self, line: u64) {
        let it = self.line(line);
        if it.state == State::Ended {
            return;
        }
        it.state = State::Ended;
        it.waiting.clear();
        let flights = std::mem::take(&mut it.flights);
        let back = flights.into_values().map(|flight| {
            let verdict = match flight.written {
                true => Verdict::Unknown,
                false => Verdict::NotSent,
            };
            landed(flight, verdict)
        });
        let back = back.collect();
        self.give_back(line, back);
        self.tell(line, News::Closed);
    }

    fn give_back(&mut self, line: u64, back: Vec<Returned>) {
        if !back.is_empty() {
            self.tell(line, News::Returned(back));
        }
    }

    /// The actor is gone, and what it had under way.
    pub(crate) fn drop_line(&mut self, line: u64) {
        if let Some(line) = self.g.lines.remove(&line) {
            for flight in line.flights.into_values() {
                flight.job.delivery.live.progress.came_back(1);
            }
        }
    }
}

fn landed(flight: Flight, verdict: Verdict) -> Returned {
    flight.job.delivery.live.progress.came_back(1);
    let how = match verdict {
        Verdict::NotSent => Reason::of("not_sent"),
        Verdict::Unknown => Reason::of("no_answer"),
        _ => Reason::of("theirs"),
    };
    Returned {
        job: flight.job,
        how: How::Answered {
            verdict,
            reason: how,
            token: flight.token,
        },
    }
}
