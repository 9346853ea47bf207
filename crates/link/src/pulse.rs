//! Whether a silent peer still lives: PING, where the provider allows it.

use std::time::Duration;

use tokio::time::Instant;

use crate::Config;
use crate::protocol::Protocol;

pub(crate) struct Pulse {
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
    pub(crate) fn new(config: &Config) -> Option<Self> {
        Some(Pulse {
            after: config.ping_after?,
            timeout: config.ping_timeout,
            bytes_read: 0,
            heard: Instant::now(),
            unanswered_until: None,
        })
    }

    /// Sends a PING when it is time. Returns when to look again.
    pub(crate) fn poll(
        &mut self,
        connection: &mut impl Protocol,
        now: Instant,
    ) -> Result<Instant, Dead> {
        let bytes_read = connection.bytes_read();
        if self.bytes_read != bytes_read {
            self.bytes_read = bytes_read;
            self.heard = now;
        }
        if let Some(until) = self.unanswered_until {
            if !connection.poll_pong() {
                self.unanswered_until = None;
            } else if until <= now {
                return Err(Dead);
            } else {
                return Ok(until);
            }
        }
        if now < self.heard + self.after {
            return Ok(self.heard + self.after);
        }
        if !connection.ping() {
            return Ok(now + self.after);
        }
        self.unanswered_until = Some(now + self.timeout);
        // Registers for the answer.
        let _unanswered = connection.poll_pong();
        Ok(now + self.timeout)
    }
}
