//! What Fanfare knows about each provider, without I/O: encode a delivery, classify an answer, make credentials.
//!
//! One module a provider. `web_push` gets its place beside `apns` and `fcm`; until then its addresses can be
//! registered and are not sent to.

pub mod apns;
mod class;
pub mod codec;
mod content;
pub mod door;
mod error;
pub mod fcm;
mod form;
mod heads;
pub mod preview;
mod recent;
pub mod retry_after;
pub mod template;
mod uri;

pub use codec::{Codec, Judged};
pub use content::Refused;
pub use door::{Fault, asked_variables, check_address, check_message, check_open_message};
pub use error::{Error, Result};
pub use preview::{Preview, Previewed, preview};
