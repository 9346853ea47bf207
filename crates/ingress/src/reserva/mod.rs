//! The Reserva contract: `/api/v1/devices`, for staff and customers of organisations.
//!
//! Staff and customers are two populations: staff member 42 and customer 42 are the users `staff:42` and
//! `customer:42` of every other surface. Each route stands twice, once for each.

mod body;
mod device;
mod person;
mod problem;
mod routes;

#[cfg(test)]
pub(crate) use body::{register_faults, update_faults};
pub(crate) use problem::worded;
pub(crate) use routes::routes;

/// Where its routes begin.
pub(crate) const ROOT: &str = "/api/v1/devices";
