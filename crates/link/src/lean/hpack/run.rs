//! The part of a header block that is the same for all requests of a head.

use fanfare_types::Head;

use super::integer;
use super::literal::{self, Literal};
use super::static_table::{METHOD_POST, SCHEME_HTTPS};
use super::table::{Entry, Table, size};

/// The part, written. A path of the request's own has its place in the middle.
#[derive(Default)]
pub(super) struct Run {
    pub(super) bytes: Vec<u8>,
    pub(super) path_at: usize,
}

/// Writes a run, and adds to the table what will come again.
pub(super) struct Writer<'a> {
    table: &'a mut Table,
    may_evict: bool,
    effects: Effects,
}

/// What writing a run meant for the table.
#[derive(Clone, Copy, Default)]
pub(super) struct Effects {
    pub(super) added: bool,
    pub(super) evicted: bool,
    /// Something would have been added, had it been allowed to evict.
    pub(super) refused: bool,
}

impl<'a> Writer<'a> {
    /// `may_evict`: new entries may take the place of old ones.
    pub(super) fn new(table: &'a mut Table, may_evict: bool) -> Self {
        Writer {
            table,
            may_evict,
            effects: Effects::default(),
        }
    }

    /// `whole`: the head's path is the request's.
    pub(super) fn write(mut self, head: &Head, whole: bool, run: &mut Run) -> Effects {
        let out = &mut run.bytes;
        out.clear();
        integer::write(METHOD_POST, 7, 0x80, out);
        integer::write(SCHEME_HTTPS, 7, 0x80, out);
        self.field(b":authority", head.authority().as_str().as_bytes(), out);
        run.path_at = out.len();
        if whole {
            self.field(b":path", head.path().as_str().as_bytes(), out);
        }
        for (name, value) in head.fields() {
            let name = name.as_str().as_bytes();
            match value.is_sensitive() {
                false => self.field(name, literal::value(value), out),
                true => {
                    literal::name(Literal::Never, self.table.find_name(name), name, out);
                    literal::string(literal::value(value), out);
                }
            }
        }
        // Marked sensitive for those who would show it, and indexed all the same. What never-indexed literals guard
        // against (RFC 7541, 7.1) is guessing: who can have headers of his own written on the same connection sees by
        // a block's length whether he hit upon a value. Nobody but us writes here, a signature is not guessed, and
        // the value is most of a block that repeats it. APNs asks for it: "header compression" of the token.
        if let Some(value) = head.authorization() {
            self.field(b"authorization", literal::value(value), out);
        }
        self.effects
    }

    /// A field that further requests have, too.
    fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        if let Some(index) = self.table.find(name, value) {
            integer::write(index, 7, 0x80, out);
            return;
        }
        let is_added = self.may_add(size(name, value));
        let kind = match is_added {
            true => Literal::Indexed,
            false => Literal::Plain,
        };
        literal::name(kind, self.table.find_name(name), name, out);
        literal::string(value, out);
        if is_added {
            self.table.add(Entry::new(name, value));
            self.effects.added = true;
        }
    }

    fn may_add(&mut self, size: usize) -> bool {
        if size > self.table.max() {
            return false;
        }
        let fits = size <= self.table.room();
        self.effects.evicted |= !fits && self.may_evict;
        self.effects.refused |= !fits && !self.may_evict;
        fits || self.may_evict
    }
}
