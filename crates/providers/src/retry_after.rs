//! `Retry-After` (RFC 9110 section 10.2.3): seconds or a date, with a bound on absurd values.

use std::time::{Duration, UNIX_EPOCH};

use fanfare_types::Timestamp;
use http::{HeaderMap, HeaderName, header};

/// Longest wait that is believed; what asks for more gets this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// How long the answer asks us to wait. A date is counted from the answer's own `Date`, so that it does not matter
/// whose clock is right, or from `now` where there is none; one that has passed means no wait. What is neither
/// seconds nor a date means nothing.
pub fn read(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = text(headers, header::RETRY_AFTER)?;
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // Digits that do not fit are a very long wait.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = since_1970(text)?;
        let sent = self::text(headers, header::DATE).and_then(since_1970);
        until.saturating_sub(sent.unwrap_or_else(|| Duration::from_millis(now.as_millis())))
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn since_1970(date: &str) -> Option<Duration> {
    let date = httpdate::parse_http_date(date).ok()?;
    Some(date.duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const NOW: Timestamp = Timestamp(784_111_777_000);

    fn wait(text: &[u8]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_bytes(text).ok()?);
        read(&headers, NOW)
    }

    #[test]
    fn seconds_and_dates_are_read() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (text, expected) in [
            ("0", seconds(0)),
            ("120", seconds(120)),
            (" 7 ", seconds(7)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", seconds(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", seconds(60)),
            ("Sun Nov  6 08:50:37 1994", seconds(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", seconds(0)),
            ("86400", Some(RETRY_AFTER_MAX)),
            ("99999999999999999999999999", Some(RETRY_AFTER_MAX)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(RETRY_AFTER_MAX)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(wait(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(read(&HeaderMap::new(), NOW), None);
    }

    #[test]
    fn a_date_is_counted_from_the_answers_own() {
        let wait = |date: &'static str| {
            let mut headers = HeaderMap::new();
            let until = HeaderValue::from_static("Sun, 06 Nov 1994 10:50:37 GMT");
            headers.insert(header::RETRY_AFTER, until);
            headers.insert(header::DATE, HeaderValue::from_static(date));
            read(&headers, NOW)
        };
        let seconds = |n| Some(Duration::from_secs(n));
        // Two hours ahead of us, and it wants a minute.
        assert_eq!(wait("Sun, 06 Nov 1994 10:49:37 GMT"), seconds(60));
        assert_eq!(wait("Sun, 06 Nov 1994 11:49:37 GMT"), seconds(0));
        assert_eq!(wait("a while ago"), Some(RETRY_AFTER_MAX));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_wait_too_long(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(wait(&text).unwrap_or_default() <= RETRY_AFTER_MAX);
        }

        #[test]
        fn seconds_are_believed_up_to_the_bound(seconds in any::<u64>()) {
            let expected = Duration::from_secs(seconds).min(RETRY_AFTER_MAX);
            prop_assert_eq!(wait(seconds.to_string().as_bytes()), Some(expected));
        }
    }
}
