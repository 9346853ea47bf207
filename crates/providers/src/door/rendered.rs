//! What only shows once a message is rendered for each provider and locale: its size, and APNs' push type.

use fanfare_types::message::Variables;
use fanfare_types::{Message, Options};

use super::Faults;
use super::apns::check_background;
use super::message::LOCALES_MAX;
use crate::apns::payload;
use crate::content::Unsendable;
use crate::fcm::message::PAYLOAD_BYTES_MAX;
use crate::fcm::rendering::Rendering;
use crate::template::Unfilled;

/// A message whose base is larger than this is not measured locale by locale: it has to shrink anyway.
const MEASURED_BYTES_MAX: usize = 16 * 1024;

/// Renders what each provider would get, for devices without a locale and for each locale. Comes last: what
/// cannot be rendered for a reason that has its own fault is passed over.
pub(super) fn check(
    message: &Message,
    variables: &Variables,
    options: &Options,
    faults: &mut Faults,
) {
    let base = measure(message, None, variables, options, faults);
    if base > MEASURED_BYTES_MAX || message.localized.len() > LOCALES_MAX {
        return;
    }
    for locale in message.localized.keys() {
        measure(message, Some(locale), variables, options, faults);
    }
}

/// Notes what is too large; returns the size of the larger rendering in bytes.
fn measure(
    message: &Message,
    locale: Option<&str>,
    variables: &Variables,
    options: &Options,
    faults: &mut Faults,
) -> usize {
    let field = locale.map_or_else(
        || "message".to_owned(),
        |locale| format!("message.localized.{locale}"),
    );
    let texts = message.localized_for(locale);
    let texts = texts.as_deref();
    let apns = payload::render(message, texts, variables, options.priority).map(|payload| {
        check_background(&payload, faults);
        (payload.json.len(), payload.push_type.bytes_max)
    });
    let fcm = Rendering::of(message, texts, variables, options)
        .map(|rendering| (rendering.payload_bytes, PAYLOAD_BYTES_MAX));
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
