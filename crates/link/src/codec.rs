//! The lean engine's parts without a connection, for fuzz targets and benches.

use std::time::Instant;

use fanfare_types::Request;

use crate::Lost;
use crate::lean::hpack::{Decoder, Encoder, Fault, huffman};
use crate::lean::session::{Event, Limits, Session};

/// Writes the header blocks of requests.
pub struct BlockWriter(Encoder);

impl Default for BlockWriter {
    fn default() -> Self {
        BlockWriter(Encoder::new())
    }
}

impl BlockWriter {
    /// The peer's SETTINGS_HEADER_TABLE_SIZE.
    pub fn resize(&mut self, peer_max: u32) {
        self.0.resize(peer_max);
    }

    /// Appends a request's block; `false` when it has a header that HTTP/2 forbids.
    pub fn write(&mut self, request: &Request, block: &mut Vec<u8>) -> bool {
        self.0.encode(request, block).is_ok()
    }
}

/// Reads header blocks.
pub struct BlockReader(Decoder);

/// Why a block gave no header list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The list is longer than is taken.
    TooLong,
    /// The connection cannot go on.
    Broken,
}

impl BlockReader {
    /// Limits in bytes: of the peer's table, and of a header list.
    pub fn new(table_max: usize, list_max: usize) -> Self {
        BlockReader(Decoder::new(table_max, list_max))
    }

    /// Gives the block's fields in order.
    ///
    /// # Errors
    /// Why it has none; after [`Unread::Broken`] nothing may be read any more.
    pub fn read(&mut self, block: &[u8], field: impl FnMut(&[u8], &[u8])) -> Result<(), Unread> {
        self.0.decode(block, field).map_err(|fault| match fault {
            Fault::TooLong => Unread::TooLong,
            Fault::Broken(_) => Unread::Broken,
        })
    }

    /// The table's fields, the newest first.
    pub fn table(&self) -> Vec<(String, String)> {
        self.0.table().dynamic()
    }

    /// What the table counts for (RFC 7541, 4.1), in bytes.
    pub fn table_bytes(&self) -> usize {
        self.0.table().size()
    }

    /// Memory that strings are decoded into, in bytes.
    pub fn scratch_bytes(&self) -> usize {
        self.0.scratch_bytes()
    }
}

/// Appends a string in the Huffman code (RFC 7541, 5.2), which this side reads and does not write.
pub fn huffman(string: &[u8], out: &mut Vec<u8>) {
    huffman::encode(string, out);
}

/// The protocol of one connection, without the connection.
pub struct Conversation(Session<u32>);

/// What a conversation tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A request's key, and what of its answer is kept.
    Answer {
        key: u32,
        status: u16,
        body_bytes: usize,
    },
    /// There will be no answer.
    Lost { key: u32, why: Lost },
    /// The peer's code.
    GoAway(u32),
}

impl Conversation {
    /// `answer_bytes`: most that is kept of an answer's body. `out_bytes`: how much may wait to be written before it takes
    /// no more requests.
    pub fn new(streams: u32, answer_bytes: usize, out_bytes: usize) -> Self {
        Conversation(Session::new(&Limits {
            streams,
            answer_bytes,
            out_bytes,
        }))
    }

    /// Opens a stream for the request if it would go out; `false` when not.
    pub fn ask(&mut self, request: Request, key: u32) -> bool {
        let may = (self.0.open() as u64) < u64::from(self.0.allowed());
        may && self.0.is_ready() && self.0.request(request, key).is_ok()
    }

    /// Takes bytes of the peer.
    ///
    /// # Errors
    /// The code of a connection error.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        now: Instant,
        mut tell: impl FnMut(Told),
    ) -> Result<(), u32> {
        let received = self.0.receive(bytes, now, &mut |event| {
            tell(match event {
                Event::Answer(key, response) => Told::Answer {
                    key,
                    status: response.status.as_u16(),
                    body_bytes: response.body.len(),
                },
                Event::Lost(key, why) => Told::Lost { key, why },
                Event::GoAway { code, .. } => Told::GoAway(code.0),
            });
        });
        received.map_err(|fault| fault.code.0)
    }

    /// What has to be written, at most `most` bytes of it; it counts as written.
    pub fn write(&mut self, most: usize) -> Vec<u8> {
        let out = self.0.out();
        let count = out.bytes().len().min(most);
        let bytes = out.bytes()[..count].to_vec();
        out.advance(count);
        self.0.send_bodies();
        bytes
    }

    /// Bytes that wait to be written.
    pub fn unwritten(&mut self) -> usize {
        self.0.out().bytes().len()
    }

    /// Resets the stream of a request.
    pub fn reset(&mut self, key: u32) {
        self.0.retain(|asked, _| *asked == key);
    }

    pub fn ping(&mut self) {
        self.0.ping();
    }

    /// Requests without an answer.
    pub fn open(&self) -> usize {
        self.0.open()
    }
}
