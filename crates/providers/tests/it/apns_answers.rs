//! One golden for each row of APNs' answers, and what happens beside them.

use std::time::Duration;

use fanfare_providers::Judged;
use fanfare_providers::apns::classify;
use fanfare_types::{Timestamp, Verdict};
use http::StatusCode;
use proptest::prelude::*;

use crate::support::{NOW, headers};

fn judge(status: u16, body: &str) -> Judged {
    let status = StatusCode::from_u16(status).unwrap();
    classify(status, &headers(None), body.as_bytes(), NOW)
}

const DEAD: Verdict = Verdict::TokenDead { since: None };
const SUSPECT: Verdict = Verdict::TokenSuspect;
const BAD: Verdict = Verdict::BadRequest;
const CONFIG: Verdict = Verdict::Config;
const RECONNECT: Verdict = Verdict::AuthRefresh { reconnect: true };
const DEVICE: Verdict = Verdict::ThrottleDevice { after: None };
const SERVER: Verdict = Verdict::Server { after: None };

#[test]
fn every_documented_reason_has_its_class() {
    #[rustfmt::skip]
    let rows = [
        (410, "Unregistered", DEAD),
        (410, "ExpiredToken", DEAD),
        (400, "BadDeviceToken", SUSPECT),
        (400, "DeviceTokenNotForTopic", SUSPECT),
        (400, "TopicDisallowed", CONFIG),
        (400, "BadTopic", CONFIG),
        (400, "MissingTopic", CONFIG),
        (400, "BadCollapseId", BAD),
        (400, "BadExpirationDate", BAD),
        (400, "BadMessageId", BAD),
        (400, "BadPriority", BAD),
        (400, "DuplicateHeaders", BAD),
        (400, "InvalidPushType", BAD),
        (400, "MissingDeviceToken", BAD),
        (400, "PayloadEmpty", BAD),
        (400, "IdleTimeout", SERVER),
        (403, "ExpiredProviderToken", RECONNECT),
        (403, "UnrelatedKeyIdInToken", RECONNECT),
        (403, "InvalidProviderToken", RECONNECT),
        (403, "MissingProviderToken", CONFIG),
        (403, "Forbidden", CONFIG),
        (403, "BadCertificate", CONFIG),
        (403, "BadCertificateEnvironment", CONFIG),
        (403, "BadEnvironmentKeyIdInToken", CONFIG),
        (403, "BadEnvironmentKeyInToken", CONFIG),
        (404, "BadPath", BAD),
        (405, "MethodNotAllowed", BAD),
        (413, "PayloadTooLarge", BAD),
        (429, "TooManyRequests", DEVICE),
        (429, "TooManyProviderTokenUpdates", Verdict::ThrottleConnection),
        (500, "InternalServerError", SERVER),
        (503, "ServiceUnavailable", SERVER),
        (503, "Shutdown", SERVER),
    ];
    for (status, reason, verdict) in rows {
        let judged = judge(status, &format!(r#"{{"reason":"{reason}"}}"#));
        assert_eq!(judged.verdict, verdict, "{status} {reason}");
        assert_eq!(judged.reason.as_str(), reason);
    }
    let accepted = judge(200, "");
    assert_eq!(accepted.verdict, Verdict::Accepted);
    assert_eq!(accepted.reason.as_str(), "");
}

#[test]
fn unknown_reasons_fall_back_by_status() {
    for (status, verdict) in [
        (204, Verdict::Accepted),
        (301, SERVER),
        (400, BAD),
        (401, CONFIG),
        (403, CONFIG),
        (404, BAD),
        (408, SERVER),
        (410, SUSPECT),
        (418, BAD),
        (421, Verdict::ThrottleConnection),
        (425, SERVER),
        (429, DEVICE),
        (500, SERVER),
        (502, SERVER),
        (599, SERVER),
        (999, SERVER),
    ] {
        let judged = judge(status, r#"{"reason":"BrandNew"}"#);
        assert_eq!(judged.verdict, verdict, "{status}");
        let reason = if status == 204 { "" } else { "BrandNew" };
        assert_eq!(judged.reason.as_str(), reason);
    }
    // A known reason at a status it does not belong to proves nothing.
    assert_eq!(judge(400, r#"{"reason":"Unregistered"}"#).verdict, BAD);
}

#[test]
fn broken_bodies_are_read_by_their_status() {
    for body in ["", "null", "[]", r#"{"reason":7}"#, r#"{"reason":""}"#] {
        let judged = judge(410, body);
        assert_eq!(judged.verdict, SUSPECT, "{body}");
        assert_eq!(judged.reason.as_str(), "http_410");
    }
    assert_eq!(judge(503, "<html>").reason.as_str(), "http_503");
    let strange = judge(400, r#"{"reason":"Bad <b>\n Thing\u0000"}"#);
    assert_eq!(strange.reason.as_str(), "BadbThing");
}

#[test]
fn a_410_that_is_not_json_kills_nothing() {
    for body in ["<html>gone</html>", r#"{"reason":"Unregis"#, "\0"] {
        assert_eq!(judge(410, body).verdict, SERVER, "{body}");
    }
}

#[test]
fn the_time_of_death_is_made_plausible() {
    let since = |timestamp: &str| {
        let body = format!(r#"{{"reason":"Unregistered","timestamp":{timestamp}}}"#);
        match judge(410, &body).verdict {
            Verdict::TokenDead { since } => since,
            other => panic!("{other:?}"),
        }
    };
    let millis = 1_700_000_000_123;
    assert_eq!(since("1700000000123"), Some(Timestamp(millis)));
    assert_eq!(since("1700000000"), Some(Timestamp(1_700_000_000_000)));
    assert_eq!(since(&(NOW.0 + 60_000).to_string()), Some(NOW));
    assert_eq!(since("18446744073709551615"), Some(NOW));
    for nonsense in ["0", "-5", "1.5", "\"1700000000123\"", "null", "{}"] {
        assert_eq!(since(nonsense), None, "{nonsense}");
    }
}

#[test]
fn retry_after_is_honoured_where_we_wait() {
    let after = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        classify(status, &headers(Some("30")), b"", NOW).verdict
    };
    let wait = Some(Duration::from_secs(30));
    assert_eq!(after(429), Verdict::ThrottleDevice { after: wait });
    assert_eq!(after(503), Verdict::Server { after: wait });
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(status in 200_u16..1000, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let judged = classify(StatusCode::from_u16(status).unwrap(), &headers(None), &body, NOW);
        prop_assert!(judged.reason.as_str().len() <= fanfare_types::Reason::BYTES_MAX);
        prop_assert_eq!(judged.verdict == Verdict::Accepted, (200..300).contains(&status));
    }

    #[test]
    fn no_json_makes_it_panic(status in 200_u16..1000, reason in ".{0,80}", timestamp in any::<i64>()) {
        let body = serde_json::json!({"reason": reason, "timestamp": timestamp}).to_string();
        let judged = judge(status, &body);
        if let Verdict::TokenDead { since: Some(since) } = judged.verdict {
            prop_assert!(since <= NOW);
        }
    }
}
