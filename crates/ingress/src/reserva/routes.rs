//! The routes, each twice: for staff, and for customers.

use axum::extract::{FromRequestParts, Query, State};
use fanfare_providers::Fault;
use fanfare_types::ids::Id96;
use fanfare_types::{Device, DeviceId};
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{self, RegisterDoc, UpdateDoc};
use super::device::{DeviceView, Many, Message, Registered};
use super::person::{Customer, Person, Staff};
use super::problem::ReservaError;
use crate::api::Shared;
use crate::body::Json;
use crate::path;
use crate::problem::{Problem, refused_change};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(register_staff))
        .routes(routes!(register_customer))
        .routes(routes!(list_staff))
        .routes(routes!(list_customer))
        .routes(routes!(update_staff, delete_staff))
        .routes(routes!(update_customer, delete_customer))
}

type Answer<T> = Result<axum::Json<T>, Problem>;

/// `{device_id}`: 24 hex digits.
struct ObjectId(DeviceId);

impl FromRequestParts<Shared> for ObjectId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let text = path::param(parts, "device_id").await;
        let id = text.and_then(|text| Id96::from_hex(&text).ok());
        id.map(|id| ObjectId(DeviceId(id))).ok_or_else(|| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "malformed_id", "Invalid ObjectId format")
        })
    }
}

/// `?include_inactive=`.
struct Listed {
    include_inactive: bool,
}

impl FromRequestParts<Shared> for Listed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Raw {
            include_inactive: Option<String>,
        }
        let wrong = || {
            let fault = Fault {
                field: "include_inactive".to_owned(),
                code: "wrong_type",
                detail: "must be true or false".to_owned(),
            };
            invalid(vec![fault])
        };
        let Query(raw) = Query::<Raw>::try_from_uri(&parts.uri).map_err(|_| wrong())?;
        let word = raw.include_inactive.map(|word| word.to_ascii_lowercase());
        let include_inactive = match word.as_deref() {
            None | Some("" | "false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => return Err(wrong()),
        };
        Ok(Listed { include_inactive })
    }
}

/// Register an FCM token, or refresh it. For staff.
///
/// The row is the one that holds the token. Held by another user, it moves to the caller, with its id.
#[utoipa::path(post, path = "/api/v1/devices/register", tag = "Reserva", operation_id = "reserva_register_staff",
    request_body = RegisterDoc,
    responses(
        (status = 200, description = "Registered, active, and durable.", body = Registered),
        (status = 401, description = "Authentication required.", body = ReservaError),
        (status = 403, description = "User has no tenant access.", body = ReservaError),
        (status = 404, description = "This app does not serve the contract.", body = ReservaError),
        (status = 413, description = "The body is too large.", body = ReservaError),
        (status = 415, description = "The credential is a cookie, and the body is not declared as JSON.", body = ReservaError),
        (status = 422, description = "Not JSON, or not valid: every fault is named.", body = ReservaError),
        (status = 429, description = "As many changes of this user's devices wait as may.", body = ReservaError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = ReservaError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn register_staff(
    State(api): State<Shared>,
    Staff(person): Staff,
    body: Json,
) -> Answer<Registered> {
    register(&api, person, body).await
}

/// Register an FCM token, or refresh it. For customers.
///
/// As `POST /api/v1/devices/register`.
#[utoipa::path(post, path = "/api/v1/devices/register/customer", tag = "Reserva", operation_id = "reserva_register_customer",
    request_body = RegisterDoc,
    responses(
        (status = 200, description = "Registered, active, and durable.", body = Registered),
        (status = 401, description = "Authentication required.", body = ReservaError),
        (status = 404, description = "This app does not serve the contract.", body = ReservaError),
        (status = 413, description = "The body is too large.", body = ReservaError),
        (status = 415, description = "The credential is a cookie, and the body is not declared as JSON.", body = ReservaError),
        (status = 422, description = "Not JSON, or not valid: every fault is named.", body = ReservaError),
        (status = 429, description = "As many changes of this user's devices wait as may.", body = ReservaError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = ReservaError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn register_customer(
    State(api): State<Shared>,
    Customer(person): Customer,
    body: Json,
) -> Answer<Registered> {
    register(&api, person, body).await
}

/// The caller's devices. For staff.
#[utoipa::path(get, path = "/api/v1/devices", tag = "Reserva", operation_id = "reserva_list_staff",
    params(("include_inactive" = Option<bool>, Query, description = "Inactive ones too; by default false")),
    responses(
        (status = 200, description = "The one changed or used last first.", body = Many),
        (status = 401, description = "Authentication required.", body = ReservaError),
        (status = 403, description = "User has no tenant access.", body = ReservaError),
        (status = 404, description = "This app does not serve the contract.", body = ReservaError),
        (status = 422, description = "`include_inactive` is no truth value.", body = ReservaError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = ReservaError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn list_staff(
    State(api): State<Shared>,
    Staff(person): Staff,
    listed: Listed,
) -> Answer<Many> {
    list(&api, person, listed).await
}

/// The caller's devices. For customers.
#[utoipa::path(get, path = "/api/v1/devices/customer", tag = "Reserva", operation_id = "reserva_list_customer",
    params(("include_inactive" = Option<bool>, Query, description = "Inactive ones too; by default false")),
    responses(
        (status = 200, description = "The one changed or used last first.", body = Many),
        (status = 401, description = "Authentication required.", body = ReservaError),
        (status = 404, description = "This app does not serve the contract.", body = ReservaError),
        (status = 422, description = "`include_inactive` is no truth value.", body = ReservaError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = ReservaError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn list_customer(
    State(api): State<Shared>,
    Customer(person): Customer,
    listed: Listed,
) -> Answer<Many> {
    list(&api, person, listed).await
}

/// Change one of the caller's devices. For staff.
///
/// A new token ends what was held against the old one; another device that holds it is deleted.
#[utoipa::path(put, path = "/api/v1/devices/{device_id}", tag = "Reserva", operation_id = "reserva_update_staff",
    params(("device_id" = String, Path, description = "24 hex digits")),
    request_body = UpdateDoc,
    responses(
        (status = 200, description = "The device as it is now.", body = DeviceView),
        (status = 401, description = "Authentication required.", body = ReservaError),
        (status = 403, description = "User has no tenant access, or it is another user's device.", body = ReservaError),
        (status = 404, description = "Device not found, or this app does not serve the contract.", body = ReservaError),
        (status = 413, description = "The body is too large.", body = ReservaError),
        (status = 415, description = "The credential is a cookie, and the body is not declared as JSON.", body = ReservaError),
        (status = 422, description = "Not JSON, or not valid: every fault is named.", body = ReservaError),
        (status = 429, description = "As many changes of this user's devices wait as may.", body = ReservaError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = ReservaError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn update_staff(
    State(api): State<Shared>,
    Staff(person): Staff,
    ObjectId(id): ObjectId,
    body: Json,
) -> Answer<DeviceView> {
    update(&api, person, id, body).await
}

/// Change one of the caller's devices. For customers.
///
/// As `PUT /api/v1/devices/{device_id}`.
#[utoipa::path(put, path = "/api/v1/devices/customer/{device_id}", tag = "Reserva", operation_id = "reserva_update_customer",
    params(("device_id" = String, Path, description = "24 hex digits")),
    request_body = UpdateDoc,
    responses(
        (status = 200, description = "The device as it is now.", body = DeviceView),
        (status = 401, description = "Authentication required.", body = ReservaError),
        (status = 403, description = "It is another user's device.", body = ReservaError),
        (status = 404, description = "Device not found, or this app does not serve the contract.", body = ReservaError),
        (status = 413, description = "The body is too large.", body = ReservaError),
        (status = 415, description = "The credential is a cookie, and the body is not declared as JSON.", body = ReservaError),
        (status = 422, description = "Not JSON, or not valid: every fault is named.", body = ReservaError),
        (status = 429, description = "As many changes of this user's devices wait as may.", body = ReservaError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = ReservaError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn update_customer(
    State(api): State<Shared>,
    Customer(person): Customer,
    ObjectId(id): ObjectId,
    body: Json,
) -> Answer<DeviceView> {
    update(&api, person, id, body).await
}

/// Remove one of the caller's devices for good. For staff.
#[utoipa::path(delete, path = "/api/v1/devices/{device_id}", tag = "Reserva", operation_id = "reserva_delete_staff",
    params(("device_id" = String, Path, description = "24 hex digits")),
    responses(
        (status = 200, description = "It is gone.", body = Message),
        (status = 401, description = "Authentication required.", body = ReservaError),
        (status = 403, description = "User has no tenant access, or it is another user's device.", body = ReservaError),
        (status = 404, description = "Device not found, or this app does not serve the contract.", body = ReservaError),
        (status = 422, description = "Invalid ObjectId format.", body = ReservaError),
        (status = 429, description = "As many changes of this user's devices wait as may.", body = ReservaError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = ReservaError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn delete_staff(
    State(api): State<Shared>,
    Staff(person): Staff,
    ObjectId(id): ObjectId,
) -> Answer<Message> {
    delete(&api, person, id).await
}

/// Remove one of the caller's devices for good. For customers.
#[utoipa::path(delete, path = "/api/v1/devices/customer/{device_id}", tag = "Reserva", operation_id = "reserva_delete_customer",
    params(("device_id" = String, Path, description = "24 hex digits")),
    responses(
        (status = 200, description = "It is gone.", body = Message),
        (status = 401, description = "Authentication required.", body = ReservaError),
        (status = 403, description = "It is another user's device.", body = ReservaError),
        (status = 404, description = "Device not found, or this app does not serve the contract.", body = ReservaError),
        (status = 422, description = "Invalid ObjectId format.", body = ReservaError),
        (status = 429, description = "As many changes of this user's devices wait as may.", body = ReservaError),
        (status = 503, description = "Not now; `Retry-After` says when.", body = ReservaError),
    ), security(("user_jwt" = []), ("user_cookie" = [])))]
async fn delete_customer(
    State(api): State<Shared>,
    Customer(person): Customer,
    ObjectId(id): ObjectId,
) -> Answer<Message> {
    delete(&api, person, id).await
}

async fn register(api: &Shared, person: Person, body: Json) -> Answer<Registered> {
    let command = body::register(body.value, person.tenant).map_err(invalid)?;
    let registered = api
        .rooms
        .register(&person.app.id, &person.user, command)
        .await
        .map_err(refused_change)?;
    Ok(axum::Json(Registered {
        id: registered.device.id.0.to_hex(),
        is_new: registered.is_new,
        message: match registered.is_new {
            true => "Device registered successfully",
            false => "Device updated successfully",
        },
    }))
}

async fn list(api: &Shared, person: Person, listed: Listed) -> Answer<Many> {
    let devices = api.rooms.devices(&person.app.id, &person.user).await?;
    Ok(axum::Json(Many::of(devices, listed.include_inactive)))
}

async fn update(api: &Shared, person: Person, id: DeviceId, body: Json) -> Answer<DeviceView> {
    let patch = body::update(body.value).map_err(invalid)?;
    let device = own(api, &person, id, "Cannot update another user's device").await?;
    let Some(patch) = patch else {
        return Ok(axum::Json(device.into()));
    };
    let patched = api
        .rooms
        .patch(&person.app.id, &person.user, id, patch)
        .await
        .map_err(refused_change)?;
    Ok(axum::Json(patched.ok_or_else(not_found)?.into()))
}

async fn delete(api: &Shared, person: Person, id: DeviceId) -> Answer<Message> {
    own(api, &person, id, "Cannot delete another user's device").await?;
    let deleted = api.rooms.delete(&person.app.id, &person.user, id).await;
    match deleted.map_err(refused_change)? {
        true => Ok(axum::Json(Message {
            message: "Device unregistered successfully",
        })),
        false => Err(not_found()),
    }
}

/// The caller's device; a soft-deleted one is none.
async fn own(
    api: &Shared,
    person: &Person,
    id: DeviceId,
    refusal: &'static str,
) -> Result<Device, Problem> {
    let found = api.rooms.find(&person.app.id, vec![id]).await?;
    let device = found.into_iter().find(|row| row.deleted_at.is_none());
    let device = device.ok_or_else(not_found)?;
    match device.user == person.user {
        true => Ok(device),
        false => Err(Problem::forbidden("another_users_device", refusal)),
    }
}

fn not_found() -> Problem {
    Problem::not_found("device_not_found", "Device not found")
}

fn invalid(faults: Vec<Fault>) -> Problem {
    Problem::invalid(StatusCode::UNPROCESSABLE_ENTITY, faults)
}
