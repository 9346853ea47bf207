//! Listings in SQL. Column names come from here alone; whatever a caller gives is bound as a value.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanfare_types::Device;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::row::{COLUMNS, collect};
use crate::embedded::readers;
use crate::embedded::values::{integer, millis, unsigned};
use crate::listing::{Column, DeviceQuery, Filter, Listing, Match, TextColumn, TimeColumn};
use crate::{Error, Result};

/// Longest time one listing takes. Afterwards it is given up.
const TIME_MAX: Duration = Duration::from_secs(2);

/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS: std::ffi::c_int = 10_000;

/// Reads both counts and the page, of one moment and within [`TIME_MAX`].
pub(in crate::embedded) fn listing(db: &mut Connection, query: &DeviceQuery) -> Result<Listing> {
    let late = Arc::new(AtomicBool::new(false));
    let (began, told) = (Instant::now(), late.clone());
    let is_late = move || {
        let is_late = began.elapsed() > TIME_MAX;
        told.fetch_or(is_late, Ordering::Relaxed);
        is_late
    };
    db.progress_handler(STEPS, Some(is_late))?;
    let listing = readers::snapshot(db, || read(db, query));
    db.progress_handler(0, None::<fn() -> bool>)?;
    match late.load(Ordering::Relaxed) {
        true => Err(Error::Overloaded),
        false => listing,
    }
}

fn read(db: &Connection, query: &DeviceQuery) -> Result<Listing> {
    let mut rows = Rows::of(query);
    let total = rows.count(db)?;
    for filter in &query.filters {
        rows.narrow(filter);
    }
    let filtered = match query.filters.is_empty() {
        true => total,
        false => rows.count(db)?,
    };
    Ok(Listing {
        rows: rows.page(db, query)?,
        total,
        filtered,
    })
}

/// The rows in question, as a condition and what is bound in it.
struct Rows {
    condition: String,
    bound: Vec<Value>,
}

impl Rows {
    fn of(query: &DeviceQuery) -> Self {
        let mut rows = Rows {
            condition: "app = ?1 AND deleted_at IS NULL".to_owned(),
            bound: vec![Value::from(query.app.as_str().to_owned())],
        };
        match &query.tenant {
            Some(tenant) => {
                let place = rows.bind(Value::from(tenant.clone()));
                rows.condition.push_str(&format!(" AND tenant = {place}"));
            }
            None => rows.condition.push_str(" AND tenant IS NULL"),
        }
        rows
    }

    fn bind(&mut self, value: Value) -> String {
        self.bound.push(value);
        format!("?{}", self.bound.len())
    }

    fn narrow(&mut self, filter: &Filter) {
        let matches: Vec<String> = filter
            .0
            .iter()
            .map(|wanted| self.condition(wanted))
            .collect();
        let any = match matches.is_empty() {
            true => "0".to_owned(),
            false => matches.join(" OR "),
        };
        self.condition.push_str(&format!(" AND ({any})"));
    }

    fn condition(&mut self, wanted: &Match) -> String {
        match wanted {
            Match::Contains(column, text) => {
                let place = self.bind(Value::from(text.to_ascii_lowercase()));
                let column = text_column(*column);
                // Not LIKE: its wildcards would have to be escaped, and it gives up on long patterns.
                format!("instr(lower({column}), {place}) > 0")
            }
            Match::Id(id) => format!("id = {}", self.bind(Value::from(id.0.0.to_vec()))),
            Match::Platform(platform) => {
                let place = self.bind(Value::from(platform.as_str().to_owned()));
                format!("platform = {place}")
            }
            Match::Active(true) => "status = 'active'".to_owned(),
            Match::Active(false) => "status <> 'active'".to_owned(),
            Match::DisplayOrder(number) => {
                format!("{DISPLAY_ORDER} = {}", self.bind(Value::from(*number)))
            }
            Match::Within(column, range) => {
                let from = self.bind(Value::from(millis(range.start)));
                let until = self.bind(Value::from(millis(range.end)));
                let column = time_column(*column);
                format!("({column} >= {from} AND {column} < {until})")
            }
        }
    }

    fn count(&self, db: &Connection) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM devices WHERE {}", self.condition);
        let bound = rusqlite::params_from_iter(&self.bound);
        Ok(db.query_row(&sql, bound, |row| row.get(0).map(unsigned))?)
    }

    fn page(mut self, db: &Connection, query: &DeviceQuery) -> Result<Vec<Device>> {
        let length = query.length.min(DeviceQuery::LENGTH_MAX);
        let limit = self.bind(Value::from(integer(length as u64)));
        let start = self.bind(Value::from(integer(query.start)));
        let mut order: Vec<String> = query.order.iter().map(ordered).collect();
        order.push("id".to_owned());
        let sql = format!(
            "SELECT {} FROM devices WHERE {} ORDER BY {} LIMIT {limit} OFFSET {start}",
            COLUMNS.join(", "),
            self.condition,
            order.join(", "),
        );
        let mut rows = Vec::new();
        let bound = rusqlite::params_from_iter(&self.bound);
        collect(&mut db.prepare(&sql)?, bound, &mut rows)?;
        Ok(rows)
    }
}

const DISPLAY_ORDER: &str = "coalesce(display_order, 0)";

fn ordered(order: &crate::listing::Order) -> String {
    let column = match order.column {
        Column::Id => "id",
        Column::Text(column) => text_column(column),
        Column::Time(column) => time_column(column),
        Column::Platform => "platform",
        Column::Active => "(status = 'active')",
        Column::DisplayOrder => DISPLAY_ORDER,
    };
    let direction = if order.descending { "DESC" } else { "ASC" };
    format!("{column} {direction}")
}

fn text_column(column: TextColumn) -> &'static str {
    match column {
        TextColumn::User => "user",
        TextColumn::DeviceKey => "device_key",
        TextColumn::DeviceName => "device_name",
        TextColumn::AppVersion => "app_version",
    }
}

fn time_column(column: TimeColumn) -> &'static str {
    match column {
        TimeColumn::LastSeenAt => "last_seen_at",
        TimeColumn::CreatedAt => "created_at",
        TimeColumn::UpdatedAt => "updated_at",
    }
}
