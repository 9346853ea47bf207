//! The nine endpoints.

use axum::extract::{Query, State};
use fanfare_core::registration::Patch;
use fanfare_types::Status;
use futures_util::future::try_join_all;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{self, Caller, Deleted, May, no_such_device};
use super::docs::{Asking, Changing, Reading, Schemas};
use super::edit::{self, EditDoc};
use super::envelope::{self as say, Envelope, Enveloped, Page, done, found};
use super::guid::Guid;
use super::ids::{self, IdDoc, IdPath, UserPath, invalid};
use super::parameters::{self, ParametersDoc};
use super::query;
use super::view::{Details, Edited, Listed, Row};
use crate::api::Shared;
use crate::body::{Content, Json, JsonOrForm};
use crate::fields::Faults;
use crate::problem::{Problem, refused_change};

/// Changes of one list under way at once: they share the store's commits, and leave a user's queue room for others.
const CHANGES_MAX: usize = 16;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Schemas::openapi())
        .routes(routes!(get_data_table))
        .routes(routes!(get_details))
        .routes(routes!(get_edit))
        .routes(routes!(get_user_devices))
        .routes(routes!(register))
        .routes(routes!(update))
        .routes(routes!(delete))
        .routes(routes!(active))
        .routes(routes!(deactive))
}

type Answer<T> = Result<Enveloped<T>, Problem>;

/// A page of the tenant's devices, for DataTables.
///
/// The server-side protocol of jQuery DataTables 1.10 and newer, as a form or as JSON; the answer has no envelope.
/// Deleted devices are left out. Permission `DeviceTokens.ViewAll`.
#[utoipa::path(post, path = "/api/v1/DeviceToken/GetDataTable", tag = "DeviceToken",
    operation_id = "device_token_get_data_table",
    request_body(content(
        (ParametersDoc = "application/json"),
        (ParametersDoc = "application/x-www-form-urlencoded"),
    )),
    responses((status = 200, description = "The page.", body = Page<Row>), Asking),
    security(("user_jwt" = []), ("user_cookie" = [])))]
async fn get_data_table(
    State(api): State<Shared>,
    May(caller, ..): May<caller::ViewAll>,
    body: JsonOrForm,
) -> Result<axum::Json<Page<Row>>, Problem> {
    let mut faults = Faults::default();
    let value = match body.content {
        Content::Json(value) => value,
        Content::Form(form) => parameters::of_form(&form, &mut faults),
    };
    let parameters = parameters::read(value, faults).map_err(invalid)?;
    let draw = parameters.draw;
    let query = query::of(parameters, caller.app.id.clone(), caller.tenant);
    let listing = api.rooms.listing(query).await?;
    Ok(axum::Json(Page {
        draw,
        records_total: listing.total,
        records_filtered: listing.filtered,
        data: listing.rows.iter().map(Row::from).collect(),
    }))
}

/// Everything about a device; a deleted one, too.
///
/// Permission `DeviceTokens.View`.
#[utoipa::path(get, path = "/api/v1/DeviceToken/GetDetails/{id}", tag = "DeviceToken",
    operation_id = "device_token_get_details",
    params(("id" = String, Path, description = "GUID")),
    responses((status = 200, description = "The device.", body = Envelope<Details>), Reading),
    security(("user_jwt" = []), ("user_cookie" = [])))]
async fn get_details(
    State(api): State<Shared>,
    May(caller, ..): May<caller::View>,
    IdPath(id): IdPath,
) -> Answer<Details> {
    let device = caller.row(&api, id, Deleted::Included).await?;
    Ok(found(Details::from(&device)))
}

/// A device as `Update` takes it.
///
/// Permission `DeviceTokens.Edit`.
#[utoipa::path(get, path = "/api/v1/DeviceToken/GetEdit/{id}", tag = "DeviceToken",
    operation_id = "device_token_get_edit",
    params(("id" = String, Path, description = "GUID")),
    responses((status = 200, description = "The device.", body = Envelope<Edited>), Reading),
    security(("user_jwt" = []), ("user_cookie" = [])))]
async fn get_edit(
    State(api): State<Shared>,
    May(caller, ..): May<caller::Edit>,
    IdPath(id): IdPath,
) -> Answer<Edited> {
    let device = caller.row(&api, id, Deleted::LeftOut).await?;
    Ok(found(Edited::from(&device)))
}

/// A user's active devices, the one seen last first; an empty list when there are none.
///
/// Permission `DeviceTokens.View`.
#[utoipa::path(get, path = "/api/v1/DeviceToken/GetUserDevices/{userId}", tag = "DeviceToken",
    operation_id = "device_token_get_user_devices",
    params(("userId" = String, Path, description = "1 to 128 bytes")),
    responses((status = 200, description = "The devices.", body = Envelope<Vec<Listed>>), Reading),
    security(("user_jwt" = []), ("user_cookie" = [])))]
async fn get_user_devices(
    State(api): State<Shared>,
    May(caller, ..): May<caller::View>,
    UserPath(user): UserPath,
) -> Answer<Vec<Listed>> {
    let devices = api.rooms.devices(&caller.app.id, &user).await?;
    let active = devices.iter().filter(|device| device.is_deliverable());
    let seen = active.filter(|device| caller.sees(device));
    Ok(found(seen.map(Listed::from).collect()))
}

/// Register the caller's device, or refresh it: on every login and every new token.
///
/// The row is the caller's row of `deviceId`; a deleted one comes back. Permission `DeviceTokens.Register`.
#[utoipa::path(post, path = "/api/v1/DeviceToken/Register", tag = "DeviceToken",
    operation_id = "device_token_register",
    request_body = EditDoc,
    responses((status = 200, description = "Registered, and durable: the device's id.", body = Envelope<String>),
        Asking, Changing),
    security(("user_jwt" = []), ("user_cookie" = [])))]
async fn register(
    State(api): State<Shared>,
    May(caller, ..): May<caller::Register>,
    body: Json,
) -> Answer<String> {
    let command = edit::registration(body.value, caller.tenant).map_err(invalid)?;
    let registered = api.rooms.register(&caller.app.id, &caller.user, command);
    let registered = registered.await.map_err(refused_change)?;
    let message = match registered.is_new {
        true => say::CREATED,
        false => say::UPDATED,
    };
    Ok(done(message, registered.device.id.to_string()))
}

/// Change a device of the tenant.
///
/// What is left out or `null` stays. Permission `DeviceTokens.Edit`.
#[utoipa::path(put, path = "/api/v1/DeviceToken/Update/{id}", tag = "DeviceToken",
    operation_id = "device_token_update",
    params(("id" = String, Path, description = "GUID")),
    request_body = EditDoc,
    responses((status = 200, description = "Changed: the device's id.", body = Envelope<String>), Asking, Changing),
    security(("user_jwt" = []), ("user_cookie" = [])))]
async fn update(
    State(api): State<Shared>,
    May(caller, ..): May<caller::Edit>,
    IdPath(id): IdPath,
    body: Json,
) -> Answer<String> {
    let device = caller.row(&api, id, Deleted::LeftOut).await?;
    let patch = edit::update(body.value, &device).map_err(invalid)?;
    let patched = api
        .rooms
        .patch(&caller.app.id, &device.user, device.id, patch);
    let patched = patched
        .await
        .map_err(refused_change)?
        .ok_or_else(no_such_device)?;
    Ok(done(say::UPDATED, patched.id.to_string()))
}

/// Delete devices softly, or restore them.
///
/// At most 1,000. One that is not there makes it 404, and nothing is changed. Permission `DeviceTokens.Delete`.
#[utoipa::path(delete, path = "/api/v1/DeviceToken/Delete", tag = "DeviceToken",
    operation_id = "device_token_delete",
    params(("restore" = Option<bool>, Query, description = "`true` restores what was deleted")),
    request_body = Vec<IdDoc>,
    responses((status = 200, description = "Done: the last id; `null` for an empty list.", body = Envelope<Option<String>>),
        Asking, Changing),
    security(("user_jwt" = []), ("user_cookie" = [])))]
async fn delete(
    State(api): State<Shared>,
    May(caller, ..): May<caller::Delete>,
    Query(query): Query<Vec<(String, String)>>,
    body: Json,
) -> Answer<Option<String>> {
    let restore = ids::restore(query).map_err(invalid)?;
    let guids = ids::list(body.value).map_err(invalid)?;
    let patch = Patch {
        deleted: Some(!restore),
        ..Patch::default()
    };
    let last = change(&api, &caller, &guids, Deleted::Included, &patch).await?;
    let message = if restore { say::RESTORED } else { say::DELETED };
    Ok(done(message, last))
}

/// Switch devices on.
///
/// At most 1,000. One that is not there makes it 404, and nothing is changed. Permission `DeviceTokens.Active`.
#[utoipa::path(put, path = "/api/v1/DeviceToken/Active", tag = "DeviceToken",
    operation_id = "device_token_active",
    request_body = Vec<IdDoc>,
    responses((status = 200, description = "Done: the last id; `null` for an empty list.", body = Envelope<Option<String>>),
        Asking, Changing),
    security(("user_jwt" = []), ("user_cookie" = [])))]
async fn active(
    State(api): State<Shared>,
    May(caller, ..): May<caller::Active>,
    body: Json,
) -> Answer<Option<String>> {
    let last = switch(&api, &caller, body, Status::Active).await?;
    Ok(done(say::ACTIVATED, last))
}

/// Switch devices off: they get no pushes until they are switched on or registered again.
///
/// At most 1,000. One that is not there makes it 404, and nothing is changed. Permission `DeviceTokens.Deactive`.
#[utoipa::path(put, path = "/api/v1/DeviceToken/Deactive", tag = "DeviceToken",
    operation_id = "device_token_deactive",
    request_body = Vec<IdDoc>,
    responses((status = 200, description = "Done: the last id; `null` for an empty list.", body = Envelope<Option<String>>),
        Asking, Changing),
    security(("user_jwt" = []), ("user_cookie" = [])))]
async fn deactive(
    State(api): State<Shared>,
    May(caller, ..): May<caller::Deactive>,
    body: Json,
) -> Answer<Option<String>> {
    let last = switch(&api, &caller, body, Status::Inactive).await?;
    Ok(done(say::DEACTIVATED, last))
}

async fn switch(
    api: &Shared,
    caller: &Caller,
    body: Json,
    status: Status,
) -> Result<Option<String>, Problem> {
    let guids = ids::list(body.value).map_err(invalid)?;
    let patch = Patch {
        status: Some(status),
        ..Patch::default()
    };
    change(api, caller, &guids, Deleted::LeftOut, &patch).await
}

/// Changes each row of the list by itself; gives the last one's id. One that goes away meanwhile is passed over. A
/// failure half-way leaves what was changed before it, and the same request again does no harm.
async fn change(
    api: &Shared,
    caller: &Caller,
    guids: &[Guid],
    deleted: Deleted,
    patch: &Patch,
) -> Result<Option<String>, Problem> {
    let rows = caller.rows(api, guids, deleted).await?;
    let mut last = None;
    for rows in rows.chunks(CHANGES_MAX) {
        let changes = rows
            .iter()
            .map(|row| {
                api.rooms
                    .patch(&caller.app.id, &row.user, row.id, patch.clone())
            })
            .collect::<Vec<_>>();
        let changed = try_join_all(changes).await.map_err(refused_change)?;
        last = changed.into_iter().flatten().next_back().or(last);
    }
    Ok(last.map(|row| row.id.to_string()))
}
