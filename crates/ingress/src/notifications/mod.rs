//! Notifications: send to users, devices or addresses, follow, and cancel. For services.
//!
//! A body that is not JSON answers 400; every fault of a field answers 422, all at once.

mod cursor;
mod deliveries;
mod docs;
mod idempotency;
mod message;
mod request;
mod routes;
mod targets;
mod view;

#[cfg(test)]
pub(crate) use request::faults_of;
pub(crate) use routes::routes;
