//! One persistent HTTP/2 connection to a provider: TLS, streams within the peer's limits, GOAWAY, PING where
//! the provider allows it. Provider-agnostic; it neither retries nor decides.
//!
//! Two engines speak HTTP/2 behind [`connect`], [`Sender`] and [`Driver`], with the same promises: `stock` by the `h2`
//! crate, and `lean`, made for sending alone. [`Config::engine`] chooses.

#[cfg(feature = "codec")]
pub mod codec;
mod connect;
mod driver;
mod error;
mod goodbye;
mod inbox;
mod lean;
mod owed;
mod protocol;
mod pulse;
mod resolve;
mod signal;
mod stock;
mod terms;
pub mod tls;

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

pub use connect::{connect, over};
pub use driver::Driver;
pub use error::{Error, Result};
pub use resolve::Resolver;

/// What a connection runs over: TLS, or a pipe in tests.
pub(crate) trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Io for T {}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Host name or IP address, also the TLS server name.
    pub host: String,
    pub port: u16,
}

/// How to connect and behave.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name resolution, TCP and TLS together; and again as long for the peer's SETTINGS. Default 10 s.
    pub connect_timeout: Duration,
    /// Looks the host's name up. Clones share their look-ups.
    pub resolver: Resolver,
    /// From opening a request's stream to its whole answer; afterwards it counts as lost. A stream that is late
    /// is reset after as long again. Also the longest wait for a stream. Default 30 s.
    pub request_timeout: Duration,
    /// Most streams used at once, whatever the peer allows. Default 500.
    pub streams_max: u32,
    /// Requests that may wait for a stream; a batch that would exceed it is given back. Default 1,000.
    pub queue_max: usize,
    /// PING after this long without a frame from the peer; `None` never pings (FCM punishes it).
    pub ping_after: Option<Duration>,
    /// A PING unanswered for this long closes the connection. Default 20 s.
    pub ping_timeout: Duration,
    /// Largest answer body kept; a longer one is cut there and the stream reset. Default 16 KiB.
    pub answer_bytes_max: usize,
    /// Write buffer between HTTP/2 and TLS, flushed when a turn has nothing more to write. Default 32 KiB.
    pub write_buffer_bytes: usize,
    /// What speaks HTTP/2. Default [`Engine::Lean`].
    pub engine: Engine,
}

/// What speaks HTTP/2 on a connection. All else, and every promise, is the same with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The `h2` crate.
    H2,
    /// The codec in this crate, made for sending.
    #[default]
    Lean,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            connect_timeout: Duration::from_secs(10),
            resolver: Resolver::default(),
            request_timeout: Duration::from_secs(30),
            streams_max: 500,
            queue_max: 1_000,
            ping_after: None,
            ping_timeout: Duration::from_secs(20),
            answer_bytes_max: 16 * 1024,
            write_buffer_bytes: 32 * 1024,
            engine: Engine::default(),
        }
    }
}

/// One request; `key` names it in its answer.
pub struct Request {
    pub key: u32,
    pub request: fanfare_types::Request,
}

/// Only the key: path, headers and body hold addresses, tokens and payload.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What became of one request. Each request gets exactly one.
#[derive(Debug)]
pub struct Answer {
    pub key: u32,
    pub result: Result<Response, Lost>,
}

pub struct Response {
    pub status: StatusCode,
    /// Of an answer that is no success, `retry-after` and `date`; the rest depends on the engine.
    pub headers: HeaderMap,
    /// At most `answer_bytes_max` of it.
    pub body: Bytes,
}

/// Without headers and body: a provider may repeat an address in them.
impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The peer surely did not process it: never written, not written whole, refused, or above a GOAWAY's last
    /// stream.
    NotSent,
    /// Written, and then a reset, a timeout or the end of the connection.
    Unknown,
}

/// What a connection tells while it runs.
#[derive(Debug)]
pub enum Event {
    /// How many streams may be open now, by the peer's SETTINGS and `streams_max`; before the first one, none.
    Streams(u32),
    /// Answers, as many as came in one turn.
    Answers(Vec<Answer>),
    /// The peer wants no more requests (GOAWAY); answers of open streams still come. `reason` is GOAWAY's code
    /// and printable debug data, for the log. `calm`: we were too much for it (ENHANCE_YOUR_CALM).
    GoingAway { reason: String, calm: bool },
    /// A request got no answer in time (or its body no room), nor did any other since its stream was opened: the
    /// peer may be gone without a word. Told before the answers that say so, and not again until there was one.
    Silent,
}

/// Hands requests to the connection. Cheap to clone.
#[derive(Clone)]
pub struct Sender(inbox::Outlet);

impl Sender {
    /// Queues a batch. Requests beyond the streams of the last [`Event::Streams`] wait in order, for at most
    /// `request_timeout`.
    ///
    /// # Errors
    /// The batch, whole, when it would make more than `queue_max` requests wait, or when the connection takes no
    /// more: it has ended, is closing, or the peer has sent GOAWAY.
    pub fn send(&self, batch: Vec<Request>) -> Result<(), Vec<Request>> {
        self.0.send(batch)
    }

    /// Takes no more requests, finishes those taken within `request_timeout`, says GOAWAY and closes. Dropping
    /// the last sender does the same.
    pub fn close(&self) {
        self.0.close();
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender")
    }
}
