//! The native registry contract: `/v1/devices` for users, `/v1/users/{user_id}/devices` for services.
//!
//! Every field fault answers 400 here: the contract promises it for an unknown channel, and two statuses for
//! one kind of fault would help nobody.

mod body;
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
pub(crate) use routes::routes;

/// Longest text of a device's metadata, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// Most tags of a device.
const TAGS_MAX: usize = 64;

/// Longest tag, in bytes.
const TAG_BYTES_MAX: usize = 64;

/// Largest `device_info`, in bytes of its compact JSON text.
const DEVICE_INFO_BYTES_MAX: usize = 4 << 10;

/// Longest `device_key`, in characters.
const DEVICE_KEY_CHARS_MAX: usize = 128;
