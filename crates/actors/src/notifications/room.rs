//! Waiting for room, a little: whoever finds the gateway full gets in as soon as somebody else's push has ended, and
//! whoever asks again without pause is slowed instead of costing those who were accepted their time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fanfare_core::admission::Refused;
use fanfare_types::{AppId, Lane};
use tokio::time::{Instant, sleep};

use super::{Parts, Waiting};

/// How often one that waits looks again; it lies evenly between half of this and the whole.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Comes back when there is room for `count` deliveries (nothing is taken), or with why there is none: after
/// `room_wait`, or at once when `room_waiting_max` others wait.
pub(super) async fn wait_for(
    parts: &Parts,
    app: &AppId,
    lane: Lane,
    count: usize,
) -> Result<(), Refused> {
    let check = || parts.admission.check(app, lane, count);
    let Err(refused) = check() else {
        return Ok(());
    };
    let Some(_place) = Place::take(&parts.waiting, parts.limits.room_waiting_max) else {
        return Err(refused);
    };
    let until = Instant::now() + parts.limits.room_wait;
    loop {
        // Those that came together do not look together.
        let half = LOOK_EVERY / 2;
        let pause = half + half.mul_f64(parts.random.next() as f64 / u64::MAX as f64);
        let left = until.saturating_duration_since(Instant::now());
        sleep(pause.min(left)).await;
        match check() {
            Err(refused) if left <= pause || parts.gate.is_closed() => {
                return Err(refused);
            }
            Err(_) => {}
            Ok(()) => return Ok(()),
        }
    }
}

/// One of those that wait; left on drop, also when the caller goes away.
struct Place<'a>(&'a Waiting);

impl<'a> Place<'a> {
    fn take(waiting: &'a Waiting, max: usize) -> Option<Self> {
        let one_more = |now: usize| (now < max).then_some(now + 1);
        let taken = waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.is_ok().then_some(Place(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
