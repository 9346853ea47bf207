//! The beginning of an instant as a span of time: `2024-01` is a month, `2024-01-15T10` an hour.

use std::ops::Range;
use std::time::Duration;

use fanfare_types::Timestamp;

/// The rest of an instant, from whichever place it is cut at.
const REST: &str = "0000-01-01T00:00:00.000Z";

/// How long the span is that begins with so many characters; years and months are counted otherwise.
const LENGTHS: [(usize, Duration); 5] = [
    ("2024-01-15".len(), Duration::from_secs(86_400)),
    ("2024-01-15T10".len(), Duration::from_secs(3_600)),
    ("2024-01-15T10:30".len(), Duration::from_secs(60)),
    ("2024-01-15T10:30:45".len(), Duration::from_secs(1)),
    ("2024-01-15T10:30:45.123".len(), Duration::from_millis(1)),
];

/// All instants that are written with `text` at their beginning (RFC 3339 in UTC, with milliseconds; a space
/// will do for the `T`); `None` when it is
/// not cut between two of an instant's parts.
pub(super) fn of(text: &str) -> Option<Range<Timestamp>> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let start = instant(text)?;
    let length = LENGTHS.iter().find(|(chars, _)| *chars == text.len());
    let end = match length {
        Some((_, length)) => start + *length,
        None => instant(&next(text)?)?,
    };
    Some(start..end)
}

fn instant(text: &str) -> Option<Timestamp> {
    let shape = |text: &str| -> Vec<bool> { text.bytes().map(|b| b.is_ascii_digit()).collect() };
    let rest = REST.get(text.len()..)?;
    let is_cut_well = shape(text) == shape(REST.get(..text.len())?);
    let whole = format!("{text}{rest}");
    is_cut_well.then(|| Timestamp::parse_rfc3339(&whole).ok())?
}

/// The year after a year, the month after a month.
fn next(text: &str) -> Option<String> {
    let number = |text: &str| text.parse::<u16>().ok();
    match text.len() {
        4 => Some(format!("{:04}", number(text)? + 1)),
        7 => {
            let (year, month) = (number(&text[..4])?, number(&text[5..])?);
            let (year, month) = if month == 12 {
                (year + 1, 1)
            } else {
                (year, month + 1)
            };
            Some(format!("{year:04}-{month:02}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_beginning_spans_what_begins_so() {
        for (text, start, end) in [
            ("2024", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
            ("2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("2024-12", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (
                "2024-01-15T10",
                "2024-01-15T10:00:00Z",
                "2024-01-15T11:00:00Z",
            ),
            (
                "2024-01-15T10:30",
                "2024-01-15T10:30:00Z",
                "2024-01-15T10:31:00Z",
            ),
            (
                "2024-01-15 10:30",
                "2024-01-15T10:30:00Z",
                "2024-01-15T10:31:00Z",
            ),
            (
                "2024-01-15T10:30:59",
                "2024-01-15T10:30:59Z",
                "2024-01-15T10:31:00Z",
            ),
            (
                "2024-01-15T10:30:59.999Z",
                "2024-01-15T10:30:59.999Z",
                "2024-01-15T10:31:00Z",
            ),
        ] {
            let instant = |text| Timestamp::parse_rfc3339(text).unwrap();
            assert_eq!(of(text), Some(instant(start)..instant(end)), "{text}");
        }
    }

    #[test]
    fn what_is_no_beginning_spans_nothing() {
        for text in [
            "",
            "2",
            "202",
            "20x4",
            "2024-",
            "2024-1",
            "2024-13",
            "2024-02-30",
            "2024-01-15T25",
            "2024/01",
            "1969",
            "9999",
            "+024",
            "2024-01-15T10:30:45.12",
            "2024-01-15T10:30:45.1234",
            "２０２４",
            "2024Z2024",
            "' OR 1=1 --",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
