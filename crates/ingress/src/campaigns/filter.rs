//! Filters as JSON: read with the path of every fault, and written back.

use fanfare_types::filter::{Field, Filter, Leaf, Test, Value};
use fanfare_types::{Channel, Platform, Timestamp};
use serde_json::{Value as Json, json};

use crate::device_fields::{TAG_BYTES_MAX, TEXT_BYTES_MAX};
use crate::fields::{Faults, Fields, text};

/// Deepest nesting; a leaf by itself is one deep. Beyond it a fault: 422.
const DEPTH_MAX: usize = 16;

/// Most leaves of one filter. Beyond it a fault: 422.
const LEAVES_MAX: usize = 256;

/// Most values of one `in`. Beyond it a fault: 422.
const VALUES_MAX: usize = 1000;

const FORMS: [&str; 3] = ["all", "any", "not"];

/// Every test there is, by its name.
const TESTS: [&str; 8] = ["eq", "in", "contains", "gt", "gte", "lt", "lte", "exists"];

/// The filter in `value`, or none and its faults.
pub(super) fn read(value: Json, path: &str, faults: &mut Faults) -> Option<Filter> {
    let mut leaves = 0;
    let filter = node(value, path, 1, &mut leaves, faults);
    if leaves > LEAVES_MAX {
        let detail = format!("may have {LEAVES_MAX} tests at most, all together");
        faults.add(path, "too_many", detail);
        return None;
    }
    filter
}

fn node(
    value: Json,
    path: &str,
    depth: usize,
    leaves: &mut usize,
    faults: &mut Faults,
) -> Option<Filter> {
    if depth > DEPTH_MAX {
        let detail = format!("a filter may be {DEPTH_MAX} deep at most");
        faults.add(path, "too_large", detail);
        return None;
    }
    let mut fields = Fields::of(value, path, faults)?;
    let given = given(&mut fields, &FORMS);
    let filter = match given[..] {
        [] => {
            *leaves += 1;
            leaf(&mut fields, path)
        }
        ["not"] => {
            let (value, path) = (fields.take("not")?, fields.path("not"));
            let inner = node(value, &path, depth + 1, leaves, fields.faults);
            inner.map(|inner| Filter::Not(Box::new(inner)))
        }
        [form] => {
            let inner = nodes(&mut fields, form, depth, leaves);
            inner.map(|inner| match form {
                "all" => Filter::All(inner),
                _ => Filter::Any(inner),
            })
        }
        _ => {
            let detail = "must have exactly one of all, any and not, or a field and its test";
            fields.faults.add(path, "malformed", detail);
            return None;
        }
    };
    fields.finish();
    filter
}

fn nodes(
    fields: &mut Fields<'_>,
    form: &str,
    depth: usize,
    leaves: &mut usize,
) -> Option<Vec<Filter>> {
    let path = fields.path(form);
    let entries = fields.list(form, LEAVES_MAX)?;
    if entries.is_empty() {
        // Most likely a list that a program failed to fill; `{"all": true}` is the audience of everybody.
        fields.fault(form, "empty", "must have at least one entry");
        return None;
    }
    let count = entries.len();
    let mut inner = Vec::with_capacity(count);
    for (index, entry) in entries.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        inner.extend(node(entry, &path, depth + 1, leaves, fields.faults));
    }
    (inner.len() == count).then_some(inner)
}

/// Those of `names` that are there and not `null`.
fn given<'n>(fields: &mut Fields<'_>, names: &[&'n str]) -> Vec<&'n str> {
    let is_given = |name: &&&str| !fields.take_null(name) && fields.has(name);
    names.iter().filter(is_given).copied().collect()
}

fn leaf(fields: &mut Fields<'_>, path: &str) -> Option<Filter> {
    fields.require("field");
    let words: Vec<_> = Field::ALL.iter().map(|field| field.as_str()).collect();
    let field = fields.word("field", Field::parse, &words);
    let given = given(fields, &TESTS);
    let [test] = given[..] else {
        let detail = format!("must have exactly one test, of {}", tests_of(field));
        fields.faults.add(path, "malformed", detail);
        for test in given {
            fields.take(test);
        }
        return None;
    };
    let Some(field) = field else {
        fields.take(test);
        return None;
    };
    if !tests(field).contains(&test) {
        let detail = format!("{field} is tested by {}", tests_of(Some(field)));
        fields.take(test);
        fields.fault(test, "not_allowed", detail);
        return None;
    }
    let test = read_test(fields, field, test)?;
    Some(Filter::Leaf(Leaf { field, test }))
}

/// The tests of a field.
fn tests(field: Field) -> &'static [&'static str] {
    match field {
        Field::Platform | Field::Channel => &["eq", "in"],
        Field::Locale | Field::TimeZone => &["eq", "in", "exists"],
        Field::AppVersion => &["eq", "in", "gt", "gte", "lt", "lte", "exists"],
        Field::Tags => &["contains", "in", "exists"],
        Field::LastSeenAt | Field::CreatedAt => &["gt", "gte", "lt", "lte"],
    }
}

fn tests_of(field: Option<Field>) -> String {
    field.map_or(&TESTS[..], tests).join(", ")
}

fn read_test(fields: &mut Fields<'_>, field: Field, test: &str) -> Option<Test> {
    match test {
        "exists" => fields.boolean(test).map(Test::Exists),
        "in" => values(fields, field).map(Test::In),
        _ => {
            let path = fields.path(test);
            let value = value(fields.take(test)?, &path, field, fields.faults)?;
            Some(match (test, value) {
                ("contains", Value::Text(tag)) => Test::Contains(tag),
                ("gt", value) => Test::Gt(value),
                ("gte", value) => Test::Gte(value),
                ("lt", value) => Test::Lt(value),
                ("lte", value) => Test::Lte(value),
                (_, value) => Test::Eq(value),
            })
        }
    }
}

fn values(fields: &mut Fields<'_>, field: Field) -> Option<Vec<Value>> {
    let path = fields.path("in");
    let entries = fields.list("in", VALUES_MAX)?;
    if entries.is_empty() {
        fields.fault("in", "empty", "must have at least one entry");
        return None;
    }
    let count = entries.len();
    let mut values = Vec::with_capacity(count);
    for (index, entry) in entries.into_iter().enumerate() {
        values.extend(value(
            entry,
            &format!("{path}[{index}]"),
            field,
            fields.faults,
        ));
    }
    (values.len() == count).then_some(values)
}

fn value(value: Json, path: &str, field: Field, faults: &mut Faults) -> Option<Value> {
    let bytes_max = match field {
        Field::Tags => TAG_BYTES_MAX,
        _ => TEXT_BYTES_MAX,
    };
    let text = text(value, path, bytes_max, faults)?;
    let fault = match field {
        Field::Platform => not_one_of(&text, Platform::ALL.iter().map(|word| word.as_str())),
        Field::Channel => not_one_of(&text, Channel::ALL.iter().map(|word| word.as_str())),
        Field::AppVersion if !is_version(&text) => Some((
            "malformed",
            "must be a version, as 2.10.0 or 2.0-beta".to_owned(),
        )),
        Field::LastSeenAt | Field::CreatedAt => {
            let Ok(at) = Timestamp::parse_rfc3339(&text) else {
                let detail = "must be an RFC 3339 time, as 2026-01-31T08:00:00Z";
                faults.add(path, "malformed", detail);
                return None;
            };
            return Some(Value::At(at));
        }
        _ => text
            .is_empty()
            .then(|| ("empty", "must not be empty".to_owned())),
    };
    if let Some((code, detail)) = fault {
        faults.add(path, code, detail);
        return None;
    }
    Some(match field {
        Field::AppVersion => Value::Version(text),
        _ => Value::Text(text),
    })
}

fn not_one_of<'w>(
    text: &str,
    words: impl Iterator<Item = &'w str> + Clone,
) -> Option<(&'static str, String)> {
    let is_one = words.clone().any(|word| word == text);
    let words: Vec<_> = words.collect();
    (!is_one).then(|| ("unknown", format!("must be one of {}", words.join(", "))))
}

/// Apps write versions as they please: here a version has parts, none of them empty, and the first one has a digit.
fn is_version(text: &str) -> bool {
    let mut parts = text.split(['.', '-', '+', '_']);
    let first = parts.next().unwrap_or_default();
    first.bytes().any(|byte| byte.is_ascii_digit())
        && parts.all(|part| !part.is_empty())
        && !text.chars().any(char::is_control)
}

/// The JSON that [`read`] reads as this filter.
pub(super) fn write(filter: &Filter) -> Json {
    let list = |filters: &[Filter]| Json::from_iter(filters.iter().map(write));
    match filter {
        Filter::All(all) => json!({"all": list(all)}),
        Filter::Any(any) => json!({"any": list(any)}),
        Filter::Not(inner) => json!({"not": write(inner)}),
        Filter::Leaf(leaf) => {
            let (test, value) = written(&leaf.test);
            json!({"field": leaf.field.as_str(), test: value})
        }
    }
}

fn written(test: &Test) -> (&'static str, Json) {
    let of = |value: &Value| match value {
        Value::Text(text) | Value::Version(text) => Json::from(text.as_str()),
        Value::At(at) => Json::from(at.to_rfc3339()),
    };
    match test {
        Test::Eq(value) => ("eq", of(value)),
        Test::In(values) => ("in", Json::from_iter(values.iter().map(of))),
        Test::Contains(tag) => ("contains", Json::from(tag.as_str())),
        Test::Gt(value) => ("gt", of(value)),
        Test::Gte(value) => ("gte", of(value)),
        Test::Lt(value) => ("lt", of(value)),
        Test::Lte(value) => ("lte", of(value)),
        Test::Exists(wanted) => ("exists", Json::from(*wanted)),
    }
}

#[cfg(test)]
mod tests;
