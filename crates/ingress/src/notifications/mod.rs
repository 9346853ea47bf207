//! Notifications: send to users, devices or addresses, follow, and cancel. For services.
//!
//! A body that is not JSON answers 400; every fault of a field answers 422, all at once.

mod deliveries;
mod docs;
pub(crate) mod idempotency;
pub(crate) mod message;
mod request;
mod routes;
mod targets;
mod view;

pub(crate) use docs::MessageDoc;
#[cfg(test)]
pub(crate) use request::faults_of;
pub(crate) use request::{is_consequence, variables};
pub(crate) use routes::routes;
