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
    #[schema(required = false)]
    variables: BTreeMap<String, String>,
    /// Seconds it may wait for a provider, from `send_at` or from now. At least 1; the most and the default are
    /// configured, 28 days both.
    #[schema(required = false, example = 3600)]
    ttl: u64,
    /// `high` or `normal`; by default `high` in the urgent lane and `normal` in the bulk lane.
    #[schema(required = false, example = "high")]
    priority: String,
    /// A newer notification with the same key replaces an older one that was not shown. At most 64 bytes.
    #[schema(required = false)]
    collapse_key: String,
    /// RFC 3339: not before this time. A time that has passed means now.
    #[schema(required = false, example = "2026-01-31T08:00:00Z")]
    send_at: String,
    /// `urgent` (default) or `bulk`. Urgent never waits behind bulk.
    #[schema(required = false, example = "urgent")]
    lane: String,
    /// When a push was written and no answer came: `retry` (default; under the same `apns-id` and collapse key)
    /// or `drop`.
    #[schema(required = false, example = "retry")]
    on_unknown: String,
}

/// The recipients: exactly one of the three, with 1 to 10,000 entries (configured). An entry given twice counts
/// once.
#[derive(ToSchema)]
#[schema(as = Recipients)]
pub(super) struct ToDoc {
    /// User ids: all their active devices.
    #[schema(required = false)]
    users: Vec<String>,
    /// Device ids.
    #[schema(required = false)]
    devices: Vec<String>,
    /// Provider tokens, which need not be in the registry.
    #[schema(required = false)]
    addresses: Vec<AddressDoc>,
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
    #[schema(required = false)]
    kind: String,
    /// `sandbox`; anything else is production.
    #[schema(required = false)]
    environment: String,
}

/// What to show or hand over. Texts may hold `{{placeholders}}`. At most 4096 bytes at each provider.
#[derive(ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageDoc {
    #[schema(required = false, example = "Your order is on its way")]
    title: String,
    #[schema(required = false)]
    body: String,
    /// HTTPS address of a picture.
    #[schema(required = false)]
    image: String,
    /// Texts only, because FCM takes nothing else.
    #[schema(required = false)]
    data: BTreeMap<String, String>,
    #[schema(required = false, example = "default")]
    sound: String,
    #[schema(required = false)]
    badge: u32,
    #[schema(required = false)]
    click_action: String,
    /// Texts by locale (`de`, `pt-BR`), for devices of that locale or language.
    #[schema(required = false)]
    localized: BTreeMap<String, LocalizedDoc>,
    /// Merged into the APNs payload last (RFC 7386).
    #[schema(required = false, value_type = Object)]
    apns: Value,
    /// Merged into FCM's `message` last (RFC 7386).
    #[schema(required = false, value_type = Object)]
    fcm: Value,
    /// Merged into the Web Push payload last (RFC 7386).
    #[schema(required = false, value_type = Object)]
    web_push: Value,
}

/// The texts of one locale.
#[derive(ToSchema)]
#[schema(as = Localized)]
pub(super) struct LocalizedDoc {
    #[schema(required = false)]
    title: String,
    #[schema(required = false)]
    body: String,
    #[schema(required = false)]
    image: String,
    #[schema(required = false)]
    sound: String,
    #[schema(required = false)]
    click_action: String,
}
