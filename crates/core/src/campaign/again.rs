//! How long a campaign waits before it begins again from the store.

use std::time::Duration;

/// Whom its deliveries go to may be starting again.
const DELAY_MIN: Duration = Duration::from_millis(20);
const DELAY_MAX: Duration = Duration::from_secs(5);

/// A run that lasted this long had no trouble.
const GOOD: Duration = Duration::from_secs(10);

/// Delays that double while runs are short.
#[derive(Clone, Copy, Debug, Default)]
pub struct Again {
    short: u32,
}

impl Again {
    /// One more run ends after `lasted`, and this long afterwards another one begins.
    pub fn after(&mut self, lasted: Duration) -> Duration {
        if lasted >= GOOD {
            self.short = 0;
        }
        let delay = DELAY_MIN.saturating_mul(2u32.saturating_pow(self.short));
        self.short = self.short.saturating_add(1);
        delay.min(DELAY_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_runs_wait_longer_each_time() {
        let mut again = Again::default();
        let delays = [0; 10].map(|_| again.after(Duration::ZERO).as_millis());
        assert_eq!(
            delays,
            [20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_000, 5_000]
        );
        assert_eq!(again.after(GOOD), DELAY_MIN);
    }
}
