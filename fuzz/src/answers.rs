//! What a provider answers, or whatever stands in its place: status, headers and body are classified, whatever they
//! are.
//!
//! An input is `apns 410` (or `fcm …`), header lines, an empty line, the body.

use std::time::Duration;

use fanfare_providers::retry_after::RETRY_AFTER_MAX;
use fanfare_providers::{Judged, apns, fcm};
use fanfare_types::{Reason, Timestamp, Verdict};
use http::StatusCode;

/// When the answer comes: 2027-01-15T08:00:00Z.
const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// See the module.
pub fn run(input: &[u8]) {
    let (head, body) = crate::head_and_body(input);
    let Some((first, lines)) = head.split_first() else {
        return;
    };
    let mut words = first.split(|byte| *byte == b' ');
    let provider = words.next().unwrap_or_default();
    let status = words
        .next()
        .and_then(|word| StatusCode::from_bytes(word).ok());
    // A link hands on final answers only.
    let Some(status) = status.filter(|status| status.as_u16() >= 200) else {
        return;
    };
    let headers = crate::headers_in(lines);
    let judged = match provider {
        b"apns" => apns::classify(status, &headers, body, NOW),
        _ => fcm::classify(status, &headers, body, NOW),
    };
    check(status, &judged);
}

fn check(status: StatusCode, judged: &Judged) {
    assert_eq!(
        status.is_success(),
        judged.verdict == Verdict::Accepted,
        "a push is delivered if and only if the status says so: {status} {judged:?}"
    );
    let reason = judged.reason.as_str();
    assert!(reason.len() <= Reason::BYTES_MAX && reason.bytes().all(|b| b.is_ascii_graphic()));
    assert_eq!(reason.is_empty(), status.is_success(), "{judged:?}");
    match judged.verdict {
        Verdict::TokenDead { since: Some(since) } => {
            assert!(since <= NOW, "dead before it was registered: {since:?}");
        }
        Verdict::ThrottleDevice { after }
        | Verdict::ThrottleProject { after }
        | Verdict::Server { after } => {
            assert!(after.unwrap_or(Duration::ZERO) <= RETRY_AFTER_MAX);
        }
        Verdict::NotSent | Verdict::Unknown => panic!("an answer is an answer: {judged:?}"),
        _ => {}
    }
}
