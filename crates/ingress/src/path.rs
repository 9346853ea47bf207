//! Ids in paths, in either spelling (UUID, or 24 hex digits). One that is no id names nothing: 404, as for one
//! that is not there.

use axum::extract::{FromRequestParts, RawPathParams};
use fanfare_providers::Fault;
use fanfare_types::ids::{Id96, NotAnId, Uuid};
use fanfare_types::{CampaignId, DeviceId, NotificationId, UserId};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::problem::Problem;

/// `{id}` of a device.
pub(crate) struct DevicePath(pub(crate) DeviceId);

/// `{id}` of a notification.
pub(crate) struct NotificationPath(pub(crate) NotificationId);

/// `{id}` of a campaign.
pub(crate) struct CampaignPath(pub(crate) CampaignId);

pub(crate) fn no_such_campaign() -> Problem {
    Problem::not_found("campaign_not_found", "there is no such campaign")
}

pub(crate) fn no_such_device() -> Problem {
    Problem::not_found("device_not_found", "there is no such device")
}

pub(crate) fn no_such_notification() -> Problem {
    Problem::not_found("notification_not_found", "there is no such notification")
}

/// The device's id in `text`: `None` for a UUID that cannot be one of ours.
pub(crate) fn device_id(text: &str) -> Result<Option<DeviceId>, NotAnId> {
    Ok(id(text)?.map(DeviceId))
}

fn id(text: &str) -> Result<Option<Id96>, NotAnId> {
    if let Ok(id) = Id96::from_hex(text) {
        return Ok(Some(id));
    }
    let ours = Id96::from_uuid(Uuid::parse(text)?);
    Ok(ours.ok().and_then(|(id, tail)| (tail == 0).then_some(id)))
}

/// The user a service acts for. One that cannot be has no devices to find, and none can be registered for it.
pub(crate) async fn user(parts: &mut Parts) -> Result<UserId, Problem> {
    let text = param(parts, "user_id").await;
    let user = text.and_then(|text| UserId::new(&text).ok());
    let detail = "a user id has 1 to 128 bytes and no control characters";
    user.ok_or_else(|| match parts.method {
        Method::POST => {
            let fault = Fault {
                field: "user_id".to_owned(),
                code: "malformed",
                detail: detail.to_owned(),
            };
            Problem::invalid(StatusCode::BAD_REQUEST, vec![fault])
        }
        _ => Problem::not_found("user_not_found", detail),
    })
}

impl<S: Send + Sync> FromRequestParts<S> for DevicePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = param(parts, "id").await;
        let id = text.and_then(|text| device_id(&text).ok().flatten());
        id.map(DevicePath).ok_or_else(no_such_device)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NotificationPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = param(parts, "id").await;
        let id = text.and_then(|text| id(&text).ok().flatten().map(NotificationId));
        id.map(NotificationPath).ok_or_else(no_such_notification)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CampaignPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = param(parts, "id").await;
        let id = text.and_then(|text| id(&text).ok().flatten().map(CampaignId));
        id.map(CampaignPath).ok_or_else(no_such_campaign)
    }
}

/// A part of the path, percent-decoded; `None` when that is not UTF-8.
pub(crate) async fn param(parts: &mut Parts, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let found = params.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.to_owned())
}
