//! Latencies: how they are spread, and how they went over time.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Points of a timeline at most; a long run has longer steps.
const POINTS_MAX: u32 = 300;

/// Shortest step of a timeline.
const STEP_MIN: Duration = Duration::from_millis(250);

/// Latencies in microseconds up to ten minutes, to three digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Latencies(Histogram::new_with_bounds(1, 600_000_000, 3)?))
    }

    pub(crate) fn record_ms(&mut self, milliseconds: f64) {
        self.0
            .saturating_record((milliseconds.max(0.001) * 1000.0) as u64);
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.record_ms(latency.as_secs_f64() * 1000.0);
    }

    /// Milliseconds below which this share of them is.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1000.0
    }

    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.reset();
    }
}

/// Median and 99th percentile of each step of a run: one histogram at a time, however long it is.
pub(crate) struct Timeline {
    step: Duration,
    /// End of the present step, from the start of the run.
    until: Duration,
    now: Latencies,
    /// Seconds from the start, milliseconds.
    pub(crate) p50: Vec<(f64, f64)>,
    pub(crate) p99: Vec<(f64, f64)>,
}

impl Timeline {
    /// For a run of this length.
    pub(crate) fn over(time: Duration) -> anyhow::Result<Self> {
        let step = (time / POINTS_MAX).max(STEP_MIN);
        Ok(Timeline {
            step,
            until: step,
            now: Latencies::new()?,
            p50: Vec::new(),
            p99: Vec::new(),
        })
    }

    /// A request that was answered `at` after the start took so long.
    pub(crate) fn record(&mut self, at: Duration, latency: Duration) {
        while at >= self.until {
            self.end_step();
        }
        self.now.record(latency);
    }

    /// Ends the last step.
    pub(crate) fn end_step(&mut self) {
        if self.now.count() > 0 {
            let at = self.until.as_secs_f64();
            self.p50.push((at, self.now.quantile(0.5)));
            self.p99.push((at, self.now.quantile(0.99)));
            self.now.clear();
        }
        self.until += self.step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_has_the_quantiles_of_each_step() {
        let ms = Duration::from_millis;
        let mut timeline = Timeline::over(Duration::from_secs(300)).unwrap();
        for n in 0..100 {
            timeline.record(ms(n), ms(10));
            timeline.record(ms(2_000 + n), ms(if n < 90 { 10 } else { 500 }));
        }
        timeline.end_step();
        let about = |found: &(f64, f64), at: f64, value: f64| {
            assert!(
                (found.0 - at).abs() < 1e-9 && (found.1 - value).abs() < 1.0,
                "{found:?}"
            );
        };
        // The second step had no answers.
        assert_eq!(timeline.p99.len(), 2);
        about(&timeline.p99[0], 1.0, 10.0);
        about(&timeline.p50[1], 3.0, 10.0);
        about(&timeline.p99[1], 3.0, 500.0);
    }

    #[test]
    fn a_long_run_has_no_more_points_than_a_short_one() {
        let hours = Duration::from_secs(8 * 3600);
        let mut timeline = Timeline::over(hours).unwrap();
        for second in 0..8 * 3600 {
            timeline.record(Duration::from_secs(second), Duration::from_millis(5));
        }
        timeline.end_step();
        assert!(timeline.p50.len() <= POINTS_MAX as usize);
    }
}
