//! The native registry contract: `/v1/devices` for users, `/v1/users/{user_id}/devices` for services.
//!
//! Every field fault answers 400 here: the contract promises it for an unknown channel, and two statuses for
//! one kind of fault would help nobody.

mod device;
mod owner;
mod patch;
mod problem;
mod register;
mod routes;

#[cfg(test)]
pub(crate) use patch::faults_of as patch_faults;
#[cfg(test)]
pub(crate) use register::faults_of as register_faults;
pub(crate) use register::read as registration;
pub(crate) use routes::routes;
