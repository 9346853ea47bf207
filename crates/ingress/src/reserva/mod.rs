//! The Reserva contract: `/api/v1/devices`.

mod problem;

pub(crate) use problem::worded;

/// Where its routes begin.
pub(crate) const ROOT: &str = "/api/v1/devices";
