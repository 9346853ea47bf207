//! Header compression for HTTP/2 (HPACK, RFC 7541): request header blocks written, the peer's read.
//!
//! Every block must be written or read in the order of the connection, since both ends keep a table of what went before.

mod decode;
mod encode;
pub(crate) mod huffman;
mod integer;
mod kept;
mod literal;
mod permitted;
mod run;
mod static_table;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use decode::Decoder;
pub(crate) use encode::Encoder;

/// Bytes of the dynamic table before anything is said about it (RFC 9113, 6.5.2, SETTINGS_HEADER_TABLE_SIZE).
pub(crate) const TABLE_BYTES: usize = 4_096;

/// What a field costs beside its name and value, in a table (RFC 7541, 4.1) and in a header list (RFC 9113, 6.5.2).
pub(crate) const FIELD_OVERHEAD: usize = 32;

/// The request has a header that no request may have in HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    /// About a connection of HTTP/1.1 (RFC 9113, 8.2.2).
    #[error("a header about the connection: {0}")]
    Connection(&'static str),
    /// `te` other than `trailers` (RFC 9113, 8.2.2).
    #[error("te asks for more than trailers")]
    Te,
    /// `host` other than the authority (RFC 9113, 8.3.1).
    #[error("host is not the authority")]
    Host,
}

/// Why there is no header list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Longer than is taken. Only this list is lost: the table is as the peer has it.
    #[error("header list too long")]
    TooLong,
    /// Nothing after it can be read: COMPRESSION_ERROR of the connection (RFC 9113, 4.3).
    #[error("header block broken: {0}")]
    Broken(#[from] Broken),
}

/// What is wrong with a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// It ends within a field (RFC 7541, 5).
    #[error("cut short")]
    CutShort,
    /// An integer beyond 32 bits, or in more octets than those take (5.1).
    #[error("integer too large")]
    Integer,
    /// No such entry, or 0 (2.3.3, 6.1).
    #[error("no such entry")]
    Index,
    /// EOS, or wrong padding, in a Huffman-coded string (5.2).
    #[error("huffman code")]
    Huffman,
    /// A size update behind a field (4.2), beyond our limit (6.3), or none where one is owed (RFC 9113, 4.3.1).
    #[error("table size")]
    TableSize,
}
