//! One golden for each row of FCM's answers, and what happens beside them.

use std::time::Duration;

use fanfare_providers::Judged;
use fanfare_providers::fcm::classify;
use fanfare_types::Verdict;
use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{NOW, headers};

const DEAD: Verdict = Verdict::TokenDead { since: None };
const BAD: Verdict = Verdict::BadRequest;
const CONFIG: Verdict = Verdict::Config;
const REFRESH: Verdict = Verdict::AuthRefresh { reconnect: false };
const DEVICE: Verdict = Verdict::ThrottleDevice { after: None };
const PROJECT: Verdict = Verdict::ThrottleProject { after: None };
const SERVER: Verdict = Verdict::Server { after: None };

fn judge(status: u16, body: &str) -> Judged {
    let status = StatusCode::from_u16(status).unwrap();
    classify(status, &headers(None), body.as_bytes(), NOW)
}

fn error(http: u16, status: &str, message: &str, details: Value) -> String {
    json!({"error": {"code": http, "message": message, "status": status, "details": details}})
        .to_string()
}

fn fcm_error(code: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
}

fn apns_error(status: u16, reason: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
        "statusCode": status, "reason": reason,
    })
}

fn fields(names: &[&str]) -> Value {
    let violations: Vec<_> = names
        .iter()
        .map(|name| json!({"field": name, "description": "Invalid"}))
        .collect();
    json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
}

fn quota(subject: &str, description: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"subject": subject, "description": description}],
    })
}

/// Judges an error with these details and compares.
#[track_caller]
fn check(http: u16, status: &str, details: Value, verdict: Verdict, reason: &str) {
    let judged = judge(http, &error(http, status, "text", details));
    assert_eq!(judged.verdict, verdict);
    assert_eq!(judged.reason.as_str(), reason);
}

#[test]
fn accepted() {
    let judged = judge(200, r#"{"name":"projects/p/messages/0:1"}"#);
    assert_eq!(judged.verdict, Verdict::Accepted);
    assert_eq!(judged.reason.as_str(), "");
    assert_eq!(judge(200, "nonsense").verdict, Verdict::Accepted);
}

#[test]
fn not_found() {
    let unregistered = json!([fcm_error("UNREGISTERED")]);
    check(404, "NOT_FOUND", unregistered, DEAD, "UNREGISTERED");
    check(404, "NOT_FOUND", json!([]), CONFIG, "NOT_FOUND");
    let other = json!([fcm_error("UNSPECIFIED_ERROR")]);
    check(404, "NOT_FOUND", other, CONFIG, "UNSPECIFIED_ERROR");
    let html = judge(
        404,
        "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>",
    );
    assert_eq!(html.verdict, SERVER);
    assert_eq!(html.reason.as_str(), "http_404");
    assert_eq!(judge(404, "").verdict, SERVER);
}

#[test]
fn invalid_argument_of_the_address() {
    let sample = "The registration token is not a valid FCM registration token";
    let invalid = json!([fcm_error("INVALID_ARGUMENT")]);
    let judged = judge(400, &error(400, "INVALID_ARGUMENT", sample, invalid));
    assert_eq!(judged.verdict, DEAD);
    assert_eq!(judged.reason.as_str(), "INVALID_ARGUMENT");
    for field in ["message.token", "message.fid"] {
        let details = json!([fcm_error("INVALID_ARGUMENT"), fields(&[field])]);
        check(400, "INVALID_ARGUMENT", details, DEAD, "INVALID_ARGUMENT");
        let details = json!([fields(&[field])]);
        check(400, "INVALID_ARGUMENT", details, DEAD, "INVALID_ARGUMENT");
    }
    let apns = json!([
        fcm_error("INVALID_ARGUMENT"),
        apns_error(410, "Unregistered")
    ]);
    check(400, "INVALID_ARGUMENT", apns, DEAD, "Unregistered");
}

#[test]
fn invalid_argument_of_the_message() {
    for details in [
        json!([fields(&["message.data[0].value"])]),
        json!([
            fcm_error("INVALID_ARGUMENT"),
            fields(&["message.android.ttl"])
        ]),
        // The address is not to blame when something else is wrong, too.
        json!([fields(&["message.token", "message.data[0].value"])]),
        json!([fcm_error("INVALID_ARGUMENT")]),
        json!([
            fcm_error("INVALID_ARGUMENT"),
            apns_error(400, "BadDeviceToken")
        ]),
        json!([]),
        json!("nonsense"),
    ] {
        check(400, "INVALID_ARGUMENT", details, BAD, "INVALID_ARGUMENT");
    }
    assert_eq!(judge(400, "<html>").verdict, BAD);
}

#[test]
fn forbidden() {
    let mismatch = json!([fcm_error("SENDER_ID_MISMATCH")]);
    let suspect = Verdict::TokenSuspect;
    check(
        403,
        "PERMISSION_DENIED",
        mismatch,
        suspect,
        "SENDER_ID_MISMATCH",
    );
    let disabled = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
    }]);
    check(
        403,
        "PERMISSION_DENIED",
        disabled,
        CONFIG,
        "PERMISSION_DENIED",
    );
}

#[test]
fn unauthenticated() {
    check(
        401,
        "UNAUTHENTICATED",
        json!([]),
        REFRESH,
        "UNAUTHENTICATED",
    );
    for code in ["THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR"] {
        let details = json!([fcm_error(code), apns_error(403, "InvalidProviderToken")]);
        check(401, "UNAUTHENTICATED", details, CONFIG, code);
    }
}

#[test]
fn quotas() {
    let status = "RESOURCE_EXHAUSTED";
    let exceeded = fcm_error("QUOTA_EXCEEDED");
    let project = quota("project:shop-1234", "Messages per minute per project");
    let device = quota("device:abc", "Rate to one device exceeded");
    let topic = quota("topic:news", "Topic rate exceeded");
    let code = "QUOTA_EXCEEDED";
    check(429, status, json!([exceeded]), PROJECT, code);
    check(429, status, json!([]), PROJECT, status);
    check(429, status, json!([exceeded, project]), PROJECT, code);
    check(429, status, json!([exceeded, topic]), PROJECT, code);
    check(429, status, json!([exceeded, device]), DEVICE, code);
    check(
        429,
        status,
        json!([quota("", "device message rate")]),
        DEVICE,
        status,
    );
}

#[test]
fn trouble_at_the_provider() {
    for (http, word) in [(500, "INTERNAL"), (503, "UNAVAILABLE")] {
        check(http, word, json!([fcm_error(word)]), SERVER, word);
        check(http, word, json!([]), SERVER, word);
    }
    let html = judge(
        502,
        "<html><title>Error 502 (Server Error)!!1</title></html>",
    );
    assert_eq!(html.verdict, SERVER);
    assert_eq!(html.reason.as_str(), "http_502");
}

#[test]
fn unknown_codes_fall_back_by_status() {
    for code in ["UNSPECIFIED_ERROR", "BRAND_NEW"] {
        for (http, verdict) in [
            (301, SERVER),
            (400, BAD),
            (401, REFRESH),
            (403, CONFIG),
            (408, SERVER),
            (409, BAD),
            (410, BAD),
            (413, BAD),
            (429, PROJECT),
            (500, SERVER),
            (504, SERVER),
        ] {
            check(http, "WHATEVER", json!([fcm_error(code)]), verdict, code);
        }
    }
}

#[test]
fn retry_after_is_honoured_where_we_wait() {
    let after = |http: u16, header| {
        let status = StatusCode::from_u16(http).unwrap();
        classify(status, &headers(Some(header)), b"", NOW).verdict
    };
    let wait = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(
        after(429, "90"),
        Verdict::ThrottleProject { after: wait(90) }
    );
    let date = "Mon, 15 Jan 2024 10:00:20 GMT";
    assert_eq!(after(503, date), Verdict::Server { after: wait(20) });
    assert_eq!(after(500, "1e9"), SERVER);
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(status in 200_u16..1000, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let judged = classify(StatusCode::from_u16(status).unwrap(), &headers(None), &body, NOW);
        prop_assert!(judged.reason.as_str().len() <= fanfare_types::Reason::BYTES_MAX);
        // Without an error object nothing is ever held against the address.
        let blames = matches!(judged.verdict, Verdict::TokenDead { .. } | Verdict::TokenSuspect);
        prop_assert!(!blames);
    }

    #[test]
    fn no_error_object_makes_it_panic(status in 200_u16..1000, word in ".{0,80}", number in any::<i64>()) {
        let details = json!([fcm_error(&word), fields(&[&word]), number, {"@type": number}, apns_error(1, &word)]);
        judge(status, &error(1, &word, &word, details));
    }
}
