//! Rows that were not taken: by their line, and never anything of what is in them.

use serde_json::{Value, json};

/// Why one row was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// From 1.
    pub(super) line: u64,
    /// Stable words: those of the API's faults, and of this module's users.
    pub(super) faults: Vec<(String, Option<&'static str>)>,
}

impl Bad {
    pub(super) fn new(line: u64, code: &str, field: Option<&'static str>) -> Self {
        Bad {
            line,
            faults: vec![(code.to_owned(), field)],
        }
    }

    /// `line 12: malformed (token), unknown`
    fn in_words(&self) -> String {
        let faults = self.faults.iter().map(|(code, field)| match field {
            Some(field) => format!("{code} ({field})"),
            None => code.clone(),
        });
        format!(
            "line {}: {}",
            self.line,
            faults.collect::<Vec<_>>().join(", ")
        )
    }

    fn in_json(&self) -> Value {
        let faults = self.faults.iter();
        let faults = faults.map(|(code, field)| json!({ "code": code, "field": field }));
        json!({ "line": self.line, "faults": faults.collect::<Vec<_>>() })
    }
}

/// Most rows that are listed; all are counted.
const LISTED_MAX: usize = 100;

/// All that was not taken.
#[derive(Debug, Default)]
pub(super) struct BadRows {
    pub(super) count: u64,
    listed: Vec<Bad>,
}

impl BadRows {
    pub(super) fn add(&mut self, bad: Bad) {
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(bad);
        }
    }

    pub(super) fn print(&self) {
        self.listed
            .iter()
            .for_each(|bad| eprintln!("{}", bad.in_words()));
        let more = self.count - self.listed.len() as u64;
        if more > 0 {
            eprintln!("and {more} more");
        }
    }

    pub(super) fn in_json(&self) -> Value {
        self.listed.iter().map(Bad::in_json).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_listed() {
        let mut rows = BadRows::default();
        for line in 1..=250 {
            rows.add(Bad::new(line, "malformed", Some("token")));
        }
        assert_eq!((rows.count, rows.listed.len()), (250, LISTED_MAX));
        assert_eq!(rows.listed[1].in_words(), "line 2: malformed (token)");
    }
}
