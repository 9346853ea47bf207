//! FCM HTTP v1: requests, the class of every answer, and OAuth with a service account.

mod account;
mod answers;
pub(crate) mod codec;
mod evidence;
pub(crate) mod message;

pub use account::{ServiceAccount, TokenRequest, read_token};
pub use answers::classify;
pub use codec::Codec;
