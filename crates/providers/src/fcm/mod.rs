//! FCM HTTP v1: requests, the class of every answer, and OAuth with a service account.

mod account;
mod answers;
mod codec;
mod evidence;
pub(crate) mod message;
pub(crate) mod rendering;

pub use account::{ServiceAccount, TokenRequest, read_token};
pub use answers::classify;
pub use codec::Codec;
