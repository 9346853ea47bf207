//! How many deliveries a call will come to, before its recipients are read: room is taken for so many. Too little means
//! another turn and another read, too much is given back at once; so it is a little more than the mean.

/// Deliveries a name stood for in an app's calls of late: their mean and mean deviation, weighed as TCP weighs round
/// trips (RFC 6298, 2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    mean: f64,
    deviation: f64,
}

/// Weights of the newest call.
const OF_MEAN: f64 = 1.0 / 8.0;
const OF_DEVIATION: f64 = 1.0 / 4.0;
/// Deviations that are added to the mean.
const MARGIN: f64 = 2.0;

/// Before anything is known: a device a name.
impl Default for Estimate {
    fn default() -> Self {
        Estimate {
            mean: 1.0,
            deviation: 0.0,
        }
    }
}

impl Estimate {
    /// At least one delivery.
    pub(super) fn of(&self, names: usize) -> usize {
        let each = self.mean + MARGIN * self.deviation;
        // What rounding of the mean leaves over is no delivery.
        super::whole((super::f64_of(names) * each - 0.01).ceil()).max(1)
    }

    pub(super) fn learn(&mut self, names: usize, deliveries: usize) {
        let each = super::f64_of(deliveries) / super::f64_of(names.max(1));
        self.deviation += OF_DEVIATION * ((each - self.mean).abs() - self.deviation);
        self.mean += OF_MEAN * (each - self.mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_are_alike_are_known_to_the_delivery() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.of(20), 20);
        for _ in 0..200 {
            estimate.learn(20, 60);
        }
        assert_eq!(
            (estimate.of(20), estimate.of(1), estimate.of(7)),
            (60, 3, 21)
        );
    }

    #[test]
    fn what_differs_is_covered_most_of_the_time_and_not_by_far() {
        let mut estimate = Estimate::default();
        // Users of one to three devices, ten a call.
        let call = |n: usize| {
            (0..10)
                .map(|user| 1 + (n * 7 + user * user + n / 3) % 3)
                .sum()
        };
        let (mut covered, mut taken, mut needed) = (0, 0, 0);
        for n in 0..1_000 {
            let deliveries = call(n);
            let expected = estimate.of(10);
            covered += usize::from(expected >= deliveries);
            taken += expected;
            needed += deliveries;
            estimate.learn(10, deliveries);
        }
        assert!(covered >= 900, "{covered} of 1000");
        assert!(taken < needed * 3 / 2, "{taken} for {needed}");
    }

    #[test]
    fn names_without_devices_take_next_to_nothing_and_it_comes_back() {
        let mut estimate = Estimate::default();
        for _ in 0..200 {
            estimate.learn(1_000, 0);
        }
        assert_eq!(estimate.of(1_000), 1);
        for _ in 0..20 {
            estimate.learn(1_000, 1_000);
        }
        assert!(estimate.of(1_000) >= 1_000);
    }
}
