//! The Ring contract: `/api/notifications/fcm/register`, for apps that keep one row a user and device fingerprint.
//!
//! The fingerprint is the device key, the token an FCM address. What a body holds beside the members of the
//! contract is passed over, a `userId` first of all: who registers is known from the session alone.

mod body;
mod limit;
mod problem;
mod routes;

#[cfg(test)]
pub(crate) use body::{register_faults, unregister_faults};
pub(crate) use limit::Limiters;
pub(crate) use problem::worded;
pub(crate) use routes::routes;

/// Where its routes begin.
pub(crate) const ROOT: &str = "/api/notifications/fcm/register";
