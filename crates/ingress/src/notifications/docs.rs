//! The shape of a request, for the OpenAPI document. Requests are read by hand, so that every fault is found at
//! once; a test compares the two.
#![expect(dead_code, reason = "documentation only")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// A notification to send.
#[derive(ToSchema)]
#[schema(as = SendNotification)]
pub(super) struct SendDoc {
    to: ToDoc,
    message: MessageDoc,
    /// Values for `{{placeholders}}`.
    variables: Option<BTreeMap<String, String>>,
    /// Seconds it may wait for a provider, from `send_at` or from now. At least 1; the most and the default are
    /// configured, 28 days both.
    #[schema(example = 3600)]
    ttl: Option<u64>,
    /// `high` or `normal`; by default `high` in the urgent lane and `normal` in the bulk lane.
    #[schema(example = "high")]
    priority: Option<String>,
    /// A newer notification with the same key replaces an older one that was not shown. At most 64 bytes.
    collapse_key: Option<String>,
    /// RFC 3339: not before this time. A time that has passed means now.
    #[schema(example = "2026-01-31T08:00:00Z")]
    send_at: Option<String>,
    /// `urgent` (default) or `bulk`. Urgent never waits behind bulk.
    #[schema(example = "urgent")]
    lane: Option<String>,
    /// When a push was written and no answer came: `retry` (default; under the same `apns-id` and collapse key)
    /// or `drop`.
    #[schema(example = "retry")]
    on_unknown: Option<String>,
}

/// The recipients: exactly one of the three, with 1 to 10,000 entries (configured). An entry given twice counts
/// once.
#[derive(ToSchema)]
#[schema(as = Recipients)]
pub(super) struct ToDoc {
    /// User ids: all their active devices.
    users: Option<Vec<String>>,
    /// Device ids.
    devices: Option<Vec<String>>,
    /// Provider tokens, which need not be in the registry.
    addresses: Option<Vec<AddressDoc>>,
}

/// A provider's token.
#[derive(ToSchema)]
#[schema(as = Address)]
pub(super) struct AddressDoc {
    /// `ios_push`, `fcm` or `web_push`.
    channel: String,
    /// The token; for `web_push` the `PushSubscription`, as an object or as its JSON text.
    #[schema(value_type = Value)]
    address: Value,
    /// What an `fcm` address is: `registration_token` (default) or `fid`.
    kind: Option<String>,
    /// `sandbox`; anything else is production.
    environment: Option<String>,
}

/// What to show or hand over. Texts may hold `{{placeholders}}`. At most 4096 bytes at each provider.
#[derive(ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageDoc {
    #[schema(example = "Your order is on its way")]
    title: Option<String>,
    body: Option<String>,
    /// HTTPS address of a picture.
    image: Option<String>,
    /// Texts only, because FCM takes nothing else.
    data: Option<BTreeMap<String, String>>,
    #[schema(example = "default")]
    sound: Option<String>,
    badge: Option<u32>,
    click_action: Option<String>,
    /// Texts by locale (`de`, `pt-BR`), for devices of that locale or language.
    localized: Option<BTreeMap<String, LocalizedDoc>>,
    /// Merged into the APNs payload last (RFC 7386).
    #[schema(value_type = Option<Object>)]
    apns: Option<Value>,
    /// Merged into FCM's `message` last (RFC 7386).
    #[schema(value_type = Option<Object>)]
    fcm: Option<Value>,
    /// Merged into the Web Push payload last (RFC 7386).
    #[schema(value_type = Option<Object>)]
    web_push: Option<Value>,
}

/// The texts of one locale.
#[derive(ToSchema)]
#[schema(as = Localized)]
pub(super) struct LocalizedDoc {
    title: Option<String>,
    body: Option<String>,
    image: Option<String>,
    sound: Option<String>,
    click_action: Option<String>,
}
