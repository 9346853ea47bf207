//! SETTINGS (RFC 9113, section 6.5): ours, and what we keep of the peer's.

use super::fault::{Code, Fault};
use super::flow::{WINDOW_FIRST, WINDOW_MAX};
use super::frame::LENGTH_MAX;
use crate::terms;

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;

/// The payload of our SETTINGS.
pub(super) fn ours() -> Vec<u8> {
    let settings = [
        (ENABLE_PUSH, 0),
        (INITIAL_WINDOW_SIZE, terms::STREAM_WINDOW),
        (MAX_HEADER_LIST_SIZE, terms::HEADER_LIST_MAX),
    ];
    let bytes = |(id, value): (u16, u32)| [id.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()];
    settings.into_iter().flat_map(bytes).flatten().collect()
}

/// What the peer has said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// `None`: as many as one likes.
    pub(super) streams: Option<u32>,
    pub(super) window: u32,
    /// Longest payload it takes.
    pub(super) frame: usize,
    /// The least and the last that one SETTINGS frame allows our HPACK encoder's table; `None` when it did not speak
    /// of it.
    pub(super) table: Option<(u32, u32)>,
}

impl Peer {
    pub(super) fn new() -> Self {
        Peer {
            streams: None,
            window: WINDOW_FIRST,
            frame: LENGTH_MAX,
            table: None,
        }
    }

    /// What holds after one SETTINGS frame. Its settings count in order, so of several of one kind the last; unknown
    /// ones are ignored.
    pub(super) fn told(self, payload: &[u8]) -> Result<Peer, Fault> {
        if !payload.len().is_multiple_of(6) {
            return Err(Fault::size("SETTINGS of a broken length"));
        }
        let mut peer = Peer {
            table: None,
            ..self
        };
        for setting in payload.chunks_exact(6) {
            let id = u16::from_be_bytes([setting[0], setting[1]]);
            let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
            match id {
                HEADER_TABLE_SIZE => {
                    let least = peer.table.map_or(value, |(least, _)| least.min(value));
                    peer.table = Some((least, value));
                }
                ENABLE_PUSH if value != 0 => {
                    return Err(Fault::protocol("a server that enables push"));
                }
                MAX_CONCURRENT_STREAMS => peer.streams = Some(value),
                INITIAL_WINDOW_SIZE if value > WINDOW_MAX => {
                    let why = "an initial window beyond 2^31-1";
                    return Err(Fault::new(Code::FLOW_CONTROL_ERROR, why));
                }
                INITIAL_WINDOW_SIZE => peer.window = value,
                MAX_FRAME_SIZE => {
                    let length = usize::try_from(value).unwrap_or(usize::MAX);
                    if !(LENGTH_MAX..1 << 24).contains(&length) {
                        return Err(Fault::protocol("a frame size outside 2^14 to 2^24-1"));
                    }
                    peer.frame = length;
                }
                _ => {}
            }
        }
        Ok(peer)
    }
}
