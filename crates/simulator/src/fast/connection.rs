//! One connection of the fast mode: bytes in, bytes out.

use std::collections::HashMap;

use super::frames::{self, Header, put};
use super::hpack::{Decoder, Head};
use super::replies::{Pending, Replies, WINDOW_AT_FIRST};
use crate::Provider;
use crate::books::{Turn as Booked, parse_uuid};
use crate::rules::Code;

/// Longest header block, over all of its frames.
const BLOCK_MAX: usize = 64 * 1024;

/// Streams that a client may open that does not know our limit yet.
const STREAMS_AT_FIRST: usize = 10_000;

/// Bytes of bodies after which the connection's window is opened again.
const WINDOW_STEP: usize = 16 * 1024 * 1024;

/// The windows that we announce: of a connection nearly all that there can be, of a stream more than any push has.
const WINDOW: u32 = 0x7FFF_0000;
const STREAM_WINDOW: u32 = 1024 * 1024;

/// Why the connection ends.
pub(super) enum Ended {
    /// The client broke the protocol, or a limit.
    Violation,
    /// The client said GOAWAY and has all of its answers.
    Goodbye,
}

/// What became of the bytes that were there.
pub(super) struct Turn {
    /// So many were read; the rest is the start of a frame.
    pub(super) taken: usize,
    pub(super) ended: Option<Ended>,
}

pub(super) struct Connection {
    max_streams: u32,
    has_begun: bool,
    /// The client has acknowledged our limit of streams; before that it may open more.
    knows_limit: bool,
    decoder: Decoder,
    head: Head,
    /// A header block that goes on in the next frame: its stream, whether that has ended, and what is there.
    block: Option<(u32, bool, Vec<u8>)>,
    /// Streams whose body is on its way: whether their path is one, and their id.
    open: HashMap<u32, Pending>,
    highest: u32,
    /// Bytes of bodies since the window was opened.
    received: usize,
    replies: Replies,
    has_said_goodbye: bool,
}

pub(super) type Fault = (Code, &'static str);

impl Connection {
    pub(super) fn new(provider: Provider, max_streams: u32) -> Self {
        Self {
            max_streams,
            has_begun: false,
            knows_limit: false,
            decoder: Decoder::default(),
            head: Head::default(),
            block: None,
            open: HashMap::new(),
            highest: 0,
            received: 0,
            replies: Replies::new(provider),
            has_said_goodbye: false,
        }
    }

    /// What was answered since it was asked last.
    pub(super) fn booked(&mut self) -> &mut Booked {
        &mut self.replies.booked
    }

    /// Reads the whole frames that are there and appends the answers.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Turn {
        let mut taken = 0;
        let mut ended = None;
        if !self.has_begun {
            if bytes.len() < frames::PREFACE.len() {
                return Turn { taken, ended };
            }
            self.begin(out);
            taken = frames::PREFACE.len();
            if !bytes.starts_with(frames::PREFACE) {
                ended = Some(self.goaway((Code::ProtocolError, "no preface"), out));
            }
        }
        while ended.is_none()
            && let Some(header) = Header::read(&bytes[taken..])
        {
            if header.length > frames::PAYLOAD_MAX {
                ended = Some(self.goaway((Code::FrameSizeError, "a frame is too long"), out));
                break;
            }
            let end = taken + Header::BYTES + header.length;
            let Some(payload) = bytes.get(taken + Header::BYTES..end) else {
                break;
            };
            taken = end;
            if let Err(fault) = self.frame(header, payload, out) {
                ended = Some(self.goaway(fault, out));
            } else if self.has_said_goodbye && self.open.is_empty() && self.replies.waiting() == 0 {
                ended = Some(Ended::Goodbye);
            }
        }
        Turn { taken, ended }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        self.has_begun = true;
        let mut settings = Vec::new();
        for (id, value) in [
            (frames::MAX_CONCURRENT_STREAMS, self.max_streams),
            (frames::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
        ] {
            settings.extend_from_slice(&id.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        put(out, frames::SETTINGS, 0, 0, &settings);
        let more = WINDOW - WINDOW_AT_FIRST;
        put(out, frames::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
    }

    fn goaway(&self, (code, debug): Fault, out: &mut Vec<u8>) -> Ended {
        let mut payload = self.highest.to_be_bytes().to_vec();
        payload.extend_from_slice(&(code as u32).to_be_bytes());
        payload.extend_from_slice(debug.as_bytes());
        put(out, frames::GOAWAY, 0, 0, &payload);
        Ended::Violation
    }

    fn frame(&mut self, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.block.is_some() && header.kind != frames::CONTINUATION {
            return Err((Code::ProtocolError, "a header block was broken off"));
        }
        match header.kind {
            frames::DATA => self.data(header, payload.len(), out),
            frames::HEADERS => self.headers(header, payload, out),
            frames::CONTINUATION => self.continuation(header, payload, out),
            frames::SETTINGS if header.has(frames::ACK) => {
                self.knows_limit = true;
                Ok(())
            }
            frames::SETTINGS => self.replies.settings(payload, out),
            frames::PING if payload.len() != 8 => Err((Code::FrameSizeError, "a ping")),
            frames::PING if header.has(frames::ACK) => Ok(()),
            frames::PING => {
                self.replies.booked.pings += 1;
                put(out, frames::PING, frames::ACK, 0, payload);
                Ok(())
            }
            frames::WINDOW_UPDATE => self.replies.window_update(header, payload, out),
            frames::RST_STREAM => {
                if self.open.remove(&header.stream).is_some() {
                    self.replies.booked.gone += 1;
                }
                self.replies.forget(header.stream);
                Ok(())
            }
            frames::GOAWAY => {
                self.has_said_goodbye = true;
                Ok(())
            }
            frames::PUSH_PROMISE => Err((Code::ProtocolError, "a client promises nothing")),
            // PRIORITY, and what is not known.
            _ => Ok(()),
        }
    }

    fn headers(&mut self, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let is_new = header.stream % 2 == 1 && header.stream > self.highest;
        if !is_new && !self.open.contains_key(&header.stream) {
            return Err((Code::ProtocolError, "a stream's number"));
        }
        let block = header
            .content(payload)
            .ok_or((Code::ProtocolError, "padding"))?;
        let ends = header.has(frames::END_STREAM);
        if !header.has(frames::END_HEADERS) {
            self.block = Some((header.stream, ends, block.to_vec()));
            return Ok(());
        }
        self.whole(header.stream, ends, block, out)
    }

    fn continuation(
        &mut self,
        header: Header,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let (stream, ends, mut block) = self
            .block
            .take()
            .ok_or((Code::ProtocolError, "nothing to go on with"))?;
        if stream != header.stream {
            return Err((Code::ProtocolError, "another stream's header block"));
        }
        if block.len() + payload.len() > BLOCK_MAX {
            return Err((Code::EnhanceYourCalm, "a header block is too long"));
        }
        block.extend_from_slice(payload);
        if header.has(frames::END_HEADERS) {
            return self.whole(stream, ends, &block, out);
        }
        self.block = Some((stream, ends, block));
        Ok(())
    }

    /// A header block is there.
    fn whole(
        &mut self,
        stream: u32,
        ends: bool,
        block: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let read = self.decoder.decode(block, &mut self.head);
        read.ok_or((Code::CompressionError, "a header block"))?;
        if stream <= self.highest {
            // Trailers.
            return match (ends, self.open.remove(&stream)) {
                (true, Some(pending)) => self.replies.reply(stream, &pending, out),
                _ => Err((Code::ProtocolError, "trailers that end nothing")),
            };
        }
        self.highest = stream;
        let id = std::str::from_utf8(&self.head.apns_id)
            .ok()
            .and_then(parse_uuid);
        let path = std::mem::take(&mut self.head.path);
        let pending = Pending { path, id };
        if ends {
            return self.replies.reply(stream, &pending, out);
        }
        let limit = match self.knows_limit {
            true => self.max_streams as usize,
            false => STREAMS_AT_FIRST,
        };
        if self.open.len() + self.replies.waiting() >= limit {
            return Err((Code::ProtocolError, "Maximum active streams violated"));
        }
        self.open.insert(stream, pending);
        let open = self.open.len() as u64;
        self.replies.booked.streams_peak = self.replies.booked.streams_peak.max(open);
        Ok(())
    }

    fn data(&mut self, header: Header, length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.received += length;
        if self.received >= WINDOW_STEP {
            let more = u32::try_from(self.received).unwrap_or(WINDOW);
            put(out, frames::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
            self.received = 0;
        }
        if header.stream > self.highest {
            return Err((Code::ProtocolError, "a body before its head"));
        }
        if !header.has(frames::END_STREAM) {
            return Ok(());
        }
        match self.open.remove(&header.stream) {
            Some(pending) => self.replies.reply(header.stream, &pending, out),
            // It was reset meanwhile.
            None => Ok(()),
        }
    }
}
