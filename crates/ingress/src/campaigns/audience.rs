//! Whom a campaign goes to: one of four forms.

use fanfare_types::Audience;
use serde_json::{Value, json};

use super::filter;
use crate::device_fields::TAG_BYTES_MAX;
use crate::fields::Fields;

const FORMS: [&str; 4] = ["all", "tag", "filter", "recipients"];

/// The audience, or none and its faults.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Audience> {
    fields.require("audience");
    let mut audience = fields.nested("audience")?;
    let is_given = |form: &&str| !audience.take_null(form) && audience.has(form);
    let given: Vec<_> = FORMS.into_iter().filter(is_given).collect();
    let [form] = given[..] else {
        let detail = "must have exactly one of all, tag, filter and recipients";
        audience.faults.add("audience", "malformed", detail);
        return None;
    };
    let read = match form {
        "all" => all(&mut audience),
        "tag" => tag(&mut audience),
        "filter" => {
            let value = audience.take(form)?;
            filter::read(value, "audience.filter", audience.faults).map(Audience::Filter)
        }
        _ => {
            let parse = |word: &str| (word == "upload").then_some(Audience::Upload);
            audience.word(form, parse, &["upload"])
        }
    };
    audience.finish();
    read
}

fn all(audience: &mut Fields<'_>) -> Option<Audience> {
    let is_all = audience.boolean("all")?;
    if !is_all {
        audience.fault("all", "not_allowed", "must be true");
    }
    is_all.then_some(Audience::All)
}

fn tag(audience: &mut Fields<'_>) -> Option<Audience> {
    let tag = audience.text("tag", TAG_BYTES_MAX)?;
    if tag.is_empty() {
        audience.fault("tag", "empty", "must not be empty");
    }
    (!tag.is_empty()).then_some(Audience::Tag(tag))
}

/// The JSON that [`read`] reads as this audience.
pub(super) fn write(audience: &Audience) -> Value {
    match audience {
        Audience::All => json!({"all": true}),
        Audience::Tag(tag) => json!({"tag": tag}),
        Audience::Filter(filter) => json!({"filter": filter::write(filter)}),
        Audience::Upload => json!({"recipients": "upload"}),
    }
}
