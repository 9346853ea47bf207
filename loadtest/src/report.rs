//! A report: rows of figures, each with what it is compared to.

use std::fmt;

use anyhow::bail;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

/// Latencies in microseconds up to ten minutes, to three digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Latencies(Histogram::new_with_bounds(1, 600_000_000, 3)?))
    }

    pub(crate) fn record_ms(&mut self, milliseconds: f64) {
        self.0
            .saturating_record((milliseconds.max(0.001) * 1000.0) as u64);
    }

    /// Milliseconds below which this share of them is.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1000.0
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }
}

/// One line of the report.
pub(crate) struct Row {
    pub(crate) name: String,
    /// Names and figures, in the order of the columns.
    pub(crate) figures: Vec<(&'static str, f64)>,
}

pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
    /// What makes the run a failed one; empty when the books agree.
    pub(crate) faults: Vec<String>,
}

impl Report {
    pub(crate) fn json(&self) -> Value {
        let row = |row: &Row| {
            let mut figures = Map::new();
            figures.insert("name".to_owned(), json!(row.name));
            for (name, figure) in &row.figures {
                figures.insert((*name).to_owned(), json!(figure));
            }
            Value::Object(figures)
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        json!({ "title": self.title, "rows": rows, "faults": self.faults })
    }

    /// # Errors
    /// When the run failed.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        if !self.faults.is_empty() {
            bail!("the run failed: {}", self.faults.join("; "));
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        let Some(first) = self.rows.first() else {
            return Ok(());
        };
        write!(f, "{:38}", "")?;
        for (name, _) in &first.figures {
            write!(f, "{name:>18}")?;
        }
        writeln!(f)?;
        for row in &self.rows {
            write!(f, "{:38}", row.name)?;
            for (_, figure) in &row.figures {
                write!(f, "{figure:>18.2}")?;
            }
            writeln!(f)?;
        }
        self.faults
            .iter()
            .try_for_each(|fault| writeln!(f, "\nFAILED: {fault}"))
    }
}
