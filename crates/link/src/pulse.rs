//! Whether a silent peer still lives: PING, where the provider allows it.

use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::Instant;

use crate::Config;

pub(crate) struct Pulse {
    pings: PingPong,
    after: Duration,
    timeout: Duration,
    /// Bytes read from the peer when last looked at, and when that was.
    bytes_read: u64,
    heard: Instant,
    /// A PING is out; until when its answer has time.
    unanswered_until: Option<Instant>,
}

/// The peer has not answered a PING in time.
pub(crate) struct Dead;

impl Pulse {
    /// `None` where the configuration never pings.
    pub(crate) fn new(pings: Option<PingPong>, config: &Config) -> Option<Self> {
        Some(Pulse {
            after: config.ping_after?,
            pings: pings?,
            timeout: config.ping_timeout,
            bytes_read: 0,
            heard: Instant::now(),
            unanswered_until: None,
        })
    }

    /// Sends a PING when it is time. Returns when to look again.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        bytes_read: u64,
    ) -> Result<Instant, Dead> {
        if self.bytes_read != bytes_read {
            self.bytes_read = bytes_read;
            self.heard = now;
        }
        if let Some(until) = self.unanswered_until {
            match self.pings.poll_pong(cx) {
                Poll::Pending if until <= now => return Err(Dead),
                Poll::Pending => return Ok(until),
                // An error means that the connection ends, which its own poll tells.
                Poll::Ready(_) => self.unanswered_until = None,
            }
        }
        if now < self.heard + self.after {
            return Ok(self.heard + self.after);
        }
        if self.pings.send_ping(Ping::opaque()).is_err() {
            return Ok(now + self.after);
        }
        self.unanswered_until = Some(now + self.timeout);
        // Registers for the answer.
        let _pending = self.pings.poll_pong(cx);
        Ok(now + self.timeout)
    }
}
