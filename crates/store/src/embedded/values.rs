//! Numbers and instants as SQLite's signed integers.

use fanfare_types::Timestamp;
use rusqlite::Row;

/// Counts and instants beyond 2^63 do not occur; one that did would be kept as the largest that fits.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Nothing of ours writes a negative number.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn millis(at: Timestamp) -> i64 {
    integer(at.0)
}

pub(super) fn millis_opt(at: Option<Timestamp>) -> Option<i64> {
    at.map(millis)
}

pub(super) fn instant(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(|value| Timestamp(unsigned(value)))
}

pub(super) fn instant_opt(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let value: Option<i64> = row.get(column)?;
    Ok(value.map(|value| Timestamp(unsigned(value))))
}
