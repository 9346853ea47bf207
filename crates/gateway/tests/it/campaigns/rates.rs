//! The rate of a campaign, measured at the simulators' arrival times.

use std::time::Duration;

use serde_json::json;

use super::books::pushes;
use super::rig::{crowd, ended, to_all, until, with, with_books};

/// What a rate is kept over.
const WINDOW_MS: u64 = 5_000;

/// Of the rate: how far a window may be off.
const OFF: f64 = 0.02;

/// How long this machine stood still, as a thread sees it that wants to wake every 5 ms: what a gateway cannot make up
/// for is held against the machine.
pub(super) struct Stalls {
    seen: std::sync::Arc<parking_lot::Mutex<Vec<(u64, u64)>>>,
    watcher: tokio::task::JoinHandle<()>,
}

impl Stalls {
    pub(super) fn watch() -> Stalls {
        let seen: std::sync::Arc<parking_lot::Mutex<Vec<(u64, u64)>>> = std::sync::Arc::default();
        let by = seen.clone();
        let watcher = tokio::spawn(async move {
            let mut last = now_ms();
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let now = now_ms();
                if now - last > 20 {
                    by.lock().push((last, now));
                }
                last = now;
            }
        });
        Stalls { seen, watcher }
    }

    /// Milliseconds of stalls in a span of time.
    pub(super) fn within(&self, from: u64, to: u64) -> u64 {
        let seen = self.seen.lock();
        let overlap = |(begin, end): &(u64, u64)| end.min(&to).saturating_sub(*begin.max(&from));
        seen.iter().map(overlap).sum()
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

pub(super) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.expect("after 1970").as_millis()).expect("before long")
}

/// Every window between these instants has what the rate says.
#[allow(clippy::cast_precision_loss, reason = "small counts")]
pub(super) fn assert_rate(arrivals: &[u64], from: u64, to: u64, rate: u32, stalls: &Stalls) {
    assert!(to - from > WINDOW_MS, "there is a window");
    let wanted = f64::from(rate) * WINDOW_MS as f64 / 1_000.0;
    for begin in (from..=to - WINDOW_MS).step_by(100) {
        let within = |at: &&u64| (begin..begin + WINDOW_MS).contains(*at);
        let got = arrivals.iter().filter(within).count() as f64;
        // A stall just before the window delays pushes into it as well.
        let stalled = stalls.within(begin.saturating_sub(500), begin + WINDOW_MS) as f64;
        let allowed = wanted * OFF + f64::from(rate) * stalled / 1_000.0;
        assert!(
            (got - wanted).abs() <= allowed,
            "{got} in 5 s from {} ms on, {wanted} wanted (the machine stood still for {stalled} ms)",
            begin - from
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_kept_and_changes_while_it_runs() {
    let world = crowd(20_000, with_books()).await;
    let stalls = Stalls::watch();
    let id = world.launch(&with(to_all(), &json!({"rate": 400}))).await;
    until(&world, &id, |view| ended(view) >= 100).await;
    let began = now_ms();
    until(&world, &id, |view| ended(view) >= 100 + 400 * 7).await;
    let slow_until = now_ms();
    world.set_rate(&id, Some(1_000)).await;
    // What was under way at the old rate is over.
    let quicker = until(&world, &id, |view| ended(view) >= 100 + 400 * 7 + 500).await;
    let fast_from = now_ms();
    until(&world, &id, |view| {
        ended(view) >= ended(&quicker) + 1_000 * 7
    })
    .await;
    let fast_until = now_ms();
    world.steer(&id, "cancel").await;
    let arrivals: Vec<u64> = pushes(&world).iter().map(|push| push.at_ms).collect();
    assert_rate(&arrivals, began, slow_until, 400, &stalls);
    assert_rate(&arrivals, fast_from, fast_until, 1_000, &stalls);
}
