//! Reads one table of the tree: takes what it knows, collects every fault, and reports what nobody asked for.

mod numbers;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use fanfare_types::Secret;

use super::faults::{Fault, Faults};
use super::tree::{Node, Origin, Table, Value};
use super::units;

pub use numbers::Numbers;

/// What all sections of one reading share.
#[derive(Clone)]
pub(crate) struct Reading {
    faults: Rc<RefCell<Faults>>,
    /// Relative paths are relative to the configuration file.
    directory: PathBuf,
}

impl Reading {
    pub(crate) fn new(faults: Faults, directory: &Path) -> Self {
        Reading {
            faults: Rc::new(RefCell::new(faults)),
            directory: directory.to_owned(),
        }
    }

    pub(crate) fn into_faults(self) -> Faults {
        let mut faults = self.faults.take();
        faults.0.sort();
        faults.0.dedup();
        faults
    }
}

/// One table. [`Section::finish`] must be called, so that unknown keys are found.
pub(crate) struct Section<'a> {
    reading: Reading,
    path: String,
    origin: Origin,
    table: Option<&'a Table>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    pub(crate) fn root(reading: &Reading, table: &'a Table) -> Self {
        let (reading, asked) = (reading.clone(), RefCell::default());
        Section {
            reading,
            path: String::new(),
            origin: Origin::File,
            table: Some(table),
            asked,
        }
    }

    fn child(&self, path: String, origin: Origin, table: Option<&'a Table>) -> Section<'a> {
        Section {
            reading: self.reading.clone(),
            path,
            origin,
            table,
            asked: RefCell::default(),
        }
    }

    fn key(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn node(&self, name: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().insert(name);
        self.table?.get(name)
    }

    /// Whether the key is given; does not count as asking for it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(name))
    }

    /// A key that is known and has no place here: if it is given, `why` says so.
    pub(crate) fn out_of_place(&self, name: &'static str, why: &str) {
        self.asked.borrow_mut().insert(name);
        if self.has(name) {
            self.fault(name, why);
        }
    }

    /// Reports a fault at a key of this section.
    pub(crate) fn fault(&self, name: &str, message: impl Into<String>) {
        let origin = self
            .table
            .and_then(|table| table.get(name))
            .map_or(&self.origin, |node| &node.origin);
        let fault = Fault::new(origin.clone(), &self.key(name), message.into());
        self.reading.faults.borrow_mut().push(fault);
    }

    fn expected(&self, name: &str, what: &str, found: &Value) {
        self.fault(name, format!("expected {what}, found {}", found.kind()));
    }

    pub(crate) fn text(&self, name: &'static str) -> Option<&'a str> {
        match &self.node(name)?.value {
            Value::Text(text) => Some(text),
            other => {
                self.expected(name, "a string", other);
                None
            }
        }
    }

    pub(crate) fn required_text(&self, name: &'static str) -> Option<&'a str> {
        if !self.has(name) {
            self.asked.borrow_mut().insert(name);
            self.fault(name, "is required");
            return None;
        }
        let text = self.text(name)?;
        if text.is_empty() {
            self.fault(name, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// A text that `parse` understands, or the default.
    pub(crate) fn parsed<T>(
        &self,
        name: &'static str,
        default: T,
        what: &str,
        parse: fn(&str) -> Option<T>,
    ) -> T {
        let Some(text) = self.text(name) else {
            return default;
        };
        parse(text).unwrap_or_else(|| {
            self.fault(name, format!("is not {what}"));
            default
        })
    }

    pub(crate) fn optional<T>(
        &self,
        name: &'static str,
        what: &str,
        parse: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let parsed = parse(text);
        if parsed.is_none() {
            self.fault(name, format!("is not {what}"));
        }
        parsed
    }

    /// A duration such as `"500ms"`, `"30s"`, `"24h"`, `"60d"`, greater than zero.
    pub(crate) fn duration(&self, name: &'static str, default: Duration) -> Duration {
        self.parsed(name, default, units::DURATION_FORM, units::duration)
    }

    /// A size such as `"16KiB"` or `"2MiB"`, greater than zero.
    pub(crate) fn bytes(&self, name: &'static str, default: usize) -> usize {
        self.parsed(name, default, units::BYTES_FORM, units::bytes)
    }

    pub(crate) fn boolean(&self, name: &'static str, default: bool) -> bool {
        match self.node(name).map(|node| &node.value) {
            None => default,
            Some(Value::Boolean(boolean)) => *boolean,
            Some(Value::Text(text)) if matches!(text.as_str(), "true" | "false") => text == "true",
            Some(other) => {
                self.expected(name, "true or false", other);
                default
            }
        }
    }

    pub(crate) fn integer(
        &self,
        name: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> usize {
        let number = match self.node(name).map(|node| &node.value) {
            None => return default,
            Some(Value::Integer(integer)) => usize::try_from(*integer).ok(),
            Some(Value::Text(text)) if self.is_from_environment(name) => text.parse().ok(),
            Some(other) => {
                self.expected(name, "an integer", other);
                return default;
            }
        };
        number
            .filter(|number| range.contains(number))
            .unwrap_or_else(|| {
                self.fault(
                    name,
                    format!("must be between {} and {}", range.start(), range.end()),
                );
                default
            })
    }

    pub(crate) fn fraction(&self, name: &'static str, default: f64) -> f64 {
        let number = match self.node(name).map(|node| &node.value) {
            None => return default,
            Some(Value::Float(float)) => *float,
            Some(Value::Integer(1)) => 1.0,
            Some(Value::Text(text)) if self.is_from_environment(name) => {
                text.parse().unwrap_or(f64::NAN)
            }
            Some(other) => {
                self.expected(name, "a number", other);
                return default;
            }
        };
        if number > 0.0 && number <= 1.0 {
            return number;
        }
        self.fault(name, "must be greater than 0 and at most 1");
        default
    }

    fn is_from_environment(&self, name: &str) -> bool {
        let node = self.table.and_then(|table| table.get(name));
        node.is_some_and(|node| matches!(node.origin, Origin::Environment(_)))
    }

    /// A list of words; from the environment, separated by commas.
    pub(crate) fn words(&self, name: &'static str) -> Option<Vec<&'a str>> {
        match &self.node(name)?.value {
            Value::Array(items) => Some(
                items
                    .iter()
                    .filter_map(|item| self.word(name, item))
                    .collect(),
            ),
            Value::Text(text) if self.is_from_environment(name) => {
                Some(text.split(',').map(str::trim).collect())
            }
            other => {
                self.expected(name, "an array of strings", other);
                None
            }
        }
    }

    fn word(&self, name: &str, item: &'a Node) -> Option<&'a str> {
        match &item.value {
            Value::Text(text) => Some(text),
            other => {
                self.expected(name, "an array of strings", other);
                None
            }
        }
    }

    /// A path, relative to the configuration file.
    pub(crate) fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.text(name).map(|text| self.resolve(Path::new(text)))
    }

    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.reading.directory.join(path)
    }

    /// The content of the file a key names.
    pub(crate) fn file(&self, name: &'static str) -> Option<Vec<u8>> {
        let path = self.path(name)?;
        match std::fs::read(&path) {
            Ok(content) => Some(content),
            Err(error) => {
                self.fault(name, format!("cannot read {}: {error}", path.display()));
                None
            }
        }
    }

    /// A secret given in place (`name`) or as a file (`name_file`); of a file, a final line break is dropped.
    pub(crate) fn secret(
        &self,
        name: &'static str,
        name_file: &'static str,
    ) -> Option<Secret<Vec<u8>>> {
        if self.has(name) && self.has(name_file) {
            self.fault(name, format!("is given twice, here and as {name_file}"));
        }
        if let Some(text) = self.text(name) {
            self.asked.borrow_mut().insert(name_file);
            if text.is_empty() {
                self.fault(name, "must not be empty");
                return None;
            }
            return Some(Secret::new(text.as_bytes().to_vec()));
        }
        let mut content = self.file(name_file)?;
        while matches!(content.last(), Some(b'\n' | b'\r')) {
            content.pop();
        }
        if content.is_empty() {
            self.fault(name_file, "names an empty file");
            return None;
        }
        Some(Secret::new(content))
    }

    /// A table inside this one; an absent one reads as empty.
    pub(crate) fn section(&self, name: &'static str) -> Section<'a> {
        match self.node(name) {
            Some(Node {
                value: Value::Table(table),
                origin,
            }) => self.child(self.key(name), origin.clone(), Some(table)),
            Some(node) => {
                self.expected(name, "a table", &node.value);
                self.child(self.key(name), node.origin.clone(), None)
            }
            None => self.child(self.key(name), self.origin.clone(), None),
        }
    }

    /// A table that may be left out.
    pub(crate) fn optional_section(&self, name: &'static str) -> Option<Section<'a>> {
        self.node(name)?;
        Some(self.section(name))
    }

    /// An array of tables (`[[name]]`).
    pub(crate) fn sections(&self, name: &'static str) -> Vec<Section<'a>> {
        let items = match self.node(name).map(|node| &node.value) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.expected(name, "an array of tables", other);
                return Vec::new();
            }
        };
        let item = |(index, item): (usize, &'a Node)| match &item.value {
            Value::Table(table) => Some(self.child(
                format!("{}[{index}]", self.key(name)),
                item.origin.clone(),
                Some(table),
            )),
            other => {
                self.expected(name, "an array of tables", other);
                None
            }
        };
        items.iter().enumerate().filter_map(item).collect()
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self) {
        let asked = self.asked.borrow();
        for name in self.table.into_iter().flat_map(Table::keys) {
            if !asked.contains(name.as_str()) {
                let known: Vec<&str> = asked.iter().copied().collect();
                self.fault(
                    name,
                    format!("is not known here (known: {})", known.join(", ")),
                );
            }
        }
    }
}
