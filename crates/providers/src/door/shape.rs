//! JSON types of members, as tables.

use serde_json::Value;

use super::Faults;
use crate::content::Object;

/// What a member may be. `null` always may: it removes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Number,
    Object,
    TextOrObject,
    /// An object whose members are all texts.
    Texts,
    Any,
}

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match self {
            Shape::Text => value.is_string(),
            Shape::Number => value.is_number(),
            Shape::Object | Shape::Texts => value.is_object(),
            Shape::TextOrObject => value.is_string() || value.is_object(),
            Shape::Any => true,
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Shape::Text => "a string",
            Shape::Number => "a number",
            Shape::Object => "an object",
            Shape::Texts => "an object of strings",
            Shape::TextOrObject => "a string or an object",
            Shape::Any => "anything",
        }
    }
}

/// Members with names that a table knows must have its shape; what it does not know passes.
pub(super) fn check(object: &Object, path: &str, table: &[(&str, Shape)], faults: &mut Faults) {
    for (name, value) in object {
        if let Some((_, shape)) = table.iter().find(|(known, _)| known == name) {
            check_one(value, *shape, &format!("{path}.{name}"), faults);
        }
    }
}

/// As [`check`], and what the table does not know is a fault.
pub(super) fn check_all(object: &Object, path: &str, table: &[(&str, Shape)], faults: &mut Faults) {
    check(object, path, table, faults);
    for name in object.keys() {
        if !table.iter().any(|(known, _)| known == name) {
            faults.add(format!("{path}.{name}"), "unknown", "no such member");
        }
    }
}

fn check_one(value: &Value, shape: Shape, path: &str, faults: &mut Faults) {
    if value.is_null() {
        return;
    }
    if !shape.fits(value) {
        let detail = format!("must be {}", shape.wanted());
        faults.add(path, "wrong_type", detail);
        return;
    }
    if shape == Shape::Texts {
        let members = value.as_object().into_iter().flatten();
        for (name, _) in members.filter(|(_, value)| !value.is_string() && !value.is_null()) {
            faults.add(format!("{path}.{name}"), "wrong_type", "must be a string");
        }
    }
}

/// The object at a path, if each step is there.
pub(super) fn object_at<'o>(object: &'o Object, steps: &[&str]) -> Option<&'o Object> {
    steps
        .iter()
        .try_fold(object, |object, step| object.get(*step)?.as_object())
}
