//! Frame borders of HTTP/2 (RFC 9113 §4.1, §6) in both directions, whatever way reads and writes are cut.

use bytes::BytesMut;
use tokio::io::ReadBuf;

pub(super) const FRAME_HEADER: usize = 9;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
const ACK: u8 = 1;
pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
/// `PRI * HTTP/2.0…` (§3.4) comes before a client's first frame.
const PREFACE: usize = 24;

/// A frame header on stream 0.
pub(super) fn header(length: usize, kind: u8, flags: u8) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(0).to_be_bytes();
    vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 0]
}

fn length(header: &[u8]) -> usize {
    usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2])
}

/// What becomes of an acknowledgement.
pub(super) enum Sifted {
    Pass,
    Drop,
}

/// The client's frames.
#[derive(Default)]
pub(super) struct Inbound {
    /// A frame header that is not whole yet.
    torn: Vec<u8>,
    /// Payload still to come.
    left: usize,
    started: bool,
    pub(super) pings: u64,
    pub(super) goaways: u64,
}

impl Inbound {
    /// Puts a torn header before what is read next.
    pub(super) fn give_back(&mut self, buf: &mut ReadBuf<'_>) {
        buf.put_slice(&self.torn);
        self.torn.clear();
    }

    /// Undoes it when nothing was read.
    pub(super) fn take_back(&mut self, torn: &[u8]) {
        self.torn.extend_from_slice(torn);
    }

    /// Follows the frames in `bytes`, takes out acknowledgements that `acknowledged` drops and a torn header at the
    /// end; the number of bytes that stay.
    pub(super) fn sift(
        &mut self,
        bytes: &mut [u8],
        mut acknowledged: impl FnMut() -> Sifted,
    ) -> usize {
        if !self.started {
            self.started = true;
            self.left = PREFACE;
        }
        let (mut read, mut kept) = (0, 0);
        while read < bytes.len() {
            let mut take = self.left.min(bytes.len() - read);
            self.left -= take;
            if take == 0 {
                let rest = &bytes[read..];
                if rest.len() < FRAME_HEADER {
                    self.torn.extend_from_slice(rest);
                    break;
                }
                self.left = length(rest);
                let (kind, flags) = (rest[3], rest[4]);
                self.pings += u64::from(kind == PING && flags & ACK == 0);
                self.goaways += u64::from(kind == GOAWAY);
                if kind == SETTINGS && flags & ACK != 0 && matches!(acknowledged(), Sifted::Drop) {
                    read += FRAME_HEADER;
                    continue;
                }
                take = FRAME_HEADER;
            }
            if kept != read {
                bytes.copy_within(read..read + take, kept);
            }
            read += take;
            kept += take;
        }
        kept
    }
}

/// The codec's frames.
#[derive(Default)]
pub(super) struct Outbound {
    head: [u8; FRAME_HEADER],
    have: usize,
    left: usize,
    /// The payload of the codec's first SETTINGS, collected to be patched.
    first: Option<Vec<u8>>,
    done_first: bool,
}

impl Outbound {
    pub(super) fn at_border(&self) -> bool {
        self.have == 0 && self.left == 0 && self.done_first
    }

    /// Copies `bytes` to `out`. The codec's first SETTINGS goes out with `first_limit` as its stream limit, which is then
    /// returned.
    pub(super) fn follow(
        &mut self,
        mut bytes: &[u8],
        out: &mut BytesMut,
        first_limit: u32,
    ) -> Option<u32> {
        let mut patched = None;
        while !bytes.is_empty() {
            if self.left > 0 {
                let (now, rest) = bytes.split_at(self.left.min(bytes.len()));
                self.left -= now.len();
                bytes = rest;
                match &mut self.first {
                    Some(payload) => payload.extend_from_slice(now),
                    None => out.extend_from_slice(now),
                }
            } else {
                let (now, rest) = bytes.split_at((FRAME_HEADER - self.have).min(bytes.len()));
                self.head[self.have..self.have + now.len()].copy_from_slice(now);
                self.have += now.len();
                bytes = rest;
                if self.have < FRAME_HEADER {
                    continue;
                }
                self.have = 0;
                self.left = length(&self.head);
                if !self.done_first && self.head[3] == SETTINGS {
                    self.first = Some(Vec::new());
                } else {
                    out.extend_from_slice(&self.head);
                }
            }
            if self.left == 0
                && let Some(payload) = self.first.take()
            {
                self.done_first = true;
                patched = Some(first_limit);
                patch(&payload, first_limit, out);
            }
        }
        patched
    }
}

/// A SETTINGS frame with the same values, but this stream limit.
fn patch(payload: &[u8], limit: u32, out: &mut BytesMut) {
    let others = payload
        .chunks_exact(6)
        .filter(|entry| entry[..2] != MAX_CONCURRENT_STREAMS.to_be_bytes());
    let mut frame = Vec::new();
    for entry in others {
        frame.extend_from_slice(entry);
    }
    frame.extend_from_slice(&MAX_CONCURRENT_STREAMS.to_be_bytes());
    frame.extend_from_slice(&limit.to_be_bytes());
    out.extend_from_slice(&header(frame.len(), SETTINGS, 0));
    out.extend_from_slice(&frame);
}
