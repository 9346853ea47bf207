//! What every command ends with: what was run and where, rows of figures beside their floors, and curves.

mod html;
mod machine;
mod plot;
mod table;

use anyhow::bail;
use serde::Serialize;

pub(crate) use html::page;
pub(crate) use machine::Machine;

/// One figure of a row.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// What and in which unit: `CPU us a push`.
    pub(crate) name: String,
    pub(crate) value: f64,
    /// The same of what any client must pay, from the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) floor: Option<f64>,
    /// The figure over its floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
}

impl Figure {
    pub(crate) fn new(name: &str, value: f64) -> Self {
        Figure {
            name: name.to_owned(),
            value,
            floor: None,
            ratio: None,
        }
    }

    pub(crate) fn beside(name: &str, value: f64, floor: f64) -> Self {
        Figure {
            floor: Some(floor),
            ratio: Some(value / floor),
            ..Figure::new(name, value)
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// In the order of the columns.
    pub(crate) figures: Vec<Figure>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, figures: Vec<Figure>) -> Self {
        Row {
            name: name.into(),
            figures,
        }
    }
}

/// Curves with one axis go into one plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Plot {
    Throughput,
    Latency,
    Memory,
    Cpu,
    Files,
}

impl Plot {
    const ALL: [Plot; 5] = [
        Plot::Throughput,
        Plot::Latency,
        Plot::Memory,
        Plot::Cpu,
        Plot::Files,
    ];

    /// With the unit of its axis.
    const fn title(self) -> (&'static str, &'static str) {
        match self {
            Plot::Throughput => ("Throughput", "pushes/s"),
            Plot::Latency => ("Latency", "ms"),
            Plot::Memory => ("Resident memory", "MiB"),
            Plot::Cpu => ("CPU", "% of a core"),
            Plot::Files => ("Open file descriptors", ""),
        }
    }
}

/// A curve.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) plot: Plot,
    pub(crate) name: String,
    /// Seconds from the start, and the value.
    pub(crate) points: Vec<(f64, f64)>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) title: String,
    /// As it was typed.
    pub(crate) command: String,
    /// Names and values, those by default among them.
    pub(crate) settings: Vec<(&'static str, String)>,
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    pub(crate) series: Vec<Series>,
    /// What makes the run a failed one; empty when the books agree.
    pub(crate) faults: Vec<String>,
}

impl Report {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Report {
            title: title.into(),
            command: String::new(),
            settings: Vec::new(),
            machine: Machine::here(),
            rows: Vec::new(),
            series: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// The settings in a line.
    fn settings(&self) -> String {
        let one = |(name, value): &(&str, String)| format!("{name} {value}");
        self.settings.iter().map(one).collect::<Vec<_>>().join(", ")
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
