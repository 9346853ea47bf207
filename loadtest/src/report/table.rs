//! The report for a terminal.

use std::fmt;

use super::{Figure, Report, Row};

impl Figure {
    /// With as many digits as mean something.
    pub(crate) fn text(value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        let digits = match value.abs() {
            big if big >= 1000.0 || big.fract() == 0.0 => 0,
            middle if middle >= 100.0 => 1,
            _ => 2,
        };
        let plain = format!("{value:.digits$}");
        let (sign, plain) = match plain.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", plain.as_str()),
        };
        let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
        let mut grouped = String::new();
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        format!("{sign}{grouped}{rest}")
    }
}

/// Names over the cells of a row: rows with the same columns stand in one table.
pub(super) fn columns(row: &Row) -> Vec<String> {
    let name = |figure: &Figure| match figure.floor {
        Some(_) => vec![figure.name.clone(), "floor".to_owned(), "ratio".to_owned()],
        None => vec![figure.name.clone()],
    };
    row.figures.iter().flat_map(name).collect()
}

pub(super) fn cells(row: &Row) -> Vec<String> {
    let cell = |figure: &Figure| {
        let also = figure.floor.into_iter().chain(figure.ratio);
        let values = std::iter::once(figure.value).chain(also);
        values.map(Figure::text).collect::<Vec<_>>()
    };
    row.figures.iter().flat_map(cell).collect()
}

/// Rows in a table each as long as their columns are the same.
pub(super) fn tables(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|one, next| columns(one) == columns(next))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.title, self.machine)?;
        if !self.settings.is_empty() {
            writeln!(f, "{}", self.settings())?;
        }
        writeln!(f)?;
        for rows in tables(&self.rows) {
            table(f, rows)?;
        }
        self.faults
            .iter()
            .try_for_each(|fault| writeln!(f, "FAILED: {fault}"))
    }
}

fn table(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let names = columns(first);
    let all: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let width = |text: &String| text.chars().count();
    let widest = |column: usize| {
        let cells = all.iter().filter_map(|cells| cells.get(column));
        cells.chain(names.get(column)).map(width).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(widest).collect();
    let first = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
    let mut line = |name: &str, cells: &[String]| {
        write!(f, "{name:first$}")?;
        for (cell, width) in cells.iter().zip(&widths) {
            write!(f, "  {cell:>width$}")?;
        }
        writeln!(f)
    };
    line("", &names)?;
    for (row, cells) in rows.iter().zip(&all) {
        line(&row.name, cells)?;
    }
    writeln!(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_mean_something() {
        let texts = [
            0.456,
            12.346,
            123.46,
            1234.6,
            1_234_567.8,
            -4321.0,
            f64::NAN,
        ]
        .map(Figure::text);
        let wanted = [
            "0.46",
            "12.35",
            "123.5",
            "1,235",
            "1,234,568",
            "-4,321",
            "–",
        ];
        assert_eq!(texts, wanted);
    }

    #[test]
    fn floors_have_columns_of_their_own_and_other_columns_a_table_of_their_own() {
        let mut report = Report::new("a title");
        let figure = Figure::beside("CPU us a push", 3.25, 2.0);
        report.rows.push(Row::new("round 1", vec![figure.clone()]));
        report.rows.push(Row::new("round 2", vec![figure]));
        report
            .rows
            .push(Row::new("memory", vec![Figure::new("MiB", 40.0)]));
        report.faults.push("the books differ".to_owned());
        let text = report.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "a title");
        assert_eq!(lines[3], "         CPU us a push  floor  ratio");
        assert_eq!(lines[4], "round 1           3.25      2   1.62");
        assert_eq!(lines[8], "memory   40");
        assert_eq!(lines[10], "FAILED: the books differ");
    }
}
