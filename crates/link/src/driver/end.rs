//! How a connection comes to its end: GOAWAY, closing, and what `run` returns.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, Phase};
use crate::{Error, Event, Result};

/// How long a peer has to take our GOAWAY and the end of the stream below.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Most characters of a GOAWAY's debug data that are passed on.
const REASON_CHARS_MAX: usize = 200;
/// Longest word kept of it …
const WORD_MAX: usize = 40;
/// … and longest with a digit in it. Installation ids, the shortest addresses there are, have 22 characters.
const CODE_MAX: usize = 16;

/// What ended the connection.
pub(super) enum End {
    Connection(Result<(), h2::Error>),
    /// The stream below takes no more bytes.
    Write,
    PingTimeout,
    /// Not a byte came from the peer.
    NoSettings,
    /// The peer did not let us close in time. All had their answers by then.
    CloseTimeout,
}

impl Engine {
    /// Takes no more requests; those taken get their streams and answers.
    pub(super) fn drain(&mut self, now: Instant) {
        self.inbox.refuse();
        if self.phase != Phase::Running {
            return;
        }
        let until = now + self.config.request_timeout;
        self.phase = Phase::Draining(until);
        self.arm(until);
    }

    /// Looks whether the peer has sent GOAWAY. `h2` says so by refusing new streams, also while others are open;
    /// its connection future ends only with the last of them.
    pub(super) fn look_for_goaway(&mut self, now: Instant, events: &mut impl FnMut(Event)) {
        if self.going_away.is_some() {
            return;
        }
        let Some(requests) = &mut self.requests else {
            return;
        };
        let mut cx = Context::from_waker(&self.connection_waker);
        let Poll::Ready(Err(error)) = requests.poll_ready(&mut cx) else {
            return;
        };
        // An I/O error or violation ends the connection by itself. The rest is GOAWAY, and stream ids used up,
        // after which a connection is of no more use either (RFC 9113, section 5.1.1).
        if !error.is_io() && !error.is_library() {
            let calm = error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
            let reason = reason(&error);
            events(Event::GoingAway { reason, calm });
        }
        self.going_away = Some(error);
        self.inbox.give_up(&mut self.answers);
        self.drain(now);
    }

    /// Closes a draining connection once nothing waits for an answer. `true` if it did.
    pub(super) fn close_when_done(&mut self, now: Instant) -> bool {
        let done = self.slots.unanswered() == 0 && self.inbox.is_empty();
        if done && matches!(self.phase, Phase::Draining(_)) {
            self.close(now);
            return true;
        }
        false
    }

    /// Ends what is still open, whereupon `h2` says GOAWAY and shuts the stream below down.
    pub(super) fn close(&mut self, now: Instant) {
        self.slots.abandon(&mut self.answers);
        self.inbox.give_up(&mut self.answers);
        self.requests = None;
        let until = now + CLOSE_TIME;
        self.phase = Phase::Closing(until);
        self.arm(until);
        // The connection has to be polled for it.
        self.signal.raise();
    }

    pub(super) fn result(&mut self, end: End) -> Result<()> {
        match end {
            End::PingTimeout => return Err(Error::PingTimeout),
            End::NoSettings => return Err(Error::ConnectTimeout),
            End::Connection(Err(error)) if !error.is_io() => return Err(Error::Protocol(error)),
            // However the stream below ended, the peer is gone; what it said before is what matters.
            End::Connection(_) | End::Write | End::CloseTimeout => {}
        }
        match self.going_away.take() {
            Some(error) if error.is_io() => Err(Error::PeerClosed),
            Some(error) if is_failure(&error) => Err(Error::Protocol(error)),
            Some(_) => Ok(()),
            None if self.phase != Phase::Running => Ok(()),
            None => Err(Error::PeerClosed),
        }
    }
}

/// Whether a refusal to open streams is more than the peer's wish to end the connection.
fn is_failure(error: &h2::Error) -> bool {
    error
        .reason()
        .is_some_and(|reason| reason != h2::Reason::NO_ERROR)
}

/// GOAWAY's code and debug data. `h2` shows the latter only in the error's `Display`: `text (b"data")`, escaped.
pub(crate) fn reason(error: &h2::Error) -> String {
    let shown = error.to_string();
    let Some(code) = error.reason() else {
        return shown;
    };
    let mut text = format!("{code:?}");
    let data = shown.split_once("(b\"").map(|(_, data)| data);
    if let Some(data) = data.and_then(|data| data.strip_suffix("\")")) {
        text.push_str(": ");
        text.push_str(&without_secrets(&data.replace("\\\"", "\"")));
    }
    text.chars().take(REASON_CHARS_MAX).collect()
}

/// A peer's text for a log: a word that is long enough to be an address, a key or a token is left out.
fn without_secrets(text: &str) -> String {
    let ends = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
    let mut kept = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends) {
        let (word, end) = piece.split_at(piece.find(ends).unwrap_or(piece.len()));
        let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
        let could_be_secret = word.len() > WORD_MAX || (word.len() > CODE_MAX && has_digit);
        kept.push_str(if could_be_secret { "…" } else { word });
        kept.push_str(end);
    }
    kept
}
