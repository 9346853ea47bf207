//! A number, or one for each name.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use super::Section;
use crate::config::tree::Value;

/// `3`, or `{ one = 3, other = 2 }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbers {
    Each(usize),
    By(BTreeMap<String, usize>),
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Numbers::Each(number) => number.fmt(f),
            Numbers::By(by) => {
                let pairs = by.iter().map(|(name, number)| format!("{name}={number}"));
                f.write_str(&pairs.collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl Section<'_> {
    /// From the environment `3`, or `one=3,other=2`.
    pub(crate) fn numbers(
        &self,
        name: &'static str,
        default: Numbers,
        range: RangeInclusive<usize>,
    ) -> Numbers {
        let read = match self.node(name).map(|node| &node.value) {
            None => return default,
            Some(Value::Integer(number)) => in_range(*number, &range).map(Numbers::Each),
            Some(Value::Table(table)) => table
                .iter()
                .map(|(key, node)| match node.value {
                    Value::Integer(number) => Some((key.clone(), in_range(number, &range)?)),
                    _ => None,
                })
                .collect::<Option<_>>()
                .map(Numbers::By),
            Some(Value::Text(text)) if self.is_from_environment(name) => written(text, &range),
            Some(other) => {
                self.expected(name, "a number, or a table of numbers", other);
                return default;
            }
        };
        let filled = read.filter(|read| !matches!(read, Numbers::By(by) if by.is_empty()));
        filled.unwrap_or_else(|| {
            let (least, most) = (range.start(), range.end());
            self.fault(
                name,
                format!("must be a number from {least} to {most}, or one for each name"),
            );
            default
        })
    }
}

fn in_range(number: i64, range: &RangeInclusive<usize>) -> Option<usize> {
    let number = usize::try_from(number).ok()?;
    range.contains(&number).then_some(number)
}

fn written(text: &str, range: &RangeInclusive<usize>) -> Option<Numbers> {
    if let Ok(number) = text.trim().parse() {
        return in_range(number, range).map(Numbers::Each);
    }
    let pair = |pair: &str| {
        let (name, number) = pair.split_once('=')?;
        let number = in_range(number.trim().parse().ok()?, range)?;
        Some((name.trim().to_owned(), number))
    };
    text.split(',')
        .map(pair)
        .collect::<Option<_>>()
        .map(Numbers::By)
}
