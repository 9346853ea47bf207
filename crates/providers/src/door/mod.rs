//! Checks at the door: what no provider would take never costs a provider call.
//!
//! The codes of [`Fault`]:
//!
//! | code | meaning |
//! |---|---|
//! | `empty` | nothing to show or hand over, or an empty key |
//! | `too_long` | a text over its own limit |
//! | `too_many` | more than [`LOCALES_MAX`] locales |
//! | `too_large` | over a provider's payload limit once rendered |
//! | `malformed` | not in the form its field asks for (a locale, an address, a header value; a collapse key of other than printable ASCII) |
//! | `wrong_type` | another JSON type than the provider reads |
//! | `reserved` | a data key the provider or the gateway uses itself |
//! | `duplicate` | the same locale twice, in different case |
//! | `not_allowed` | a member or value that may not be set, or not together with the others |
//! | `unknown` | a member no provider reads |
//! | `malformed_placeholder` | `{{` without `}}`, or no name between them |
//! | `missing_variable` | a placeholder without a value |
//! | `never_sent` | the message expires before it may be sent |

mod address;
mod apns;
mod asked;
mod fcm;
mod message;
mod rendered;
mod shape;

use fanfare_types::message::Variables;
use fanfare_types::{Message, Options};

pub use address::check_address;
pub use asked::asked_variables;
pub use message::{IMAGE_BYTES_MAX, LOCALES_MAX};

/// Longest collapse key, in bytes (APNs `apns-collapse-id`).
pub const COLLAPSE_KEY_BYTES_MAX: usize = 64;

/// How many faults are reported; what is wrong beyond that shows at the next try.
pub const FAULTS_MAX: usize = 100;

/// Longest path of a field, in bytes: keys of the caller are part of it, and cut here.
pub const FIELD_BYTES_MAX: usize = 256;

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

/// The variables that are known at the door.
#[derive(Clone, Copy)]
struct Given<'v> {
    variables: &'v Variables,
    /// Whether there will be no others.
    are_all: bool,
}

/// The faults found so far, up to [`FAULTS_MAX`].
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, field: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        if self.0.len() >= FAULTS_MAX {
            return;
        }
        let mut field = field.into();
        field.truncate(field.floor_char_boundary(FIELD_BYTES_MAX));
        self.0.push(Fault {
            field,
            code,
            detail: detail.into(),
        });
    }

    /// As [`Faults::add`], unless the field has a fault with this code.
    fn add_once(&mut self, field: String, code: &'static str, detail: &'static str) {
        let is_same = |fault: &Fault| fault.field == field && fault.code == code;
        if !self.0.iter().any(is_same) {
            self.add(field, code, detail);
        }
    }
}

/// Every fault of a message against the rules of all providers, for all its locales, with these variables filled
/// in; at most [`FAULTS_MAX`]. A message without faults encodes for every provider.
pub fn check_message(message: &Message, variables: &Variables, options: &Options) -> Vec<Fault> {
    let are_all = true;
    check(message, Given { variables, are_all }, options)
}

/// As [`check_message`], for a message whose recipients bring variables of their own, or do without: a placeholder
/// without a value is no fault. What such a value makes of its text, and of the size, shows at each recipient.
pub fn check_open_message(
    message: &Message,
    variables: &Variables,
    options: &Options,
) -> Vec<Fault> {
    let are_all = false;
    check(message, Given { variables, are_all }, options)
}

fn check(message: &Message, given: Given<'_>, options: &Options) -> Vec<Fault> {
    let mut faults = Faults::default();
    check_options(options, &mut faults);
    message::check(message, given, &mut faults);
    apns::check(message, &mut faults);
    fcm::check(message, &mut faults);
    rendered::check(message, given, options, &mut faults);
    faults.0
}

fn check_options(options: &Options, faults: &mut Faults) {
    if let Some(key) = &options.collapse_key {
        if key.is_empty() {
            faults.add("collapse_key", "empty", "leave it out instead");
        } else if key.len() > COLLAPSE_KEY_BYTES_MAX {
            let detail = format!("at most {COLLAPSE_KEY_BYTES_MAX} bytes");
            faults.add("collapse_key", "too_long", detail);
        }
        // It becomes the value of an HTTP header.
        let printable = |b: u8| b == b' ' || b.is_ascii_graphic();
        if !key.bytes().all(printable) || key.trim() != key {
            let detail = "printable ASCII, with no spaces around it";
            faults.add("collapse_key", "malformed", detail);
        }
    }
    if options.send_at.is_some_and(|at| at >= options.expires_at) {
        let detail = "the message expires before this instant";
        faults.add("send_at", "never_sent", detail);
    }
}
