//! The Ring contract: `/api/notifications/fcm/register`.

mod problem;

pub(crate) use problem::worded;

/// Where its routes begin.
pub(crate) const ROOT: &str = "/api/notifications/fcm/register";
