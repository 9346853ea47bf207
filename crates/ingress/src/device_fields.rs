//! Members of a device that several contracts read, each under its own name for them, and their limits.

use std::collections::BTreeSet;

use fanfare_types::Platform;
use serde_json::Value;

use crate::fields::{Fields, text};

/// Longest text of a device's metadata, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 255;

/// Most tags of a device.
const TAGS_MAX: usize = 64;

/// Longest tag, in bytes.
pub(crate) const TAG_BYTES_MAX: usize = 64;

/// Largest `device_info`, in bytes of its compact JSON text.
const DEVICE_INFO_BYTES_MAX: usize = 4 << 10;

/// Longest `device_key`, in characters.
const DEVICE_KEY_CHARS_MAX: usize = 128;

const PLATFORMS: &[&str] = &["android", "ios", "web", "unknown"];

/// A text of the metadata.
pub(crate) fn meta(fields: &mut Fields<'_>, name: &str) -> Option<String> {
    fields.text(name, TEXT_BYTES_MAX)
}

/// A text of the metadata that `null` clears.
pub(crate) fn clearable_meta(fields: &mut Fields<'_>, name: &str) -> Option<Option<String>> {
    fields.clearable_text(name, TEXT_BYTES_MAX)
}

pub(crate) fn platform(fields: &mut Fields<'_>) -> Option<Platform> {
    fields.word("platform", Platform::parse, PLATFORMS)
}

/// Tags without repetitions, in the order they came.
pub(crate) fn tags(fields: &mut Fields<'_>) -> Option<Vec<String>> {
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
pub(crate) fn device_info(fields: &mut Fields<'_>, name: &str) -> Option<String> {
    let members = fields.object(name)?;
    let text = Value::Object(members).to_string();
    if text.len() > DEVICE_INFO_BYTES_MAX {
        let detail = format!("may have {DEVICE_INFO_BYTES_MAX} bytes of JSON at most");
        fields.fault(name, "too_large", detail);
        return None;
    }
    Some(text)
}

/// Nothing but ASCII: what looks like a letter and is none would make another device.
pub(crate) fn device_key(fields: &mut Fields<'_>, name: &str) -> Option<String> {
    let key = fields.text(name, usize::MAX)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if (1..=DEVICE_KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(allowed) {
        return Some(key);
    }
    let detail = format!("must be 1 to {DEVICE_KEY_CHARS_MAX} of A-Z a-z 0-9 _ -");
    fields.fault(name, "malformed", detail);
    None
}
