//! Reading JSON as the contract's own clients write it: names of members in any case, members nobody asked for passed
//! over, and numbers and truth values as text where a form has nothing else.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::fields::{Faults, Fields, shown, wrong_type};

/// The object at `path`, with the members called one of `names`. One given twice in two cases is a fault: readers
/// disagree on which counts.
pub(super) fn of<'f>(
    value: Value,
    path: &str,
    names: &[&str],
    faults: &'f mut Faults,
) -> Option<Fields<'f>> {
    let value = match value {
        Value::Object(members) => Value::Object(known(members, path, names, faults)),
        other => other,
    };
    Fields::of(value, path, faults)
}

fn known(
    members: Map<String, Value>,
    path: &str,
    names: &[&str],
    faults: &mut Faults,
) -> Map<String, Value> {
    let mut kept = Map::new();
    for (name, value) in members {
        let known = names.iter().find(|known| known.eq_ignore_ascii_case(&name));
        let Some(known) = known else { continue };
        if kept.insert((*known).to_owned(), value).is_some() {
            faults.add(inside(path, known), "duplicate", "may be given once");
        }
    }
    kept
}

/// The path of `name` in the object at `path`.
pub(super) fn inside(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// A whole number, or the text of one.
pub(super) fn number(
    fields: &mut Fields<'_>,
    name: &str,
    range: RangeInclusive<i64>,
) -> Option<i64> {
    let value = fields.take(name)?;
    let number = match &value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => whole(number),
        other => {
            let path = fields.path(name);
            wrong_type(fields.faults, &path, other, "a whole number");
            return None;
        }
    };
    let number = number.filter(|number| range.contains(number));
    if number.is_none() {
        let (least, most) = (range.start(), range.end());
        let detail = format!("must be a whole number from {least} to {most}");
        fields.fault(name, "out_of_range", detail);
    }
    number
}

/// JSON has one kind of number only: `60` and `60.0` are the same.
fn whole(number: &serde_json::Number) -> Option<i64> {
    let integral = || number.as_f64().filter(|number| number.fract() == 0.0);
    let written = || format!("{:.0}", integral()?).parse().ok();
    number.as_i64().or_else(written)
}

/// A truth value, or `true` and `false` as text.
pub(super) fn flag(fields: &mut Fields<'_>, name: &str) -> Option<bool> {
    let value = fields.take(name)?;
    let flag = match &value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => truth(text),
        _ => None,
    };
    if flag.is_none() {
        fields.fault(name, "wrong_type", "must be true or false");
    }
    flag
}

/// `true` or `false`, in any case.
pub(super) fn truth(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    match (is("true"), is("false")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// A list of at most `count_max` entries by index: as JSON has it, or as a form does, `{"0": …, "2": …}`.
pub(super) fn indexed(
    fields: &mut Fields<'_>,
    name: &str,
    count_max: usize,
) -> Option<BTreeMap<usize, Value>> {
    let path = fields.path(name);
    let entries: BTreeMap<usize, Value> = match fields.take(name)? {
        Value::Array(entries) => entries.into_iter().enumerate().collect(),
        Value::Object(members) => {
            let mut entries = BTreeMap::new();
            for (index, value) in members {
                if let Some(index) = place(&index) {
                    entries.insert(index, value);
                } else {
                    let path = format!("{path}[{}]", shown(&index));
                    fields.faults.add(path, "malformed", "is not an index");
                }
            }
            entries
        }
        other => {
            wrong_type(fields.faults, &path, &other, "a list");
            return None;
        }
    };
    if entries
        .keys()
        .next_back()
        .is_some_and(|last| *last >= count_max)
    {
        let detail = format!("may have {count_max} entries at most");
        fields.faults.add(path, "too_many", detail);
        return None;
    }
    Some(entries)
}

/// An index in its one spelling, so that no two names mean one place.
fn place(text: &str) -> Option<usize> {
    let index: usize = text.parse().ok()?;
    (index.to_string() == text).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(value: Value, read: impl FnOnce(&mut Fields<'_>)) -> Vec<(String, &'static str)> {
        let mut faults = Faults::default();
        if let Some(mut fields) = of(value, "", &["one", "two", "list"], &mut faults) {
            read(&mut fields);
        }
        let faults = faults.into_vec().into_iter();
        faults.map(|fault| (fault.field, fault.code)).collect()
    }

    #[test]
    fn names_are_known_in_any_case_and_only_once() {
        let none = faults(json!({"ONE": 1, "other": 2}), |fields| {
            assert_eq!(number(fields, "one", 0..=9), Some(1));
        });
        assert_eq!(none, []);
        let twice = faults(json!({"one": 1, "One": 1}), |_| {});
        assert_eq!(twice, [("one".to_owned(), "duplicate")]);
        assert_eq!(
            faults(json!([]), |_| {}),
            [("body".to_owned(), "wrong_type")]
        );
    }

    #[test]
    fn numbers_and_truth_values_may_be_text() {
        for (given, expected) in [
            (json!(-3), Some(-3)),
            (json!("-3"), Some(-3)),
            (json!(3.0), Some(3)),
            (json!(null), None),
        ] {
            let found = faults(json!({ "one": given }), |fields| {
                assert_eq!(number(fields, "one", -9..=9), expected);
            });
            assert_eq!(found, []);
        }
        for given in [
            json!("NaN"),
            json!(""),
            json!("3 OR 1=1"),
            json!(1.5),
            json!(10),
            json!(1e300),
        ] {
            let found = faults(json!({ "one": given }), |fields| {
                assert_eq!(number(fields, "one", -9..=9), None);
            });
            assert_eq!(found, [("one".to_owned(), "out_of_range")], "{given}");
        }
        let found = faults(json!({"one": [], "two": "True"}), |fields| {
            assert_eq!(number(fields, "one", 0..=9), None);
            assert_eq!(flag(fields, "two"), Some(true));
        });
        assert_eq!(found, [("one".to_owned(), "wrong_type")]);
        let found = faults(json!({"one": 1, "two": "yes"}), |fields| {
            assert_eq!((flag(fields, "one"), flag(fields, "two")), (None, None));
        });
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn lists_are_bounded_by_their_last_index() {
        let list = |value| json!({ "list": value });
        let read = |value, expected: Option<&[usize]>| {
            faults(list(value), |fields| {
                let entries = indexed(fields, "list", 3);
                let places = entries.map(|entries| entries.into_keys().collect::<Vec<_>>());
                assert_eq!(places.as_deref(), expected);
            })
        };
        assert_eq!(read(json!([1, 2, 3]), Some(&[0, 1, 2])), []);
        assert_eq!(read(json!({"2": 1, "0": 1}), Some(&[0, 2])), []);
        assert_eq!(read(json!([1, 2, 3, 4]), None).len(), 1);
        assert_eq!(read(json!({"4294967296": 1}), None).len(), 1);
        assert_eq!(read(json!({"-1": 1, "01": 1}), Some(&[])).len(), 2);
        assert_eq!(read(json!("x"), None).len(), 1);
    }
}
