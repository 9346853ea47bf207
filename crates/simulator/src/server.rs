//! Serves one HTTP/2 connection in one task. A request that is whole and has no script is judged and answered on the
//! spot; only what must wait (a body in parts, a delay, a long answer, silence) becomes a future of the same task.

mod reaction;
mod waiting;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::Request;

use crate::Provider;
use crate::books::Record;
use crate::config::Config;
use crate::reply::{Answer, Call, Facts};
use crate::rules::{Code, Fired, Reaction, Reply, lot};
use crate::simulator::Shared;
use crate::wire::{Io, Wire};
use waiting::{Collected, Event, collect, collect_now, start_body};

/// TLS and HTTP/2 handshakes must be done in this time.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection that we have ended is read on, for the client to end it too.
const LINGER: Duration = Duration::from_secs(1);
/// What the codec itself enforces; the wire announces less.
const STREAMS_HARD: u32 = 100_000;
/// Streams beyond a GOAWAY that are left open without an answer, before the connection is cut.
const IGNORED_MAX: usize = 4096;

/// A provider's judgement.
pub(crate) trait Judge: Send + Sync + 'static {
    const PROVIDER: Provider;
    /// What it remembers of a connection.
    type Memory: Send;

    fn connect(&self, certificate: bool) -> Self::Memory;
    /// Streams the connection may have open now.
    fn streams(&self, memory: &Self::Memory) -> u32;
    /// Pings a connection may send.
    fn pings(&self) -> u64 {
        u64::MAX
    }
    /// Code and debug data of the GOAWAY for too many streams.
    const TOO_MANY_STREAMS: (Code, &'static str);
    /// Prepares the call (parses its body), once.
    fn prepare(&self, _call: &mut Call) {}
    fn facts<'a>(&self, call: &'a Call) -> Facts<'a>;
    fn judge(&self, memory: &mut Self::Memory, call: &Call, facts: &Facts<'_>) -> Answer;
    fn scripted(&self, reply: &Reply, facts: &Facts<'_>) -> Answer;
}

/// What all connections of a listener share.
pub(crate) struct Scope<J> {
    pub(crate) judge: J,
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Arc<Config>,
    /// Latencies drawn.
    pub(crate) drawn: AtomicU64,
}

impl<J: Judge> Scope<J> {
    /// How long the next answer takes at least.
    fn latency(&self) -> Duration {
        let Some(span) = self.config.latency else {
            return Duration::ZERO;
        };
        let count = self.drawn.fetch_add(1, Ordering::Relaxed);
        span.draw(lot(self.config.latency_seed, count))
    }

    fn book(&self, call: &Call, facts: &Facts<'_>, status: u16, reason: &str, lost: bool) {
        self.shared.books.record(
            J::PROVIDER,
            &Record {
                address: &facts.address,
                apns_id: facts.apns_id,
                status,
                reason,
                lost,
                collapse: facts.collapse,
                expiration: facts.expiration,
                priority: facts.priority,
                body_bytes: call.size as u64,
            },
        );
    }
}

/// How a connection ended.
enum End {
    /// By the client or by an error.
    Gone,
    /// By us, in order.
    Close,
    /// By us, without a word.
    Cut,
    /// Never: it is held open.
    Frozen,
}

struct Session<J: Judge, T> {
    scope: Arc<Scope<J>>,
    memory: J::Memory,
    h2: Connection<Wire<T>, Bytes>,
    wire: Wire<T>,
    waiting: FuturesUnordered<BoxFuture<'static, Event>>,
    /// Streams accepted and not ended.
    open: u32,
    peak: u32,
    pings_booked: u64,
    /// The highest stream id that was taken.
    highest: u32,
    /// The limit that the judge last wanted.
    wanted: u32,
    /// The last id of our GOAWAY.
    last: Option<u32>,
    /// Streams behind it.
    ignored: Vec<(Option<RecvStream>, SendResponse<Bytes>)>,
    /// Answers cut in the middle.
    half: Vec<SendStream<Bytes>>,
    end: Option<End>,
}

/// Serves until the connection ends. `fired` is a rule for the connection as a whole.
pub(crate) async fn serve<J: Judge, T: Io + 'static>(
    scope: Arc<Scope<J>>,
    io: T,
    certificate: bool,
    fired: Option<Fired>,
) {
    let memory = scope.judge.connect(certificate);
    let wanted = scope.judge.streams(&memory);
    let first = match fired.as_ref().map(Fired::reaction) {
        Some(Reaction::Streams(limit)) => *limit,
        _ => wanted,
    };
    let wire = Wire::new(io, first);
    let Ok(Some(h2)) = tokio::time::timeout(HANDSHAKE, handshake(wire.clone())).await else {
        scope
            .shared
            .books
            .connections(J::PROVIDER, |totals| totals.handshakes_failed += 1);
        return;
    };
    let hold = scope.config.limits.hold;
    let mut session = Session {
        scope,
        memory,
        h2,
        wire,
        waiting: FuturesUnordered::new(),
        open: 0,
        peak: 0,
        pings_booked: 0,
        highest: 0,
        wanted,
        last: None,
        ignored: Vec::new(),
        half: Vec::new(),
        end: None,
    };
    session.connected(fired.as_ref().map(Fired::reaction));
    let end = std::future::poll_fn(|cx| session.poll(cx)).await;
    let said_goodbye = session.wire.lock().goaways() > 0;
    session
        .scope
        .shared
        .books
        .connections(J::PROVIDER, |totals| {
            totals.goodbyes += u64::from(said_goodbye);
        });
    match end {
        End::Gone | End::Cut => {}
        End::Close => {
            // A client that does not read must not keep us; an error means that it is gone.
            let close = std::future::poll_fn(|cx| session.wire.lock().poll_close(cx));
            drop(tokio::time::timeout(HANDSHAKE, close).await);
            // With bytes left unread the system would end the connection by a reset, which takes away what the client
            // has not read yet, GOAWAY and answers among it.
            let rest = std::future::poll_fn(|cx| session.wire.lock().poll_discard(cx));
            drop(tokio::time::timeout(LINGER, rest).await);
        }
        End::Frozen => tokio::time::sleep(hold).await,
    }
}

async fn handshake<T: Io>(wire: Wire<T>) -> Option<Connection<Wire<T>, Bytes>> {
    let mut handshake = pin!(
        h2::server::Builder::new()
            .max_concurrent_streams(STREAMS_HARD)
            .initial_window_size(256 * 1024)
            .initial_connection_window_size(16 * 1024 * 1024)
            .max_concurrent_reset_streams(1024)
            .max_pending_accept_reset_streams(10_000)
            .max_local_error_reset_streams(None)
            .handshake(wire.clone())
    );
    std::future::poll_fn(|cx| {
        let done = handshake.as_mut().poll(cx);
        match wire.lock().poll_drain(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(None),
            _ => done.map(Result::ok),
        }
    })
    .await
}

impl<J: Judge, T: Io> Session<J, T> {
    /// One round: take every request that has arrived, finish what waited, write all answers at once.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if self.poll_requests(cx).is_err() {
                return Poll::Ready(End::Gone);
            }
            self.check_pings();
            if self.end.is_none() && !self.poll_waiting(cx) {
                break;
            }
            if let Some(end) = self.end.take() {
                return self.poll_end(cx, end);
            }
        }
        let drained = self.wire.lock().poll_drain(cx);
        match drained {
            Poll::Ready(Err(_)) => Poll::Ready(End::Gone),
            _ => Poll::Pending,
        }
    }

    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Result<(), ()> {
        while self.end.is_none() {
            match self.h2.poll_accept(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok((request, respond)))) => self.accept(cx, request, respond),
                Poll::Ready(Some(Err(_)) | None) => return Err(()),
            }
        }
        Ok(())
    }

    /// Whether anything was finished.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while self.end.is_none()
            && let Poll::Ready(Some(event)) = self.waiting.poll_next_unpin(cx)
        {
            progress = true;
            match event {
                Event::Ended => self.ended(),
                Event::Whole(call, respond) => self.whole(*call, respond),
                Event::Due(call, respond, fired) => self.react(*call, respond, fired.as_ref()),
            }
        }
        progress
    }

    /// Moves what is queued to the wire and writes as much as goes.
    fn poll_end(&mut self, cx: &mut Context<'_>, end: End) -> Poll<End> {
        if matches!(end, End::Frozen) {
            return Poll::Ready(end);
        }
        // The codec hands over its answers when polled; whatever it says, the connection ends here.
        while self.ignored.len() < IGNORED_MAX
            && let Poll::Ready(Some(Ok((request, respond)))) = self.h2.poll_accept(cx)
        {
            // Dropped, it would be answered by a reset, as if it had been processed in part.
            self.ignored.push((Some(request.into_body()), respond));
        }
        let drained: Poll<io::Result<()>> = self.wire.lock().poll_drain(cx);
        drop(drained);
        Poll::Ready(end)
    }

    fn accept(
        &mut self,
        cx: &mut Context<'_>,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) {
        let (parts, mut body) = request.into_parts();
        if self
            .last
            .is_some_and(|last| respond.stream_id().as_u32() > last)
        {
            self.ignore(body, respond);
            return;
        }
        self.open += 1;
        if self.too_many(cx) {
            respond.send_reset(Reason::REFUSED_STREAM);
            self.ended();
            return;
        }
        self.highest = respond.stream_id().as_u32();
        if self.open > self.peak {
            self.peak = self.open;
            let peak = u64::from(self.peak);
            self.scope.shared.books.connections(J::PROVIDER, |totals| {
                totals.streams_peak = totals.streams_peak.max(peak);
            });
        }
        match collect_now(cx, &mut body) {
            Collected::Whole(bytes, size) => {
                self.whole(
                    Call {
                        parts,
                        body: bytes,
                        size,
                        json: None,
                    },
                    respond,
                );
            }
            Collected::Part(buffer) => self.waiting.push(collect(parts, body, respond, buffer)),
            Collected::Broken => self.ended(),
        }
    }

    /// Before the client has acknowledged a limit it cannot know it: a stream too many is refused. Afterwards it is a
    /// fault, and the connection ends.
    fn too_many(&mut self, cx: &mut Context<'_>) -> bool {
        let (limit, announced) = {
            let wire = self.wire.lock();
            (wire.limit(), wire.announced())
        };
        if self.open <= limit.unwrap_or(announced) {
            return false;
        }
        // Streams that the client reset in the same read have not been taken off yet.
        self.poll_waiting(cx);
        if self.end.is_some() || self.open <= limit.unwrap_or(announced) {
            return self.end.is_some();
        }
        if limit.is_some() {
            let (code, debug) = J::TOO_MANY_STREAMS;
            self.violation(self.highest, code, debug);
        }
        true
    }

    fn check_pings(&mut self) {
        let pings = self.wire.lock().pings();
        let known = std::mem::replace(&mut self.pings_booked, pings);
        if pings > known {
            self.scope
                .shared
                .books
                .connections(J::PROVIDER, |totals| totals.pings += pings - known);
        }
        if pings > self.scope.judge.pings() && self.end.is_none() && self.last.is_none() {
            self.violation(self.highest, Code::EnhanceYourCalm, "too_many_pings");
        }
    }

    /// The client broke a rule: what was taken so far is still answered, then the connection ends.
    fn violation(&mut self, last: u32, code: Code, debug: &str) {
        self.scope
            .shared
            .books
            .connections(J::PROVIDER, |totals| totals.violations += 1);
        self.wire.lock().send_goaway(last, code, debug);
        self.last = Some(last);
        if self.open == 0 {
            self.end = Some(End::Close);
        }
    }

    fn ignore(&mut self, body: RecvStream, respond: SendResponse<Bytes>) {
        if self.ignored.len() < IGNORED_MAX {
            self.ignored.push((Some(body), respond));
        } else {
            self.end = Some(End::Close);
        }
    }

    /// A request has arrived whole.
    fn whole(&mut self, mut call: Call, respond: SendResponse<Bytes>) {
        self.scope.judge.prepare(&mut call);
        let scope = Arc::clone(&self.scope);
        let latency = scope.config.latency;
        if !scope.shared.rules.any() && latency.is_none() {
            let facts = scope.judge.facts(&call);
            self.judge(&call, &facts, respond);
            return;
        }
        self.scripted(call, respond);
    }

    /// The documented answer.
    fn judge(&mut self, call: &Call, facts: &Facts<'_>, respond: SendResponse<Bytes>) {
        let answer = self.judged(call, facts, false);
        self.send(answer, respond);
    }

    /// Judges and books; the answer may be sent or lost.
    fn judged(&mut self, call: &Call, facts: &Facts<'_>, lost: bool) -> Answer {
        let answer = self.scope.judge.judge(&mut self.memory, call, facts);
        self.scope
            .book(call, facts, answer.status.as_u16(), &answer.reason, lost);
        let wanted = self.scope.judge.streams(&self.memory);
        if wanted != self.wanted {
            self.wanted = wanted;
            self.wire.lock().send_streams(wanted);
        }
        answer
    }

    fn send(&mut self, mut answer: Answer, mut respond: SendResponse<Bytes>) {
        let head = answer.head();
        // An error means that the client has given the stream up; the books have the answer all the same.
        let Ok(mut stream) = respond.send_response(head, !answer.has_body()) else {
            return self.ended();
        };
        if answer.filler > 0 {
            return self
                .waiting
                .push(start_body(stream, answer.body, answer.filler));
        }
        if answer.has_body() {
            drop(stream.send_data(answer.body, true));
        }
        self.ended();
    }

    /// A stream has ended; after a GOAWAY the last one ends the connection.
    fn ended(&mut self) {
        self.open = self.open.saturating_sub(1);
        if self.open == 0 && self.last.is_some() && self.end.is_none() {
            self.end = Some(End::Close);
        }
    }
}
