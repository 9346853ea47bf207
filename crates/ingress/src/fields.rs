//! Reading a JSON object by hand, so that every fault of a request is reported at once.
//!
//! One rule everywhere: a member that is not needed may be left out or `null`, which is the same (but in a
//! PATCH, where `null` clears what can be cleared). A required member, an entry of a list and a value under a
//! name of the caller's own (`data`, `variables`, `localized`) are never `null`. The codes are `missing`, `null`,
//! `wrong_type`, `empty`, `too_long`, `too_many`, `too_large`, `malformed`, `duplicate`, `unknown` and
//! `not_allowed`, beside those of the checks in `providers`.

use std::collections::BTreeMap;

use fanfare_providers::Fault;
use serde_json::{Map, Value};

/// Most faults one answer lists; what is wrong beyond them is not looked at further.
pub(crate) const FAULTS_MAX: usize = 100;

/// Longest part of a caller's own member name repeated in a fault's path, in characters.
const NAME_CHARS_MAX: usize = 64;

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(
        &mut self,
        field: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) {
        self.push(Fault {
            field: field.into(),
            code,
            detail: detail.into(),
        });
    }

    pub(crate) fn push(&mut self, fault: Fault) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(fault);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this very field, or one inside it, has a fault.
    pub(crate) fn concern(&self, field: &str) -> bool {
        let inside = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        let concerns = |fault: &Fault| fault.field.strip_prefix(field).is_some_and(inside);
        self.0.iter().any(concerns)
    }

    pub(crate) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

/// Members of one object, taken out one by one; [`Fields::finish`] reports those nobody asked for.
#[derive(Debug)]
pub(crate) struct Fields<'f> {
    members: Map<String, Value>,
    path: String,
    pub(crate) faults: &'f mut Faults,
}

impl<'f> Fields<'f> {
    /// The object at `path` (empty for the body itself).
    pub(crate) fn of(value: Value, path: &str, faults: &'f mut Faults) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Fields {
                members,
                path: path.to_owned(),
                faults,
            }),
            other => {
                let field = if path.is_empty() { "body" } else { path };
                wrong_type(faults, field, &other, "an object");
                None
            }
        }
    }

    /// The path of a member.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The member's value; a `null` is as good as none.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn fault(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        let path = self.path(name);
        self.faults.add(path, code, detail);
    }

    /// Notes that a required member is not there, or `null`.
    pub(crate) fn require(&mut self, name: &str) {
        if self.take_null(name) {
            self.fault(name, "null", "is required and must not be null");
        } else if !self.has(name) {
            self.fault(name, "missing", "is required");
        }
    }

    /// A text of at most `bytes_max` bytes.
    pub(crate) fn text(&mut self, name: &str, bytes_max: usize) -> Option<String> {
        let value = self.take(name)?;
        let path = self.path(name);
        text(value, &path, bytes_max, self.faults)
    }

    /// A text that `null` clears: `Some(None)` for `null`.
    pub(crate) fn clearable_text(
        &mut self,
        name: &str,
        bytes_max: usize,
    ) -> Option<Option<String>> {
        if self.take_null(name) {
            return Some(None);
        }
        self.text(name, bytes_max).map(Some)
    }

    /// Takes the member if it is `null`.
    pub(crate) fn take_null(&mut self, name: &str) -> bool {
        let is_null = self.members.get(name).is_some_and(Value::is_null);
        if is_null {
            self.members.remove(name);
        }
        is_null
    }

    /// Takes the member if it is an empty text.
    pub(crate) fn take_empty(&mut self, name: &str) -> bool {
        let is_empty = self.members.get(name).is_some_and(|value| value == "");
        if is_empty {
            self.members.remove(name);
        }
        is_empty
    }

    /// One of a few words.
    pub(crate) fn word<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        words: &[&str],
    ) -> Option<T> {
        let text = self.text(name, usize::MAX)?;
        let word = parse(&text);
        if word.is_none() {
            let detail = format!("must be one of {}", words.join(", "));
            self.fault(name, "unknown", detail);
        }
        word
    }

    /// A whole number in a range; `60.0` is one, too.
    pub(crate) fn integer(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = self.take(name)?;
        let number = whole(&value).filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let path = self.path(name);
            if value.is_number() {
                let detail = format!("must be a whole number from {least} to {most}");
                self.faults.add(path, "out_of_range", detail);
            } else {
                wrong_type(self.faults, &path, &value, "a whole number");
            }
        }
        number
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.take(name)?;
        let is_true = value.as_bool();
        if is_true.is_none() {
            let path = self.path(name);
            wrong_type(self.faults, &path, &value, "true or false");
        }
        is_true
    }

    /// A list of at most `count_max` entries.
    pub(crate) fn list(&mut self, name: &str, count_max: usize) -> Option<Vec<Value>> {
        let path = self.path(name);
        match self.take(name)? {
            Value::Array(entries) if entries.len() > count_max => {
                let detail = format!("may have {count_max} entries at most");
                self.faults.add(path, "too_many", detail);
                None
            }
            Value::Array(entries) => Some(entries),
            other => {
                wrong_type(self.faults, &path, &other, "a list");
                None
            }
        }
    }

    /// An object as it is.
    pub(crate) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        let path = self.path(name);
        match self.take(name)? {
            Value::Object(members) => Some(members),
            other => {
                wrong_type(self.faults, &path, &other, "an object");
                None
            }
        }
    }

    /// An object whose values are texts.
    pub(crate) fn texts(&mut self, name: &str) -> Option<BTreeMap<String, String>> {
        let path = self.path(name);
        let members = self.object(name)?;
        let mut texts = BTreeMap::new();
        for (key, value) in members {
            let field = format!("{path}.{}", shown(&key));
            if let Some(value) = text(value, &field, usize::MAX, self.faults) {
                texts.insert(key, value);
            }
        }
        Some(texts)
    }

    /// The object inside, to be read in turn.
    pub(crate) fn nested(&mut self, name: &str) -> Option<Fields<'_>> {
        let path = self.path(name);
        let value = self.take(name)?;
        Fields::of(value, &path, self.faults)
    }

    /// Reports what nobody asked for.
    pub(crate) fn finish(self) {
        for name in self.members.keys() {
            let name = shown(name);
            let path = match self.path.as_str() {
                "" => name,
                path => format!("{path}.{name}"),
            };
            self.faults
                .add(path, "unknown", "is not a field of this request");
        }
    }
}

/// JSON has one kind of number only: `60`, `60.0` and `6e1` are the same.
fn whole(value: &Value) -> Option<u64> {
    let integral = || value.as_f64().filter(|number| number.fract() == 0.0);
    let written = || format!("{:.0}", integral()?).parse().ok();
    value.as_u64().or_else(written)
}

/// A member name of the caller's, short enough to be repeated.
pub(crate) fn shown(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARS_MAX)
        .collect()
}

/// A text of at most `bytes_max` bytes.
pub(crate) fn text(
    value: Value,
    path: &str,
    bytes_max: usize,
    faults: &mut Faults,
) -> Option<String> {
    match value {
        Value::String(text) if text.len() > bytes_max => {
            let detail = format!("may have {bytes_max} bytes at most");
            faults.add(path, "too_long", detail);
            None
        }
        Value::String(text) => Some(text),
        other => {
            wrong_type(faults, path, &other, "a string");
            None
        }
    }
}

/// Notes that `value` is not of the type that is due.
pub(crate) fn wrong_type(faults: &mut Faults, path: &str, value: &Value, due: &str) {
    if value.is_null() {
        faults.add(path, "null", format!("must be {due}, not null"));
    } else {
        faults.add(path, "wrong_type", format!("must be {due}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn codes(faults: Faults) -> Vec<(String, &'static str)> {
        let pair = |fault: Fault| (fault.field, fault.code);
        faults.into_vec().into_iter().map(pair).collect()
    }

    #[test]
    fn every_fault_is_found_at_once_with_its_path() {
        let mut faults = Faults::default();
        let body = json!({
            "name": null, "needed": null, "size": 1.5, "round": 60.0, "over": 61.0,
            "word": "c", "inner": {"long": "12345", "more": 1},
            "texts": {"a": "b", "c": 3}, "list": [1, 2, 3], "extra": true
        });
        let mut fields = Fields::of(body, "", &mut faults).unwrap();
        fields.require("due");
        fields.require("needed");
        assert_eq!(fields.text("name", 9), None, "as if it were not there");
        assert_eq!(fields.integer("round", 1..=60), Some(60));
        assert_eq!(fields.integer("over", 1..=60), None);
        assert_eq!(fields.integer("size", 1..=9), None);
        assert_eq!(fields.word("word", |_| None::<()>, &["a", "b"]), None);
        assert_eq!(fields.list("list", 2), None);
        assert_eq!(fields.texts("texts").unwrap().len(), 1);
        let mut inner = fields.nested("inner").unwrap();
        assert_eq!(inner.text("long", 4), None);
        inner.finish();
        fields.finish();
        assert!(faults.concern("inner") && faults.concern("inner.long"));
        assert!(!faults.concern("inn"));
        let found = codes(faults);
        let expected = [
            ("due", "missing"),
            ("needed", "null"),
            ("over", "out_of_range"),
            ("size", "out_of_range"),
            ("word", "unknown"),
            ("list", "too_many"),
            ("texts.c", "wrong_type"),
            ("inner.long", "too_long"),
            ("inner.more", "unknown"),
            ("extra", "unknown"),
        ];
        let expected = expected.map(|(field, code)| (field.to_owned(), code));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_body_that_is_no_object_and_a_flood_of_faults_are_reported_shortly() {
        let mut faults = Faults::default();
        assert!(Fields::of(json!([]), "", &mut faults).is_none());
        assert_eq!(codes(faults), [("body".to_owned(), "wrong_type")]);
        let mut faults = Faults::default();
        let flood = (0..1000).map(|n| (format!("{n}{}", "x".repeat(500)), Value::Null));
        let flood = Value::Object(flood.collect());
        Fields::of(flood, "", &mut faults).unwrap().finish();
        let faults = faults.into_vec();
        assert_eq!(faults.len(), FAULTS_MAX);
        assert!(
            faults
                .iter()
                .all(|fault| fault.field.len() <= NAME_CHARS_MAX)
        );
    }
}
