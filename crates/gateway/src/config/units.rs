//! Durations and sizes as people write them.

use std::time::Duration;

pub(crate) const DURATION_FORM: &str = "a duration such as \"500ms\", \"30s\", \"24h\" or \"60d\"";
pub(crate) const BYTES_FORM: &str = "a size such as \"512B\", \"16KiB\" or \"2MiB\"";

/// Reads a whole number and a unit (`ms`, `s`, `m`, `h`, `d`); more than zero, at most ten years.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let millis = number.checked_mul(millis)?;
    (1..=3_650 * 86_400_000)
        .contains(&millis)
        .then(|| Duration::from_millis(millis))
}

/// Reads a whole number and a unit (`B`, `KiB`, `MiB`, `GiB`); more than zero.
pub(crate) fn bytes(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let size = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    usize::try_from(number.checked_mul(size)?)
        .ok()
        .filter(|bytes| *bytes > 0)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number in 1..1_000_u64) {
            prop_assert_eq!(duration(&format!("{number}h")), Some(Duration::from_secs(number * 3600)));
            prop_assert_eq!(bytes(&format!("{number} KiB")), usize::try_from(number << 10).ok());
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9]{0,24} ?(ms|s|m|h|d|B|KiB|MiB|GiB)?|\\PC{0,20}") {
            if let Some(duration) = duration(&text) {
                prop_assert!(!duration.is_zero() && duration <= Duration::from_secs(3_650 * 86_400));
            }
            prop_assert_ne!(bytes(&text), Some(0));
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("60d"), Some(Duration::from_secs(60 * 86_400)));
        for wrong in [
            "",
            "5",
            "s",
            "0s",
            "-1s",
            "5 weeks",
            "99999999999999999999s",
            "4000d",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("2MiB"), Some(2 * 1024 * 1024));
        assert_eq!(bytes("512 B"), Some(512));
        for wrong in ["", "2", "2MB", "0B", "1.5KiB"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
