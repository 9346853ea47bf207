//! Members that registering and patching share.

use std::collections::BTreeSet;

use fanfare_types::Platform;
use serde_json::Value;

use super::{DEVICE_INFO_BYTES_MAX, DEVICE_KEY_CHARS_MAX, TAG_BYTES_MAX, TAGS_MAX, TEXT_BYTES_MAX};
use crate::fields::{Fields, text};

const PLATFORMS: &[&str] = &["android", "ios", "web", "unknown"];

/// A text of the metadata.
pub(super) fn meta(fields: &mut Fields<'_>, name: &str) -> Option<String> {
    fields.text(name, TEXT_BYTES_MAX)
}

/// A text of the metadata that `null` clears.
pub(super) fn clearable_meta(fields: &mut Fields<'_>, name: &str) -> Option<Option<String>> {
    fields.clearable_text(name, TEXT_BYTES_MAX)
}

pub(super) fn platform(fields: &mut Fields<'_>) -> Option<Platform> {
    fields.word("platform", Platform::parse, PLATFORMS)
}

/// Tags without repetitions, in the order they came.
pub(super) fn tags(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let entries = fields.list("tags", TAGS_MAX)?;
    let mut seen = BTreeSet::new();
    let mut tags = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let path = format!("tags[{index}]");
        match text(entry, &path, TAG_BYTES_MAX, fields.faults) {
            Some(tag) if tag.is_empty() => {
                fields
                    .faults
                    .add(path, "empty", "a tag has at least one character");
            }
            Some(tag) if seen.insert(tag.clone()) => tags.push(tag),
            _ => {}
        }
    }
    Some(tags)
}

/// The compact text of any JSON object.
pub(super) fn device_info(fields: &mut Fields<'_>) -> Option<String> {
    let members = fields.object("device_info")?;
    let text = Value::Object(members).to_string();
    if text.len() > DEVICE_INFO_BYTES_MAX {
        let detail = format!("may have {DEVICE_INFO_BYTES_MAX} bytes of JSON at most");
        fields.fault("device_info", "too_large", detail);
        return None;
    }
    Some(text)
}

pub(super) fn device_key(fields: &mut Fields<'_>) -> Option<String> {
    let key = fields.text("device_key", usize::MAX)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if (1..=DEVICE_KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(allowed) {
        return Some(key);
    }
    let detail = format!("must be 1 to {DEVICE_KEY_CHARS_MAX} of A-Z a-z 0-9 _ -");
    fields.fault("device_key", "malformed", detail);
    None
}
