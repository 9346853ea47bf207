//! One persistent HTTP/2 connection to a provider: TLS, streams within the peer's limits, GOAWAY, PING where
//! the provider allows it. Provider-agnostic; it neither retries nor decides.
//!
//! The protocol engine (`h2` today) is behind [`connect`], [`Sender`] and [`Driver`], so that a leaner one may
//! take its place.

mod error;
pub mod tls;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request as HttpRequest, StatusCode};

pub use error::{Error, Result};

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
    /// Name resolution, TCP, TLS and the HTTP/2 preface together. Default 10 s.
    pub connect_timeout: Duration,
    /// From handing a request over to its whole answer; afterwards it counts as lost. Default 30 s.
    pub request_timeout: Duration,
    /// Streams opened before the peer's SETTINGS have come (APNs: 1, FCM: 100).
    pub streams_initial: u32,
    /// Most streams used at once, whatever the peer allows. Default 500.
    pub streams_max: u32,
    /// PING after this long without a frame from the peer; `None` never pings (FCM punishes it).
    pub ping_after: Option<Duration>,
    /// A PING unanswered for this long closes the connection. Default 20 s.
    pub ping_timeout: Duration,
    /// Largest answer body kept; a longer one is cut there and the stream reset. Default 16 KiB.
    pub answer_bytes_max: usize,
    /// Write buffer between HTTP/2 and TLS, flushed when a turn has nothing more to write. Default 32 KiB.
    pub write_buffer_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            streams_initial: 100,
            streams_max: 500,
            ping_after: None,
            ping_timeout: Duration::from_secs(20),
            answer_bytes_max: 16 * 1024,
            write_buffer_bytes: 32 * 1024,
        }
    }
}

/// One request; `key` names it in its answer.
#[derive(Debug)]
pub struct Request {
    pub key: u32,
    pub request: HttpRequest<Bytes>,
}

/// What became of one request. Each request gets exactly one.
#[derive(Debug)]
pub struct Answer {
    pub key: u32,
    pub result: Result<Response, Lost>,
}

#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// At most `answer_bytes_max` of it.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The peer surely did not process it: never written, refused, or above a GOAWAY's last stream.
    NotSent,
    /// Written, and then a reset, a timeout or the end of the connection.
    Unknown,
}

/// What a connection tells while it runs.
#[derive(Debug)]
pub enum Event {
    /// How many streams may be open now, by the peer's SETTINGS and `streams_max`. First one before any answer.
    Streams(u32),
    /// Answers, as many as came in one turn.
    Answers(Vec<Answer>),
    /// The peer wants no more requests (GOAWAY); answers of open streams still come. `reason` is GOAWAY's code
    /// and printable debug data, for the log.
    GoingAway { reason: String },
}

/// Hands requests to the connection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {}

/// Runs the connection: the one owner of everything about it.
#[derive(Debug)]
pub struct Driver {}

/// Opens a connection: resolves the name anew, TCP with NODELAY, TLS with ALPN `h2`, HTTP/2 preface.
pub async fn connect(
    endpoint: &Endpoint,
    tls: &tls::Client,
    config: &Config,
) -> Result<(Sender, Driver)> {
    let _ = (endpoint, tls, config);
    todo!("the link's room")
}

impl Sender {
    /// Queues a batch, at most as many requests at once as the last [`Event::Streams`] allows. A connection that
    /// has ended gives the batch back.
    pub fn send(&self, batch: Vec<Request>) -> Result<(), Vec<Request>> {
        let _ = batch;
        todo!("the link's room")
    }

    /// Takes no more requests, lets open streams end, says GOAWAY and closes.
    pub fn close(&self) {
        todo!("the link's room")
    }
}

impl Driver {
    /// Runs until the connection ends, and by then every request handed over has had its answer. `Ok` after
    /// [`Sender::close`] or a GOAWAY without error, `Err` with the cause otherwise.
    pub async fn run(self, events: impl FnMut(Event)) -> Result<()> {
        let _ = events;
        todo!("the link's room")
    }
}
