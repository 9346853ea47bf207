//! The class of every APNs answer.
//!
//! Reasons are Apple's ("Handling notification responses from APNs"). Apple adds reasons without notice, so an
//! unknown one gets the class of its status.

use fanfare_types::{Reason, Timestamp};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::class::{self, ByStatus, Class};
use crate::{Judged, retry_after};

/// Status, reason, class.
#[rustfmt::skip]
const ANSWERS: &[(u16, &str, Class)] = &[
    (410, "Unregistered",                Class::TokenDead),
    (410, "ExpiredToken",                Class::TokenDead),
    // Malformed, or of the other environment.
    (400, "BadDeviceToken",              Class::TokenSuspect),
    // Of another app, or our topic is wrong.
    (400, "DeviceTokenNotForTopic",      Class::TokenSuspect),
    (400, "TopicDisallowed",             Class::Config),
    (400, "BadTopic",                    Class::Config),
    (400, "MissingTopic",                Class::Config),
    (400, "BadCollapseId",               Class::BadRequest),
    (400, "BadExpirationDate",           Class::BadRequest),
    (400, "BadMessageId",                Class::BadRequest),
    (400, "BadPriority",                 Class::BadRequest),
    (400, "DuplicateHeaders",            Class::BadRequest),
    (400, "InvalidPushType",             Class::BadRequest),
    (400, "MissingDeviceToken",          Class::BadRequest),
    (400, "PayloadEmpty",                Class::BadRequest),
    // Mostly seen in GOAWAY: the connection was idle for too long.
    (400, "IdleTimeout",                 Class::Server),
    // A connection that showed a stale token stays spoilt.
    (403, "ExpiredProviderToken",        Class::AuthReconnect),
    // The connection was first used with another key.
    (403, "UnrelatedKeyIdInToken",       Class::AuthReconnect),
    // A wrong key, or a right one whose token was dated by a clock that is ahead: a newly signed one tells.
    (403, "InvalidProviderToken",        Class::AuthReconnect),
    (403, "MissingProviderToken",        Class::Config),
    (403, "Forbidden",                   Class::Config),
    (403, "BadCertificate",              Class::Config),
    (403, "BadCertificateEnvironment",   Class::Config),
    // The first as documented, the second as it was seen on the wire.
    (403, "BadEnvironmentKeyIdInToken",  Class::Config),
    (403, "BadEnvironmentKeyInToken",    Class::Config),
    (404, "BadPath",                     Class::BadRequest),
    (405, "MethodNotAllowed",            Class::BadRequest),
    (413, "PayloadTooLarge",             Class::BadRequest),
    (429, "TooManyRequests",             Class::ThrottleDevice),
    // No new token on this connection for 20 minutes.
    (429, "TooManyProviderTokenUpdates", Class::ThrottleConnection),
    (500, "InternalServerError",         Class::Server),
    (503, "ServiceUnavailable",          Class::Server),
    (503, "Shutdown",                    Class::Server),
];

#[rustfmt::skip]
const BY_STATUS: &ByStatus = &[
    (200..=299, Class::Accepted),
    // APNs never redirects: someone in between does.
    (300..=399, Class::Server),
    (401..=401, Class::Config),
    (403..=403, Class::Config),
    (408..=408, Class::Server),
    // Without a reason we know, it may be someone in between who has never heard of the device.
    (410..=410, Class::TokenSuspect),
    // RFC 9110 section 15.5.20: another connection may do.
    (421..=421, Class::ThrottleConnection),
    // RFC 8470 section 5.2: too early, again.
    (425..=425, Class::Server),
    (429..=429, Class::ThrottleDevice),
    (400..=499, Class::BadRequest),
    (500..=599, Class::Server),
];

/// Below this a timestamp is taken for seconds: as milliseconds it would lie before 1973-03-03.
const MILLIS_MIN: u64 = 100_000_000_000;

/// See [`crate::Codec::classify`].
pub fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Judged {
    let answer: Option<Value> = match status.is_success() {
        true => None,
        false => serde_json::from_slice(body).ok(),
    };
    let member = |name| answer.as_ref().and_then(|answer| answer.get(name));
    let word = member("reason").and_then(Value::as_str);
    let since = member("timestamp").and_then(|value| time_of_death(value, now));

    let known = ANSWERS
        .iter()
        .find(|(code, reason, _)| *code == status.as_u16() && Some(*reason) == word);
    let class = match known {
        Some((_, _, class)) => *class,
        // APNs speaks JSON. Another body on a 410 is of someone in between, who knows nothing about devices.
        None if status == StatusCode::GONE && answer.is_none() && !body.is_empty() => Class::Server,
        None => class::by_status(BY_STATUS, status),
    };
    Judged {
        verdict: class.verdict(since, retry_after::read(headers, now)),
        reason: match (class, known) {
            (Class::Accepted, _) => Reason::NONE,
            (_, Some((_, reason, _))) => Reason::of(reason),
            _ => class::word_or_status(word, status),
        },
    }
}

/// When the token died. APNs says milliseconds; seconds are recognised by their size. Never later than `now`,
/// so that a provider's fast clock cannot kill a registration that is still to come.
fn time_of_death(value: &Value, now: Timestamp) -> Option<Timestamp> {
    let millis = match value.as_u64()? {
        0 => return None,
        seconds @ 1..MILLIS_MIN => Timestamp::from_seconds(seconds),
        millis => Timestamp(millis),
    };
    Some(millis.min(now))
}
