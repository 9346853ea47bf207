//! What the driver needs of an implementation of HTTP/2: streams, what comes of them, and the end. Time, the queue,
//! and what is told to whom are the driver's.

use std::io;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::owed::Expired;
use crate::{Answer, Request};

/// One connection. It reads and writes when it is called; what wakes it in between, it has been given.
pub(crate) trait Protocol {
    /// Streams the peer allows at once; 0 before its SETTINGS.
    fn allowed(&self) -> u32;

    /// Streams open, those whose answer is late among them.
    fn open(&self) -> usize;

    /// Streams whose request has had no answer yet.
    fn unanswered(&self) -> usize;

    /// Whether a stream may be opened now. If not, its waker is called when that may have changed.
    fn poll_ready(&mut self) -> bool;

    /// Gives a request its stream, after [`Protocol::poll_ready`]. One that cannot be a request is answered at once.
    fn request(&mut self, request: Request, now: Instant, deadline: Instant, answers: Answers<'_>);

    /// Reads and writes what it can, and collects answers.
    fn turn(&mut self, now: Instant, answers: Answers<'_>) -> Turn;

    /// Writes out what has gathered. Once that fails, nothing more can be written.
    fn poll_write_out(&mut self) -> Poll<io::Result<()>>;

    /// Bytes the peer has sent so far: whether it lives.
    fn bytes_read(&self) -> u64;

    /// Why the peer takes no more streams; asked until there is a reason, and never after.
    fn poll_farewell(&mut self) -> Option<Farewell>;

    /// Answers requests whose time is over as lost, and resets streams that have been late for another `grace`.
    fn expire(&mut self, now: Instant, grace: Duration, answers: Answers<'_>) -> Expired;

    /// Sends a PING. `false` when it cannot.
    fn ping(&mut self) -> bool;

    /// Whether the last PING is still without an answer.
    fn poll_pong(&mut self) -> bool;

    /// Ends every stream, without an answer if it has none, says GOAWAY and shuts the stream below down; the turn that
    /// has done so tells the end.
    fn close(&mut self, answers: Answers<'_>);

    /// Nothing is read or written any more: requests without an answer are lost.
    fn abandon(&mut self, answers: Answers<'_>);
}

/// Where a call puts the answers it comes to.
pub(crate) type Answers<'a> = &'a mut Vec<Answer>;

/// How a turn went.
pub(crate) struct Turn {
    /// Another one has something to do at once, or streams have ended that others may wait for.
    pub(crate) again: bool,
    pub(crate) ended: Option<End>,
}

/// Why no more streams can be opened.
pub(crate) enum Farewell {
    /// The peer's GOAWAY, or stream ids used up, after which a connection is of no more use either (RFC 9113, section
    /// 5.1.1).
    Said {
        reason: String,
        /// ENHANCE_YOUR_CALM.
        calm: bool,
        /// With an error's code.
        failed: bool,
    },
    /// The connection fails, by what its end will tell; otherwise by this.
    Failing(Option<String>),
}

/// What ended the connection.
pub(crate) enum End {
    /// The stream below, orderly or not.
    Closed,
    /// A violation of the protocol, on either side.
    Protocol(String),
    PingTimeout,
    /// Not a byte came from the peer.
    NoSettings,
    /// The peer did not let us close in time. All had their answers by then.
    CloseTimeout,
}
