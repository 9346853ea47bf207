//! The routes.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fanfare_actors::notifications::NewNotification;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deliveries::{Deliveries, PAGES, PageDoc, cursor};
use super::docs::SendDoc;
use super::idempotency::Scope;
use super::view::{AcceptedNotification, NotificationView};
use super::{idempotency, request};
use crate::api::Shared;
use crate::auth::Service;
use crate::body::Json;
use crate::openapi;
use crate::paging::{Page, Pairs};
use crate::path::{NotificationPath, no_such_notification};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(send))
        .routes(routes!(view, cancel))
        .routes(routes!(deliveries))
}

/// Send a notification.
///
/// 202 once it is durable: nothing accepted is lost. The message is checked against the rules of all providers
/// first, and refused with every fault listed.
#[utoipa::path(post, path = "/v1/notifications", tag = "Notifications", operation_id = "send_notification",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1–255 visible ASCII characters. The same key and body get the first answer again; the same key with another body 409.")),
    request_body = SendDoc,
    responses(
        (status = 202, description = "Accepted, and durable.", body = AcceptedNotification,
            headers(("Location" = String, description = "Where to follow it"))),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 409, description = "The Idempotency-Key was used for another request.", body = Problem, content_type = "application/problem+json"),
        (status = 413, response = openapi::TooLarge),
        (status = 415, response = openapi::UnsupportedMediaType),
        (status = 422, response = openapi::Invalid),
        (status = 429, response = openapi::Busy),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn send(
    State(api): State<Shared>,
    service: Service,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let app = &service.app.id;
    let key = idempotency::of(&headers, app, Scope::Notifications, &body.value);
    let new = request::read(body.value, app, &api.now().config, api.clock.now());
    let (new, idempotency) = idempotency::keyed(key, new)
        .map_err(|faults| Problem::invalid(StatusCode::UNPROCESSABLE_ENTITY, faults))?;
    let new = NewNotification { idempotency, ..new };
    let acceptance = api.rooms.accept(new).await?;
    let location = format!("/v1/notifications/{}", acceptance.id);
    let accepted = axum::Json(AcceptedNotification::from(acceptance));
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], accepted).into_response())
}

/// Where a notification stands.
#[utoipa::path(get, path = "/v1/notifications/{id}", tag = "Notifications", operation_id = "get_notification",
    params(("id" = String, Path, description = "The notification's id")),
    responses(
        (status = 200, description = "Its state and counts.", body = NotificationView),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn view(
    State(api): State<Shared>,
    service: Service,
    NotificationPath(id): NotificationPath,
) -> Result<axum::Json<NotificationView>, Problem> {
    let view = api.rooms.view(&service.app.id, id).await?;
    let view = view.ok_or_else(no_such_notification)?;
    Ok(axum::Json(view.into()))
}

/// Cancel what has not been handed over to a provider.
///
/// What was handed over before still ends as it ends.
#[utoipa::path(delete, path = "/v1/notifications/{id}", tag = "Notifications", operation_id = "cancel_notification",
    params(("id" = String, Path, description = "The notification's id")),
    responses(
        (status = 200, description = "Where it stands now.", body = NotificationView),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn cancel(
    State(api): State<Shared>,
    service: Service,
    NotificationPath(id): NotificationPath,
) -> Result<axum::Json<NotificationView>, Problem> {
    let view = api.rooms.cancel(&service.app.id, id).await?;
    let view = view.ok_or_else(no_such_notification)?;
    Ok(axum::Json(view.into()))
}

/// What became of each delivery.
#[utoipa::path(get, path = "/v1/notifications/{id}/deliveries", tag = "Notifications", operation_id = "list_deliveries",
    params(("id" = String, Path, description = "The notification's id"), PageDoc),
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
    NotificationPath(id): NotificationPath,
    Pairs(query): Pairs,
) -> Result<axum::Json<Deliveries>, Problem> {
    let page = Page::read(query, PAGES, |outcome, text| {
        cursor::read(id, outcome, text)
    })?;
    let (app, start) = (&service.app.id, page.start.unwrap_or_default());
    let found = api
        .rooms
        .deliveries(app, id, page.outcome, start, page.limit)
        .await?;
    let found = found.ok_or_else(no_such_notification)?;
    Ok(axum::Json(Deliveries::of(id, page.outcome, found)))
}
