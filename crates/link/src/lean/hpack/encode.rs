//! Writing request header blocks (RFC 7541, 3.1 and 6).
//!
//! What all requests of a head have in common is indexed when the head is used first, as far as the peer's table goes,
//! and the bytes of it are kept. The next request is a copy of them, its path and its own header.

use fanfare_types::{Head, Request};
use http::{HeaderName, HeaderValue};

use super::kept::{Kept, Until};
use super::literal::{self, Literal};
use super::run::{Run, Writer};
use super::static_table::PATH;
use super::table::Table;
use super::{Forbidden, TABLE_BYTES, integer, permitted};

/// Blocks between two that push entries out of a full table. An addition moves the index of every other entry, so each
/// costs all runs that are kept: where more is asked for than fits, most of it is better written out.
pub(super) const EVICTIONS_APART: u64 = 1_024;

/// Writes request header blocks. Keeps the dynamic table that the peer has.
pub(crate) struct Encoder {
    table: Table,
    /// The smallest size that the table had since the last block, when the peer has yet to be told of a change.
    owed: Option<usize>,
    /// Counts the table's states: an index says the same only within one.
    era: u64,
    /// Blocks written.
    blocks: u64,
    /// The block from which on entries may be pushed out.
    evict_from: u64,
    kept: Kept,
    /// Where runs are written; memory that is used again.
    run: Run,
    own: Option<Own>,
}

/// The last header that a request had of its own, up to its value.
struct Own {
    name: HeaderName,
    kind: Literal,
    era: u64,
    start: Vec<u8>,
}

impl Encoder {
    /// The table has [`TABLE_BYTES`] until the peer says otherwise.
    pub(crate) fn new() -> Self {
        Encoder {
            table: Table::new(TABLE_BYTES),
            owed: None,
            era: 0,
            blocks: 0,
            evict_from: 0,
            kept: Kept::default(),
            run: Run::default(),
            own: None,
        }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE, of which at most [`TABLE_BYTES`] are used. The next block begins with the
    /// change; when there were several since the last, also with the smallest size (RFC 7541, 4.2).
    pub(crate) fn resize(&mut self, peer_max: u32) {
        let max = TABLE_BYTES.min(peer_max as usize);
        if max == self.table.max() {
            return;
        }
        let smallest = self.owed.unwrap_or(max);
        self.owed = Some(smallest.min(max));
        self.table.resize(max);
        self.era += 1;
    }

    /// Appends the header block of a request: pseudo-headers, the head's fields, its authorization, the request's own.
    ///
    /// # Errors
    /// A header that HTTP/2 forbids; then nothing is appended, and the table is as before.
    pub(crate) fn encode(
        &mut self,
        request: &Request,
        block: &mut Vec<u8>,
    ) -> Result<(), Forbidden> {
        let head = &request.head;
        if let Some((name, value)) = &request.own {
            permitted::field(head, name, value)?;
        }
        let whole = request.rest.is_empty();
        match self.kept.find(head, whole, self.era, self.blocks) {
            Some(run) => append(run, request, block),
            None => {
                permitted::head(head)?;
                self.tell_size(block);
                self.write_run(request, whole, block);
            }
        }
        self.blocks += 1;
        if let Some((name, value)) = &request.own {
            self.write_own(name, value, block);
        }
        Ok(())
    }

    /// A change of size comes before anything else (RFC 7541, 4.2 and 6.3). It begins an era, so no run is kept over it.
    fn tell_size(&mut self, block: &mut Vec<u8>) {
        let Some(smallest) = self.owed.take() else {
            return;
        };
        if smallest < self.table.max() {
            integer::write(smallest, 5, 0x20, block);
        }
        integer::write(self.table.max(), 5, 0x20, block);
    }

    fn write_run(&mut self, request: &Request, whole: bool, block: &mut Vec<u8>) {
        let may_evict = self.blocks >= self.evict_from;
        let mut run = std::mem::take(&mut self.run);
        let effects = Writer::new(&mut self.table, may_evict).write(&request.head, whole, &mut run);
        append(&run, request, block);
        if effects.evicted {
            self.evict_from = self.blocks + EVICTIONS_APART;
        }
        if effects.added {
            // The next one will be shorter.
            self.era += 1;
            self.run = run;
            return;
        }
        let until = Until {
            era: self.era,
            block: match effects.refused {
                true => self.evict_from,
                false => u64::MAX,
            },
        };
        self.run = self.kept.keep(&request.head, whole, run, until);
    }

    fn write_own(&mut self, name: &HeaderName, value: &HeaderValue, block: &mut Vec<u8>) {
        let kind = Literal::unindexed(value);
        let is_last = |own: &Own| own.era == self.era && own.kind == kind && own.name == *name;
        if !self.own.as_ref().is_some_and(is_last) {
            let bytes = name.as_str().as_bytes();
            let mut start = Vec::new();
            literal::name(kind, self.table.find_name(bytes), bytes, &mut start);
            self.own = Some(Own {
                name: name.clone(),
                kind,
                era: self.era,
                start,
            });
        }
        if let Some(own) = &self.own {
            block.extend_from_slice(&own.start);
        }
        literal::string(literal::value(value), block);
    }
}

#[cfg(test)]
impl Encoder {
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// How often the table has changed.
    pub(super) fn era(&self) -> u64 {
        self.era
    }
}

/// The run, with the request's path in its place when it has one of its own.
fn append(run: &Run, request: &Request, block: &mut Vec<u8>) {
    if request.rest.is_empty() {
        block.extend_from_slice(&run.bytes);
        return;
    }
    let (before, after) = run.bytes.split_at(run.path_at);
    block.extend_from_slice(before);
    path(&request.head, &request.rest, block);
    block.extend_from_slice(after);
}

/// Another one for each device, so it is not indexed.
fn path(head: &Head, rest: &[u8], block: &mut Vec<u8>) {
    let start = head.path().as_str().as_bytes();
    literal::name(Literal::Plain, Some(PATH), b":path", block);
    integer::write(start.len() + rest.len(), 7, 0, block);
    block.extend_from_slice(start);
    block.extend_from_slice(rest);
}
