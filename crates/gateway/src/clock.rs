//! The gateway's clock, made of the machine's two: the one people set, and the one they cannot.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use fanfare_core::steady::{Set, Steady};
use fanfare_types::{Clock, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Counts on while the machine sleeps, where the system has such a clock.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UPTIME: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UPTIME: ClockId = ClockId::Monotonic;

/// Longest time between reading one clock and the other.
const HELD_UP: Duration = Duration::from_millis(50);

/// Over this machine's clocks.
pub fn system() -> Clock {
    let machine = Clock::system();
    steady(uptime, move || machine.wall())
}

/// Over any two clocks: `uptime` never goes back, `wall` may jump.
pub fn steady(
    uptime: impl Fn() -> Duration + Send + Sync + 'static,
    wall: impl Fn() -> Timestamp + Clone + Send + Sync + 'static,
) -> Clock {
    let time = RwLock::new(Steady::new(uptime(), wall()));
    let machine = wall.clone();
    let now = move || {
        let at = uptime();
        if read(&time).wants_look(at) {
            let wall = machine();
            // A thread that was held up between the two has seen no pair of times.
            if uptime().saturating_sub(at) < HELD_UP {
                look(&time, at, wall);
            }
        }
        read(&time).now(at)
    };
    Clock::new(now, wall)
}

fn look(time: &RwLock<Steady>, uptime: Duration, wall: Timestamp) {
    let mut time = time.write().unwrap_or_else(PoisonError::into_inner);
    // Another thread may have looked meanwhile.
    let set = match time.wants_look(uptime) {
        true => time.on_look(uptime, wall),
        false => None,
    };
    drop(time);
    if let Some(Set { by_ms, ahead_ms }) = set {
        tracing::warn!(
            by_ms,
            ahead_ms,
            "the machine's clock was set; the gateway's follows by a hundredth of what passes, or at once with a restart"
        );
    }
}

/// A lock is only held over arithmetic, which leaves the time whole.
fn read(time: &RwLock<Steady>) -> RwLockReadGuard<'_, Steady> {
    time.read().unwrap_or_else(PoisonError::into_inner)
}

fn uptime() -> Duration {
    let time = clock_gettime(UPTIME);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn it_goes_on_while_the_machines_clock_jumps() {
        let uptime = Arc::new(AtomicU64::new(5));
        let wall = Arc::new(AtomicU64::new(1_700_000_000_000));
        let (seconds, millis) = (uptime.clone(), wall.clone());
        let clock = steady(
            move || Duration::from_secs(seconds.load(Ordering::Relaxed)),
            move || Timestamp(millis.load(Ordering::Relaxed)),
        );
        assert_eq!(clock.now(), Timestamp(1_700_000_000_000));
        wall.fetch_add(3_600_000 + 2_000, Ordering::Relaxed);
        uptime.fetch_add(2, Ordering::Relaxed);
        assert_eq!(clock.now(), Timestamp(1_700_000_002_000));
        assert_eq!(clock.wall(), Timestamp(1_700_003_602_000));
        uptime.fetch_add(100, Ordering::Relaxed);
        assert_eq!(clock.now(), Timestamp(1_700_000_103_000));
    }

    #[test]
    fn the_machines_clocks_agree_while_nobody_sets_them() {
        let clock = system();
        let apart = clock.now().as_millis().abs_diff(clock.wall().as_millis());
        assert!(apart < 10_000, "{apart} ms");
        assert!(uptime() > Duration::ZERO);
    }
}
