//! Reading the peer's header blocks (RFC 7541, 3.2 and 6).

use super::table::{Entry, Table, size};
use super::{Broken, Fault, TABLE_BYTES, huffman, integer};

/// Reads what the peer sends.
pub(crate) struct Decoder {
    table: Table,
    /// Largest table that our SETTINGS allow.
    table_max: usize,
    list_max: usize,
    /// They allow less than a connection begins with, and the peer has not said yet that it knows.
    owes_update: bool,
    /// What Huffman-coded strings stand for.
    name: Vec<u8>,
    value: Vec<u8>,
}

/// What is left of the longest list taken.
struct Room {
    left: usize,
    too_long: bool,
}

impl Decoder {
    /// `table_max`: what our SETTINGS, sent before any request, allow the peer's table, in bytes. `list_max`: the largest
    /// header list taken, in bytes as RFC 9113, 6.5.2 counts them.
    pub(crate) fn new(table_max: usize, list_max: usize) -> Self {
        Decoder {
            table: Table::new(TABLE_BYTES),
            table_max,
            list_max,
            owes_update: table_max < TABLE_BYTES,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Reads one whole block and gives its fields in order; names and values are as the peer wrote them.
    ///
    /// # Errors
    /// [`Fault::TooLong`] when the list exceeds `list_max`: fields given so far are to be forgotten. [`Fault::Broken`]
    /// when the connection is to end; nothing may be read after it.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Fault> {
        let mut rest = block;
        self.updates(&mut rest)?;
        let mut room = Room {
            left: self.list_max,
            too_long: false,
        };
        while let Some(first) = rest.first() {
            let mut give = |name: &[u8], value: &[u8]| {
                if room.take(name, value) {
                    field(name, value);
                }
            };
            match first {
                // 6.1
                0x80.. => {
                    let index = integer::read(&mut rest, 7)?;
                    let (name, value) = self.table.field(index).ok_or(Broken::Index)?;
                    give(name, value);
                }
                // 6.2.1
                0x40.. => self.literal(&mut rest, 6, &mut give)?,
                0x20.. => return Err(Broken::TableSize.into()),
                // 6.2.2 and 6.2.3: nothing is written by us that was read, so never-indexed ones are no others.
                _ => self.literal(&mut rest, 4, &mut give)?,
            }
        }
        match room.too_long {
            true => Err(Fault::TooLong),
            false => Ok(()),
        }
    }

    /// Changes of the table's size come first (4.2).
    fn updates(&mut self, rest: &mut &[u8]) -> Result<(), Broken> {
        while rest.first().is_some_and(|first| first & 0xe0 == 0x20) {
            let max = integer::read(rest, 5)?;
            if max > self.table_max {
                return Err(Broken::TableSize);
            }
            self.table.resize(max);
            self.owes_update = false;
        }
        match self.owes_update {
            true => Err(Broken::TableSize),
            false => Ok(()),
        }
    }

    /// A name by index or as a string, a value; with a prefix of 6 it is added to the table.
    fn literal(
        &mut self,
        rest: &mut &[u8],
        prefix: u32,
        give: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Broken> {
        // A string that is longer belongs neither into a list nor into a table, so its end is of no use.
        let keep = self.list_max.max(self.table.max());
        let name = match integer::read(rest, prefix)? {
            0 => string(rest, &mut self.name, keep)?,
            index => self.table.field(index).ok_or(Broken::Index)?.0,
        };
        let value = string(rest, &mut self.value, keep)?;
        give(name, value);
        if prefix == 6 {
            if size(name, value) > self.table.max() {
                self.table.clear();
            } else {
                // Made before anything is evicted: the name may be of what goes (4.4).
                let entry = Entry::new(name, value);
                self.table.add(entry);
            }
        }
        Ok(())
    }

    #[cfg(any(test, feature = "codec"))]
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Memory that strings are decoded into.
    #[cfg(any(test, feature = "codec"))]
    pub(crate) fn scratch_bytes(&self) -> usize {
        self.name.capacity() + self.value.capacity()
    }
}

/// Takes a string (5.2) off the start of `rest`. At most `keep` bytes are told of one that is Huffman-coded.
fn string<'a, 'block: 'a>(
    rest: &mut &'block [u8],
    decoded: &'a mut Vec<u8>,
    keep: usize,
) -> Result<&'a [u8], Broken> {
    let is_coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let bytes = integer::read(rest, 7)?;
    let (string, after) = rest.split_at_checked(bytes).ok_or(Broken::CutShort)?;
    *rest = after;
    if !is_coded {
        return Ok(string);
    }
    decoded.clear();
    huffman::decode(string, decoded, keep)?;
    Ok(decoded)
}

impl Room {
    /// Whether the field still fits; once one did not, none does.
    fn take(&mut self, name: &[u8], value: &[u8]) -> bool {
        match self.left.checked_sub(size(name, value)) {
            Some(left) if !self.too_long => self.left = left,
            _ => self.too_long = true,
        }
        !self.too_long
    }
}
