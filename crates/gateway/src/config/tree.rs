//! The configuration as a tree whose every value knows where it came from: a line of the file, or the
//! environment variable that overrode it.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::faults::{Fault, Faults};

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Line(usize),
    Environment(String),
    /// Of the file as a whole: something missing.
    File,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Line(line) => write!(f, "line {line}"),
            Origin::Environment(name) => f.write_str(name),
            Origin::File => f.write_str("file"),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Table(Table),
    Array(Vec<Node>),
    /// A string of the file, or anything from the environment.
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

pub(crate) type Table = BTreeMap<String, Node>;

impl Value {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Table(_) => "a table",
            Value::Array(_) => "an array",
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
        }
    }
}

/// Reads TOML; every syntax error is a fault with its line.
pub(crate) fn parse(text: &str, faults: &mut Faults) -> Table {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = error
            .span()
            .map_or(Origin::File, |span| Origin::Line(line_of(text, span.start)));
        faults.push(Fault::new(line, "", error.message().to_owned()));
    }
    table(text, document.get_ref(), faults)
}

fn table(text: &str, source: &DeTable<'_>, faults: &mut Faults) -> Table {
    source
        .iter()
        .filter_map(|(key, value)| {
            let origin = Origin::Line(line_of(text, key.span().start));
            let value = convert(text, value.get_ref(), &origin, faults)?;
            Some((key.get_ref().to_string(), Node { value, origin }))
        })
        .collect()
}

fn convert(text: &str, value: &DeValue<'_>, origin: &Origin, faults: &mut Faults) -> Option<Value> {
    Some(match value {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => {
                faults.push(Fault::new(
                    origin.clone(),
                    "",
                    "integer out of range".to_owned(),
                ));
                return None;
            }
        },
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Datetime(datetime) => Value::Text(datetime.to_string()),
        DeValue::Array(array) => Value::Array(
            array
                .iter()
                .filter_map(|item| {
                    let origin = Origin::Line(line_of(text, item.span().start));
                    let value = convert(text, item.get_ref(), &origin, faults)?;
                    Some(Node { value, origin })
                })
                .collect(),
        ),
        DeValue::Table(inner) => Value::Table(table(text, inner, faults)),
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
}

/// Lays `FANFARE_…` variables over the tree; `__` steps into a table or, with a number, into an array.
pub(crate) fn overlay(
    root: &mut Table,
    variables: impl IntoIterator<Item = (String, String)>,
    faults: &mut Faults,
) {
    for (name, text) in variables {
        let Some(path) = name.strip_prefix("FANFARE_") else {
            continue;
        };
        let path = path.to_ascii_lowercase();
        let steps: Vec<&str> = path.split("__").collect();
        let node = Node {
            value: Value::Text(text),
            origin: Origin::Environment(name.clone()),
        };
        if !place(root, &steps, node) {
            let message = "does not name a place in the configuration".to_owned();
            faults.push(Fault::new(Origin::Environment(name), "", message));
        }
    }
}

fn place(table: &mut Table, steps: &[&str], node: Node) -> bool {
    let [first, rest @ ..] = steps else {
        return false;
    };
    if rest.is_empty() {
        table.insert((*first).to_owned(), node);
        return true;
    }
    let origin = node.origin.clone();
    let entry = table.entry((*first).to_owned()).or_insert_with(|| {
        let value = if rest[0].parse::<usize>().is_ok() {
            Value::Array(Vec::new())
        } else {
            Value::Table(Table::new())
        };
        Node { value, origin }
    });
    match &mut entry.value {
        Value::Table(inner) => place(inner, rest, node),
        Value::Array(items) => place_in_array(items, rest, node),
        _ => false,
    }
}

fn place_in_array(items: &mut Vec<Node>, steps: &[&str], node: Node) -> bool {
    let [first, rest @ ..] = steps else {
        return false;
    };
    let Ok(index) = first.parse::<usize>() else {
        return false;
    };
    if index > items.len() {
        return false;
    }
    if index == items.len() {
        let value = Value::Table(Table::new());
        items.push(Node {
            value,
            origin: node.origin.clone(),
        });
    }
    if rest.is_empty() {
        items[index] = node;
        return true;
    }
    match &mut items[index].value {
        Value::Table(inner) => place(inner, rest, node),
        _ => false,
    }
}
