//! The crate from outside: goldens for requests and answers, credentials against their public keys, the door.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as the tests do"
)]

mod apns_answers;
mod apns_requests;
mod credentials;
mod door;
mod fcm_answers;
mod fcm_requests;
mod forms;
mod preview;
mod support;
