//! Cutting an upload into rows, as it comes: never more is held than a row, and what came last.
//!
//! A row ends with its line, but for a line's end between the quotes of CSV (RFC 4180). Whatever the pieces in which
//! the text comes, the rows are the same; and each begins in the same state, so that an upload can go on at any of them.

use bytes::{Buf, Bytes, BytesMut};

/// What a text may begin with, and is no part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug)]
pub(super) struct Splitter {
    /// What was not given out yet.
    held: BytesMut,
    /// How much of it was looked at, in vain.
    looked: usize,
    /// Of CSV: where in its row that is.
    quotes: Option<Quotes>,
    row_bytes_max: usize,
    /// Bytes of a row that is too long, let go of while the end of its line is looked for.
    passed_over: Option<u64>,
    /// Where the next row begins: bytes before it, and lines.
    place: (u64, u64),
}

/// Where in a row of CSV: as `csv-core` has it, quotes count only where a field begins with one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Quotes {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote between quotes: the field's end, or half of a doubled one.
    Closed,
}

/// A row, without the end of its line.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// Its first line, from 1.
    pub(super) line: u64,
    /// Or the code of what is wrong with it.
    pub(super) text: Result<Bytes, &'static str>,
}

impl Splitter {
    /// From the row that begins behind so many bytes and lines.
    pub(super) fn new(is_csv: bool, row_bytes_max: usize, place: (u64, u64)) -> Self {
        Splitter {
            held: BytesMut::new(),
            looked: 0,
            quotes: is_csv.then_some(Quotes::FieldStart),
            row_bytes_max,
            passed_over: None,
            place,
        }
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        self.held.extend_from_slice(text);
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Bytes and lines before the next row.
    pub(super) fn place(&self) -> (u64, u64) {
        self.place
    }

    /// The next row that is whole; `is_end` says that no more text comes.
    pub(super) fn next(&mut self, is_end: bool) -> Option<Found> {
        if self.place.0 == 0 && self.looked == 0 && !self.skip_mark(is_end) {
            return None;
        }
        if self.passed_over.is_some() {
            return self.pass_over(is_end);
        }
        if let Some(end) = self.find_end() {
            return Some(self.give(end));
        }
        if self.held.len() > self.row_bytes_max {
            return self.too_long(is_end);
        }
        if !is_end || self.held.is_empty() {
            return None;
        }
        if self.quotes == Some(Quotes::Quoted) {
            // The quote was a mistake, and must not swallow the lines behind it.
            let end = self.first_line(self.held.len());
            return Some(self.refuse(end, "malformed"));
        }
        Some(self.give(self.held.len()))
    }

    /// Takes the byte order mark away; whether it is clear by now if there is one.
    fn skip_mark(&mut self, is_end: bool) -> bool {
        let length = self.held.len().min(BYTE_ORDER_MARK.len());
        if self.held[..length] != BYTE_ORDER_MARK[..length] {
            return true;
        }
        let is_whole = length == BYTE_ORDER_MARK.len();
        if is_whole {
            self.held.advance(length);
            self.place.0 += length as u64;
        }
        is_whole || is_end
    }

    /// Where the row's last line has ended. No further is looked than a row may be long.
    fn find_end(&mut self) -> Option<usize> {
        let until = self.held.len().min(self.row_bytes_max + 1);
        let from = self.looked;
        let text = &self.held[from..until];
        let found = match &mut self.quotes {
            None => text.iter().position(|byte| *byte == b'\n'),
            Some(quotes) => text.iter().position(|byte| quotes.ends_with(*byte)),
        };
        self.looked = until;
        found.map(|at| from + at + 1)
    }

    fn too_long(&mut self, is_end: bool) -> Option<Found> {
        let end = self.first_line(self.row_bytes_max + 1);
        if self.held[end - 1] == b'\n' {
            // Lines of CSV between quotes that do not close: the first of them has the mistake.
            return Some(self.refuse(end, "too_long"));
        }
        self.passed_over = Some(0);
        self.pass_over(is_end)
    }

    fn pass_over(&mut self, is_end: bool) -> Option<Found> {
        let passed = self.passed_over.take().unwrap_or_default();
        let end = self.first_line(self.held.len());
        let is_line = end > 0 && self.held[end - 1] == b'\n';
        if is_line || is_end {
            self.place.0 += passed;
            return Some(self.refuse(end, "too_long"));
        }
        self.held.clear();
        self.passed_over = Some(passed + end as u64);
        None
    }

    /// Behind the end of the first line, or `until` if it has none before.
    fn first_line(&self, until: usize) -> usize {
        let end = self.held[..until].iter().position(|byte| *byte == b'\n');
        end.map_or(until, |at| at + 1)
    }

    fn give(&mut self, end: usize) -> Found {
        let (line, mut row) = self.take(end);
        for end in [b"\n", b"\r"] {
            if row.ends_with(end) {
                row.truncate(row.len() - 1);
            }
        }
        Found {
            line,
            text: Ok(row.freeze()),
        }
    }

    fn refuse(&mut self, end: usize, code: &'static str) -> Found {
        let (line, _) = self.take(end);
        Found {
            line,
            text: Err(code),
        }
    }

    /// Takes a row out. The next one begins.
    fn take(&mut self, end: usize) -> (u64, BytesMut) {
        let row = self.held.split_to(end);
        let line = self.place.1 + 1;
        let ends = row.iter().filter(|byte| **byte == b'\n').count() as u64;
        // The last line of a text may have no end.
        let lines = ends + u64::from(!row.ends_with(b"\n"));
        self.place = (self.place.0 + end as u64, self.place.1 + lines);
        self.looked = 0;
        self.quotes = self.quotes.map(|_| Quotes::FieldStart);
        (line, row)
    }
}

impl Quotes {
    /// Takes one byte more; whether it ends the row.
    fn ends_with(&mut self, byte: u8) -> bool {
        use Quotes::{Closed, FieldStart, Plain, Quoted};
        *self = match (*self, byte) {
            (Quoted, b'"') => Closed,
            (Quoted, _) | (FieldStart | Closed, b'"') => Quoted,
            (_, b'\n') => return true,
            (_, b',') => FieldStart,
            _ => Plain,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 16;

    fn split(is_csv: bool, text: &str) -> Vec<(u64, Result<String, &'static str>)> {
        let mut splitter = Splitter::new(is_csv, MAX, (0, 0));
        splitter.push(text.as_bytes());
        let mut rows = Vec::new();
        while let Some(found) = splitter.next(true) {
            let text = |row: Bytes| String::from_utf8(row.to_vec()).unwrap();
            rows.push((found.line, found.text.map(text)));
        }
        let lines = text.trim_start_matches('\u{feff}').split_inclusive('\n');
        let lines = lines.count() as u64;
        assert_eq!(splitter.place(), (text.len() as u64, lines));
        rows
    }

    fn rows<const N: usize>(
        rows: [(u64, Result<&str, &'static str>); N],
    ) -> Vec<(u64, Result<String, &'static str>)> {
        rows.map(|(line, text)| (line, text.map(str::to_owned)))
            .to_vec()
    }

    #[test]
    fn lines_end_as_they_please_and_the_last_one_may_not() {
        let expected = rows([(1, Ok("a")), (2, Ok("b")), (3, Ok("")), (4, Ok("c"))]);
        for text in ["a\nb\n\nc\n", "a\r\nb\r\n\r\nc", "\u{feff}a\nb\n\nc"] {
            assert_eq!(split(false, text), expected);
            assert_eq!(split(true, text), expected);
        }
        assert_eq!(split(false, ""), []);
        assert_eq!(split(false, "\u{feff}"), []);
    }

    #[test]
    fn quotes_hold_lines_together() {
        let text = "a,\"b\nc\"\"\n\"\nd\"\ne\n";
        let expected = [(1, Ok("a,\"b\nc\"\"\n\"")), (4, Ok("d\"")), (5, Ok("e"))];
        assert_eq!(split(true, text), rows(expected));
        assert_eq!(split(false, text).len(), 5);
    }

    #[test]
    fn a_quote_that_does_not_close_costs_its_line_alone() {
        let expected = [(1, Err("malformed")), (2, Ok("b")), (3, Ok("c"))];
        assert_eq!(split(true, "\"a\nb\nc\n"), rows(expected));
        assert_eq!(split(true, "\"a"), rows([(1, Err("malformed"))]));
        let text = "\"a\nb\nc\nd\ne\nf\ng\nh\ni\n";
        let found = split(true, text);
        assert_eq!(found[..2], rows([(1, Err("too_long")), (2, Ok("b"))]));
        assert_eq!(found.len(), 9);
    }

    #[test]
    fn what_is_too_long_is_passed_over_to_the_end_of_its_line() {
        let fits = "x".repeat(MAX - 1);
        let (full, over) = (format!("{fits}x"), format!("{fits}xx"));
        let text = format!("{fits}\n{full}\n{over}\nb\n{over}");
        let expected = [
            (1, Ok(&*fits)),
            (2, Ok(&*full)),
            (3, Err("too_long")),
            (4, Ok("b")),
            (5, Err("too_long")),
        ];
        for is_csv in [false, true] {
            assert_eq!(split(is_csv, &text), rows(expected));
        }
    }
}
