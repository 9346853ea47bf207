//! What the peer's frames do to streams: heads, bodies and trailers of answers, and resets.

use std::time::Instant;

use super::super::fault::{Code, Fault};
use super::super::frame::{self, Head, flag};
use super::super::head::Fields;
use super::super::hpack;
use super::super::stream::{Answering, Came};
use super::super::streams::Found;
use super::{Block, Event, Session};
use crate::{Lost, terms};

/// Longest header block taken, in bytes as it is sent. A list of no more than HEADER_LIST_MAX is never longer than this
/// in any sensible coding; up to it a block is read to its end, so that too long a list costs its stream only.
const BLOCK_MAX: usize = 4 * terms::HEADER_LIST_MAX as usize;

impl<T> Session<T> {
    /// Section 6.2.
    pub(super) fn headers(
        &mut self,
        head: Head,
        payload: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        match self.streams.find(head.stream) {
            Found::Open(_) => {}
            Found::Reset => self.patience.tried(now)?,
            Found::Closed => return Err(closed("HEADERS on a stream that is over")),
            Found::Idle => return Err(Fault::protocol("HEADERS on a stream nobody has opened")),
        }
        let fragment = frame::fragment(head, payload)?;
        let block = Block {
            stream: head.stream,
            ends: head.has(flag::END_STREAM),
        };
        if head.has(flag::END_HEADERS) {
            return self.block(block, fragment, now, sink);
        }
        self.fragments.clear();
        self.fragments.extend_from_slice(fragment);
        self.block = Some(block);
        Ok(())
    }

    /// Section 6.10.
    pub(super) fn continuation(
        &mut self,
        head: Head,
        payload: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        let Some(block) = self.block else {
            return Err(Fault::protocol("CONTINUATION of nothing"));
        };
        self.patience.tried(now)?;
        if self.fragments.len() + payload.len() > BLOCK_MAX {
            let why = "a header block without end";
            return Err(Fault::new(Code::ENHANCE_YOUR_CALM, why));
        }
        self.fragments.extend_from_slice(payload);
        if !head.has(flag::END_HEADERS) {
            return Ok(());
        }
        self.block = None;
        let fragments = std::mem::take(&mut self.fragments);
        self.block(block, &fragments, now, sink)
    }

    /// A whole header block. It has to be read even where its stream does not matter any more, since both ends keep the
    /// same table.
    fn block(
        &mut self,
        block: Block,
        bytes: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        let has_head = self.streams.get(block.stream).map(|s| s.has_head());
        let mut fields = Fields::new(has_head.unwrap_or(false));
        let read = self.decoder.decode(bytes, |name, value| {
            fields.field(name, value);
        });
        match read {
            Ok(()) => {}
            Err(hpack::Fault::TooLong) => {
                self.stream_error(block.stream, Code::CANCEL, sink);
                return Ok(());
            }
            Err(hpack::Fault::Broken(_)) => {
                let why = "a header block that cannot be read";
                return Err(Fault::new(Code::COMPRESSION_ERROR, why));
            }
        }
        let Some(stream) = self.streams.get(block.stream) else {
            return Ok(());
        };
        let interim = fields.status.filter(|status| status.is_informational());
        let came = match fields.status {
            _ if fields.is_malformed() => Came::Malformed,
            // Trailers end a message (section 8.1).
            None if block.ends => stream.trailers(),
            None => Came::Malformed,
            Some(_) if interim.is_some() => {
                // There is no upgrade in HTTP/2 (section 8.6), and no end before the final head.
                if block.ends || interim == Some(http::StatusCode::SWITCHING_PROTOCOLS) {
                    Came::Malformed
                } else {
                    self.patience.tried(now)?;
                    Came::Part
                }
            }
            Some(status) => {
                let answer = Answering::new(status, fields.headers, fields.declared);
                stream.head(answer, block.ends)
            }
        };
        self.came(block.stream, block.ends, came, sink);
        Ok(())
    }

    /// Section 6.1.
    pub(super) fn data(
        &mut self,
        head: Head,
        payload: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        if self.receive.take(payload.len()).is_err() {
            let why = "more DATA than the connection's window";
            return Err(Fault::new(Code::FLOW_CONTROL_ERROR, why));
        }
        let data = frame::without_padding(head, payload)?;
        let ends = head.has(flag::END_STREAM);
        let stream = match self.streams.find(head.stream) {
            Found::Open(stream) => stream,
            Found::Reset => return self.patience.tried(now),
            Found::Closed => return Err(closed("DATA on a stream that is over")),
            Found::Idle => return Err(Fault::protocol("DATA on a stream nobody has opened")),
        };
        if stream.counts(payload.len()).is_err() {
            self.stream_error(head.stream, Code::FLOW_CONTROL_ERROR, sink);
            return Ok(());
        }
        if data.is_empty() && !ends {
            self.patience.tried(now)?;
        }
        let came = stream.data(data, ends, self.answer_bytes_max);
        if matches!(came, Came::Part)
            && let Some(increment) = stream.give_back()
        {
            self.out.window(head.stream, increment);
        }
        self.came(head.stream, ends, came, sink);
        Ok(())
    }

    /// Section 6.4.
    pub(super) fn reset_by_peer(
        &mut self,
        head: Head,
        payload: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        let code = Code(frame::word(payload, "RST_STREAM of another length than 4")?);
        let has_head = match self.streams.find(head.stream) {
            Found::Open(stream) => stream.has_head(),
            Found::Reset | Found::Closed => return self.patience.tried(now),
            Found::Idle => return Err(Fault::protocol("RST_STREAM on an idle stream")),
        };
        // A refused stream has not been processed (section 8.7).
        let why = match code == Code::REFUSED_STREAM && !has_head {
            true => Lost::NotSent,
            false => Lost::Unknown,
        };
        if let Some(stream) = self.remove(head.stream) {
            self.streams.remember_reset(head.stream);
            sink(Event::Lost(stream.tag, why));
        }
        Ok(())
    }

    /// Deals with what a frame has made of its stream.
    fn came(&mut self, id: u32, ends: bool, came: Came, sink: &mut impl FnMut(Event<T>)) {
        let (response, cut) = match came {
            Came::Part => return,
            Came::Malformed => return self.stream_error(id, Code::PROTOCOL_ERROR, sink),
            Came::Whole(response) => (response, false),
            Came::Cut(response) => (response, !ends),
        };
        // An answer to a request that is not sent whole: the rest is of no use to the peer (section 8.1).
        let unfinished = self.streams.get(id).is_some_and(|s| !s.is_written());
        let stream = match cut || unfinished {
            true => self.reset(id, Code::CANCEL),
            false => self.remove(id),
        };
        self.patience.answered();
        if let Some(stream) = stream {
            sink(Event::Answer(stream.tag, response));
        }
    }

    /// Ends a stream for what the peer did on it (section 5.4.2). Nothing, if it has ended already.
    pub(super) fn stream_error(&mut self, id: u32, code: Code, sink: &mut impl FnMut(Event<T>)) {
        if let Some(stream) = self.reset(id, code) {
            sink(Event::Lost(stream.tag, Lost::Unknown));
        }
    }
}

fn closed(why: &'static str) -> Fault {
    Fault::new(Code::STREAM_CLOSED, why)
}
