//! The routes that make, show and steer campaigns.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fanfare_actors::campaigns::{CampaignView, NewCampaign};
use fanfare_core::campaign::Command;
use fanfare_types::{AppId, CampaignId};
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::docs::{CreateDoc, ListDoc, PatchDoc};
use super::list::{self, Campaigns, PAGES};
use super::view::Campaign;
use super::{deliveries, events, preview, request, upload};
use crate::api::Shared;
use crate::auth::Service;
use crate::body::Json;
use crate::notifications::idempotency::{self, Scope};
use crate::openapi;
use crate::paging::{Page, Pairs};
use crate::path::{CampaignPath, no_such_campaign};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(view, patch))
        .routes(routes!(start))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
        .merge(upload::routes())
        .merge(events::routes())
        .merge(deliveries::routes())
        .merge(preview::routes())
}

/// Make a campaign.
///
/// 201 once it is durable. The message is checked against the rules of all providers first, and refused with every
/// fault listed. It sends nothing before its start.
#[utoipa::path(post, path = "/v1/campaigns", tag = "Campaigns", operation_id = "create_campaign",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1–255 visible ASCII characters. The same key and body get the same campaign again; the same key with another body 409.")),
    request_body = CreateDoc,
    responses(
        (status = 201, description = "Made, and durable.", body = Campaign,
            headers(("Location" = String, description = "Where to follow it"))),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 409, description = "The Idempotency-Key was used for another request, or the app has as many unfinished campaigns as it may (`too_many_campaigns`).", body = Problem, content_type = "application/problem+json"),
        (status = 413, response = openapi::TooLarge),
        (status = 415, response = openapi::UnsupportedMediaType),
        (status = 422, response = openapi::Invalid),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn create(
    State(api): State<Shared>,
    service: Service,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let app = &service.app.id;
    let key = idempotency::of(&headers, app, Scope::Campaigns, &body.value);
    let new = request::read(body.value, app, &api.now().config, api.clock.now());
    let (new, idempotency) = idempotency::keyed(key, new).map_err(invalid)?;
    let made = api.rooms.create(NewCampaign { idempotency, ..new }).await?;
    let location = format!("/v1/campaigns/{}", made.record.id);
    let campaign = axum::Json(Campaign::of(made, api.clock.now()));
    Ok((StatusCode::CREATED, [(LOCATION, location)], campaign).into_response())
}

/// The campaigns of the app, newest first.
#[utoipa::path(get, path = "/v1/campaigns", tag = "Campaigns", operation_id = "list_campaigns",
    params(ListDoc),
    responses(
        (status = 200, description = "A page of them.", body = Campaigns),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 422, response = openapi::Invalid),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn list(
    State(api): State<Shared>,
    service: Service,
    Pairs(query): Pairs,
) -> Result<axum::Json<Campaigns>, Problem> {
    let app = &service.app.id;
    let page = Page::read(query, PAGES, |_, text| list::read(app, text))?;
    let found = api.rooms.campaigns(app, page.start, page.limit + 1).await?;
    let now = api.clock.now();
    Ok(axum::Json(Campaigns::of(app, found, page.limit, now)))
}

/// Where a campaign stands.
#[utoipa::path(get, path = "/v1/campaigns/{id}", tag = "Campaigns", operation_id = "get_campaign",
    params(("id" = String, Path, description = "The campaign's id")),
    responses(
        (status = 200, description = "The campaign.", body = Campaign),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn view(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
) -> Result<axum::Json<Campaign>, Problem> {
    shown(&api, api.rooms.campaign(&service.app.id, id).await?)
}

/// Change the rate, also while it runs.
#[utoipa::path(patch, path = "/v1/campaigns/{id}", tag = "Campaigns", operation_id = "patch_campaign",
    params(("id" = String, Path, description = "The campaign's id")),
    request_body = PatchDoc,
    responses(
        (status = 200, description = "The campaign.", body = Campaign),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 409, response = openapi::ImpossibleInState),
        (status = 413, response = openapi::TooLarge),
        (status = 415, response = openapi::UnsupportedMediaType),
        (status = 422, response = openapi::Invalid),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn patch(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
    body: Json,
) -> Result<axum::Json<Campaign>, Problem> {
    let rate = request::read_rate(body.value).map_err(invalid)?;
    steer(&api, &service.app.id, id, Command::Rate(rate)).await
}

/// Start a draft, or a scheduled campaign before its time.
#[utoipa::path(post, path = "/v1/campaigns/{id}/start", tag = "Campaigns", operation_id = "start_campaign",
    params(("id" = String, Path, description = "The campaign's id")),
    responses(
        (status = 200, description = "The campaign, which runs.", body = Campaign),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 409, description = "`impossible_in_state`; `empty_audience`: there is nobody in it; `upload_incomplete`.", body = Problem, content_type = "application/problem+json"),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn start(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
) -> Result<axum::Json<Campaign>, Problem> {
    steer(&api, &service.app.id, id, Command::Start).await
}

/// Pause a running campaign: once this has answered, nothing more is handed over.
///
/// What was handed over before still ends as it ends.
#[utoipa::path(post, path = "/v1/campaigns/{id}/pause", tag = "Campaigns", operation_id = "pause_campaign",
    params(("id" = String, Path, description = "The campaign's id")),
    responses(
        (status = 200, description = "The campaign, which is paused.", body = Campaign),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 409, response = openapi::ImpossibleInState),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn pause(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
) -> Result<axum::Json<Campaign>, Problem> {
    steer(&api, &service.app.id, id, Command::Pause).await
}

/// Let a paused campaign go on where it stood.
#[utoipa::path(post, path = "/v1/campaigns/{id}/resume", tag = "Campaigns", operation_id = "resume_campaign",
    params(("id" = String, Path, description = "The campaign's id")),
    responses(
        (status = 200, description = "The campaign, which runs.", body = Campaign),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 409, response = openapi::ImpossibleInState),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn resume(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
) -> Result<axum::Json<Campaign>, Problem> {
    steer(&api, &service.app.id, id, Command::Resume).await
}

/// Cancel a campaign that has not ended: once this has answered, nothing more is handed over.
///
/// What was handed over before still ends as it ends.
#[utoipa::path(post, path = "/v1/campaigns/{id}/cancel", tag = "Campaigns", operation_id = "cancel_campaign",
    params(("id" = String, Path, description = "The campaign's id")),
    responses(
        (status = 200, description = "The campaign, which is cancelled.", body = Campaign),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 409, response = openapi::ImpossibleInState),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn cancel(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
) -> Result<axum::Json<Campaign>, Problem> {
    steer(&api, &service.app.id, id, Command::Cancel).await
}

async fn steer(
    api: &Shared,
    app: &AppId,
    id: CampaignId,
    command: Command,
) -> Result<axum::Json<Campaign>, Problem> {
    shown(api, api.rooms.steer(app, id, command).await?)
}

fn shown(api: &Shared, found: Option<CampaignView>) -> Result<axum::Json<Campaign>, Problem> {
    let found = found.ok_or_else(no_such_campaign)?;
    Ok(axum::Json(Campaign::of(found, api.clock.now())))
}

pub(super) fn invalid(faults: Vec<fanfare_providers::Fault>) -> Problem {
    Problem::invalid(StatusCode::UNPROCESSABLE_ENTITY, faults)
}
