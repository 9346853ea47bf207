//! The one owner of a connection: it takes batches, opens streams, reads answers and keeps time, all in one
//! future and without a task, lock or message per request.
//!
//! A turn (one poll) goes in rounds: take batches, open streams, let HTTP/2 read and write and collect the answers, and
//! again as long as answers have made room for requests. Then it looks at the clock, tells the answers, and writes
//! out what has gathered.

mod end;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep, sleep_until};

#[cfg(doc)]
use crate::Error;
use crate::inbox::Inbox;
use crate::lean::Lean;
use crate::protocol::{End, Farewell, Protocol};
use crate::pulse::Pulse;
use crate::signal::Signal;
use crate::stock::Stock;
use crate::{Answer, Config, Event, Result};

/// Rounds in a turn, after which other tasks of the runtime have theirs.
const ROUNDS_MAX: usize = 8;

/// Runs the connection: the one owner of everything about it. Dropping it, or its [`Driver::run`] before the
/// end, closes the connection at once, and requests handed over get no answer.
pub struct Driver(pub(crate) Which);

/// By what speaks HTTP/2.
pub(crate) enum Which {
    Stock(Box<Turns<Stock>>),
    Lean(Box<Turns<Lean>>),
}

/// A connection's turns, whatever speaks HTTP/2.
pub(crate) struct Turns<P> {
    config: Config,
    signal: Arc<Signal>,
    turn_waker: Waker,
    connection: P,
    inbox: Inbox,
    answers: Vec<Answer>,
    /// Streams that may be open at once.
    limit: u32,
    phase: Phase,
    /// Why no more requests were taken, when that was the peer's wish.
    farewell: Option<Farewell>,
    /// Until when the peer's SETTINGS have time; `None` once anything has come, which begins with them.
    settings_until: Option<Instant>,
    pulse: Option<Pulse>,
    timer: Pin<Box<Sleep>>,
    /// Not after any deadline that is being waited for. `None` when there is none.
    armed: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// No more requests are taken; those taken are finished, at the latest then.
    Draining(Instant),
    /// All have their answers; GOAWAY is written and the stream below shut down, at the latest then.
    Closing(Instant),
}

impl Driver {
    /// Runs until the connection ends, and by then every request handed over has had its answer. `Ok` after
    /// [`crate::Sender::close`] (or when the last sender is dropped) or a GOAWAY without error.
    ///
    /// `events` is called inside the connection's turn, so it must be quick and must not block.
    ///
    /// # Errors
    /// [`Error::PeerClosed`] when the peer went without a GOAWAY, [`Error::ConnectTimeout`] when its SETTINGS did not
    /// come in time, [`Error::PingTimeout`], and [`Error::Protocol`] after a GOAWAY with an error or a violation of
    /// the protocol.
    pub async fn run(self, events: impl FnMut(Event)) -> Result<()> {
        match self.0 {
            Which::Stock(turns) => turns.run(events).await,
            Which::Lean(turns) => turns.run(events).await,
        }
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}

impl<P: Protocol> Turns<P> {
    pub(crate) fn new(connection: P, inbox: Inbox, signal: Arc<Signal>, config: &Config) -> Self {
        Turns {
            turn_waker: signal.turn_waker(),
            signal,
            connection,
            inbox,
            answers: Vec::new(),
            limit: 0,
            phase: Phase::Running,
            farewell: None,
            settings_until: None,
            pulse: Pulse::new(config),
            timer: Box::pin(sleep_until(Instant::now())),
            armed: None,
            config: config.clone(),
        }
    }

    async fn run(mut self, mut events: impl FnMut(Event)) -> Result<()> {
        self.start();
        let ended = poll_fn(|cx| self.turn(cx, &mut events)).await;
        self.connection.abandon(&mut self.answers);
        self.inbox.give_up_rest(&mut self.answers).await;
        self.tell_answers(&mut events);
        ended
    }

    fn start(&mut self) {
        let until = Instant::now() + self.config.connect_timeout;
        self.settings_until = Some(until);
        self.arm(until);
    }

    fn turn(&mut self, cx: &mut Context<'_>, events: &mut impl FnMut(Event)) -> Poll<Result<()>> {
        self.signal.begin(cx);
        let now = Instant::now();
        let mut ended = None;
        let mut again = true;
        let mut rounds = 0;
        while again && ended.is_none() && rounds < ROUNDS_MAX {
            rounds += 1;
            (again, ended) = self.round(now, events);
        }
        if ended.is_none() {
            ended = self.keep_time(now, events).err();
        }
        if ended.is_none() && matches!(self.connection.poll_write_out(), Poll::Ready(Err(_))) {
            // What the peer said before it went may still be there to read.
            ended = self.round(now, events).1.or(Some(End::Closed));
        }
        self.tell_answers(events);
        if let Some(end) = ended {
            return Poll::Ready(self.result(end));
        }
        if self.signal.end() || again {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// One round. Whether another one has something to do, and whether the connection has ended.
    fn round(&mut self, now: Instant, events: &mut impl FnMut(Event)) -> (bool, Option<End>) {
        self.signal.clear_turn();
        let more = self
            .inbox
            .receive(&mut Context::from_waker(&self.turn_waker), now);
        if !more && self.phase == Phase::Running {
            self.drain(now);
        }
        if self.farewell.is_some() {
            // A batch that a sender was just handing over.
            self.inbox.give_up(&mut self.answers);
        }
        self.open_streams(now);

        // The peer may have refused streams above a GOAWAY's last one: collect before looking at the GOAWAY, since
        // that gives up what waits.
        let turn = self.connection.turn(now, &mut self.answers);
        let raised = self.follow_limit(events) && !self.inbox.is_empty();
        self.look_for_goaway(now, events);
        let closing = self.close_when_done(now);
        (turn.again || raised || closing, turn.ended)
    }

    /// Gives streams to waiting requests, as far as the limit goes.
    fn open_streams(&mut self, now: Instant) {
        if self.inbox.is_empty() || matches!(self.phase, Phase::Closing(_)) {
            return;
        }
        let deadline = now + self.config.request_timeout;
        while self.connection.open() < self.limit as usize && self.connection.poll_ready() {
            let Some(request) = self.inbox.pop() else {
                break;
            };
            self.connection
                .request(request, now, deadline, &mut self.answers);
        }
        self.inbox.account();
        // For the streams opened now, and for what has just come in and waits from now on; what was there before has
        // armed the timer already.
        self.arm(deadline);
    }

    /// Tells the limit when the peer has changed it. `true` when more streams may be open than before.
    fn follow_limit(&mut self, events: &mut impl FnMut(Event)) -> bool {
        let before = self.limit;
        self.limit = self.connection.allowed().min(self.config.streams_max);
        if self.limit != before {
            events(Event::Streams(self.limit));
        }
        self.limit > before
    }

    /// Whatever has its time: requests, the end of a phase, PING.
    fn keep_time(&mut self, now: Instant, events: &mut impl FnMut(Event)) -> Result<(), End> {
        if self.settings_until.is_some() && self.connection.bytes_read() > 0 {
            self.settings_until = None;
        }
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
            self.expire(now, events)?;
        }
        if let Some(pulse) = &mut self.pulse {
            let next = pulse
                .poll(&mut self.connection, now)
                .map_err(|_| End::PingTimeout)?;
            self.arm(next);
        }
        // Registers the new deadline, or one the runtime has not seen yet.
        let mut cx = Context::from_waker(&self.turn_waker);
        if self.armed.is_some() && self.timer.as_mut().poll(&mut cx).is_ready() {
            self.signal.raise();
        }
        Ok(())
    }

    fn expire(&mut self, now: Instant, events: &mut impl FnMut(Event)) -> Result<(), End> {
        if self.settings_until.is_some_and(|until| until <= now) {
            return Err(End::NoSettings);
        }
        let timeout = self.config.request_timeout;
        let waiting = self.inbox.expire(now, timeout, &mut self.answers);
        let open = self.connection.expire(now, timeout, &mut self.answers);
        if open.is_silent {
            events(Event::Silent);
        }
        let phase = match self.phase {
            Phase::Running => None,
            Phase::Draining(until) if until <= now => {
                self.close(now);
                None
            }
            Phase::Closing(until) if until <= now => return Err(End::CloseTimeout),
            Phase::Draining(until) | Phase::Closing(until) => Some(until),
        };
        self.close_when_done(now);
        let deadlines = [waiting, open.next, phase, self.settings_until];
        for deadline in deadlines.into_iter().flatten() {
            self.arm(deadline);
        }
        Ok(())
    }

    /// Sees to it that there is a turn at `deadline`.
    fn arm(&mut self, deadline: Instant) {
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.armed = Some(deadline);
            self.timer.as_mut().reset(deadline);
        }
    }

    fn tell_answers(&mut self, events: &mut impl FnMut(Event)) {
        if !self.answers.is_empty() {
            events(Event::Answers(std::mem::take(&mut self.answers)));
        }
    }
}
