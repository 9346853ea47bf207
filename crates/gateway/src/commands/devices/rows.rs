//! Reading a file of rows, line by line, in constant memory.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, ensure};
use serde_json::{Map, Value};

use super::bad::Bad;
use super::row::{self, FIELDS, Row};
use crate::commands::Format;

/// Longest row, in bytes; the registry takes none that needs as much.
const ROW_BYTES_MAX: u64 = 256 << 10;

/// How far a file was read: bytes, and lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

/// A row, where it was, and where the next one begins.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) line: u64,
    pub(super) end: Place,
    pub(super) row: Result<Row, Bad>,
}

/// The rows of a file, from some place on.
pub(super) enum Rows {
    Ndjson(Lines),
    Csv(Table),
}

impl Rows {
    /// `-` is standard input, which is read from its beginning.
    pub(super) fn open(path: &Path, format: Format, from: Place) -> anyhow::Result<Self> {
        let open = || File::open(path).with_context(|| format!("reading {}", path.display()));
        let source: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            let mut file = open()?;
            if format == Format::Ndjson {
                file.seek(SeekFrom::Start(from.bytes))?;
            }
            Box::new(file)
        };
        match format {
            Format::Ndjson => Ok(Rows::Ndjson(Lines {
                source: BufReader::with_capacity(64 << 10, source),
                at: from,
            })),
            Format::Csv if from == Place::default() => Table::new(source).map(Rows::Csv),
            Format::Csv => {
                let columns = Table::new(source)?.columns;
                let mut file = open()?;
                file.seek(SeekFrom::Start(from.bytes))?;
                Ok(Rows::Csv(Table::with(columns, Box::new(file), from)))
            }
        }
    }

    /// The next row; `None` at the end. An error is the file's, and ends it.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Numbered>> {
        match self {
            Rows::Ndjson(lines) => lines.next(),
            Rows::Csv(table) => table.next(),
        }
    }
}

fn checked(line: u64, end: Place, value: Result<Value, Bad>) -> Numbered {
    let read = |value| row::read(value).map_err(|faults| Bad { line, faults });
    let row = value.and_then(read);
    Numbered { line, end, row }
}

pub(super) struct Lines {
    source: BufReader<Box<dyn Read>>,
    at: Place,
}

impl Lines {
    fn next(&mut self) -> anyhow::Result<Option<Numbered>> {
        loop {
            let mut text = Vec::new();
            let bytes = (&mut self.source)
                .take(ROW_BYTES_MAX)
                .read_until(b'\n', &mut text)?;
            if bytes == 0 {
                return Ok(None);
            }
            self.at.bytes += bytes as u64;
            self.at.lines += 1;
            let is_whole = text.ends_with(b"\n") || (bytes as u64) < ROW_BYTES_MAX;
            if !is_whole {
                self.at.bytes += self.source.skip_until(b'\n')? as u64;
            }
            if is_whole && text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line = self.at.lines;
            let value = match is_whole {
                true => {
                    serde_json::from_slice(&text).map_err(|_| Bad::new(line, "malformed", None))
                }
                false => Err(Bad::new(line, "too_long", None)),
            };
            return Ok(Some(checked(line, self.at, value)));
        }
    }
}

pub(super) struct Table {
    columns: Vec<&'static str>,
    reader: csv::Reader<Guarded>,
    record: csv::ByteRecord,
    room: Rc<Cell<u64>>,
    from: Place,
}

impl Table {
    fn new(source: Box<dyn Read>) -> anyhow::Result<Self> {
        let mut table = Table::with(Vec::new(), source, Place::default());
        ensure!(table.read()?, "the file is empty: a header line is needed");
        for name in &table.record {
            let name = String::from_utf8_lossy(name);
            let name = name.trim_start_matches('\u{feff}').trim();
            let known = FIELDS
                .iter()
                .find(|known| **known == name)
                .with_context(|| {
                    let name = name.escape_debug();
                    format!(
                        "the header has the column \"{name}\"; known are {}",
                        FIELDS.join(", ")
                    )
                })?;
            ensure!(
                !table.columns.contains(known),
                "the header has {known} twice"
            );
            table.columns.push(known);
        }
        Ok(table)
    }

    fn with(columns: Vec<&'static str>, source: Box<dyn Read>, from: Place) -> Self {
        let room = Rc::new(Cell::new(0));
        let guarded = Guarded {
            source,
            room: room.clone(),
        };
        let mut builder = csv::ReaderBuilder::new();
        let builder = builder.has_headers(false).flexible(true);
        // With CRLF as one end, the reader would count the line only when it reads on.
        let builder = builder.terminator(csv::Terminator::Any(b'\n'));
        let reader = builder.from_reader(guarded);
        Table {
            columns,
            reader,
            record: csv::ByteRecord::new(),
            room,
            from,
        }
    }

    fn read(&mut self) -> anyhow::Result<bool> {
        self.room.set(ROW_BYTES_MAX);
        let read = self.reader.read_byte_record(&mut self.record);
        read.with_context(|| format!("behind line {}", self.place().lines))
    }

    fn place(&self) -> Place {
        let at = self.reader.position();
        Place {
            bytes: self.from.bytes + at.byte(),
            lines: self.from.lines + at.line() - 1,
        }
    }

    fn next(&mut self) -> anyhow::Result<Option<Numbered>> {
        if !self.read()? {
            return Ok(None);
        }
        let begin = self.record.position().map_or(1, csv::Position::line);
        let line = self.from.lines + begin;
        let value = self.value(line);
        Ok(Some(checked(line, self.place(), value)))
    }

    /// The record as the object that NDJSON would have; an empty cell is no member.
    fn value(&self, line: u64) -> Result<Value, Bad> {
        if self.record.len() != self.columns.len() {
            return Err(Bad::new(line, "columns", None));
        }
        let mut members = Map::new();
        for (place, name) in self.columns.iter().enumerate() {
            let cell = self.record.get(place).unwrap_or_default();
            let is_last = place + 1 == self.columns.len();
            let cell = if is_last {
                cell.strip_suffix(b"\r").unwrap_or(cell)
            } else {
                cell
            };
            if cell.is_empty() {
                continue;
            }
            let text = std::str::from_utf8(cell);
            let value = text.ok().and_then(|text| cell_of(name, text));
            let value = value.ok_or_else(|| Bad::new(line, "malformed", Some(name)))?;
            members.insert((*name).to_owned(), value);
        }
        Ok(members.into())
    }
}

/// Lists and objects are JSON in their cell; tags may also be words with `;` between them.
fn cell_of(name: &str, text: &str) -> Option<Value> {
    match name {
        "device_info" | "display_order" => serde_json::from_str(text).ok(),
        "tags" if text.starts_with('[') => serde_json::from_str(text).ok(),
        "tags" => Some(text.split(';').map(str::trim).collect()),
        _ => Some(text.into()),
    }
}

/// A quote that is never closed would make the rest of the file one cell: a row may not take more than its room.
struct Guarded {
    source: Box<dyn Read>,
    room: Rc<Cell<u64>>,
}

impl Read for Guarded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.room.get();
        if left == 0 {
            return Err(io::Error::other(
                "a row is longer than 256 KiB: is there a quote that is never closed?",
            ));
        }
        let read = self.source.read(buffer)?;
        self.room.set(left.saturating_sub(read as u64));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn all(path: &Path, format: Format, from: Place) -> Vec<Numbered> {
        let mut rows = Rows::open(path, format, from).unwrap();
        std::iter::from_fn(|| rows.next().unwrap()).collect()
    }

    fn users(rows: &[Numbered]) -> Vec<(u64, Result<&str, &str>)> {
        let user = |row: &'_ Numbered| -> Result<String, String> {
            match &row.row {
                Ok(row) => Ok(row.user.as_str().to_owned()),
                Err(bad) => Err(bad.faults[0].0.clone()),
            }
        };
        let named = rows.iter().map(|row| (row.line, user(row)));
        named
            .map(|(line, user)| match user {
                Ok(user) => (line, Ok(&*user.leak())),
                Err(code) => (line, Err(&*code.leak())),
            })
            .collect()
    }

    const CSV: &str = "user_id,channel,token,tags,device_name,device_info\r\n\
        ada,fcm,t1,news;beta,\"Ada's \"\"phone\"\"\nof gold\",\"{\"\"a\"\": 1}\"\r\n\
        bob,fcm,t2\r\n\
        eve,fcm,t3,\"[\"\"a;b\"\"]\",,\n\
        joe,fcm,t4,,,{\n\
        kim,fcm,t5,,,";

    #[test]
    fn csv_rows_have_their_lines_though_cells_have_some() {
        let file = file(CSV);
        let rows = all(file.path(), Format::Csv, Place::default());
        assert_eq!(
            users(&rows),
            [
                (2, Ok("ada")),
                (4, Err("columns")),
                (5, Ok("eve")),
                (6, Err("malformed")),
                (7, Ok("kim"))
            ]
        );
        let ada = rows[0].row.as_ref().unwrap();
        assert_eq!(
            ada.register.tags.as_deref(),
            Some(["news".to_owned(), "beta".to_owned()].as_slice())
        );
        assert_eq!(
            ada.register.meta.device_name.as_deref(),
            Some("Ada's \"phone\"\nof gold")
        );
        let eve = rows[2].row.as_ref().unwrap();
        assert_eq!(
            eve.register.tags.as_deref(),
            Some(["a;b".to_owned()].as_slice())
        );
    }

    #[test]
    fn a_file_is_gone_on_with_behind_any_row() {
        let ndjson = "{\"user_id\": \"ada\", \"channel\": \"fcm\", \"token\": \"t1\"}\n\n[]\r\n{\"user_id\": \"bob\", \"channel\": \"fcm\", \"token\": \"t2\"}";
        for (text, format) in [(CSV, Format::Csv), (ndjson, Format::Ndjson)] {
            let file = file(text);
            let rows = all(file.path(), format, Place::default());
            for (index, row) in rows.iter().enumerate() {
                let rest = all(file.path(), format, row.end);
                assert_eq!(
                    users(&rest),
                    users(&rows[index + 1..]),
                    "behind line {}",
                    row.line
                );
            }
        }
    }

    #[test]
    fn a_row_without_end_is_passed_over_or_ends_the_file() {
        let long = "x".repeat(1 << 20);
        let lines = file(&format!(
            "{long}\n{{\"user_id\": \"ada\", \"channel\": \"fcm\", \"token\": \"t\"}}\n"
        ));
        let rows = all(lines.path(), Format::Ndjson, Place::default());
        assert_eq!(users(&rows), [(1, Err("too_long")), (2, Ok("ada"))]);
        let table = file(&format!("user_id,channel,token\nada,fcm,\"{long}\n"));
        let mut rows = Rows::open(table.path(), Format::Csv, Place::default()).unwrap();
        let error = format!("{:#}", rows.next().unwrap_err());
        assert!(
            error.contains("behind line 1") && error.contains("never closed"),
            "{error}"
        );
    }

    #[test]
    fn a_header_that_is_not_ours_is_refused() {
        for (text, says) in [
            ("", "empty"),
            ("user_id,phone\n", "\"phone\""),
            ("user_id,channel,token,channel\n", "channel twice"),
        ] {
            let file = file(text);
            let error = Rows::open(file.path(), Format::Csv, Place::default())
                .err()
                .unwrap();
            assert!(error.to_string().contains(says), "{error}");
        }
        let file = file("\u{feff}user_id,channel,token\nada,fcm,t\n");
        assert_eq!(all(file.path(), Format::Csv, Place::default()).len(), 1);
    }
}
