//! The shape of requests, for the OpenAPI document. Requests are read by hand, so that every fault is found at once; a
//! test compares the two.
#![expect(dead_code, reason = "documentation only")]

use std::collections::BTreeMap;

use utoipa::{IntoParams, ToSchema};

use crate::notifications::MessageDoc;

/// A campaign to make.
#[derive(ToSchema)]
#[schema(as = CreateCampaign)]
pub(super) struct CreateDoc {
    /// For people; 1 to 128 characters.
    #[schema(example = "spring")]
    name: String,
    audience: AudienceDoc,
    message: MessageDoc,
    /// Values for `{{placeholders}}`, for every recipient; an uploaded row's own come first.
    variables: Option<BTreeMap<String, String>>,
    /// What becomes of a recipient without a value for a placeholder: `fail` (default; refused at the door, the
    /// campaign or the row), `skip` (gets nothing) or `empty` (the empty text).
    #[schema(example = "fail")]
    missing_variable: Option<String>,
    /// Pushes a second, 1 to 1000000; without one as fast as may be.
    #[schema(example = 5000)]
    rate: Option<u32>,
    /// RFC 3339: starts by itself then. Without one it waits for `start`.
    #[schema(example = "2026-01-31T08:00:00Z")]
    start_at: Option<String>,
    /// Seconds it is of use, from its start. At least 1; the most and the default are configured, 28 days both.
    #[schema(example = 3600)]
    ttl: Option<u64>,
    /// `high` or `normal` (default).
    #[schema(example = "normal")]
    priority: Option<String>,
    /// A newer push with the same key replaces an older one that was not shown. At most 64 bytes.
    collapse_key: Option<String>,
    /// When a push was written and no answer came: `retry` (default; under the same `apns-id` and collapse key) or
    /// `drop`.
    #[schema(example = "retry")]
    on_unknown: Option<String>,
}

/// Whom a campaign goes to: exactly one of the four.
#[derive(ToSchema)]
#[schema(as = Audience)]
pub(super) struct AudienceDoc {
    /// `true`: every device.
    all: Option<bool>,
    /// Devices with this tag.
    #[schema(example = "news")]
    tag: Option<String>,
    filter: Option<FilterDoc>,
    /// `upload`: the rows that are put to `…/recipients`.
    recipients: Option<String>,
}

/// Which devices: `all`, `any` or `not` of other filters, or a field with exactly one test. At most 16 deep and 256
/// tests.
#[derive(ToSchema)]
#[schema(as = Filter, no_recursion)]
pub(super) struct FilterDoc {
    /// Every one of these.
    all: Option<Vec<FilterDoc>>,
    /// One of these.
    any: Option<Vec<FilterDoc>>,
    not: Option<Box<FilterDoc>>,
    /// `platform`, `channel`, `locale`, `app_version`, `tags`, `last_seen_at`, `created_at` or `time_zone`.
    #[schema(example = "app_version")]
    field: Option<String>,
    eq: Option<String>,
    /// One of these, 1 to 1000.
    r#in: Option<Vec<String>>,
    /// Of `tags`: this is one of them.
    contains: Option<String>,
    gt: Option<String>,
    #[schema(example = "2.10.0")]
    gte: Option<String>,
    lt: Option<String>,
    lte: Option<String>,
    /// Whether the device has the field at all.
    exists: Option<bool>,
}

/// What may be changed about a campaign.
#[derive(ToSchema)]
#[schema(as = PatchCampaign)]
pub(super) struct PatchDoc {
    /// Pushes a second, 1 to 1000000; `null` for as fast as may be. Required.
    #[schema(required)]
    rate: Option<u32>,
}

/// Which campaigns, and how many.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListDoc {
    /// 1 to 100; 20 by default.
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Who would get what: at most one of the two; without one the audience is only counted.
#[derive(ToSchema)]
#[schema(as = PreviewCampaign)]
pub(super) struct PreviewDoc {
    /// All deliverable devices of this user.
    user_id: Option<String>,
    device_id: Option<String>,
}
