//! Listings for administrators: the rows of one organisation, filtered, ordered and paged.
//!
//! ```text
//! rows of (app, tenant) that are not deleted ── total ──▶ filters ── filtered ──▶ order, id ──▶ start, length
//! ```
//!
//! What it may cost: without filters, the count of a tenant's rows and the page; with a filter or an order other
//! than by id, all rows of the tenant are looked at. So a store may give a listing up ([`crate::Error::Overloaded`]) when it takes too long, and lets few run at once. None is on
//! the way of a push. A store without secondary order (ScyllaDB) keeps the ids of each (app, tenant) in a table of
//! their own and does the rest in memory, a page of rows at a time.

use std::ops::Range;

use fanfare_types::{AppId, Device, DeviceId, Platform, Timestamp};

/// Which rows are asked for. Soft-deleted rows are in no listing.
#[derive(Clone, Debug)]
pub struct DeviceQuery {
    pub app: AppId,
    /// Rows of this tenant; `None`: those that have none. A row of another tenant is never in the answer.
    pub tenant: Option<String>,
    /// All of these must hold.
    pub filters: Vec<Filter>,
    /// The first counts most; rows that are alike in all of it come by id.
    pub order: Vec<Order>,
    /// Rows passed over.
    pub start: u64,
    /// Rows returned at most, [`DeviceQuery::LENGTH_MAX`] of them in any case.
    pub length: usize,
}

impl DeviceQuery {
    pub const LENGTH_MAX: usize = 1_000;
    /// Most filters, and most matches of one filter; further ones are a mistake of the caller's.
    pub const FILTERS_MAX: usize = 32;
}

/// Holds for a row when one of its matches does. One without matches holds for none.
#[derive(Clone, Debug, Default)]
pub struct Filter(pub Vec<Match>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The text occurs in the column, whatever the case of its ASCII letters. Nothing in it is a wildcard.
    Contains(TextColumn, String),
    Id(DeviceId),
    Platform(Platform),
    /// Whether pushes go to the row (`status` is `active`).
    Active(bool),
    DisplayOrder(i32),
    /// The instant lies in the range.
    Within(TimeColumn, Range<Timestamp>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextColumn {
    User,
    DeviceKey,
    DeviceName,
    AppVersion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeColumn {
    LastSeenAt,
    CreatedAt,
    UpdatedAt,
}

/// What rows may be ordered by. An empty column comes before every other value; texts are compared byte by byte,
/// platforms by their word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Id,
    Text(TextColumn),
    Time(TimeColumn),
    Platform,
    /// `false` first.
    Active,
    /// A row without one counts as 0.
    DisplayOrder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub column: Column,
    pub descending: bool,
}

/// A page, and how many rows there are. The counts and the page are of one moment.
#[derive(Debug, Default)]
pub struct Listing {
    pub rows: Vec<Device>,
    /// Rows of the tenant.
    pub total: u64,
    /// Of these, rows that pass the filters.
    pub filtered: u64,
}
