//! Delays that double, and the randomness that keeps those who wait from coming back all at once.

use std::time::Duration;

/// `first`, doubled `doublings` times, at most `longest`.
pub(crate) fn doubled(first: Duration, doublings: u32, longest: Duration) -> Duration {
    first
        .saturating_mul(2u32.saturating_pow(doublings))
        .min(longest)
}

/// Evenly from half of `delay` to the whole of it.
pub(crate) fn upper_half(delay: Duration, random: u64) -> Duration {
    let half = delay / 2;
    half + below(delay - half, random)
}

/// Evenly from nothing to `span`, in whole milliseconds.
pub(crate) fn below(span: Duration, random: u64) -> Duration {
    let millis = u128::from(random) * (span.as_millis() + 1) / (u128::from(u64::MAX) + 1);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_between_half_and_whole() {
        let delay = Duration::from_millis(1_001);
        for random in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let drawn = upper_half(delay, random);
            assert!(drawn >= delay / 2 && drawn <= delay, "{drawn:?}");
        }
        assert_eq!(
            upper_half(delay, u64::MAX),
            delay - Duration::from_micros(500)
        );
    }

    #[test]
    fn doubling_ends_at_the_longest() {
        let second = Duration::from_secs(1);
        let seconds: Vec<_> = [0, 1, 5, 40, u32::MAX]
            .map(|n| doubled(second, n, 20 * second).as_secs())
            .into();
        assert_eq!(seconds, [1, 2, 20, 20, 20]);
    }
}
