//! APNs: requests, the class of every answer, and provider tokens.

mod answers;
pub(crate) mod codec;
pub(crate) mod payload;
pub(crate) mod push_type;
mod signer;

pub use answers::classify;
pub use codec::Codec;
pub use signer::{Signer, TOKEN_LIFETIME};
