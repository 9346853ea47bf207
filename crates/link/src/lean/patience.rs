//! Frames that bring nothing forward: a peer may send some, and no flood of them.
//!
//! A PING, a SETTINGS frame, an empty DATA frame or a frame on a stream that is over is legal by itself; without end
//! they cost time and bring nothing. Each takes one from a credit, which answers and time fill up again.

use std::time::{Duration, Instant};

use super::fault::{Code, Fault};

/// The credit at most, beside what the streams are allowed.
const CREDIT: u32 = 1_000;

/// Frames of each stream that may be on their way when it is reset.
const CREDIT_PER_STREAM: u32 = 4;

/// Credit for an answer: WINDOW_UPDATEs behind its end, a PING to measure the connection.
const PER_ANSWER: u32 = 8;

/// … and in this time, one.
const PER_TIME: Duration = Duration::from_millis(10);

pub(super) struct Patience {
    credit: u32,
    credit_max: u32,
    /// Up to when time has been counted.
    counted: Option<Instant>,
}

impl Patience {
    pub(super) fn new(streams_max: u32) -> Self {
        let credit = CREDIT.saturating_add(streams_max.saturating_mul(CREDIT_PER_STREAM));
        Patience {
            credit,
            credit_max: credit,
            counted: None,
        }
    }

    pub(super) fn answered(&mut self) {
        self.credit = (self.credit + PER_ANSWER).min(self.credit_max);
    }

    /// One more such frame.
    pub(super) fn tried(&mut self, now: Instant) -> Result<(), Fault> {
        self.credit = match self.credit.checked_sub(1) {
            Some(credit) => credit,
            None => self.by_time(now).checked_sub(1).ok_or(Fault::new(
                Code::ENHANCE_YOUR_CALM,
                "too many frames that bring nothing forward",
            ))?,
        };
        self.counted.get_or_insert(now);
        Ok(())
    }

    /// What has been earned since the time was counted last.
    fn by_time(&mut self, now: Instant) -> u32 {
        let since = self.counted.replace(now).unwrap_or(now);
        let earned = now.saturating_duration_since(since).as_millis() / PER_TIME.as_millis();
        u32::try_from(earned)
            .unwrap_or(u32::MAX)
            .min(self.credit_max)
    }
}
