//! The DeviceToken contract: `/api/v1/DeviceToken`.

mod problem;

pub(crate) use problem::worded;

/// Where its routes begin.
pub(crate) const ROOT: &str = "/api/v1/DeviceToken";
