//! A campaign as the API shows it.

use std::borrow::Cow;

use fanfare_actors::campaigns::CampaignView;
use fanfare_store::campaigns::{BadRow, Upload};
use fanfare_types::{Audience, CampaignState, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::audience;
use super::docs::AudienceDoc;

/// A campaign at one moment.
#[derive(Serialize, ToSchema)]
pub(super) struct Campaign {
    #[schema(example = "0190c42f-0d6a-8000-8000-0123456789ab")]
    id: String,
    name: String,
    /// `draft`, `scheduled`, `running`, `paused`, `completed`, `cancelled` or `failed`.
    #[schema(example = "running")]
    state: &'static str,
    #[schema(value_type = AudienceDoc)]
    audience: Value,
    /// RFC 3339, UTC.
    created_at: String,
    /// RFC 3339, UTC: when it starts by itself.
    start_at: Option<String>,
    /// RFC 3339, UTC.
    started_at: Option<String>,
    /// RFC 3339, UTC.
    finished_at: Option<String>,
    /// RFC 3339, UTC: no push is sent at or after it. Known from the start on.
    expires_at: Option<String>,
    /// Why it failed.
    reason: Option<String>,
    /// Pushes a second; `null` for as fast as may be.
    rate: Option<u32>,
    /// `fail`, `skip` or `empty`.
    missing_variable: &'static str,
    counts: CountsView,
    /// Deliveries that ended in the last seconds, a second.
    #[schema(example = 4998.2)]
    rate_now: f64,
    /// RFC 3339, UTC: when the last delivery will have ended at this rate; `null` when nothing moves.
    eta: Option<String>,
    /// What was uploaded; `null` for an audience that is not an upload.
    upload: Option<UploadView>,
}

/// Deliveries by where they stand; `total` is the sum of all others.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = CampaignCounts)]
pub(super) struct CountsView {
    pub(super) total: u64,
    /// The audience is still being read, and the total reckoned by what matched so far.
    estimated: bool,
    pub(super) waiting: u64,
    pub(super) in_flight: u64,
    /// The provider took the message.
    delivered: u64,
    /// The provider refused the message; the address stands.
    rejected: u64,
    /// The provider says the address is dead.
    dead: u64,
    /// The `ttl` passed first.
    expired: u64,
    /// Cancelled, or there was nobody to send to.
    cancelled: u64,
    /// Given up.
    failed: u64,
}

/// What was uploaded so far.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignUpload)]
pub(super) struct UploadView {
    /// `none`, `incomplete` or `complete`.
    #[schema(example = "complete")]
    state: &'static str,
    /// Bytes of the body that are durable: where an upload that broke off goes on.
    bytes: u64,
    /// Recipients.
    rows: u64,
    /// Rows that were passed over.
    bad_rows: u64,
    /// The first 100 of these.
    errors: Vec<BadRowView>,
}

/// A row that was passed over.
#[derive(Serialize, ToSchema)]
#[schema(as = BadRow)]
pub(super) struct BadRowView {
    /// From 1; of a row of several lines the first.
    line: u64,
    /// Stable word, as `missing_variable`.
    #[schema(value_type = String)]
    code: Cow<'static, str>,
    /// `user_id`, `device_id` or `variables`; `null` when the whole row is meant.
    #[schema(value_type = Option<String>)]
    field: Option<Cow<'static, str>>,
}

impl Campaign {
    pub(super) fn of(view: CampaignView, now: Timestamp) -> Self {
        let text = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
        let counts = CountsView::of(&view);
        let (rate_now, eta) = (rate_now(&view), eta(&view, now));
        let CampaignView {
            record,
            standing,
            upload,
            ..
        } = view;
        let is_upload = record.audience == Audience::Upload;
        Campaign {
            id: record.id.to_string(),
            state: standing.state.as_str(),
            audience: audience::write(&record.audience),
            name: record.name,
            created_at: record.created_at.to_rfc3339(),
            start_at: text(standing.start_at),
            started_at: text(standing.started_at),
            finished_at: text(standing.finished_at),
            expires_at: text(standing.expires_at),
            reason: standing.reason.map(|reason| reason.as_str().to_owned()),
            rate: standing.rate,
            missing_variable: record.missing_variable.as_str(),
            counts,
            rate_now,
            eta,
            upload: is_upload.then(|| upload.into()),
        }
    }
}

impl CountsView {
    pub(super) fn of(view: &CampaignView) -> Self {
        let counts = view.counts;
        CountsView {
            total: view.total,
            estimated: view.total_is_estimate,
            waiting: counts.waiting,
            in_flight: counts.in_flight,
            delivered: counts.delivered,
            rejected: counts.rejected,
            dead: counts.dead,
            expired: counts.expired,
            cancelled: counts.cancelled,
            failed: counts.failed,
        }
    }
}

/// Deliveries a second, to a tenth.
pub(super) fn rate_now(view: &CampaignView) -> f64 {
    (view.rate_now * 10.0).round() / 10.0
}

pub(super) fn eta(view: &CampaignView, now: Timestamp) -> Option<String> {
    let moves = view.standing.state == CampaignState::Running;
    view.eta
        .filter(|_| moves)
        .map(|eta| (now + eta).to_rfc3339())
}

impl From<Upload> for UploadView {
    fn from(upload: Upload) -> Self {
        let state = match (upload.is_complete, upload.bytes) {
            (true, _) => "complete",
            (false, 0) => "none",
            (false, _) => "incomplete",
        };
        UploadView {
            state,
            bytes: upload.bytes,
            rows: upload.rows,
            bad_rows: upload.bad,
            errors: upload.bad_rows.into_iter().map(BadRowView::from).collect(),
        }
    }
}

impl From<BadRow> for BadRowView {
    fn from(row: BadRow) -> Self {
        BadRowView {
            line: row.line,
            code: row.code,
            field: row.field,
        }
    }
}
