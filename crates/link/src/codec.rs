//! The lean engine's parts without a connection, for fuzz targets and benches.

use fanfare_types::Request;

use crate::lean::hpack::{Decoder, Encoder, Fault, huffman};

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

/// A string in the Huffman code (RFC 7541, 5.2), which this side reads and does not write.
pub fn huffman(string: &[u8]) -> Vec<u8> {
    huffman::encode(string)
}
