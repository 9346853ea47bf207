//! The rules for the neutral message: texts, data and locales.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_types::Message;
use fanfare_types::message::Localized;
use serde_json::Value;

use super::fcm::is_reserved;
use super::{Faults, Given};
use crate::apns::payload::IMAGE_KEY;
use crate::template::Template;
use crate::uri::is_https;

/// Longest address of a picture, in bytes, once filled.
pub const IMAGE_BYTES_MAX: usize = 2048;

/// How many locales one message may have: each is rendered for each provider to be measured.
pub const LOCALES_MAX: usize = 200;

/// How many missing variables of one text are named.
const NAMED_MAX: usize = 10;

/// Longest name of a locale, in bytes (RFC 5646 section 4.4.1).
const LOCALE_BYTES_MAX: usize = 35;

pub(super) fn check(message: &Message, given: Given<'_>, faults: &mut Faults) {
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
        check_text(text, || format!("message.{name}"), given, faults);
    }
    check_image(&message.image, || "message.image".to_owned(), given, faults);
    check_data(message, given, faults);
    check_locales(&message.localized, faults);
    for (locale, texts) in message.localized.iter().take(LOCALES_MAX) {
        check_localized(locale, texts, given, faults);
    }
    for (name, raw) in [
        ("apns", &message.apns),
        ("fcm", &message.fcm),
        ("web_push", &message.web_push),
    ] {
        for (member, value) in raw.iter().flatten() {
            check_value(value, &format!("message.{name}.{member}"), given, faults);
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

fn check_localized(locale: &str, texts: &Localized, given: Given<'_>, faults: &mut Faults) {
    let field = |name: &str| format!("message.localized.{locale}.{name}");
    for (name, text) in [
        ("title", &texts.title),
        ("body", &texts.body),
        ("sound", &texts.sound),
        ("click_action", &texts.click_action),
    ] {
        check_text(text, || field(name), given, faults);
    }
    check_image(&texts.image, || field("image"), given, faults);
}

fn check_text(
    text: &Option<String>,
    field: impl FnOnce() -> String,
    given: Given<'_>,
    faults: &mut Faults,
) {
    if let Some(text) = text {
        parse(text, field, given, faults);
    }
}

/// The text's template, if it can be filled. Every missing variable is named, not only the first. Nothing is
/// filled here: how long the texts become shows when the message is rendered, within one bound for all of them.
fn parse(
    text: &str,
    field: impl FnOnce() -> String,
    given: Given<'_>,
    faults: &mut Faults,
) -> Option<Template> {
    let Ok(template) = Template::parse(text) else {
        let detail = "a placeholder is {{name}}, with 1 to 64 of A-Z a-z 0-9 _ . - as its name; \
                      write \\{{ for plain braces";
        faults.add(field(), "malformed_placeholder", detail);
        return None;
    };
    let is_missing = |name: &&str| !given.variables.contains_key(*name);
    let missing: BTreeSet<_> = template.variables().filter(is_missing).collect();
    if missing.is_empty() {
        return Some(template);
    }
    if given.are_all {
        let names = missing.into_iter().take(NAMED_MAX).collect::<Vec<_>>();
        let detail = format!("no value for {}", names.join(", "));
        faults.add(field(), "missing_variable", detail);
    }
    None
}

fn check_value(value: &Value, path: &str, given: Given<'_>, faults: &mut Faults) {
    match value {
        Value::String(text) => {
            parse(text, || path.to_owned(), given, faults);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_value(item, &format!("{path}.{index}"), given, faults);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                check_value(member, &format!("{path}.{name}"), given, faults);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn check_image(
    image: &Option<String>,
    field: impl Fn() -> String,
    given: Given<'_>,
    faults: &mut Faults,
) {
    let Some(image) = image else { return };
    let Some(template) = parse(image, &field, given, faults) else {
        return;
    };
    let Ok(filled) = template.fill(given.variables) else {
        faults.add(field(), "too_long", "the filled text is too long");
        return;
    };
    if filled.len() > IMAGE_BYTES_MAX {
        let detail = format!("at most {IMAGE_BYTES_MAX} bytes");
        faults.add(field(), "too_long", detail);
    } else if !is_https(&filled) {
        faults.add(field(), "malformed", "must be an https address");
    }
}

fn check_data(message: &Message, given: Given<'_>, faults: &mut Faults) {
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
        parse(value, field, given, faults);
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
