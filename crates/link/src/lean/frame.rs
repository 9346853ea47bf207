//! Frames (RFC 9113, sections 4.1 and 6): their heads, read and written, and what wraps a payload.

use super::fault::Fault;

pub(crate) const HEAD: usize = 9;

/// Longest payload we take: SETTINGS_MAX_FRAME_SIZE's initial value, which we do not change.
pub(super) const LENGTH_MAX: usize = 16_384;

/// The one bit of a stream id or window increment that means nothing.
const RESERVED: u32 = 1 << 31;

/// Frame types.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0x0;
    pub(crate) const HEADERS: u8 = 0x1;
    pub(crate) const PRIORITY: u8 = 0x2;
    pub(crate) const RST_STREAM: u8 = 0x3;
    pub(crate) const SETTINGS: u8 = 0x4;
    pub(crate) const PUSH_PROMISE: u8 = 0x5;
    pub(crate) const PING: u8 = 0x6;
    pub(crate) const GOAWAY: u8 = 0x7;
    pub(crate) const WINDOW_UPDATE: u8 = 0x8;
    pub(crate) const CONTINUATION: u8 = 0x9;
}

/// Flags.
pub(crate) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of the payload, in bytes.
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    pub(crate) fn read(bytes: &[u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        Head {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            stream: stream_id(stream),
        }
    }

    /// `length` is below 2^24.
    pub(crate) fn to_bytes(self) -> [u8; HEAD] {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "three bytes are what a length has"
        )]
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

pub(super) fn stream_id(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & !RESERVED
}

/// What is in a padded frame (section 6.1).
pub(super) fn without_padding(head: Head, payload: &[u8]) -> Result<&[u8], Fault> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let (count, rest) = payload
        .split_first()
        .ok_or(Fault::size("padded, and no pad length"))?;
    let length = rest.len().checked_sub(usize::from(*count));
    let length = length.ok_or(Fault::protocol("more padding than payload"))?;
    Ok(&rest[..length])
}

/// The fragment of a header block in HEADERS: without padding and priority (section 6.2).
pub(super) fn fragment(head: Head, payload: &[u8]) -> Result<&[u8], Fault> {
    let rest = without_padding(head, payload)?;
    match head.has(flag::PRIORITY) {
        true => rest
            .get(5..)
            .ok_or(Fault::size("HEADERS without its priority")),
        false => Ok(rest),
    }
}

/// A payload that is one number of 32 bits, and no more.
pub(super) fn word(payload: &[u8], why: &'static str) -> Result<u32, Fault> {
    let bytes = payload.try_into().map_err(|_| Fault::size(why))?;
    Ok(u32::from_be_bytes(bytes))
}

/// The increment of a WINDOW_UPDATE (section 6.9).
pub(super) fn increment(payload: &[u8]) -> Result<u32, Fault> {
    Ok(word(payload, "WINDOW_UPDATE of another length than 4")? & !RESERVED)
}
