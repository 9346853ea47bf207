//! Reads header blocks (RFC 7541) and keeps of them what the books want: the path and the id of a push.
//!
//! `link` has a decoder, too. This is another one on purpose: a simulator judges clients from outside, and must not share
//! their mistakes.

use std::collections::VecDeque;

use super::huffman;

/// The dynamic table's size that we announce, which is the protocol's default.
const TABLE_MAX: usize = 4096;

/// What an entry takes beside its name and value (RFC 7541 §4.1).
const ENTRY: usize = 32;

/// Names of the static table (RFC 7541, appendix A), from index 1.
#[rustfmt::skip]
const NAMES: [&str; 61] = [
    ":authority", ":method", ":method", ":path", ":path", ":scheme", ":scheme", ":status", ":status", ":status",
    ":status", ":status", ":status", ":status", "accept-charset", "accept-encoding", "accept-language",
    "accept-ranges", "accept", "access-control-allow-origin", "age", "allow", "authorization", "cache-control",
    "content-disposition", "content-encoding", "content-language", "content-length", "content-location",
    "content-range", "content-type", "cookie", "date", "etag", "expect", "expires", "from", "host", "if-match",
    "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified", "link", "location",
    "max-forwards", "proxy-authenticate", "proxy-authorization", "range", "referer", "refresh", "retry-after",
    "server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent", "vary", "via",
    "www-authenticate",
];

/// A name that we know, or any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Name {
    Path,
    ApnsId,
    #[default]
    Other,
}

impl Name {
    fn of(name: &[u8]) -> Self {
        match name {
            b":path" => Self::Path,
            b"apns-id" => Self::ApnsId,
            _ => Self::Other,
        }
    }
}

/// A field of the dynamic table.
struct Entry {
    name: Name,
    /// Length of the name.
    length: usize,
    value: Box<[u8]>,
}

impl Entry {
    fn size(&self) -> usize {
        self.length + self.value.len() + ENTRY
    }
}

/// What was read of one block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) path: Vec<u8>,
    pub(super) apns_id: Vec<u8>,
}

impl Head {
    fn take(&mut self, name: Name, value: &[u8]) {
        let field = match name {
            Name::Path => &mut self.path,
            Name::ApnsId => &mut self.apns_id,
            Name::Other => return,
        };
        field.clear();
        field.extend_from_slice(value);
    }
}

/// One connection's.
#[derive(Default)]
pub(super) struct Decoder {
    /// The newest first.
    table: VecDeque<Entry>,
    size: usize,
    /// As the client wants it, at most [`TABLE_MAX`].
    limit: Option<usize>,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// `None` for what is no header block: the connection cannot go on.
    pub(super) fn decode(&mut self, mut block: &[u8], head: &mut Head) -> Option<()> {
        head.path.clear();
        head.apns_id.clear();
        let mut is_start = true;
        while let Some(first) = block.first() {
            match first {
                0x80.. => self.indexed(&mut block, head)?,
                0x40.. => self.literal(&mut block, 6, true, head)?,
                // A new size, only before the first field.
                0x20.. if is_start => {
                    let limit = integer(&mut block, 5)?;
                    self.limit = Some(limit).filter(|limit| *limit <= TABLE_MAX);
                    self.limit?;
                    self.evict();
                    continue;
                }
                0x20.. => return None,
                _ => self.literal(&mut block, 4, false, head)?,
            }
            is_start = false;
        }
        Some(())
    }

    fn indexed(&self, block: &mut &[u8], head: &mut Head) -> Option<()> {
        match integer(block, 7)? {
            0 => None,
            4 => {
                head.take(Name::Path, b"/");
                Some(())
            }
            5 => {
                head.take(Name::Path, b"/index.html");
                Some(())
            }
            index if index <= NAMES.len() => Some(()),
            index => {
                let entry = self.table.get(index - NAMES.len() - 1)?;
                head.take(entry.name, &entry.value);
                Some(())
            }
        }
    }

    fn literal(
        &mut self,
        block: &mut &[u8],
        prefix: u8,
        is_kept: bool,
        head: &mut Head,
    ) -> Option<()> {
        let (name, length) = match integer(block, prefix)? {
            0 => {
                string(block, &mut self.name)?;
                (Name::of(&self.name), self.name.len())
            }
            index if index <= NAMES.len() => {
                let name = NAMES[index - 1].as_bytes();
                (Name::of(name), name.len())
            }
            index => {
                let entry = self.table.get(index - NAMES.len() - 1)?;
                (entry.name, entry.length)
            }
        };
        string(block, &mut self.value)?;
        head.take(name, &self.value);
        if is_kept {
            let value = self.value.as_slice().into();
            let entry = Entry {
                name,
                length,
                value,
            };
            self.size += entry.size();
            self.table.push_front(entry);
            self.evict();
        }
        Some(())
    }

    /// The oldest make room; an entry larger than the whole table empties it.
    fn evict(&mut self) {
        while self.size > self.limit.unwrap_or(TABLE_MAX) {
            let Some(oldest) = self.table.pop_back() else {
                return;
            };
            self.size -= oldest.size();
        }
    }
}

/// RFC 7541 §5.1.
fn integer(block: &mut &[u8], prefix: u8) -> Option<usize> {
    let (first, mut rest) = block.split_first()?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        for shift in (0..).step_by(7) {
            let (byte, behind) = rest.split_first()?;
            rest = behind;
            // No index, length or size is larger than this.
            if shift > 21 {
                return None;
            }
            value += usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *block = rest;
    Some(value)
}

/// RFC 7541 §5.2.
fn string(block: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    let is_huffman = block.first()? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(length)?;
    *block = rest;
    out.clear();
    match is_huffman {
        true => huffman::decode(text, out),
        false => {
            out.extend_from_slice(text);
            Some(())
        }
    }
}

#[cfg(test)]
mod tests;
