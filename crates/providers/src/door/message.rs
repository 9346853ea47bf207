//! The rules for the neutral message: texts, data, locales, and its size at each provider.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_types::message::{Localized, Variables};
use fanfare_types::{Message, Options};
use serde_json::Value;

use super::Faults;
use super::fcm::is_reserved;
use crate::apns::payload::{self, IMAGE_KEY};
use crate::content::Unsendable;
use crate::fcm::message::{self as fcm_message, PAYLOAD_BYTES_MAX, payload_bytes};
use crate::template::{Template, Unfilled};
use crate::uri::is_https;

/// Longest address of a picture, in bytes, once filled.
pub const IMAGE_BYTES_MAX: usize = 2048;

/// How many locales one message may have: each is rendered for each provider to be measured.
pub const LOCALES_MAX: usize = 200;

/// Longest name of a locale, in bytes (RFC 5646 section 4.4.1).
const LOCALE_BYTES_MAX: usize = 35;

/// A message whose base is larger than this is not measured locale by locale: it has to shrink anyway.
const MEASURED_BYTES_MAX: usize = 16 * 1024;

pub(super) fn check(message: &Message, variables: &Variables, faults: &mut Faults) {
    if is_empty(message) {
        let detail = "give title, body, image, data, sound, badge or an override: \
                      devices of other locales would get nothing";
        faults.add("message", "empty", detail);
    }
    for (name, text) in [
        ("title", &message.title),
        ("body", &message.body),
        ("sound", &message.sound),
        ("click_action", &message.click_action),
    ] {
        check_text(text, || format!("message.{name}"), variables, faults);
    }
    check_image(
        &message.image,
        || "message.image".to_owned(),
        variables,
        faults,
    );
    check_data(message, variables, faults);
    check_locales(&message.localized, faults);
    for (locale, texts) in &message.localized {
        check_localized(locale, texts, variables, faults);
    }
    for (name, raw) in [
        ("apns", &message.apns),
        ("fcm", &message.fcm),
        ("web_push", &message.web_push),
    ] {
        for (member, value) in raw.iter().flatten() {
            check_value(
                value,
                &format!("message.{name}.{member}"),
                variables,
                faults,
            );
        }
    }
}

fn is_empty(message: &Message) -> bool {
    let texts = [
        &message.title,
        &message.body,
        &message.image,
        &message.sound,
    ];
    let overrides = [&message.apns, &message.fcm, &message.web_push];
    texts
        .iter()
        .all(|text| text.as_deref().unwrap_or_default().is_empty())
        && message.data.is_empty()
        && message.badge.is_none()
        && overrides
            .iter()
            .all(|raw| raw.as_ref().is_none_or(|raw| raw.is_empty()))
}

fn check_localized(locale: &str, texts: &Localized, variables: &Variables, faults: &mut Faults) {
    let field = |name: &str| format!("message.localized.{locale}.{name}");
    for (name, text) in [
        ("title", &texts.title),
        ("body", &texts.body),
        ("sound", &texts.sound),
        ("click_action", &texts.click_action),
    ] {
        check_text(text, || field(name), variables, faults);
    }
    check_image(&texts.image, || field("image"), variables, faults);
}

fn check_text(
    text: &Option<String>,
    field: impl FnOnce() -> String,
    variables: &Variables,
    faults: &mut Faults,
) {
    if let Some(text) = text {
        fill(text, field, variables, faults);
    }
}

/// The filled text; its faults are noted. Every missing variable is named, not only the first.
fn fill(
    text: &str,
    field: impl FnOnce() -> String,
    variables: &Variables,
    faults: &mut Faults,
) -> Option<String> {
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(_) => {
            let detail = "a placeholder is {{name}}, with 1 to 64 of A-Z a-z 0-9 _ . - as its name; \
                          write \\{{ for plain braces";
            faults.add(field(), "malformed_placeholder", detail);
            return None;
        }
    };
    match template.fill(variables) {
        Ok(filled) => Some(filled),
        Err(Unfilled::Missing(_)) => {
            let is_missing = |name: &&str| !variables.contains_key(*name);
            let missing: BTreeSet<_> = template.variables().filter(is_missing).collect();
            let names = missing.into_iter().collect::<Vec<_>>().join(", ");
            faults.add(field(), "missing_variable", format!("no value for {names}"));
            None
        }
        Err(_) => {
            faults.add(field(), "too_long", "the filled text is too long");
            None
        }
    }
}

fn check_value(value: &Value, path: &str, variables: &Variables, faults: &mut Faults) {
    match value {
        Value::String(text) => {
            fill(text, || path.to_owned(), variables, faults);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_value(item, &format!("{path}.{index}"), variables, faults);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                check_value(member, &format!("{path}.{name}"), variables, faults);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn check_image(
    image: &Option<String>,
    field: impl Fn() -> String,
    variables: &Variables,
    faults: &mut Faults,
) {
    let Some(image) = image else { return };
    let Some(filled) = fill(image, &field, variables, faults) else {
        return;
    };
    if filled.len() > IMAGE_BYTES_MAX {
        let detail = format!("at most {IMAGE_BYTES_MAX} bytes");
        faults.add(field(), "too_long", detail);
    } else if !is_https(&filled) {
        faults.add(field(), "malformed", "must be an https address");
    }
}

fn check_data(message: &Message, variables: &Variables, faults: &mut Faults) {
    let has_image = message.image.is_some()
        || message
            .localized
            .values()
            .any(|texts| texts.image.is_some());
    for (key, value) in &message.data {
        let field = || format!("message.data.{key}");
        if key.is_empty() {
            faults.add(field(), "empty", "a data key may not be empty");
        } else if is_reserved(key) {
            faults.add(field(), "reserved", "FCM uses this key");
        } else if key == "aps" {
            faults.add(field(), "reserved", "APNs uses this key");
        } else if key == IMAGE_KEY && has_image {
            faults.add(field(), "reserved", "carries message.image on APNs");
        }
        fill(value, field, variables, faults);
    }
}

fn check_locales(localized: &BTreeMap<String, Localized>, faults: &mut Faults) {
    if localized.len() > LOCALES_MAX {
        let detail = format!("at most {LOCALES_MAX} locales");
        faults.add("message.localized", "too_many", detail);
    }
    let mut seen = BTreeSet::new();
    for locale in localized.keys() {
        let field = || format!("message.localized.{locale}");
        if !is_locale(locale) {
            let detail = "a locale is a language and perhaps a region, as de or pt-BR";
            faults.add(field(), "malformed", detail);
        } else if !seen.insert(locale.to_ascii_lowercase()) {
            faults.add(field(), "duplicate", "locales are compared without case");
        }
    }
}

/// The outer form of RFC 5646: parts of letters and digits, the language first.
fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    text.len() <= LOCALE_BYTES_MAX
        && (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// Measures what each provider would get, for devices without a locale and for each locale. Comes last: what
/// cannot be rendered for a reason that has its own fault is passed over.
pub(super) fn check_sizes(
    message: &Message,
    variables: &Variables,
    options: &Options,
    faults: &mut Faults,
) {
    let base = measure(message, None, variables, options, faults);
    if base > MEASURED_BYTES_MAX || message.localized.len() > LOCALES_MAX {
        return;
    }
    for (locale, texts) in &message.localized {
        measure(message, Some((locale, texts)), variables, options, faults);
    }
}

/// Notes what is too large; returns the size of the larger rendering in bytes.
fn measure(
    message: &Message,
    localized: Option<(&str, &Localized)>,
    variables: &Variables,
    options: &Options,
    faults: &mut Faults,
) -> usize {
    let field = localized.map_or_else(
        || "message".to_owned(),
        |(locale, _)| format!("message.localized.{locale}"),
    );
    let texts = localized.map(|(_, texts)| texts);
    let apns = payload::render(message, texts, variables, options.priority)
        .map(|payload| (payload.json.len(), payload.push_type.bytes_max));
    let fcm = fcm_message::render(message, texts, variables, options)
        .map(|rendered| (payload_bytes(&rendered), PAYLOAD_BYTES_MAX));
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
