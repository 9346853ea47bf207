//! Request bodies: JSON text read whole, within a byte limit, and refused without ever repeating its content.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::problem::Problem;

/// Why a text is not read as JSON: a stable word, and a sentence that repeats nothing of it.
pub(crate) type Unreadable = (&'static str, String);

/// The body as a value, or 400.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Problem> {
    read(body).map_err(|(code, detail)| Problem::malformed(code, detail))
}

/// The text as a value. A name that occurs twice in one object is refused: readers disagree on which counts.
pub(crate) fn read(body: &[u8]) -> Result<Value, Unreadable> {
    if let Err(error) = std::str::from_utf8(body) {
        let detail = format!("the body is not UTF-8 (byte {})", error.valid_up_to());
        return Err(("invalid_utf8", detail));
    }
    let strict: Result<Strict, _> = serde_json::from_slice(body);
    strict.map(|strict| strict.0).map_err(|error| {
        use serde_json::error::Category;
        let (line, column) = (error.line(), error.column());
        // Ours is the only error of data that can arise: every JSON value fits.
        let (code, what) = match error.classify() {
            Category::Data => ("duplicate_member", "a name occurs twice in one object"),
            Category::Eof => ("malformed_json", "the JSON text ends too early"),
            _ => ("malformed_json", "the body is not JSON"),
        };
        (code, format!("{what}: line {line}, column {column}"))
    })
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Strict(entry)) = seq.next_element()? {
            entries.push(entry);
        }
        Ok(Value::Array(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("duplicate member"));
            }
            let Strict(value) = map.next_value()?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// SHA-256 of what the text means: the order of members and white space do not count.
pub(crate) fn digest(value: &Value) -> [u8; 32] {
    let mut canonical = Vec::with_capacity(512);
    write_canonical(value, &mut canonical);
    sha256(&[&canonical])
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// Recursion is bounded by the parser's own limit (128 levels).
fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(entries) => {
            out.push(b'[');
            for entry in entries {
                write_canonical(entry, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (name, value) in members {
                write_scalar(&Value::from(name.as_str()), out);
                out.push(b':');
                write_canonical(value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        scalar => write_scalar(scalar, out),
    }
}

fn write_scalar(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("writing a scalar to a Vec cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map("\\PC{0,4}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_means_the_same(value in any_json()) {
            let compact = parse(value.to_string().as_bytes()).unwrap();
            let spread = parse(format!("{value:#}").as_bytes()).unwrap();
            prop_assert_eq!(digest(&compact), digest(&spread));
            prop_assert_eq!(&compact, &value);
        }

        #[test]
        fn no_text_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let strict = parse(&body);
            let lenient = serde_json::from_slice::<Value>(&body);
            prop_assert!(strict.is_err() || lenient.is_ok(), "stricter, never laxer");
        }
    }

    fn code(body: &[u8]) -> &'static str {
        parse(body).map_or_else(|problem| problem.code, |_| "fine")
    }

    #[test]
    fn what_is_not_json_is_told_apart() {
        assert_eq!(code(br#"{"a": [1, -2, 2.5, "x", null, true]}"#), "fine");
        assert_eq!(code(b"{\"a\": \"\xff\"}"), "invalid_utf8");
        assert_eq!(code(br#"{"a": 1, "a": 2}"#), "duplicate_member");
        assert_eq!(code(br#"{"a": {"b": 1, "b": 2}}"#), "duplicate_member");
        assert_eq!(code(br#"{"a": "#), "malformed_json");
        assert_eq!(code(b""), "malformed_json");
        assert_eq!(code(b"{'a': 1}"), "malformed_json");
        assert_eq!(code("[".repeat(5000).as_bytes()), "malformed_json");
    }

    #[test]
    fn a_fault_has_its_place_and_no_content() {
        let problem = parse(b"{\n  \"token\": hush\n}").unwrap_err();
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.contains("line 2, column 12"), "{text}");
        assert!(!text.contains("hush") && !text.contains("token"));
    }

    #[test]
    fn the_digest_is_of_the_meaning() {
        let of = |text: &str| digest(&parse(text.as_bytes()).unwrap());
        let one = of(r#"{"a": 1, "b": {"c": "x", "d": [1, 2]}}"#);
        assert_eq!(one, of(r#"{"b":{"d":[1,2],"c":"\u0078"},"a":1}"#));
        assert_ne!(one, of(r#"{"b":{"d":[2,1],"c":"x"},"a":1}"#));
        assert_ne!(of("[[],[]]"), of("[[[]]]"));
    }
}
