//! The class of every FCM answer.
//!
//! A status alone says little: 400, 401, 403, 404 and 429 each have several meanings, which only the details
//! of the error body tell apart (Firebase, "FCM error codes" and `google.rpc.Status`).

use fanfare_types::{Reason, Timestamp};
use http::{HeaderMap, StatusCode};

use super::evidence::Evidence;
use crate::class::{self, ByStatus, Class};
use crate::{Judged, retry_after};

/// What a row looks for in the error body.
#[derive(Clone, Copy)]
enum Sign {
    /// `errorCode` of the `FcmError` detail.
    Code(&'static str),
    /// `error.status`, where no `FcmError` detail is given.
    Status(&'static str),
    /// An `FcmError` with this code whose message holds this text.
    Says(&'static str, &'static str),
    /// Every violated field is the target of the message (`message.token`, `message.fid`).
    TargetField,
    /// `statusCode` of the `ApnsError` detail: what APNs told FCM.
    Apns(u16),
    /// A `QuotaFailure` about one device.
    DeviceQuota,
    /// An error object that no row above knows.
    AnyError,
    /// No error object: HTML, nothing, nonsense.
    NoError,
}

/// Status, sign, class; the first row that fits counts.
#[rustfmt::skip]
const ANSWERS: &[(u16, Sign, Class)] = &[
    (404, Sign::Code("UNREGISTERED"),           Class::TokenDead),
    // A wrong project or path. It never touches an address.
    (404, Sign::AnyError,                       Class::Config),
    // Google's front end has answered so during outages.
    (404, Sign::NoError,                        Class::Server),
    // An iOS address that APNs calls unregistered.
    (400, Sign::Apns(410),                      Class::TokenDead),
    (400, Sign::Says("INVALID_ARGUMENT", "not a valid FCM registration token"), Class::TokenDead),
    (400, Sign::TargetField,                    Class::TokenDead),
    // Another field, or no detail at all ("Request contains an invalid argument."): the message is wrong.
    (400, Sign::AnyError,                       Class::BadRequest),
    (403, Sign::Code("SENDER_ID_MISMATCH"),     Class::TokenSuspect),
    (403, Sign::Status("PERMISSION_DENIED"),    Class::Config),
    // The APNs or web push key inside the Firebase project. Our access token is good.
    (401, Sign::Code("THIRD_PARTY_AUTH_ERROR"), Class::Config),
    (401, Sign::Code("APNS_AUTH_ERROR"),        Class::Config),
    (401, Sign::Status("UNAUTHENTICATED"),      Class::AuthRefresh),
    (429, Sign::DeviceQuota,                    Class::ThrottleDevice),
    (429, Sign::Code("QUOTA_EXCEEDED"),         Class::ThrottleProject),
    (429, Sign::Status("RESOURCE_EXHAUSTED"),   Class::ThrottleProject),
    (500, Sign::Code("INTERNAL"),               Class::Server),
    (500, Sign::Status("INTERNAL"),             Class::Server),
    (502, Sign::NoError,                        Class::Server),
    (503, Sign::Code("UNAVAILABLE"),            Class::Server),
    (503, Sign::Status("UNAVAILABLE"),          Class::Server),
];

/// For `UNSPECIFIED_ERROR`, codes yet unknown, and bodies that are no error object.
#[rustfmt::skip]
const BY_STATUS: &ByStatus = &[
    (200..=299, Class::Accepted),
    // FCM never redirects: someone in between does.
    (300..=399, Class::Server),
    (401..=401, Class::AuthRefresh),
    (403..=403, Class::Config),
    (408..=408, Class::Server),
    // RFC 9110 section 15.5.20: another connection may do.
    (421..=421, Class::ThrottleConnection),
    // RFC 8470 section 5.2: too early, again.
    (425..=425, Class::Server),
    (429..=429, Class::ThrottleProject),
    (400..=499, Class::BadRequest),
    (500..=599, Class::Server),
];

/// See [`crate::Codec::classify`].
pub fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Judged {
    if status.is_success() {
        return Judged {
            verdict: Class::Accepted.verdict(None, None),
            reason: Reason::NONE,
        };
    }
    let evidence = Evidence::read(body);
    let row = ANSWERS
        .iter()
        .find(|(code, sign, _)| *code == status.as_u16() && shows(&evidence, *sign));
    let class = row.map_or_else(
        || class::by_status(BY_STATUS, status),
        |(_, _, class)| *class,
    );
    let apns_word = match row {
        Some((_, Sign::Apns(_), _)) => evidence.apns_reason.as_deref(),
        _ => None,
    };
    let word = apns_word
        .or(evidence.code.as_deref())
        .or(evidence.status.as_deref());
    Judged {
        verdict: class.verdict(None, retry_after::read(headers, now)),
        reason: class::word_or_status(word, status),
    }
}

fn shows(evidence: &Evidence, sign: Sign) -> bool {
    let code = evidence.code.as_deref();
    match sign {
        Sign::Code(wanted) => code == Some(wanted),
        Sign::Status(wanted) => code.is_none() && evidence.status.as_deref() == Some(wanted),
        Sign::Says(wanted, text) => code == Some(wanted) && evidence.message.contains(text),
        Sign::TargetField => evidence.only_the_target_is_wrong(),
        Sign::Apns(status) => evidence.apns_status == Some(status),
        Sign::DeviceQuota => evidence.device_quota,
        Sign::AnyError => evidence.is_error,
        Sign::NoError => !evidence.is_error,
    }
}
