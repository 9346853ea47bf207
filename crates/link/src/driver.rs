//! The one owner of a connection: it takes batches, opens streams, reads answers and keeps time, all in one
//! future and without a task, lock or message per request.
//!
//! A turn (one poll) goes in rounds: take batches, open streams, let `h2` read and write, collect the answers of
//! the streams that were woken, and again as long as answers have made room for requests. Then it looks at the
//! clock, tells the answers, and writes out what has gathered.

mod end;

pub(crate) use end::reason;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use h2::client::{Connection, SendRequest};
use http::Request as HttpRequest;
use tokio::time::{Instant, Sleep, sleep_until};

#[cfg(doc)]
use crate::Error;
use crate::body::Body;
use crate::inbox::{Inbox, Outlet, queue};
use crate::pulse::Pulse;
use crate::signal::Signal;
use crate::slots::{Slots, lost};
use crate::wire::Wire;
use crate::{Answer, Config, Event, Lost, Result, exchange};

/// Rounds in a turn, after which other tasks of the runtime have theirs.
const ROUNDS_MAX: usize = 8;

/// Runs the connection: the one owner of everything about it. Dropping it, or its [`Driver::run`] before the
/// end, closes the connection at once, and requests handed over get no answer.
pub struct Driver(Box<Engine>);

struct Engine {
    config: Config,
    signal: Arc<Signal>,
    turn_waker: Waker,
    connection_waker: Waker,
    wire: Wire,
    connection: Connection<Wire, Body>,
    /// `None` once no stream will be opened any more; `h2` closes the connection when this and all streams are gone.
    requests: Option<SendRequest<Body>>,
    inbox: Inbox,
    slots: Slots,
    answers: Vec<Answer>,
    /// Streams that may be open at once.
    limit: u32,
    phase: Phase,
    /// Why no more requests were taken, when that was the peer's wish.
    going_away: Option<h2::Error>,
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

pub(crate) fn new(
    wire: Wire,
    requests: SendRequest<Body>,
    mut connection: Connection<Wire, Body>,
    config: &Config,
) -> (crate::Sender, Driver) {
    let streams_max = config.streams_max as usize;
    let signal = Signal::new(streams_max);
    let (outlet, inbox): (Outlet, Inbox) = queue(signal.clone(), config.queue_max);
    let pings = config.ping_after.and_then(|_| connection.ping_pong());
    let engine = Engine {
        turn_waker: signal.turn_waker(),
        connection_waker: signal.connection_waker(),
        slots: Slots::new(signal.clone(), streams_max, config.answer_bytes_max),
        signal,
        wire,
        connection,
        requests: Some(requests),
        inbox,
        answers: Vec::new(),
        limit: 0,
        phase: Phase::Running,
        going_away: None,
        settings_until: None,
        pulse: Pulse::new(pings, config),
        timer: Box::pin(sleep_until(Instant::now())),
        armed: None,
        config: config.clone(),
    };
    (crate::Sender(outlet), Driver(Box::new(engine)))
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
    pub async fn run(mut self, mut events: impl FnMut(Event)) -> Result<()> {
        let engine = &mut *self.0;
        engine.start();
        let ended = poll_fn(|cx| engine.turn(cx, &mut events)).await;
        engine.slots.abandon(&mut engine.answers);
        engine.inbox.give_up_rest(&mut engine.answers).await;
        engine.tell_answers(&mut events);
        ended
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}

impl Engine {
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
        let mut connection_cx = Context::from_waker(&self.connection_waker);
        if ended.is_none()
            && matches!(
                self.wire.poll_write_out(&mut connection_cx),
                Poll::Ready(Err(_))
            )
        {
            // What the peer said before it went may still be there to read.
            ended = self.round(now, events).1.or(Some(end::End::Write));
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
    fn round(&mut self, now: Instant, events: &mut impl FnMut(Event)) -> (bool, Option<end::End>) {
        self.signal.clear_turn();
        let more = self
            .inbox
            .receive(&mut Context::from_waker(&self.turn_waker), now);
        if !more && self.phase == Phase::Running {
            self.drain(now);
        }
        if self.going_away.is_some() {
            // A batch that a sender was just handing over.
            self.inbox.give_up(&mut self.answers);
        }
        self.open_streams(now);

        self.signal.clear_connection();
        let mut cx = Context::from_waker(&self.connection_waker);
        let ended = match Pin::new(&mut self.connection).poll(&mut cx) {
            Poll::Ready(result) => Some(end::End::Connection(result)),
            Poll::Pending => None,
        };
        // The peer may have refused streams above a GOAWAY's last one: collect before looking at the GOAWAY, since
        // that gives up what waits.
        let again = self.slots.poll_woken(now, &mut self.answers);
        let raised = self.follow_limit(events) && !self.inbox.is_empty();
        self.look_for_goaway(now, events);
        let closing = self.close_when_done(now);
        (again || raised || closing, ended)
    }

    /// Gives streams to waiting requests, as far as the limit goes.
    fn open_streams(&mut self, now: Instant) {
        let Some(requests) = &mut self.requests else {
            return;
        };
        let mut cx = Context::from_waker(&self.connection_waker);
        let deadline = now + self.config.request_timeout;
        let mut opened = false;
        while self.slots.open() < self.limit as usize && !self.inbox.is_empty() {
            // Pending: `h2` still counts a stream that has ended for us, and wakes the connection when it does not.
            // An error is the connection's, and looked at after its turn.
            if !matches!(requests.poll_ready(&mut cx), Poll::Ready(Ok(()))) {
                break;
            }
            let Some(request) = self.inbox.pop() else {
                break;
            };
            let key = request.key;
            let (parts, body) = match request.request.into_http() {
                Ok(request) => request.into_parts(),
                Err(error) => {
                    tracing::warn!(%error, "request is not valid http");
                    self.answers.push(lost(key, Lost::NotSent));
                    continue;
                }
            };
            let (slot, body) = self.slots.reserve(body);
            match exchange::open(requests, HttpRequest::from_parts(parts, body)) {
                Ok(exchange) => {
                    let stream = (key, exchange);
                    self.slots
                        .fill(slot, stream, now, deadline, &mut self.answers);
                    opened = true;
                }
                Err((why, error)) => {
                    self.slots.give_back(slot);
                    tracing::warn!(%error, "request is not valid http/2");
                    self.answers.push(lost(key, why));
                }
            }
        }
        if opened {
            self.arm(deadline);
        }
        if !self.inbox.is_empty() {
            // What has just come in waits from now on, and what was there before has armed the timer already.
            self.arm(deadline);
        }
    }

    /// Tells the limit when the peer has changed it. `true` when more streams may be open than before.
    fn follow_limit(&mut self, events: &mut impl FnMut(Event)) -> bool {
        let before = self.limit;
        self.limit = self.allowed();
        if self.limit != before {
            events(Event::Streams(self.limit));
        }
        self.limit > before
    }

    /// Streams the peer and the configuration allow.
    fn allowed(&self) -> u32 {
        let Some(requests) = &self.requests else {
            return self.limit;
        };
        u32::try_from(requests.current_max_send_streams())
            .unwrap_or(u32::MAX)
            .min(self.config.streams_max)
    }

    /// Whatever has its time: requests, the end of a phase, PING.
    fn keep_time(&mut self, now: Instant, events: &mut impl FnMut(Event)) -> Result<(), end::End> {
        if self.settings_until.is_some() && self.wire.bytes_read() > 0 {
            self.settings_until = None;
        }
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
            self.expire(now, events)?;
        }
        let mut cx = Context::from_waker(&self.turn_waker);
        if let Some(pulse) = &mut self.pulse {
            let next = pulse
                .poll(&mut cx, now, self.wire.bytes_read())
                .map_err(|_| end::End::PingTimeout)?;
            self.arm(next);
        }
        // Registers the new deadline, or one the runtime has not seen yet.
        let mut cx = Context::from_waker(&self.turn_waker);
        if self.armed.is_some() && self.timer.as_mut().poll(&mut cx).is_ready() {
            self.signal.raise();
        }
        Ok(())
    }

    fn expire(&mut self, now: Instant, events: &mut impl FnMut(Event)) -> Result<(), end::End> {
        if self.settings_until.is_some_and(|until| until <= now) {
            return Err(end::End::NoSettings);
        }
        let timeout = self.config.request_timeout;
        let waiting = self.inbox.expire(now, timeout, &mut self.answers);
        let open = self.slots.expire(now, timeout, &mut self.answers);
        if open.is_silent {
            events(Event::Silent);
        }
        let phase = match self.phase {
            Phase::Running => None,
            Phase::Draining(until) if until <= now => {
                self.close(now);
                None
            }
            Phase::Closing(until) if until <= now => return Err(end::End::CloseTimeout),
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
