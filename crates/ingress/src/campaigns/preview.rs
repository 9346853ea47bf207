//! What somebody would get, and how many there are: nothing is sent.

use std::collections::BTreeMap;

use axum::extract::State;
use fanfare_actors::campaigns::CampaignView;
use fanfare_providers::{Fault, Preview, preview as render};
use fanfare_store::campaigns::Named;
use fanfare_types::{
    AppId, Audience, CampaignRecord, Device, DeviceId, Lane, Options, Timestamp, UserId,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::docs::PreviewDoc;
use super::routes::invalid;
use crate::api::Shared;
use crate::auth::Service;
use crate::body::Json;
use crate::fields::{Faults, Fields};
use crate::openapi;
use crate::path::{self, CampaignPath, no_such_campaign, no_such_device};
use crate::problem::Problem;

/// Rows looked at to count an audience. What is beyond them is not counted, and the answer says so.
const COUNTED_ROWS_MAX: u64 = 1_000_000;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(preview))
}

/// How many the audience has now, and what the devices that were asked for would get.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignPreview)]
struct Previews {
    /// Devices that match now; of an upload, its rows.
    recipients: u64,
    /// Not every row was looked at (1,000,000 are at most): there may be more.
    recipients_estimated: bool,
    devices: Vec<DevicePreview>,
}

/// What a device would get, without what only its address and the app's credential say.
#[derive(Serialize, ToSchema)]
struct DevicePreview {
    device_id: String,
    channel: &'static str,
    /// By name; `null` when it would get nothing.
    headers: Option<BTreeMap<String, String>>,
    /// As the provider would read it; `null` when it would get nothing.
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
    /// How its delivery would end without being sent; else `null`.
    outcome: Option<&'static str>,
    /// Why.
    reason: Option<String>,
}

/// Whose devices are asked for.
#[derive(Debug, PartialEq)]
enum Whose {
    Nobodys,
    User(UserId),
    /// `None` for a well-formed id that no device can have.
    Device(Option<DeviceId>),
}

/// Render the message for one user or device, and count the audience; sends nothing.
#[utoipa::path(post, path = "/v1/campaigns/{id}/preview", tag = "Campaigns", operation_id = "preview_campaign",
    params(("id" = String, Path, description = "The campaign's id")),
    request_body = PreviewDoc,
    responses(
        (status = 200, description = "The preview.", body = Previews),
        (status = 400, response = openapi::Malformed),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 413, response = openapi::TooLarge),
        (status = 415, response = openapi::UnsupportedMediaType),
        (status = 422, response = openapi::Invalid),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn preview(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
    body: Json,
) -> Result<axum::Json<Previews>, Problem> {
    let whose = read(body.value).map_err(invalid)?;
    let app = &service.app.id;
    let view = api.rooms.campaign(app, id).await?;
    let view = view.ok_or_else(no_such_campaign)?;
    let mut previews = Vec::new();
    for device in devices(&api, app, whose).await? {
        previews.push(one(&api, &view, &device).await?);
    }
    let audience = view.record.audience;
    let counted = api.rooms.count(app, id, audience, COUNTED_ROWS_MAX).await?;
    Ok(axum::Json(Previews {
        recipients: counted.recipients,
        recipients_estimated: !counted.is_whole,
        devices: previews,
    }))
}

fn read(body: Value) -> Result<Whose, Vec<Fault>> {
    let mut faults = Faults::default();
    let Some(mut fields) = Fields::of(body, "", &mut faults) else {
        return Err(faults.into_vec());
    };
    let user = fields.text("user_id", usize::MAX);
    let device = fields.text("device_id", usize::MAX);
    let whose = match (user, device) {
        (Some(_), Some(_)) => {
            fields.fault("device_id", "not_allowed", "not together with user_id");
            None
        }
        (Some(user), None) => {
            let user = UserId::new(&user).ok();
            if user.is_none() {
                let detail = "a user id has 1 to 128 bytes and no control characters";
                fields.fault("user_id", "malformed", detail);
            }
            user.map(Whose::User)
        }
        (None, Some(device)) => {
            let device = path::device_id(&device).ok();
            if device.is_none() {
                let detail = "must be a device id, as the registry gave it";
                fields.fault("device_id", "malformed", detail);
            }
            device.map(Whose::Device)
        }
        (None, None) => Some(Whose::Nobodys),
    };
    fields.finish();
    match whose {
        Some(whose) if faults.is_empty() => Ok(whose),
        _ => Err(faults.into_vec()),
    }
}

/// Those that would be sent to.
async fn devices(api: &Shared, app: &AppId, whose: Whose) -> Result<Vec<Device>, Problem> {
    let mut devices = match whose {
        Whose::Nobodys => Vec::new(),
        Whose::User(user) => api.rooms.devices(app, &user).await?,
        Whose::Device(None) => return Err(no_such_device()),
        Whose::Device(Some(id)) => {
            let found = api.rooms.find(app, vec![id]).await?;
            if found.is_empty() {
                return Err(no_such_device());
            }
            found
        }
    };
    devices.retain(Device::is_deliverable);
    Ok(devices)
}

async fn one(api: &Shared, view: &CampaignView, device: &Device) -> Result<DevicePreview, Problem> {
    let record = &view.record;
    let row = match record.audience {
        Audience::Upload => {
            let named = vec![Named::Device(device.id), Named::User(device.user.clone())];
            api.rooms.uploaded(&record.app, record.id, named).await?
        }
        _ => None,
    };
    let now = api.clock.now();
    let own = row.as_ref().and_then(|row| row.variables.as_deref());
    let rendered = render(&Preview {
        message: &record.message,
        variables: &record.variables,
        own,
        missing_variable: record.missing_variable,
        options: &options(record, now),
        channel: device.address.channel,
        locale: device.meta.locale.as_deref(),
        now,
    });
    let (pushed, refused) = match rendered {
        Ok(pushed) => (Some(pushed), None),
        Err(refused) => (None, Some(refused)),
    };
    let (headers, payload) = pushed
        .map(|pushed| (pushed.headers, pushed.payload))
        .unzip();
    Ok(DevicePreview {
        device_id: device.id.to_string(),
        channel: device.address.channel.as_str(),
        headers,
        payload,
        outcome: refused.as_ref().map(|refused| refused.outcome.as_str()),
        reason: refused.map(|refused| refused.reason.as_str().to_owned()),
    })
}

/// As if it started now.
fn options(record: &CampaignRecord, now: Timestamp) -> Options {
    Options {
        priority: record.priority,
        collapse_key: record.collapse_key.clone(),
        lane: Lane::Bulk,
        on_unknown: record.on_unknown,
        expires_at: now + record.ttl,
        send_at: None,
    }
}
