//! The DeviceToken contract: `/api/v1/DeviceToken/…`, nine endpoints, each behind a permission of its own.
//!
//! Its clients are those of an ASP.NET service: names of members in any case, members that are none of the contract's
//! passed over, GUIDs, and an envelope around every answer but the table's. Every fault of a request answers 400.

mod caller;
mod column;
mod docs;
mod edit;
mod envelope;
mod form;
mod guid;
mod ids;
mod members;
mod parameters;
mod problem;
mod query;
mod routes;
mod span;
mod view;

pub(crate) use problem::worded;
pub(crate) use routes::routes;

/// Where its routes begin.
pub(crate) const ROOT: &str = "/api/v1/DeviceToken";
