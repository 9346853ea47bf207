//! Waiting for what another process does.

use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until there is something, at the longest until `deadline`; looks at least once.
pub(crate) fn until<T>(deadline: Instant, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what another process does can only be looked at; the condition has a deadline"
)]
fn pause() {
    thread::sleep(PAUSE);
}
