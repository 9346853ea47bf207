//! What we tell every peer in our SETTINGS, whichever engine speaks.

/// Receive window of the connection, in bytes. The 64 KiB of the standard would cap a connection with 500 streams
/// when answers carry a body and the peer is far.
pub(crate) const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Receive window of a stream, in bytes: more than any answer that is kept.
pub(crate) const STREAM_WINDOW: u32 = 64 * 1024;

/// Largest header list accepted in an answer, in bytes (SETTINGS_MAX_HEADER_LIST_SIZE).
pub(crate) const HEADER_LIST_MAX: u32 = 16 * 1024;
