//! A client's HTTP/2 made for sending: bytes in, bytes out, and events. No runtime and no I/O inside.

pub(crate) mod hpack;
