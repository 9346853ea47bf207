//! How long something takes: always the same, evenly spread, or with the long tail that real services have.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::engine::{fraction, lot};

/// Milliseconds: a number, `{"min": …, "max": …}` (drawn evenly, both included), or `{"median": …, "p99": …}` (drawn
/// from the log-normal distribution that has these).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Span {
    /// Always the same.
    Fixed(u64),
    /// Drawn anew each time.
    Range {
        /// Shortest.
        min: u64,
        /// Longest.
        max: u64,
    },
    /// Drawn anew each time: half are shorter than the median, one in a hundred is longer than `p99`. At most ten
    /// minutes.
    LogNormal {
        /// At least 1.
        median: u64,
        /// At least the median.
        p99: u64,
    },
}

/// The standard normal distribution's 99th percentile.
const P99: f64 = 2.326_347_874_040_841;

/// No drawn span is longer.
const LONGEST: Duration = Duration::from_secs(600);

impl Span {
    /// The span that a lot picks.
    pub(crate) fn draw(self, drawn: u64) -> Duration {
        match self {
            Self::Fixed(ms) => Duration::from_millis(ms),
            Self::Range { min, max } => {
                Duration::from_millis(min + drawn % (max.saturating_sub(min)).saturating_add(1))
            }
            Self::LogNormal { median, p99 } => log_normal(median, p99, normal(drawn)),
        }
    }

    /// What is wrong with it.
    pub(crate) fn fault(self) -> Option<&'static str> {
        match self {
            Self::Range { min, max } if min > max => Some("min is greater than max"),
            Self::LogNormal { median: 0, .. } => Some("median is 0"),
            Self::LogNormal { median, p99 } if median > p99 => Some("median is greater than p99"),
            _ => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds up to ten minutes")]
fn log_normal(median: u64, p99: u64, normal: f64) -> Duration {
    let (median, p99) = (median.max(1) as f64, p99.max(1) as f64);
    let sigma = (p99 / median).ln() / P99;
    let seconds = median * (sigma * normal).exp() / 1000.0;
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |span| span.min(LONGEST))
}

/// A standard normal deviate (Box and Muller 1958).
fn normal(drawn: u64) -> f64 {
    // Never 0, of which there is no logarithm.
    let (one, other) = (1.0 - fraction(lot(drawn, 0)), fraction(lot(drawn, 1)));
    (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

impl FromStr for Span {
    type Err = String;

    /// Reads `40ms`, `1s`, `50ms-200ms` and `lognormal:40ms,p99=300ms`.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "{text} is no latency: write 40ms, 50ms-200ms, or lognormal:40ms,p99=300ms (in ms or s, at most 10 minutes)"
            )
        };
        let span = if let Some(rest) = text.strip_prefix("lognormal:") {
            let parts = rest.split_once(",p99=");
            let parts = parts.and_then(|(median, p99)| Some((millis(median)?, millis(p99)?)));
            parts.map(|(median, p99)| Self::LogNormal { median, p99 })
        } else if let Some((min, max)) = text.split_once('-') {
            let parts = millis(min).zip(millis(max));
            parts.map(|(min, max)| Self::Range { min, max })
        } else {
            millis(text).map(Self::Fixed)
        };
        let span = span.ok_or_else(form)?;
        match span.fault() {
            Some(fault) => Err(format!("{text}: {fault}")),
            None => Ok(span),
        }
    }
}

/// A whole number and a unit.
fn millis(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().ok()?;
    let times = match unit {
        "ms" => 1,
        "s" => 1000,
        _ => return None,
    };
    let millis = number.checked_mul(times)?;
    (u128::from(millis) <= LONGEST.as_millis()).then_some(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_normal_span_has_its_median_and_its_tail() {
        let span: Span = "lognormal:40ms,p99=300ms".parse().unwrap();
        let mut drawn: Vec<f64> = (0..100_000)
            .map(|count| span.draw(lot(7, count)).as_secs_f64() * 1000.0)
            .collect();
        drawn.sort_by(f64::total_cmp);
        let (median, p99) = (drawn[50_000], drawn[99_000]);
        assert!((median - 40.0).abs() < 1.0, "{median}");
        assert!((p99 - 300.0).abs() < 20.0, "{p99}");
    }

    #[test]
    fn the_same_lot_draws_the_same() {
        let span = Span::LogNormal {
            median: 40,
            p99: 300,
        };
        assert_eq!(span.draw(5), span.draw(5));
        assert_ne!(span.draw(5), span.draw(6));
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, wanted) in [
            ("40ms", Span::Fixed(40)),
            ("2s", Span::Fixed(2000)),
            ("50ms-1s", Span::Range { min: 50, max: 1000 }),
            (
                "lognormal:40ms,p99=1s",
                Span::LogNormal {
                    median: 40,
                    p99: 1000,
                },
            ),
        ] {
            assert_eq!(text.parse(), Ok(wanted));
        }
        let wrong = [
            "",
            "40",
            "ms",
            "1h",
            "601s",
            "50ms-40ms",
            "lognormal:40ms",
            "lognormal:0ms,p99=1s",
            "lognormal:300ms,p99=40ms",
            "lognormal:40ms,p99=300",
            "99999999999999999999ms",
        ];
        for text in wrong {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn spans_in_rules_are_told_apart_by_their_members() {
        let read = |json| serde_json::from_str::<Span>(json).ok();
        assert_eq!(read("40"), Some(Span::Fixed(40)));
        assert_eq!(
            read(r#"{"median":40,"p99":300}"#),
            Some(Span::LogNormal {
                median: 40,
                p99: 300
            })
        );
        assert_eq!(read(r#"{"min":1,"p99":300}"#), None);
    }
}
