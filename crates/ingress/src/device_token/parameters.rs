//! `DtParameters`: what jQuery DataTables (1.10 and newer) asks of its server, as a form or as JSON
//! (<https://datatables.net/manual/server-side>).
//!
//! Unknown members are passed over, and so is ordering by a column that is none of ours: a table orders by its first
//! column unless told otherwise, and that may hold buttons. A search in such a column is a fault, because rows that
//! do not match would be shown as if they did. A search is a text to be found, never a pattern: the `regex` flags are
//! read and not followed, as the manual allows.

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use fanfare_providers::Fault;
use fanfare_store::DeviceQuery;
use serde_json::Value;
use utoipa::ToSchema;

use super::column::Column;
use super::members::{self, flag, number};
use crate::fields::{Faults, Fields};

/// Most columns of a table, and of those it is ordered by. Beyond it 400.
pub(super) const COLUMNS_MAX: usize = 100;

/// Longest text searched for, in bytes. Beyond it 400.
pub(super) const SEARCH_BYTES_MAX: usize = 256;

/// Most rows of a page. It is what a longer one, and one of all rows, is cut to.
pub(super) const ROWS_MAX: usize = DeviceQuery::LENGTH_MAX;

/// Most columns that are searched, each for its own text; the search in all of them takes one filter more. Beyond it 400.
const FILTERS_MAX: usize = DeviceQuery::FILTERS_MAX - 1;

/// Rows of a page when the request does not say: what DataTables shows by default.
const LENGTH_DEFAULT: usize = 10;

/// Longest name of a column that is read, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// All numbers that JavaScript can tell apart (2^53 - 1).
const SAFE_INTEGER: i64 = (1 << 53) - 1;

const MEMBERS: [&str; 6] = ["draw", "start", "length", "search", "order", "columns"];

/// A page of the table, as it was asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Parameters {
    /// Comes back as it is, so that the table knows which of its requests was answered.
    pub(super) draw: i64,
    pub(super) start: u64,
    /// Rows at most.
    pub(super) length: usize,
    /// A text to be found in one of `searched` at least.
    pub(super) search: Option<String>,
    pub(super) searched: Vec<Column>,
    /// Texts to be found in each of these columns.
    pub(super) filters: Vec<(Column, String)>,
    pub(super) order: Vec<(Column, Direction)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

/// What a form may hold of the protocol.
pub(super) fn of_form(form: &[u8], faults: &mut Faults) -> Value {
    super::form::parse(form, &MEMBERS, faults)
}

/// The request in a body, or all that is wrong with it, beside `faults` found before.
pub(super) fn read(value: Value, mut faults: Faults) -> Result<Parameters, Vec<Fault>> {
    match members::of(value, "", &MEMBERS, &mut faults).map(all) {
        Some(parameters) if faults.is_empty() => Ok(parameters),
        _ => Err(faults.into_vec()),
    }
}

fn all(mut fields: Fields<'_>) -> Parameters {
    let draw = number(&mut fields, "draw", -SAFE_INTEGER..=SAFE_INTEGER).unwrap_or(0);
    let start = number(&mut fields, "start", 0..=SAFE_INTEGER).unwrap_or(0);
    let length = number(&mut fields, "length", -1..=SAFE_INTEGER);
    let search = fields
        .take("search")
        .and_then(|value| search(value, "search", fields.faults));
    let columns = columns(&mut fields);
    let order = order(&mut fields, columns.as_ref());
    let columns = columns.unwrap_or_default();
    let filters: Vec<_> = columns.values().filter_map(Asked::filter).collect();
    if filters.len() > FILTERS_MAX {
        let detail = format!("may be searched for {FILTERS_MAX} texts at most");
        fields.fault("columns", "too_many", detail);
    }
    Parameters {
        draw,
        start: start.unsigned_abs(),
        length: rows(length),
        search,
        searched: searched(&columns),
        filters,
        order,
    }
}

/// -1 asks for all rows, and a page has [`ROWS_MAX`] at most.
fn rows(length: Option<i64>) -> usize {
    let length = length.map_or(Some(LENGTH_DEFAULT), |length| usize::try_from(length).ok());
    length.unwrap_or(ROWS_MAX).min(ROWS_MAX)
}

/// A column of the table that asks.
#[derive(Debug)]
struct Asked {
    /// Which of ours it shows, if one.
    column: Option<Column>,
    is_searchable: bool,
    is_orderable: bool,
    search: Option<String>,
}

impl Asked {
    fn filter(&self) -> Option<(Column, String)> {
        let search = self.search.clone().filter(|_| self.is_searchable)?;
        Some((self.column?, search))
    }
}

/// A table without columns searches all of them.
fn searched(columns: &BTreeMap<usize, Asked>) -> Vec<Column> {
    if columns.is_empty() {
        return Column::ALL.map(|(column, _)| column).to_vec();
    }
    let searchable = columns.values().filter(|asked| asked.is_searchable);
    let mut searched = Vec::new();
    for column in searchable.filter_map(|asked| asked.column) {
        if !searched.contains(&column) {
            searched.push(column);
        }
    }
    searched
}

fn columns(fields: &mut Fields<'_>) -> Option<BTreeMap<usize, Asked>> {
    let mut read = BTreeMap::new();
    for (index, value) in members::indexed(fields, "columns", COLUMNS_MAX)? {
        let path = format!("columns[{index}]");
        if let Some(asked) = column(value, &path, fields.faults) {
            read.insert(index, asked);
        }
    }
    Some(read)
}

fn column(value: Value, path: &str, faults: &mut Faults) -> Option<Asked> {
    let names = ["data", "name", "searchable", "orderable", "search"];
    let mut fields = members::of(value, path, &names, faults)?;
    let column = [fields.take("data"), fields.take("name")]
        .iter()
        .flatten()
        .find_map(|name| Column::named(name.as_str()?));
    let is_searchable = flag(&mut fields, "searchable").unwrap_or(true);
    let is_orderable = flag(&mut fields, "orderable").unwrap_or(true);
    let path = fields.path("search");
    let search = fields
        .take("search")
        .and_then(|value| search(value, &path, fields.faults));
    if search.is_some() && is_searchable && column.is_none() {
        fields.fault("search", "unknown", "this column cannot be searched");
    }
    Some(Asked {
        column,
        is_searchable,
        is_orderable,
        search,
    })
}

/// What is searched for; an empty text is nothing.
fn search(value: Value, path: &str, faults: &mut Faults) -> Option<String> {
    let mut fields = members::of(value, path, &["value", "regex"], faults)?;
    flag(&mut fields, "regex");
    let text = fields.text("value", SEARCH_BYTES_MAX)?;
    Some(text).filter(|text| !text.is_empty())
}

fn order(
    fields: &mut Fields<'_>,
    columns: Option<&BTreeMap<usize, Asked>>,
) -> Vec<(Column, Direction)> {
    let mut order: Vec<(Column, Direction)> = Vec::new();
    let entries = members::indexed(fields, "order", COLUMNS_MAX).unwrap_or_default();
    for (index, value) in entries {
        let path = format!("order[{index}]");
        let entry = entry(value, &path, columns, fields.faults);
        // A column that stands there already decides; later it cannot.
        if let Some((column, direction)) = entry
            && order.iter().all(|(known, _)| *known != column)
        {
            order.push((column, direction));
        }
    }
    order
}

fn entry(
    value: Value,
    path: &str,
    columns: Option<&BTreeMap<usize, Asked>>,
    faults: &mut Faults,
) -> Option<(Column, Direction)> {
    let mut fields = members::of(value, path, &["column", "dir"], faults)?;
    let index = number(&mut fields, "column", 0..=COLUMNS_MAX as i64 - 1);
    let direction = direction(&mut fields);
    let index = usize::try_from(index?).ok()?;
    // Without a readable list of columns its faults are told, and no other.
    let Some(asked) = columns?.get(&index) else {
        fields.fault("column", "unknown", "is not the index of a column");
        return None;
    };
    Some((asked.column.filter(|_| asked.is_orderable)?, direction?))
}

/// An empty direction is none: the table is not ordered by this column any more.
fn direction(fields: &mut Fields<'_>) -> Option<Direction> {
    let text = fields.text("dir", NAME_BYTES_MAX)?;
    match text.to_ascii_lowercase().as_str() {
        "asc" => Some(Direction::Ascending),
        "desc" => Some(Direction::Descending),
        "" => None,
        _ => {
            fields.fault("dir", "unknown", "must be asc or desc");
            None
        }
    }
}

/// What a table asks for. Members that are none of these are passed over; names are taken in any case.
#[derive(ToSchema)]
#[schema(as = DtParameters)]
#[expect(dead_code, reason = "documentation of `all`; a test compares the two")]
pub(super) struct ParametersDoc {
    /// Comes back as it is.
    draw: Option<i64>,
    /// Rows passed over.
    start: Option<u64>,
    /// Rows at most: 1,000, which -1 (all) and more are cut to; 10 when left out.
    length: Option<i64>,
    search: Option<SearchDoc>,
    /// The first counts most; 100 at most.
    order: Option<Vec<OrderDoc>>,
    /// 100 at most.
    columns: Option<Vec<ColumnDoc>>,
}

/// A text to be found. It is never a pattern.
#[derive(ToSchema)]
#[schema(as = DtSearch)]
#[expect(
    dead_code,
    reason = "documentation of `search`; a test compares the two"
)]
pub(super) struct SearchDoc {
    /// At most 256 bytes.
    value: Option<String>,
    /// Read and not followed.
    regex: Option<bool>,
}

/// A column the table is ordered by. One that is none of the rows' is passed over.
#[derive(ToSchema)]
#[schema(as = DtOrder)]
#[expect(
    dead_code,
    reason = "documentation of `entry`; a test compares the two"
)]
pub(super) struct OrderDoc {
    /// Its index in `columns`.
    column: Option<u64>,
    /// `asc` or `desc`; an empty text for neither.
    #[schema(example = "asc")]
    dir: Option<String>,
}

/// A column of the table.
#[derive(ToSchema)]
#[schema(as = DtColumn)]
#[expect(
    dead_code,
    reason = "documentation of `column`; a test compares the two"
)]
pub(super) struct ColumnDoc {
    /// The member of the rows it shows, as `deviceId`.
    #[schema(example = "deviceId")]
    data: Option<String>,
    /// The same, where `data` is none of theirs.
    name: Option<String>,
    searchable: Option<bool>,
    orderable: Option<bool>,
    search: Option<SearchDoc>,
}
