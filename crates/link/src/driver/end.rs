//! How a connection comes to its end: GOAWAY, closing, and what `run` returns.

use std::time::Duration;

use tokio::time::Instant;

use super::{Phase, Turns};
use crate::protocol::{End, Farewell, Protocol};
use crate::{Error, Event, Result};

/// How long a peer has to take our GOAWAY and the end of the stream below.
const CLOSE_TIME: Duration = Duration::from_secs(2);

impl<P: Protocol> Turns<P> {
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

    /// Looks whether the peer has sent GOAWAY.
    pub(super) fn look_for_goaway(&mut self, now: Instant, events: &mut impl FnMut(Event)) {
        if self.farewell.is_some() || matches!(self.phase, Phase::Closing(_)) {
            return;
        }
        let Some(farewell) = self.connection.poll_farewell() else {
            return;
        };
        if let Farewell::Said { reason, calm, .. } = &farewell {
            let (reason, calm) = (reason.clone(), *calm);
            events(Event::GoingAway { reason, calm });
        }
        self.farewell = Some(farewell);
        self.inbox.give_up(&mut self.answers);
        self.drain(now);
    }

    /// Closes a draining connection once nothing waits for an answer. `true` if it did.
    pub(super) fn close_when_done(&mut self, now: Instant) -> bool {
        let done = self.connection.unanswered() == 0 && self.inbox.is_empty();
        if done && matches!(self.phase, Phase::Draining(_)) {
            self.close(now);
            return true;
        }
        false
    }

    /// Ends what is still open, whereupon the connection says GOAWAY and shuts the stream below down.
    pub(super) fn close(&mut self, now: Instant) {
        self.connection.close(&mut self.answers);
        self.inbox.give_up(&mut self.answers);
        let until = now + CLOSE_TIME;
        self.phase = Phase::Closing(until);
        self.arm(until);
        // The connection has to have a turn for it.
        self.signal.raise();
    }

    pub(super) fn result(&mut self, end: End) -> Result<()> {
        match end {
            End::PingTimeout => return Err(Error::PingTimeout),
            End::NoSettings => return Err(Error::ConnectTimeout),
            End::Protocol(what) => return Err(Error::Protocol(what)),
            // However the stream below ended, the peer is gone; what it said before is what matters.
            End::Closed | End::CloseTimeout => {}
        }
        match self.farewell.take() {
            Some(Farewell::Failing(Some(what))) => Err(Error::Protocol(what)),
            Some(Farewell::Failing(None)) => Err(Error::PeerClosed),
            Some(Farewell::Said { reason, failed, .. }) if failed => Err(Error::Protocol(reason)),
            Some(Farewell::Said { .. }) => Ok(()),
            None if self.phase != Phase::Running => Ok(()),
            None => Err(Error::PeerClosed),
        }
    }
}
