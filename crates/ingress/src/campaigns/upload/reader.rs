//! From the bytes of an upload to the blocks that are appended: pure, and the same whatever the pieces they come in.

use std::borrow::Cow;

use fanfare_store::campaigns::{BadRow, Block, Upload, UploadRow};

use super::row::{Bad, Rules};
use super::split::{Found, Splitter};
use super::table;

/// Most rows of a block: they are appended, durably, before more is read.
pub(super) const BLOCK_ROWS_MAX: usize = 1_000;

/// Most bytes of text that a block is made of, so that long rows make small blocks.
const BLOCK_BYTES_MAX: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Ndjson,
    Csv,
}

/// Why nothing more of an upload can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The header of CSV: a stable word, and a sentence.
    Header(&'static str, &'static str),
    TooManyRows,
}

/// Reads one upload. What it holds is a block and a row at most, and the text that was pushed last.
#[derive(Debug)]
pub(super) struct Reader {
    format: Format,
    rules: Rules,
    rows_max: u64,
    splitter: Splitter,
    /// What is there once the rows of this block are.
    upload: Upload,
    /// Where this block began.
    from: u64,
    rows: Vec<UploadRow>,
}

impl Reader {
    /// Goes on behind what was uploaded.
    pub(super) fn new(format: Format, upload: Upload, rules: Rules, limits: Limits) -> Self {
        let place = (upload.bytes, upload.lines);
        Reader {
            format,
            rules,
            rows_max: limits.rows_max,
            splitter: Splitter::new(format == Format::Csv, limits.row_bytes_max, place),
            from: upload.bytes,
            upload: Upload {
                is_complete: false,
                ..upload
            },
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        self.splitter.push(text);
    }

    /// A block that is full; `None` wants more text.
    pub(super) fn block(&mut self) -> Result<Option<Block>, Refused> {
        self.read(false)
    }

    /// The blocks at the end of the text, of which the last makes the upload complete.
    pub(super) fn end(&mut self) -> Result<Option<Block>, Refused> {
        if self.upload.is_complete {
            return Ok(None);
        }
        let full = self.read(true)?;
        if full.is_some() {
            return Ok(full);
        }
        if self.format == Format::Csv && self.upload.columns.is_none() {
            return Err(Refused::Header("missing", "must be the first line"));
        }
        let (bytes, lines) = self.splitter.place();
        self.upload.is_complete = true;
        (self.upload.bytes, self.upload.lines) = (bytes, lines);
        Ok(Some(self.take()))
    }

    /// The rows that are whole, when the text broke off; `None` when there are none.
    pub(super) fn cut(&mut self) -> Option<Block> {
        (self.upload.bytes > self.from).then(|| self.take())
    }

    fn read(&mut self, is_end: bool) -> Result<Option<Block>, Refused> {
        while let Some(found) = self.splitter.next(is_end) {
            let line = found.line;
            match self.row(found)? {
                Ok(None) => {}
                Ok(Some(_)) if self.upload.rows >= self.rows_max => {
                    return Err(Refused::TooManyRows);
                }
                Ok(Some(row)) => {
                    self.upload.rows += 1;
                    self.rows.push(row);
                }
                Err(bad) => self.note(line, bad),
            }
            if self.format == Format::Csv && self.upload.columns.is_none() {
                // Nobody could go on from empty lines before the header: it would not be known for CSV.
                continue;
            }
            (self.upload.bytes, self.upload.lines) = self.splitter.place();
            let bytes = self.upload.bytes - self.from;
            if self.rows.len() >= BLOCK_ROWS_MAX || bytes >= BLOCK_BYTES_MAX {
                return Ok(Some(self.take()));
            }
        }
        Ok(None)
    }

    /// The recipient in a row; none for an empty line and for the header.
    fn row(&mut self, found: Found) -> Result<Result<Option<UploadRow>, Bad>, Refused> {
        let needs_header = self.format == Format::Csv && self.upload.columns.is_none();
        let text = match found.text {
            Ok(text) => text,
            Err(code) if needs_header => return Err(Refused::Header(code, "cannot be read")),
            Err(code) => return Ok(Err((code, None))),
        };
        match (self.format, &self.upload.columns) {
            (Format::Ndjson, _) => Ok(self.rules.json(&text)),
            (Format::Csv, _) if text.trim_ascii().is_empty() => Ok(Ok(None)),
            (Format::Csv, Some(columns)) => Ok(self.fields(columns, &text).map(Some)),
            (Format::Csv, None) => {
                let columns = table::header(&text);
                let columns = columns.map_err(|(code, detail)| Refused::Header(code, detail))?;
                self.upload.columns = Some(columns);
                Ok(Ok(None))
            }
        }
    }

    fn fields(&self, columns: &[String], text: &[u8]) -> Result<UploadRow, Bad> {
        let fields = table::fields(text).map_err(|code| (code, None))?;
        if fields.len() != columns.len() {
            return Err(("malformed", None));
        }
        let names = columns.iter().map(String::as_str);
        let texts = fields.iter().map(String::as_str);
        self.rules.fields(names.zip(texts))
    }

    fn note(&mut self, line: u64, (code, field): Bad) {
        self.upload.bad += 1;
        if self.upload.bad_rows.len() < Upload::BAD_LISTED_MAX {
            self.upload.bad_rows.push(BadRow {
                line,
                code: Cow::Borrowed(code),
                field: field.map(Cow::Borrowed),
            });
        }
    }

    fn take(&mut self) -> Block {
        let from = std::mem::replace(&mut self.from, self.upload.bytes);
        Block {
            from,
            replaces: false,
            upload: self.upload.clone(),
            rows: std::mem::take(&mut self.rows),
        }
    }
}

/// Limits of one upload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) rows_max: u64,
    pub(super) row_bytes_max: usize,
}

#[cfg(test)]
mod tests;
