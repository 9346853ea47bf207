//! Whether a text can be an address of a channel.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_types::{Address, AddressKind, Channel};
use serde::Deserialize;

use crate::uri::is_https;

/// Shortest and longest APNs token, in hex digits. Apple calls them opaque and of variable length: device tokens
/// have 64, those of live activities 160 and more.
const APNS_DIGITS: std::ops::RangeInclusive<usize> = 32..=400;

/// Length of a Firebase Installation ID, in characters.
const FID_CHARS: usize = 22;

/// Why a text cannot be an address of this channel; `None` when it can. (`web_push`: the browser's
/// `PushSubscription` JSON.)
pub fn check_address(channel: Channel, kind: AddressKind, value: &str) -> Option<&'static str> {
    match (channel, kind) {
        (Channel::Fcm, AddressKind::RegistrationToken) => registration_token(value),
        (Channel::Fcm, AddressKind::Fid) => fid(value),
        (Channel::IosPush | Channel::WebPush, AddressKind::Fid) => {
            Some("only FCM has Firebase Installation IDs")
        }
        (Channel::IosPush, AddressKind::RegistrationToken) => apns_token(value),
        (Channel::WebPush, AddressKind::RegistrationToken) => subscription(value),
    }
}

fn apns_token(value: &str) -> Option<&'static str> {
    if !value.bytes().all(|b| b.is_ascii_hexdigit()) {
        Some("an APNs token is hex digits")
    } else if !APNS_DIGITS.contains(&value.len()) || !value.len().is_multiple_of(2) {
        Some("an APNs token has an even number of hex digits, 32 to 400")
    } else {
        None
    }
}

fn registration_token(value: &str) -> Option<&'static str> {
    if value.is_empty() || value.len() > Address::BYTES_MAX {
        Some("an FCM registration token has 1 to 4096 characters")
    } else if !value.bytes().all(|b| b.is_ascii_graphic()) {
        Some("an FCM registration token is ASCII without spaces")
    } else {
        None
    }
}

fn fid(value: &str) -> Option<&'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let fits = value.len() == FID_CHARS && value.bytes().all(allowed);
    (!fits).then_some("a Firebase Installation ID is 22 of A-Z a-z 0-9 _ -")
}

/// What the browser's `PushSubscription.toJSON()` gives (W3C Push API); other members are passed over.
#[derive(Deserialize)]
struct Subscription {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

/// An uncompressed P-256 point (RFC 8291 section 3.1).
const P256DH_BYTES: usize = 65;
const UNCOMPRESSED_POINT: u8 = 4;
/// RFC 8291 section 3.2.
const AUTH_BYTES: usize = 16;

fn subscription(value: &str) -> Option<&'static str> {
    if value.len() > Address::BYTES_MAX {
        return Some("a PushSubscription has at most 4096 bytes");
    }
    let Ok(subscription) = serde_json::from_str::<Subscription>(value) else {
        return Some(
            "a web push address is PushSubscription JSON with endpoint, keys.p256dh and keys.auth",
        );
    };
    if !is_https(&subscription.endpoint) {
        return Some("endpoint must be an https address");
    }
    let is_point = |key: &[u8]| key.len() == P256DH_BYTES && key[0] == UNCOMPRESSED_POINT;
    if !base64url(&subscription.keys.p256dh).is_some_and(|key| is_point(&key)) {
        return Some("keys.p256dh must be 65 bytes in base64url, an uncompressed P-256 point");
    }
    if base64url(&subscription.keys.auth).is_none_or(|key| key.len() != AUTH_BYTES) {
        return Some("keys.auth must be 16 bytes in base64url");
    }
    None
}

/// With or without padding, as browsers give both.
fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}
