//! The dynamic table (RFC 7541, 2.3.2 and 4), and the one index space of both tables (2.3.3).

use std::collections::VecDeque;

use super::FIELD_OVERHEAD;
use super::static_table::ENTRIES;

pub(super) struct Entry {
    name_bytes: usize,
    /// Name and value, one behind the other.
    bytes: Box<[u8]>,
}

pub(crate) struct Table {
    /// The newest first, which is how they are counted.
    entries: VecDeque<Entry>,
    /// Of all entries, by [`size`]. At most `max`.
    size: usize,
    max: usize,
}

/// What an entry counts for (4.1).
pub(super) fn size(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + FIELD_OVERHEAD
}

impl Entry {
    pub(super) fn new(name: &[u8], value: &[u8]) -> Self {
        Entry {
            name_bytes: name.len(),
            bytes: [name, value].concat().into(),
        }
    }

    fn field(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.name_bytes)
    }

    fn size(&self) -> usize {
        self.bytes.len() + FIELD_OVERHEAD
    }
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        Table {
            entries: VecDeque::new(),
            size: 0,
            max,
        }
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// What may be added without evicting anything.
    pub(super) fn room(&self) -> usize {
        self.max - self.size
    }

    /// Entries are evicted until the others fit (4.3).
    pub(super) fn resize(&mut self, max: usize) {
        self.max = max;
        self.evict_to(max);
    }

    /// Evicts as the entry needs it (4.4); one that cannot fit leaves the table empty.
    pub(super) fn add(&mut self, entry: Entry) {
        self.evict_to(self.max.saturating_sub(entry.size()));
        if entry.size() <= self.max {
            self.size += entry.size();
            self.entries.push_front(entry);
        }
    }

    pub(super) fn clear(&mut self) {
        self.evict_to(0);
    }

    fn evict_to(&mut self, size: usize) {
        while self.size > size {
            let Some(oldest) = self.entries.pop_back() else {
                break;
            };
            self.size -= oldest.size();
        }
    }

    /// The field at an index of both tables; none for 0 and beyond the last.
    pub(super) fn field(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let index = index.checked_sub(1)?;
        match ENTRIES.get(index) {
            Some((name, value)) => Some((name.as_bytes(), value.as_bytes())),
            None => self.entries.get(index - ENTRIES.len()).map(Entry::field),
        }
    }

    /// The index of the field.
    pub(super) fn find(&self, name: &[u8], value: &[u8]) -> Option<usize> {
        self.indexes()
            .find(|index| self.field(*index) == Some((name, value)))
    }

    /// The index of a field with that name.
    pub(super) fn find_name(&self, name: &[u8]) -> Option<usize> {
        self.indexes()
            .find(|index| self.field(*index).is_some_and(|(known, _)| known == name))
    }

    fn indexes(&self) -> std::ops::RangeInclusive<usize> {
        1..=ENTRIES.len() + self.entries.len()
    }

    #[cfg(any(test, feature = "codec"))]
    pub(crate) fn dynamic(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = self.entries.iter().map(Entry::field);
        fields
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    #[cfg(any(test, feature = "codec"))]
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}
