//! A client's side of one HTTP/2 connection: requests in and frames out, frames in and answers out.
//!
//! It neither reads nor writes, nor knows a clock: bytes that came are given to [`Session::receive`], bytes that have to
//! go are in [`Session::out`], and each call tells what came of it.

mod answers;
mod bodies;
mod receive;

use std::collections::VecDeque;

use super::cutter::Cutter;
use super::fault::{Code, Fault};
use super::flow::{ReceiveWindow, SendWindow, WINDOW_FIRST};
use super::frame::{flag, kind};
use super::hpack::{Decoder, Encoder, Forbidden, TABLE_BYTES};
use super::out::Out;
use super::patience::Patience;
use super::settings::{self, Peer};
use super::stream::Stream;
use super::streams::Streams;
use crate::{Lost, Response, terms};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much a session takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// About how many streams will be open at once; the caller sees to it.
    pub(crate) streams: u32,
    /// Largest answer body kept, in bytes.
    pub(crate) answer_bytes: usize,
    /// At so many bytes of [`Session::out`] it takes no more requests.
    pub(crate) out_bytes: usize,
}

/// One connection; `T` is what the caller keeps with each request.
pub(crate) struct Session<T> {
    out: Out,
    cutter: Cutter,
    encoder: Encoder,
    decoder: Decoder,
    peer: Peer,
    /// The peer's first SETTINGS have come.
    greeted: bool,
    /// Our SETTINGS that the peer has not acknowledged.
    unacknowledged: bool,
    streams: Streams<T>,
    /// What all streams may send together.
    send: SendWindow,
    receive: ReceiveWindow,
    /// Streams that may send more of their bodies once the connection's window and `out` have room, in turn.
    line: VecDeque<u32>,
    /// A header block that goes on in CONTINUATION frames.
    block: Option<Block>,
    /// Its fragments so far.
    fragments: Vec<u8>,
    patience: Patience,
    /// The last stream of the peer's GOAWAY.
    goaway: Option<u32>,
    pings: u64,
    awaits_pong: bool,
    fault: Option<Fault>,
    answer_bytes_max: usize,
}

#[derive(Clone, Copy)]
struct Block {
    stream: u32,
    ends: bool,
}

/// What a session tells.
pub(crate) enum Event<T> {
    Answer(T, Response),
    /// Reset, malformed, or above the last stream of a GOAWAY.
    Lost(T, Lost),
    /// The peer's first GOAWAY: no more requests.
    GoAway {
        code: Code,
        debug: Vec<u8>,
    },
}

/// How far a request has come that has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Some of it is not in [`Session::out`], and will not be if its stream is reset.
    InPart,
    /// It is in [`Session::out`] whole, and some of it has not been handed on.
    Gathered,
    HandedOn,
}

impl<T> Session<T> {
    /// Begins with the preface and our SETTINGS (section 3.4).
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut out = Out::new(limits.out_bytes);
        out.buffer().extend_from_slice(PREFACE);
        out.frame(kind::SETTINGS, 0, 0, &settings::ours());
        out.window(0, terms::CONNECTION_WINDOW - WINDOW_FIRST);
        Session {
            out,
            cutter: Cutter::default(),
            encoder: Encoder::new(),
            decoder: Decoder::new(TABLE_BYTES, terms::HEADER_LIST_MAX as usize),
            peer: Peer::new(),
            greeted: false,
            unacknowledged: true,
            streams: Streams::new(limits.streams),
            send: SendWindow::new(WINDOW_FIRST),
            receive: ReceiveWindow::new(terms::CONNECTION_WINDOW),
            line: VecDeque::new(),
            block: None,
            fragments: Vec::new(),
            patience: Patience::new(limits.streams),
            goaway: None,
            pings: 0,
            awaits_pong: false,
            fault: None,
            answer_bytes_max: limits.answer_bytes,
        }
    }

    /// What has to be written.
    pub(crate) fn out(&mut self) -> &mut Out {
        &mut self.out
    }

    /// Streams the peer allows at once; 0 before its SETTINGS.
    pub(crate) fn allowed(&self) -> u32 {
        match self.greeted {
            true => self.peer.streams.unwrap_or(u32::MAX),
            false => 0,
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.streams.open()
    }

    /// Whether there are stream ids left.
    pub(crate) fn has_ids(&self) -> bool {
        self.streams.has_ids()
    }

    /// Whether a request would go out. Where bodies wait for the connection's window, another one would only wait
    /// behind them.
    pub(crate) fn is_ready(&self) -> bool {
        let takes = self.greeted && self.goaway.is_none() && self.fault.is_none();
        takes && self.line.is_empty() && self.has_ids() && self.out.has_room()
    }

    /// Opens a stream. The caller has seen that the session is ready, and keeps to what is allowed.
    ///
    /// # Errors
    /// A request that HTTP/2 forbids; nothing of it goes out.
    pub(crate) fn request(
        &mut self,
        request: fanfare_types::Request,
        tag: T,
    ) -> Result<(), (T, Forbidden)> {
        let start = self.out.begin_head();
        if let Err(forbidden) = self.encoder.encode(&request, self.out.buffer()) {
            self.out.take_back(start);
            return Err((tag, forbidden));
        }
        let id = self.streams.next();
        let ends = request.body.is_empty();
        self.out.finish_head(start, id, ends, self.peer.frame);
        let mut stream = Stream::new(id, tag, request.body, self.peer.window);
        stream.ends_at = self.out.end();
        let frame_max = self.peer.frame;
        if !ends && bodies::piece(&mut stream, &mut self.send, &mut self.out, frame_max) {
            self.line.push_back(id);
        }
        self.streams.insert(stream);
        Ok(())
    }

    /// Sends a PING (section 6.7).
    pub(crate) fn ping(&mut self) {
        self.pings += 1;
        self.awaits_pong = true;
        let payload = self.pings.to_be_bytes();
        self.out.frame(kind::PING, 0, 0, &payload);
    }

    /// Whether the last PING is still without an answer.
    pub(crate) fn awaits_pong(&self) -> bool {
        self.awaits_pong
    }

    /// Looks at every open stream; those for which `over` says so are reset.
    pub(crate) fn retain(&mut self, mut over: impl FnMut(&mut T, Sent) -> bool) {
        for place in 0..self.streams.places() {
            let Some(stream) = self.streams.at(place) else {
                continue;
            };
            let sent = if !stream.is_written() {
                Sent::InPart
            } else if self.out.is_past(stream.ends_at) {
                Sent::HandedOn
            } else {
                Sent::Gathered
            };
            let id = stream.id;
            if over(&mut stream.tag, sent) {
                self.reset(id, Code::CANCEL);
            }
        }
    }

    /// Says GOAWAY: the connection will be closed.
    pub(crate) fn close(&mut self) {
        self.say_goaway(Code::NO_ERROR, "");
    }

    /// `last` is 0: a server opens no streams.
    fn say_goaway(&mut self, code: Code, why: &str) {
        let mut payload = vec![0; 4];
        payload.extend_from_slice(&code.0.to_be_bytes());
        payload.extend_from_slice(why.as_bytes());
        self.out.frame(kind::GOAWAY, 0, 0, &payload);
    }

    /// Ends a stream by RST_STREAM (section 6.4).
    fn reset(&mut self, id: u32, code: Code) -> Option<Stream<T>> {
        let stream = self.remove(id)?;
        self.out.reset(id, code);
        self.streams.remember_reset(id);
        Some(stream)
    }

    fn remove(&mut self, id: u32) -> Option<Stream<T>> {
        let stream = self.streams.remove(id)?;
        if stream.in_line {
            self.line.retain(|waiting| *waiting != id);
        }
        Some(stream)
    }

    /// A reply that needs no more than a flag.
    fn acknowledge(&mut self, kind: u8, payload: &[u8]) -> Result<(), Fault> {
        self.out.reply(kind, flag::ACK, 0, payload)
    }
}
