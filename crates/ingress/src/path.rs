//! Ids in paths. One that is no id names nothing: 404, as for one that is not there.

use axum::extract::{FromRequestParts, RawPathParams};
use fanfare_types::{DeviceId, NotificationId, UserId};
use http::request::Parts;

use crate::problem::Problem;

/// `{id}` of a device.
pub(crate) struct DevicePath(pub(crate) DeviceId);

/// `{id}` of a notification.
pub(crate) struct NotificationPath(pub(crate) NotificationId);

pub(crate) fn no_such_device() -> Problem {
    Problem::not_found("device_not_found", "there is no such device")
}

pub(crate) fn no_such_notification() -> Problem {
    Problem::not_found("notification_not_found", "there is no such notification")
}

/// The user a service acts for.
pub(crate) async fn user(parts: &mut Parts) -> Result<UserId, Problem> {
    let text = param(parts, "user_id").await;
    let user = text.and_then(|text| UserId::new(&text).ok());
    user.ok_or_else(|| {
        Problem::not_found(
            "user_not_found",
            "a user id has 1 to 128 bytes and no control characters",
        )
    })
}

impl<S: Send + Sync> FromRequestParts<S> for DevicePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = param(parts, "id").await;
        let id = text.and_then(|text| DeviceId::parse_uuid(&text).ok());
        id.map(DevicePath).ok_or_else(no_such_device)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NotificationPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = param(parts, "id").await;
        let id = text.and_then(|text| NotificationId::parse_uuid(&text).ok());
        id.map(NotificationPath).ok_or_else(no_such_notification)
    }
}

/// A part of the path, percent-decoded; `None` when that is not UTF-8.
async fn param(parts: &mut Parts, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let found = params.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.to_owned())
}
