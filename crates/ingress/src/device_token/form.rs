//! A form as jQuery writes nested values, `columns[0][search][value]=x`, as the JSON it stands for.

use serde_json::{Map, Value};

use crate::fields::{Faults, shown};

/// Most parts of a name that are looked at; the protocol needs four. What is nested deeper is none of its members.
const DEPTH_MAX: usize = 4;

/// The members called one of `names` (others are passed over), all of whose values are texts. A list is an object by
/// index here.
pub(super) fn parse(form: &[u8], names: &[&str], faults: &mut Faults) -> Value {
    let mut root = Map::new();
    for (name, text) in form_urlencoded::parse(form) {
        let Some(parts) = parts(&name).filter(|parts| names.contains(&parts[0])) else {
            continue;
        };
        if !insert(&mut root, &parts, text.into_owned()) {
            faults.add(shown(&name), "duplicate", "may be given once");
        }
    }
    Value::Object(root)
}

/// `a[0][b]` → `a`, `0`, `b`. `None` for a name of another shape.
fn parts(name: &str) -> Option<Vec<&str>> {
    let (first, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mut parts = vec![first];
    while !rest.is_empty() {
        let (part, after) = rest.strip_prefix('[')?.split_once(']')?;
        parts.push(part);
        rest = after;
        if parts.len() > DEPTH_MAX {
            return None;
        }
    }
    Some(parts)
}

/// Whether the place was free.
fn insert(members: &mut Map<String, Value>, parts: &[&str], text: String) -> bool {
    match parts {
        [] => false,
        [last] if members.contains_key(*last) => false,
        [last] => {
            members.insert((*last).to_owned(), Value::String(text));
            true
        }
        [first, rest @ ..] => {
            let inner = members
                .entry(*first)
                .or_insert_with(|| Value::Object(Map::new()));
            match inner {
                Value::Object(inner) => insert(inner, rest, text),
                _ => false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(form: &str) -> (Value, Vec<(String, &'static str)>) {
        let mut faults = Faults::default();
        let value = parse(form.as_bytes(), &["a", "b"], &mut faults);
        let faults = faults.into_vec().into_iter();
        (
            value,
            faults.map(|fault| (fault.field, fault.code)).collect(),
        )
    }

    #[test]
    fn brackets_nest_and_escapes_are_undone() {
        let (value, faults) = read("a=1&b%5B0%5D%5Bc%5D=x+y%26z&b[10][c]=&other[0]=no&_=17");
        assert_eq!(
            value,
            json!({"a": "1", "b": {"0": {"c": "x y&z"}, "10": {"c": ""}}})
        );
        assert_eq!(faults, []);
    }

    #[test]
    fn a_place_is_taken_once() {
        let (_, faults) = read("a=1&a=2&a[b]=3&b[c]=1&b=2");
        assert_eq!(
            faults.iter().map(|(_, code)| *code).collect::<Vec<_>>(),
            ["duplicate"; 3]
        );
    }

    #[test]
    fn names_of_another_shape_and_bombs_are_passed_over() {
        let bomb = format!("a{}=1", "[b]".repeat(100_000));
        for form in [
            bomb.as_str(),
            "a[=1",
            "a]=1",
            "a[b=1",
            "a[b]c=1",
            "[a]=1",
            "=1",
            "&&&",
            "%00=1",
        ] {
            assert_eq!(read(form), (json!({}), Vec::new()), "{:.20}", form);
        }
    }
}
