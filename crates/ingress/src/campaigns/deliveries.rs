//! What was not simply delivered, a page at a time.

use axum::extract::State;
use fanfare_store::campaigns::{CampaignDeliveries, CampaignDelivery, DeliveryCursor};
use fanfare_types::{CampaignId, Outcome};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Shared;
use crate::auth::Service;
use crate::cursor;
use crate::openapi;
use crate::paging::{Page, Pages, Pairs};
use crate::path::{CampaignPath, no_such_campaign};
use crate::problem::Problem;

/// Those that were delivered are counted alone.
const PAGES: Pages = Pages {
    limit_default: 100,
    limit_max: 1000,
    outcomes: &[
        Outcome::Rejected,
        Outcome::Dead,
        Outcome::Expired,
        Outcome::Cancelled,
        Outcome::Failed,
    ],
};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(deliveries))
}

/// Which deliveries, and how many.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documentation of the query that `Page` reads")]
struct PageDoc {
    /// Only those that ended so: `rejected`, `dead`, `expired`, `cancelled` or `failed`.
    outcome: Option<String>,
    /// 1 to 1000; 100 by default.
    limit: Option<u64>,
    /// The `next_cursor` of the page before, with the same `outcome`.
    cursor: Option<String>,
}

/// A page of deliveries, in the order in which they were recorded.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignDeliveries)]
struct Deliveries {
    deliveries: Vec<Delivery>,
    /// For the next page; `null` at the end of what is recorded by now.
    next_cursor: Option<String>,
}

/// A delivery that was not simply delivered. `user_id`, `device_id` and `channel` are `null` where there is none: an
/// uploaded device that is nobody's, or a user without a device.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignDelivery)]
struct Delivery {
    device_id: Option<String>,
    user_id: Option<String>,
    channel: Option<&'static str>,
    /// `rejected`, `dead`, `expired`, `cancelled` or `failed`.
    outcome: &'static str,
    /// The provider's reason, or the gateway's (lower case).
    reason: Option<String>,
    /// How often it was handed to a provider.
    attempts: u32,
    /// When its turn came: RFC 3339, UTC.
    created_at: String,
    /// RFC 3339, UTC.
    finished_at: String,
}

/// What was not simply delivered.
#[utoipa::path(get, path = "/v1/campaigns/{id}/deliveries", tag = "Campaigns", operation_id = "list_campaign_deliveries",
    params(("id" = String, Path, description = "The campaign's id"), PageDoc),
    responses(
        (status = 200, description = "A page of them.", body = Deliveries),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 422, response = openapi::Invalid),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn deliveries(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
    Pairs(query): Pairs,
) -> Result<axum::Json<Deliveries>, Problem> {
    let page = Page::read(query, PAGES, |outcome, text| place(id, outcome, text))?;
    let (app, start) = (&service.app.id, page.start.unwrap_or_default());
    let rooms = &api.rooms;
    let found = rooms.campaign_deliveries(app, id, page.outcome, start, page.limit);
    let found = found.await?.ok_or_else(no_such_campaign)?;
    Ok(axum::Json(Deliveries::of(id, page.outcome, found)))
}

impl Deliveries {
    fn of(id: CampaignId, outcome: Option<Outcome>, page: CampaignDeliveries) -> Self {
        let next = page.next.map(|next| {
            let mut place = [0; 12];
            place[..8].copy_from_slice(&next.batch.to_be_bytes());
            place[8..].copy_from_slice(&next.index.to_be_bytes());
            cursor::write(&list(&id, outcome), &place)
        });
        Deliveries {
            deliveries: page.rows.into_iter().map(Delivery::of).collect(),
            next_cursor: next,
        }
    }
}

/// `None` for a text that is not a cursor of this list.
fn place(id: CampaignId, outcome: Option<Outcome>, text: &str) -> Option<DeliveryCursor> {
    let place: [u8; 12] = cursor::read(&list(&id, outcome), text)?;
    let (batch, index) = place.split_first_chunk::<8>()?;
    Some(DeliveryCursor {
        batch: u64::from_be_bytes(*batch),
        index: u32::from_be_bytes(index.try_into().ok()?),
    })
}

fn list(id: &CampaignId, outcome: Option<Outcome>) -> [&[u8]; 3] {
    let outcome = outcome.map_or("", Outcome::as_str);
    [b"campaign", &id.0.0, outcome.as_bytes()]
}

impl Delivery {
    fn of(row: CampaignDelivery) -> Self {
        let CampaignDelivery {
            created_at,
            recipient,
            ended,
            ..
        } = row;
        let reason = ended.reason.as_str();
        Delivery {
            device_id: recipient.device.map(|device| device.to_string()),
            user_id: recipient.user.map(|user| user.to_string()),
            channel: recipient.channel.map(|channel| channel.as_str()),
            outcome: ended.outcome.as_str(),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            attempts: ended.attempts,
            created_at: created_at.to_rfc3339(),
            finished_at: ended.at.to_rfc3339(),
        }
    }
}
