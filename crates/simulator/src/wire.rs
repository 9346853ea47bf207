//! Between the HTTP/2 codec and TLS: collects writes so that many answers leave in one TLS record, and lets the server
//! say what the codec offers no call for: SETTINGS after the handshake, GOAWAY with debug data and any last id.
//!
//! Both sides follow frame borders (RFC 9113 §4.1). A SETTINGS frame put in here is acknowledged by the client, and the
//! codec would take that for a fault, so its acknowledgement is taken out again.

mod frames;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::rules::Code;
use frames::{Inbound, MAX_CONCURRENT_STREAMS, Outbound, Sifted};

/// Bytes read at a time.
const INPUT: usize = 16 * 1024;
/// Bytes collected before they are written without waiting for the end of a round.
const COLLECT: usize = 64 * 1024;
/// Bytes waiting at which the codec must wait for the client to read.
const WAITING_MAX: usize = 512 * 1024;

/// The stream that is wrapped: TLS in use, anything in tests.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// One connection's wire. The codec holds a clone and the serving loop another; both run in one task, so the lock is
/// never waited for.
pub(crate) struct Wire<T>(Arc<Mutex<State<T>>>);

impl<T> Clone for Wire<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(crate) struct State<T> {
    io: T,
    out: BytesMut,
    outbound: Outbound,
    input: Vec<u8>,
    /// The part of `input` that was sifted and not yet read by the codec.
    ready: Range<usize>,
    inbound: Inbound,
    /// SETTINGS on their way to being acknowledged.
    settings: VecDeque<Sent>,
    /// The stream limit that the client has acknowledged; before that it may open any number.
    acknowledged: Option<u32>,
    /// What is put into the codec's first SETTINGS.
    first_limit: u32,
    /// Frames of our own that wait for the end of the round.
    waiting: BytesMut,
}

/// A SETTINGS frame that was sent.
#[derive(Clone, Copy)]
struct Sent {
    streams: Option<u32>,
    ours: bool,
}

impl<T: Io> Wire<T> {
    pub(crate) fn new(io: T, first_limit: u32) -> Self {
        Self(Arc::new(Mutex::new(State {
            io,
            out: BytesMut::new(),
            outbound: Outbound::default(),
            input: vec![0; INPUT],
            ready: 0..0,
            inbound: Inbound::default(),
            settings: VecDeque::new(),
            acknowledged: None,
            first_limit,
            waiting: BytesMut::new(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock()
    }
}

impl<T: Io> State<T> {
    /// Announces another limit of concurrent streams.
    pub(crate) fn send_streams(&mut self, limit: u32) {
        self.send_setting(MAX_CONCURRENT_STREAMS, limit, Some(limit));
    }

    /// Announces another window for the bodies of later requests.
    pub(crate) fn send_window(&mut self, bytes: u32) {
        self.send_setting(frames::INITIAL_WINDOW_SIZE, bytes & 0x7FFF_FFFF, None);
    }

    fn send_setting(&mut self, id: u16, value: u32, streams: Option<u32>) {
        let mut frame = frames::header(6, frames::SETTINGS, 0);
        frame.extend_from_slice(&id.to_be_bytes());
        frame.extend_from_slice(&value.to_be_bytes());
        self.put(&frame);
        self.settings.push_back(Sent {
            streams,
            ours: true,
        });
    }

    /// Says that streams above `last` are not processed.
    pub(crate) fn send_goaway(&mut self, last: u32, code: Code, debug: &str) {
        let debug = debug.as_bytes();
        let mut frame = frames::header(8 + debug.len(), frames::GOAWAY, 0);
        frame.extend_from_slice(&last.to_be_bytes());
        frame.extend_from_slice(&(code as u32).to_be_bytes());
        frame.extend_from_slice(debug);
        self.put(&frame);
    }

    fn put(&mut self, frame: &[u8]) {
        self.waiting.extend_from_slice(frame);
    }

    /// How many streams the client may have open, as far as it can know: the largest of what it acknowledged and what
    /// it may have read since. `None` before it acknowledged anything.
    pub(crate) fn limit(&self) -> Option<u32> {
        let on_the_way = self.settings.iter().filter_map(|sent| sent.streams).max();
        self.acknowledged
            .map(|limit| limit.max(on_the_way.unwrap_or(0)))
    }

    /// The limit last announced, acknowledged or not.
    pub(crate) fn announced(&self) -> u32 {
        let on_the_way = self.settings.iter().rev().find_map(|sent| sent.streams);
        on_the_way.or(self.acknowledged).unwrap_or(self.first_limit)
    }

    /// PING frames (not answers) received so far.
    pub(crate) fn pings(&self) -> u64 {
        self.inbound.pings
    }

    /// GOAWAY frames received so far.
    pub(crate) fn goaways(&self) -> u64 {
        self.inbound.goaways
    }

    /// Ends a round: writes what was collected, our own frames behind the codec's, so that a GOAWAY never overtakes an
    /// answer.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outbound.at_border() && !self.waiting.is_empty() {
            let frames = self.waiting.split();
            self.out.extend_from_slice(&frames);
        }
        self.poll_write_out(cx)
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Ends the connection in order: close-notify and FIN.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Reads to the end of the stream and keeps nothing.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut buf = ReadBuf::new(&mut self.input);
            let read = std::task::ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    fn collect(&mut self, bytes: &[u8]) {
        let Self {
            out,
            outbound,
            settings,
            first_limit,
            ..
        } = self;
        if let Some(streams) = outbound.follow(bytes, out, *first_limit) {
            settings.push_back(Sent {
                streams: Some(streams),
                ours: false,
            });
        }
    }

    fn acknowledge(&mut self) -> Sifted {
        let Some(sent) = self.settings.pop_front() else {
            return Sifted::Pass;
        };
        if sent.streams.is_some() {
            self.acknowledged = sent.streams;
        }
        if sent.ours {
            Sifted::Drop
        } else {
            Sifted::Pass
        }
    }
}

impl<T: Io> State<T> {
    /// Reads once and sifts; `false` at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut input = std::mem::take(&mut self.input);
        let mut buf = ReadBuf::new(&mut input);
        self.inbound.give_back(&mut buf);
        let torn = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, &mut buf);
        let filled = buf.filled().len();
        if !matches!(read, Poll::Ready(Ok(()))) || filled == torn {
            self.inbound.take_back(&input[..torn]);
            self.input = input;
            return read.map_ok(|()| false);
        }
        let mut inbound = std::mem::take(&mut self.inbound);
        let kept = inbound.sift(&mut input[..filled], || self.acknowledge());
        self.inbound = inbound;
        self.input = input;
        self.ready = 0..kept;
        Poll::Ready(Ok(true))
    }
}

impl<T: Io> AsyncRead for Wire<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let state = &mut *self.0.lock();
        while state.ready.is_empty() {
            if !std::task::ready!(state.poll_fill(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
        let count = state.ready.len().min(buf.remaining());
        let end = state.ready.start + count;
        buf.put_slice(&state.input[state.ready.start..end]);
        state.ready.start = end;
        Poll::Ready(Ok(()))
    }
}

impl<T: Io> AsyncWrite for Wire<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.out.len() >= COLLECT
            && let Poll::Ready(Err(error)) = state.poll_write_out(cx)
        {
            return Poll::Ready(Err(error));
        }
        if state.out.len() >= WAITING_MAX {
            return Poll::Pending;
        }
        state.collect(buf);
        Poll::Ready(Ok(buf.len()))
    }

    /// Nothing: the serving loop drains when a round is over.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_close(cx)
    }
}

#[cfg(test)]
mod tests;
