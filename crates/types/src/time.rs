//! Time as Fanfare keeps it: milliseconds since 1970, and a clock that is handed in.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// An instant in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

/// The text was not an RFC 3339 instant between 1970 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 timestamp")]
pub struct NotATimestamp;

impl Timestamp {
    /// The latest instant a timestamp can be written as (year 9999).
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999);

    pub fn from_seconds(seconds: u64) -> Self {
        Timestamp(seconds.saturating_mul(1000))
    }

    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub fn as_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Time from `earlier` to `self`; zero when `earlier` is the later one.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 in UTC with milliseconds, as `2024-01-15T10:00:00.000Z`.
    pub fn to_rfc3339(self) -> String {
        let millis = i64::try_from(self.0.min(Self::MAX.0)).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(instant) => format!("{instant:.3}"),
            Err(_) => "9999-12-31T23:59:59.999Z".to_owned(),
        }
    }

    /// Reads any RFC 3339 instant (RFC 3339 section 5.6), at millisecond precision.
    pub fn parse_rfc3339(text: &str) -> Result<Self, NotATimestamp> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| NotATimestamp)?;
        let millis = u64::try_from(instant.as_millisecond()).map_err(|_| NotATimestamp)?;
        if millis > Self::MAX.0 {
            Err(NotATimestamp)
        } else {
            Ok(Timestamp(millis))
        }
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, by: Duration) -> Timestamp {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, by: Duration) -> Timestamp {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_sub(millis))
    }
}

/// The clock a shell was given. Only composition roots make one; `core` is told the time.
///
/// It tells two times. They are the same unless somebody set the machine's clock.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Clock {
    /// The machine's clock, as it is set: it may jump.
    pub fn system() -> Self {
        Clock::from_fn(|| {
            let since = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        })
    }

    /// Both times from one source.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let now = Arc::new(now);
        Clock {
            wall: now.clone(),
            now,
        }
    }

    /// `now` never jumps; `wall` is the machine's clock as it is set.
    pub fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        wall: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Clock {
            now: Arc::new(now),
            wall: Arc::new(wall),
        }
    }

    /// The gateway's time. Everything that waits, ends, is compared or written down goes by it.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The machine's time: for what is agreed with others who have clocks of their own (when a token was signed,
    /// when a user's JWT ends).
    pub fn wall(&self) -> Timestamp {
        (self.wall)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instant_comes_back(millis in 0..=Timestamp::MAX.0) {
            let at = Timestamp(millis);
            prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_rfc3339()), Ok(at));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9]{1,5}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{4,14}(Z|[+-][0-9:]{2,6})?|\\PC{0,40}") {
            if let Ok(at) = Timestamp::parse_rfc3339(&text) {
                prop_assert!(at <= Timestamp::MAX);
            }
        }
    }

    #[test]
    fn rfc3339_round_trips_with_milliseconds() {
        let at = Timestamp::parse_rfc3339("2024-01-15T11:00:00+01:00").unwrap();
        assert_eq!(at.to_rfc3339(), "2024-01-15T10:00:00.000Z");
        assert!(Timestamp::parse_rfc3339("yesterday").is_err());
        assert!(Timestamp::parse_rfc3339("1969-12-31T23:59:59Z").is_err());
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp(5) - Duration::from_secs(1), Timestamp(0));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }
}
