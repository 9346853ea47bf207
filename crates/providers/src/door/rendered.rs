//! What only shows once a message is rendered for each provider and locale: its size, and APNs' push type.

use fanfare_types::{Message, MissingVariable, Options};

use super::apns::check_background;
use super::message::LOCALES_MAX;
use super::{Faults, Given};
use crate::apns::payload;
use crate::content::Unsendable;
use crate::fcm::message::PAYLOAD_BYTES_MAX;
use crate::fcm::rendering::Rendering;
use crate::form::Looked;
use crate::template::{Filler, Unfilled, Values};

/// A message whose base is larger than this is not measured locale by locale: it has to shrink anyway.
const MEASURED_BYTES_MAX: usize = 16 * 1024;

/// Renders what each provider would get, for devices without a locale and for each locale. Comes last: what
/// cannot be rendered for a reason that has its own fault is passed over.
pub(super) fn check(message: &Message, given: Given<'_>, options: &Options, faults: &mut Faults) {
    let base = measure(message, None, given, options, faults);
    if base > MEASURED_BYTES_MAX || message.localized.len() > LOCALES_MAX {
        return;
    }
    for locale in message.localized.keys() {
        measure(message, Some(locale), given, options, faults);
    }
}

/// Notes what is too large; returns the size of the larger rendering in bytes.
fn measure(
    message: &Message,
    locale: Option<&str>,
    given: Given<'_>,
    options: &Options,
    faults: &mut Faults,
) -> usize {
    let field = locale.map_or_else(
        || "message".to_owned(),
        |locale| format!("message.localized.{locale}"),
    );
    let texts = message.localized_for(locale);
    let texts = texts.as_deref();
    let missing = match given.are_all {
        true => MissingVariable::Fail,
        false => MissingVariable::Empty,
    };
    let values = Values::new(None, given.variables, missing);
    let apns = payload::render(message, texts, &mut Filler::new(values), options.priority).map(
        |payload| {
            check_background(&payload, faults);
            (payload.json.len(), payload.push_type.bytes_max)
        },
    );
    let fcm = Rendering::of(message, texts, Filler::new(values), options).map(|rendering| {
        (
            rendering.payload_bytes(&Looked::default()),
            PAYLOAD_BYTES_MAX,
        )
    });
    let mut largest = 0;
    for (provider, measured) in [("APNs", apns), ("FCM", fcm)] {
        match measured {
            Ok((bytes, max)) => {
                largest = largest.max(bytes);
                if bytes > max {
                    let detail = format!("{bytes} bytes for {provider}, which takes {max}");
                    faults.add(&field, "too_large", detail);
                }
            }
            // An override of texts that are still to come may be of use once they are there.
            Err(Unsendable::Override(_)) if !given.are_all => {}
            Err(why) => unrendered(&field, provider, &why, faults),
        }
    }
    largest
}

/// A message that no provider request can be made of never passes, even if no rule above has named its fault.
fn unrendered(field: &str, provider: &str, why: &Unsendable, faults: &mut Faults) {
    if let Unsendable::Unfilled(Unfilled::TooLong) = why {
        faults.add(field, "too_large", "the filled texts are too long together");
    } else if faults.0.is_empty() {
        let detail = format!("cannot be rendered for {provider}: {why}");
        faults.add(field, "not_allowed", detail);
    }
}
