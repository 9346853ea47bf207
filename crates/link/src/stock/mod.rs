//! HTTP/2 by the `h2` crate. It wakes each stream by a waker of its own, hundreds in a turn, so streams are in slots
//! whose wakers leave a mark.

mod body;
mod exchange;
mod slots;
mod wire;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use h2::client::{Connection, SendRequest};
use h2::{Ping, PingPong};
use http::Request as HttpRequest;
use tokio::time::Instant;

use crate::owed::{Expired, lost};
use crate::protocol::{Answers, End, Farewell, Protocol, Turn};
use crate::signal::Signal;
use crate::{Config, Error, Io, Lost, Request, Result, goodbye, terms};
use body::Body;
use slots::Slots;
use wire::Wire;

/// Frames on streams reset and forgotten, over the connection's whole life, after which `h2` ends it. Its default
/// of 1,024 would end a connection kept for days.
const LATE_FRAMES_MAX: usize = 1_000_000;

/// Streams reset by us that `h2` remembers for a second, so that frames still on their way are ignored. Its
/// default of 50 is less than the streams that may time out at once.
const RESETS_REMEMBERED: usize = 1024;

pub(crate) struct Stock {
    signal: Arc<Signal>,
    waker: Waker,
    wire: Wire,
    connection: Connection<Wire, Body>,
    /// `None` once no stream will be opened any more; `h2` closes the connection when this and all streams are gone.
    requests: Option<SendRequest<Body>>,
    allowed: u32,
    slots: Slots,
    pings: Option<PingPong>,
}

impl Stock {
    /// HTTP/2 over `io`.
    pub(crate) async fn open(
        io: impl Io + 'static,
        config: &Config,
        signal: &Arc<Signal>,
    ) -> Result<Self> {
        let wire = Wire::new(io, config.write_buffer_bytes);
        let (requests, mut connection) = h2::client::Builder::new()
            // What is written to a peer that has not said SETTINGS may be lost, and nobody knows; it costs a round
            // trip in the life of a connection. It also keeps APNs' limit of one stream before the first token.
            .initial_max_send_streams(0)
            .initial_connection_window_size(terms::CONNECTION_WINDOW)
            .initial_window_size(terms::STREAM_WINDOW)
            .max_header_list_size(terms::HEADER_LIST_MAX)
            .max_concurrent_reset_streams(RESETS_REMEMBERED)
            .max_local_error_reset_streams(Some(LATE_FRAMES_MAX))
            .enable_push(false)
            .handshake(wire.clone())
            .await
            .map_err(|error| Error::Protocol(reason(&error)))?;
        Ok(Stock {
            waker: signal.connection_waker(),
            slots: Slots::new(
                signal.clone(),
                config.streams_max as usize,
                config.answer_bytes_max,
            ),
            signal: signal.clone(),
            pings: connection.ping_pong(),
            wire,
            connection,
            requests: Some(requests),
            allowed: 0,
        })
    }
}

impl Protocol for Stock {
    fn allowed(&self) -> u32 {
        let Some(requests) = &self.requests else {
            return self.allowed;
        };
        u32::try_from(requests.current_max_send_streams()).unwrap_or(u32::MAX)
    }

    fn open(&self) -> usize {
        self.slots.open()
    }

    fn unanswered(&self) -> usize {
        self.slots.unanswered()
    }

    fn poll_ready(&mut self) -> bool {
        // Pending: `h2` still counts a stream that has ended for us, and wakes the connection when it does not.
        // An error is the connection's, and looked at after its turn.
        let mut cx = Context::from_waker(&self.waker);
        let requests = self.requests.as_mut();
        requests.is_some_and(|requests| matches!(requests.poll_ready(&mut cx), Poll::Ready(Ok(()))))
    }

    fn request(&mut self, request: Request, now: Instant, deadline: Instant, answers: Answers<'_>) {
        let key = request.key;
        let Some(requests) = &mut self.requests else {
            return answers.push(lost(key, Lost::NotSent));
        };
        let (parts, body) = match request.request.into_http() {
            Ok(request) => request.into_parts(),
            Err(error) => {
                tracing::warn!(%error, "request is not valid http");
                return answers.push(lost(key, Lost::NotSent));
            }
        };
        let (slot, body) = self.slots.reserve(body);
        match exchange::open(requests, HttpRequest::from_parts(parts, body)) {
            Ok(exchange) => {
                let stream = (key, exchange);
                self.slots.fill(slot, stream, now, deadline, answers);
            }
            Err((why, error)) => {
                self.slots.give_back(slot);
                tracing::warn!(%error, "request is not valid http/2");
                answers.push(lost(key, why));
            }
        }
    }

    fn turn(&mut self, now: Instant, answers: Answers<'_>) -> Turn {
        self.signal.clear_connection();
        let mut cx = Context::from_waker(&self.waker);
        let ended = match Pin::new(&mut self.connection).poll(&mut cx) {
            Poll::Ready(Err(error)) if !error.is_io() => Some(End::Protocol(reason(&error))),
            Poll::Ready(_) => Some(End::Closed),
            Poll::Pending => None,
        };
        let again = self.slots.poll_woken(now, answers);
        Turn { again, ended }
    }

    fn poll_write_out(&mut self) -> Poll<io::Result<()>> {
        self.wire
            .poll_write_out(&mut Context::from_waker(&self.waker))
    }

    fn bytes_read(&self) -> u64 {
        self.wire.bytes_read()
    }

    /// `h2` says so by refusing new streams, also while others are open; its connection future ends only with the last
    /// of them.
    fn poll_farewell(&mut self) -> Option<Farewell> {
        let mut cx = Context::from_waker(&self.waker);
        let Poll::Ready(Err(error)) = self.requests.as_mut()?.poll_ready(&mut cx) else {
            return None;
        };
        let failed = error
            .reason()
            .is_some_and(|reason| reason != h2::Reason::NO_ERROR);
        Some(if error.is_io() {
            Farewell::Failing(None)
        } else if error.is_library() {
            Farewell::Failing(failed.then(|| reason(&error)))
        } else {
            Farewell::Said {
                reason: reason(&error),
                calm: error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM),
                failed,
            }
        })
    }

    fn expire(&mut self, now: Instant, grace: Duration, answers: Answers<'_>) -> Expired {
        self.slots.expire(now, grace, answers)
    }

    fn ping(&mut self) -> bool {
        let sent = |pings: &mut PingPong| pings.send_ping(Ping::opaque()).is_ok();
        self.pings.as_mut().is_some_and(sent)
    }

    fn poll_pong(&mut self) -> bool {
        let mut cx = Context::from_waker(&self.waker);
        // An error means that the connection ends, which its own poll tells.
        let pings = self.pings.as_mut();
        pings.is_some_and(|pings| pings.poll_pong(&mut cx).is_pending())
    }

    fn close(&mut self, answers: Answers<'_>) {
        self.allowed = self.allowed();
        self.slots.abandon(answers);
        self.requests = None;
    }

    fn abandon(&mut self, answers: Answers<'_>) {
        self.slots.abandon(answers);
    }
}

/// An error's code and debug data. `h2` shows the latter only in the error's `Display`: `text (b"data")`, escaped.
fn reason(error: &h2::Error) -> String {
    let shown = error.to_string();
    let Some(code) = error.reason() else {
        return shown;
    };
    let data = shown.split_once("(b\"").map(|(_, data)| data);
    let data = data.and_then(|data| data.strip_suffix("\")"));
    goodbye::reason(&format!("{code:?}"), data.unwrap_or_default())
}
