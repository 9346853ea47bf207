//! Checks at the door: what no provider would take never costs a provider call.

use fanfare_types::message::Variables;
use fanfare_types::{AddressKind, Channel, Message, Options};

/// One fault of a request, as the API reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field, as `message.localized.de.title`.
    pub field: String,
    /// Stable word, as `too_long`.
    pub code: &'static str,
    /// One sentence for people. Never repeats the value.
    pub detail: String,
}

/// Every fault of a message against the rules of all providers, for all its locales, with these variables filled in.
pub fn check_message(message: &Message, variables: &Variables, options: &Options) -> Vec<Fault> {
    let _ = (message, variables, options);
    todo!("the providers' room")
}

/// Why a text cannot be an address of this channel; `None` when it can. (`web_push`: the browser's
/// `PushSubscription` JSON.)
pub fn check_address(channel: Channel, kind: AddressKind, value: &str) -> Option<&'static str> {
    let _ = (channel, kind, value);
    todo!("the providers' room")
}
