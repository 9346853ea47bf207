//! The routes, each twice: for a user, and for a service on behalf of one.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fanfare_types::DeviceId;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::device::{Deleted, DeviceView, Many, One};
use super::owner::{OnBehalf, Own, Owner};
use super::patch::{self, PatchDoc};
use super::problem::invalid;
use super::register::{self, RegisterDoc};
use crate::api::Shared;
use crate::body::Json;
use crate::openapi;
use crate::path::{DevicePath, no_such_device};
use crate::problem::{Problem, refused_change};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(register_own, list_own))
        .routes(routes!(get_own, patch_own, delete_own))
        .routes(routes!(register_for, list_for))
        .routes(routes!(get_for, patch_for, delete_for))
}

type Answer<T> = Result<axum::Json<T>, Problem>;

/// Register or refresh a device.
///
/// With a `device_key` the row is the user's row of that key. Without one it is the row that holds this token;
/// held by another user, it moves to the caller, with its id. A token belongs to one row: another row that held
/// it is gone. Every field fault answers 400.
#[utoipa::path(post, path = "/v1/devices", tag = "Devices", operation_id = "register_device",
    request_body = RegisterDoc,
    responses(
        (status = 201, description = "Registered, and durable; also when it refreshed a row.", body = One),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 413, response = openapi::TooLarge),
        (status = 415, response = openapi::UnsupportedMediaType),
        (status = 429, response = openapi::Busy),
        (status = 503, response = openapi::Unavailable),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn register_own(
    State(api): State<Shared>,
    Own(owner): Own,
    body: Json,
) -> Result<Response, Problem> {
    register(&api, owner, body).await
}

/// Register or refresh a device of a user.
///
/// As `POST /v1/devices`.
#[utoipa::path(post, path = "/v1/users/{user_id}/devices", tag = "Devices", operation_id = "register_device_for_user",
    params(("user_id" = String, Path, description = "1 to 128 bytes")),
    request_body = RegisterDoc,
    responses(
        (status = 201, description = "Registered, and durable; also when it refreshed a row.", body = One),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 413, response = openapi::TooLarge),
        (status = 415, response = openapi::UnsupportedMediaType),
        (status = 429, response = openapi::Busy),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn register_for(
    State(api): State<Shared>,
    OnBehalf(owner): OnBehalf,
    body: Json,
) -> Result<Response, Problem> {
    register(&api, owner, body).await
}

/// The caller's devices, the one seen last first.
#[utoipa::path(get, path = "/v1/devices", tag = "Devices", operation_id = "list_devices",
    responses(
        (status = 200, description = "All that are not deleted.", body = Many),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 503, response = openapi::Unavailable),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn list_own(State(api): State<Shared>, Own(owner): Own) -> Answer<Many> {
    list(&api, owner).await
}

/// A user's devices, the one seen last first.
#[utoipa::path(get, path = "/v1/users/{user_id}/devices", tag = "Devices", operation_id = "list_devices_of_user",
    params(("user_id" = String, Path, description = "1 to 128 bytes")),
    responses(
        (status = 200, description = "All that are not deleted; none for a user nobody knows.", body = Many),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn list_for(State(api): State<Shared>, OnBehalf(owner): OnBehalf) -> Answer<Many> {
    list(&api, owner).await
}

/// One of the caller's devices.
#[utoipa::path(get, path = "/v1/devices/{id}", tag = "Devices", operation_id = "get_device",
    params(("id" = String, Path, description = "The device's id")),
    responses(
        (status = 200, description = "The device.", body = One),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 503, response = openapi::Unavailable),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn get_own(
    State(api): State<Shared>,
    Own(owner): Own,
    DevicePath(id): DevicePath,
) -> Answer<One> {
    get(&api, owner, id).await
}

/// One of a user's devices.
#[utoipa::path(get, path = "/v1/users/{user_id}/devices/{id}", tag = "Devices", operation_id = "get_device_of_user",
    params(("user_id" = String, Path, description = "1 to 128 bytes"), ("id" = String, Path, description = "The device's id")),
    responses(
        (status = 200, description = "The device.", body = One),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn get_for(
    State(api): State<Shared>,
    OnBehalf(owner): OnBehalf,
    DevicePath(id): DevicePath,
) -> Answer<One> {
    get(&api, owner, id).await
}

/// Change one of the caller's devices.
///
/// JSON merge patch (RFC 7396): what is left out stays, `null` clears.
#[utoipa::path(patch, path = "/v1/devices/{id}", tag = "Devices", operation_id = "patch_device",
    params(("id" = String, Path, description = "The device's id")),
    request_body = PatchDoc,
    responses(
        (status = 200, description = "The device as it is now.", body = One),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 413, response = openapi::TooLarge),
        (status = 415, response = openapi::UnsupportedMediaType),
        (status = 429, response = openapi::Busy),
        (status = 503, response = openapi::Unavailable),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn patch_own(
    State(api): State<Shared>,
    Own(owner): Own,
    DevicePath(id): DevicePath,
    body: Json,
) -> Answer<One> {
    patch(&api, owner, id, body).await
}

/// Change one of a user's devices.
///
/// As `PATCH /v1/devices/{id}`.
#[utoipa::path(patch, path = "/v1/users/{user_id}/devices/{id}", tag = "Devices", operation_id = "patch_device_of_user",
    params(("user_id" = String, Path, description = "1 to 128 bytes"), ("id" = String, Path, description = "The device's id")),
    request_body = PatchDoc,
    responses(
        (status = 200, description = "The device as it is now.", body = One),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 413, response = openapi::TooLarge),
        (status = 415, response = openapi::UnsupportedMediaType),
        (status = 429, response = openapi::Busy),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn patch_for(
    State(api): State<Shared>,
    OnBehalf(owner): OnBehalf,
    DevicePath(id): DevicePath,
    body: Json,
) -> Answer<One> {
    patch(&api, owner, id, body).await
}

/// Remove one of the caller's devices for good.
#[utoipa::path(delete, path = "/v1/devices/{id}", tag = "Devices", operation_id = "delete_device",
    params(("id" = String, Path, description = "The device's id")),
    responses(
        (status = 200, description = "It is gone.", body = Deleted),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 429, response = openapi::Busy),
        (status = 503, response = openapi::Unavailable),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn delete_own(
    State(api): State<Shared>,
    Own(owner): Own,
    DevicePath(id): DevicePath,
) -> Answer<Deleted> {
    delete(&api, owner, id).await
}

/// Remove one of a user's devices for good.
#[utoipa::path(delete, path = "/v1/users/{user_id}/devices/{id}", tag = "Devices", operation_id = "delete_device_of_user",
    params(("user_id" = String, Path, description = "1 to 128 bytes"), ("id" = String, Path, description = "The device's id")),
    responses(
        (status = 200, description = "It is gone.", body = Deleted),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 429, response = openapi::Busy),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn delete_for(
    State(api): State<Shared>,
    OnBehalf(owner): OnBehalf,
    DevicePath(id): DevicePath,
) -> Answer<Deleted> {
    delete(&api, owner, id).await
}

async fn register(api: &Shared, owner: Owner, body: Json) -> Result<Response, Problem> {
    let command = register::read(body.value, owner.tenant).map_err(invalid)?;
    let registered = api
        .rooms
        .register(&owner.app.id, &owner.user, command)
        .await
        .map_err(refused_change)?;
    let device = DeviceView::from(registered.device);
    Ok((StatusCode::CREATED, axum::Json(One { device })).into_response())
}

async fn list(api: &Shared, owner: Owner) -> Answer<Many> {
    let devices = api.rooms.devices(&owner.app.id, &owner.user).await?;
    let devices = devices.into_iter().map(DeviceView::from).collect();
    Ok(axum::Json(Many { devices }))
}

async fn get(api: &Shared, owner: Owner, id: DeviceId) -> Answer<One> {
    let device = existing(api, &owner, id).await?.into();
    Ok(axum::Json(One { device }))
}

async fn patch(api: &Shared, owner: Owner, id: DeviceId, body: Json) -> Answer<One> {
    let device = existing(api, &owner, id).await?;
    let patch = patch::read(body.value, &device).map_err(invalid)?;
    let patched = api
        .rooms
        .patch(&owner.app.id, &owner.user, id, patch)
        .await
        .map_err(refused_change)?;
    let device = patched.ok_or_else(no_such_device)?.into();
    Ok(axum::Json(One { device }))
}

async fn delete(api: &Shared, owner: Owner, id: DeviceId) -> Answer<Deleted> {
    existing(api, &owner, id).await?;
    let deleted = api.rooms.delete(&owner.app.id, &owner.user, id).await;
    match deleted.map_err(refused_change)? {
        true => Ok(axum::Json(Deleted { id: id.to_string() })),
        false => Err(no_such_device()),
    }
}

/// A soft-deleted row is none here.
async fn existing(
    api: &Shared,
    owner: &Owner,
    id: DeviceId,
) -> Result<fanfare_types::Device, Problem> {
    let device = api.rooms.device(&owner.app.id, &owner.user, id).await;
    let device = device.map_err(refused_change)?;
    let device = device.filter(|device| device.deleted_at.is_none());
    device.ok_or_else(no_such_device)
}
