//! Fields written out (RFC 7541, 6.2).
//!
//! Strings are not Huffman-coded: on a link that is never short of bytes it would save a third of them and cost more
//! time than all the rest of a block (`benches/benches/link.rs`).

use http::HeaderValue;

use super::integer;

/// What the peer does with a field that is written out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Literal {
    /// Adds it to its table (6.2.1).
    Indexed,
    /// Uses it once (6.2.2).
    Plain,
    /// The same, and so does whoever passes it on (6.2.3).
    Never,
}

impl Literal {
    /// How a value is written that is not added to the table.
    pub(super) fn unindexed(value: &HeaderValue) -> Self {
        match value.is_sensitive() {
            true => Literal::Never,
            false => Literal::Plain,
        }
    }
}

/// Writes a field up to its value. `index` is that of its name, where a table has it.
pub(super) fn name(kind: Literal, index: Option<usize>, name: &[u8], out: &mut Vec<u8>) {
    let (prefix, pattern) = match kind {
        Literal::Indexed => (6, 0x40),
        Literal::Plain => (4, 0x00),
        Literal::Never => (4, 0x10),
    };
    integer::write(index.unwrap_or(0), prefix, pattern, out);
    if index.is_none() {
        string(name, out);
    }
}

pub(super) fn string(bytes: &[u8], out: &mut Vec<u8>) {
    integer::write(bytes.len(), 7, 0, out);
    out.extend_from_slice(bytes);
}

/// Spaces around a value are no part of it (RFC 9110, 5.5), and forbidden in HTTP/2 (RFC 9113, 8.2.1).
pub(super) fn value(value: &HeaderValue) -> &[u8] {
    value.as_bytes().trim_ascii()
}
