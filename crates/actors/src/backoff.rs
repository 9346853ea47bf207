//! Waits between tries of a store's write that must not be given up.

use std::time::Duration;

use tokio::time::sleep;

/// The first wait; each further one is twice as long …
const DELAY_MIN: Duration = Duration::from_millis(50);
/// … up to this.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// How long the next one is.
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Backoff(DELAY_MIN)
    }
}

impl Backoff {
    pub(crate) async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(DELAY_MAX);
    }
}
