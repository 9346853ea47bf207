//! The bytes that go out: many frames, gathered in one buffer.

use super::fault::{Code, Fault};
use super::frame::{HEAD, Head, flag, kind};

/// Replies to the peer that may wait to be written, beyond which it asks for more than it takes.
const REPLIES_MAX: u32 = 1_000;

pub(crate) struct Out {
    /// `buffer[written..]` still has to be handed on.
    buffer: Vec<u8>,
    written: usize,
    /// Bytes taken out of `buffer` so far: what has been handed on is `dropped + written` bytes long.
    dropped: u64,
    /// At this many bytes no further frame of a request is added.
    limit: usize,
    /// Frames that the peer has brought about, since the buffer was last empty.
    replies: u32,
}

impl Out {
    pub(super) fn new(limit: usize) -> Self {
        Out {
            buffer: Vec::with_capacity(limit),
            written: 0,
            dropped: 0,
            limit,
            replies: 0,
        }
    }

    /// What has to be handed on.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.written..]
    }

    /// So many of [`Out::bytes`] have been handed on.
    pub(crate) fn advance(&mut self, count: usize) {
        self.written += count;
        if self.written == self.buffer.len() {
            self.dropped += self.written as u64;
            self.buffer.clear();
            self.written = 0;
            self.replies = 0;
        } else if self.written >= self.limit {
            self.dropped += self.written as u64;
            self.buffer.drain(..self.written);
            self.written = 0;
        }
    }

    /// Whether requests may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes().len() < self.limit
    }

    /// Where the next byte will be, in all that was ever written.
    pub(super) fn end(&self) -> u64 {
        self.dropped + self.buffer.len() as u64
    }

    /// Whether all before `place` has been handed on.
    pub(super) fn is_past(&self, place: u64) -> bool {
        self.dropped + self.written as u64 >= place
    }

    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    pub(super) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let head = Head {
            length: payload.len(),
            kind,
            flags,
            stream,
        };
        self.buffer.extend_from_slice(&head.to_bytes());
        self.buffer.extend_from_slice(payload);
    }

    /// Begins a frame whose payload is appended next; [`Out::finish_head`] says its length.
    pub(super) fn begin_head(&mut self) -> usize {
        self.buffer.extend_from_slice(&[0; HEAD]);
        self.buffer.len()
    }

    /// A HEADERS frame has its header block from `start` to the end; what is longer than `length_max` goes on in
    /// CONTINUATION frames (section 6.10).
    pub(super) fn finish_head(&mut self, start: usize, stream: u32, ends: bool, length_max: usize) {
        let ends = if ends { flag::END_STREAM } else { 0 };
        let length = self.buffer.len() - start;
        let whole = length <= length_max;
        let head = Head {
            length: length.min(length_max),
            kind: kind::HEADERS,
            flags: ends | if whole { flag::END_HEADERS } else { 0 },
            stream,
        };
        self.buffer[start - HEAD..start].copy_from_slice(&head.to_bytes());
        if whole {
            return;
        }
        let rest = self.buffer.split_off(start + length_max);
        let mut pieces = rest.chunks(length_max).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none();
            let flags = if last { flag::END_HEADERS } else { 0 };
            self.frame(kind::CONTINUATION, flags, stream, piece);
        }
    }

    /// Takes back what was appended since `start - HEAD`.
    pub(super) fn take_back(&mut self, start: usize) {
        self.buffer.truncate(start - HEAD);
    }

    /// A frame that the peer has brought about.
    pub(super) fn reply(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> Result<(), Fault> {
        self.frame(kind, flags, stream, payload);
        self.replies += 1;
        if self.replies > REPLIES_MAX {
            let why = "a peer that asks for more replies than it reads";
            return Err(Fault::new(Code::ENHANCE_YOUR_CALM, why));
        }
        Ok(())
    }

    pub(super) fn reset(&mut self, stream: u32, code: Code) {
        self.frame(kind::RST_STREAM, 0, stream, &code.0.to_be_bytes());
    }

    pub(super) fn window(&mut self, stream: u32, increment: u32) {
        self.frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
    }
}
