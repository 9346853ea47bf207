//! `fanfare-loadtest compare`: two of the other commands in turn, so that what the machine does meanwhile befalls both.

use std::collections::BTreeMap;

use anyhow::Context;
use clap::Parser;

use crate::report::{Figure, Report, Row};
use crate::setup::Bench;
use crate::{Cli, Command};

/// Runs A, B, B, A, A, B, … and compares the medians of every figure that both have. Each is a command line of this
/// program in quotes, with all of its options:
/// `compare 'campaign --devices 200000 --codec h2' 'campaign --devices 200000 --codec lean'`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The one that the other is compared with.
    a: String,
    b: String,
    /// Runs of each.
    #[arg(long, default_value_t = 3)]
    turns: usize,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    A,
    B,
}

/// In pairs, each the other way round than the one before: what grows or fades with time is shared evenly.
fn order(turns: usize) -> Vec<Side> {
    let pair = |turn: usize| match turn.is_multiple_of(2) {
        true => [Side::A, Side::B],
        false => [Side::B, Side::A],
    };
    (0..turns).flat_map(pair).collect()
}

pub(crate) async fn run(bench: &Bench, args: &Args) -> anyhow::Result<Report> {
    let one = parse(&args.a).context("the first command")?;
    let other = parse(&args.b).context("the second command")?;
    let mut report = Report::new(format!("A: {}; B: {}", args.a, args.b));
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for (number, side) in order(args.turns).into_iter().enumerate() {
        let (cli, reports) = match side {
            Side::A => (&one, &mut of_a),
            Side::B => (&other, &mut of_b),
        };
        bench
            .progress
            .phase(format!("run {} of {}", number + 1, 2 * args.turns));
        let bench = Bench {
            setup: cli.setup.clone(),
            ..bench.clone()
        };
        let made = Box::pin(crate::perform(&bench, &cli.command)).await?;
        let faults = made.faults.iter().map(|fault| format!("{side:?}: {fault}"));
        report.faults.extend(faults);
        // Of each the first run's curves.
        if reports.is_empty() {
            report
                .series
                .extend(made.series.iter().cloned().map(|mut series| {
                    series.name = format!("{side:?} {}", series.name);
                    series
                }));
        }
        reports.push(made);
    }
    report.rows = rows(&of_a, &of_b);
    anyhow::ensure!(!report.rows.is_empty(), "the two have no figure in common");
    Ok(report)
}

fn parse(line: &str) -> anyhow::Result<Cli> {
    let words = std::iter::once("fanfare-loadtest").chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words)?;
    let is_measure = !matches!(cli.command, Command::Compare(_) | Command::FloorClient);
    anyhow::ensure!(is_measure, "this cannot be compared");
    Ok(cli)
}

/// All that was found for each figure, by row and name, in the order of first sight.
#[derive(Default)]
struct Found {
    order: Vec<(String, String)>,
    values: BTreeMap<(String, String), Vec<f64>>,
}

impl Found {
    /// With `by_row` false, rows are not told apart.
    fn of(reports: &[Report], by_row: bool) -> Self {
        let mut found = Found::default();
        for row in reports.iter().flat_map(|report| &report.rows) {
            let mut group = String::new();
            for figure in &row.figures {
                // Names such as `p99` belong to what stands before them.
                let name = match figure.name.contains(' ') || figure.name.contains('/') {
                    true => {
                        group = figure.name.split(' ').next().unwrap_or_default().to_owned();
                        figure.name.clone()
                    }
                    false if group.is_empty() => figure.name.clone(),
                    false => format!("{group} {}", figure.name),
                };
                let row = if by_row {
                    row.name.clone()
                } else {
                    String::new()
                };
                let key = (row, name);
                if !found.values.contains_key(&key) {
                    found.order.push(key.clone());
                }
                found.values.entry(key).or_default().push(figure.value);
            }
        }
        found
    }
}

/// Medians of the figures that both have: row by row where they have rows in common, else by their names alone.
fn rows(of_a: &[Report], of_b: &[Report]) -> Vec<Row> {
    let compared = |by_row| {
        let (a, b) = (Found::of(of_a, by_row), Found::of(of_b, by_row));
        let one = |key: &(String, String)| {
            let (a, b) = (a.values.get(key)?, b.values.get(key)?);
            let name = format!("{} {}", key.0, key.1);
            Some(Row::new(name.trim(), figures(a, b)))
        };
        a.order.iter().filter_map(one).collect::<Vec<Row>>()
    };
    let names = |reports: &[Report]| {
        let first = reports.first().and_then(|report| report.rows.first());
        first.map(|row| row.name.clone())
    };
    compared(names(of_a) == names(of_b))
}

fn figures(a: &[f64], b: &[f64]) -> Vec<Figure> {
    let spread = |values: &[f64]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (least, most)
    };
    let ((a_least, a_most), (b_least, b_most)) = (spread(a), spread(b));
    let (a_median, b_median) = (median(a), median(b));
    vec![
        Figure::new("A", a_median),
        Figure::new("A least", a_least),
        Figure::new("A most", a_most),
        Figure::new("B", b_median),
        Figure::new("B least", b_least),
        Figure::new("B most", b_most),
        Figure::new("B to A", b_median / a_median),
    ]
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len().is_multiple_of(2) {
        _ if sorted.is_empty() => 0.0,
        true => f64::midpoint(sorted[middle - 1], sorted[middle]),
        false => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(row: &str, figures: &[(&str, f64)]) -> Report {
        let mut report = Report::new("");
        let figures = figures
            .iter()
            .map(|(name, value)| Figure::new(name, *value));
        report.rows.push(Row::new(row, figures.collect()));
        report
    }

    fn value(row: &Row, name: &str) -> f64 {
        let mut figures = row.figures.iter();
        figures.find(|figure| figure.name == name).unwrap().value
    }

    #[test]
    fn the_two_take_turns_in_going_first() {
        use Side::{A, B};
        assert_eq!(order(3), [A, B, B, A, A, B]);
        assert_eq!(order(1), [A, B]);
    }

    #[test]
    fn medians_are_of_all_runs() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
    }

    #[test]
    fn figures_are_compared_row_by_row() {
        let a = [1.0, 2.0, 9.0].map(|us| report("x", &[("CPU us", us), ("p99", 5.0)]));
        let b = [4.0, 4.0, 1.0].map(|us| report("x", &[("CPU us", us), ("only here", 1.0)]));
        let rows = rows(&a, &b);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].name, "x CPU us");
        let found = ["A", "A least", "A most", "B", "B to A"].map(|name| value(&rows[0], name));
        assert_eq!(found, [2.0, 1.0, 9.0, 4.0, 2.0]);
    }

    #[test]
    fn different_commands_are_compared_by_the_names_of_their_figures() {
        let a = [report("h2load", &[("CPU us a push", 2.0)])];
        let b = [report("campaign", &[("CPU us a push", 3.0)])];
        let rows = rows(&a, &b);
        assert_eq!(
            (rows[0].name.as_str(), value(&rows[0], "B to A")),
            ("CPU us a push", 1.5)
        );
    }

    #[test]
    fn what_is_compared_is_a_command_line_of_ours() {
        assert!(parse("campaign --devices 10 --codec lean").is_ok());
        assert!(parse("campaign --nonsense").is_err());
        assert!(parse("compare a b").is_err());
    }
}
