//! A client's HTTP/2 made for sending.
//!
//! [`session::Session`] is the protocol: bytes in, bytes out, and events, without a runtime or I/O inside. [`engine::Lean`]
//! puts it on a stream, for the driver.

mod cutter;
mod engine;
mod fault;
mod flow;
mod frame;
mod head;
pub(crate) mod hpack;
mod out;
mod patience;
pub(crate) mod session;
mod settings;
mod stream;
mod streams;
#[cfg(test)]
mod tests;

pub(crate) use engine::Lean;
