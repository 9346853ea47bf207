//! Filters, order and page of a listing, over rows in memory.

use std::cmp::Ordering;

use fanfare_types::{Device, Status, Timestamp};

use crate::listing::{Column, Filter, Match, Order, TextColumn, TimeColumn};
use crate::{DeviceQuery, Listing};

/// The page of these rows, which are all of a tenant's.
pub(super) fn page(rows: Vec<Device>, query: &DeviceQuery) -> Listing {
    let total = rows.len() as u64;
    let passes = |device: &Device| query.filters.iter().all(|filter| passes(device, filter));
    let mut rows: Vec<Device> = rows.into_iter().filter(passes).collect();
    rows.sort_unstable_by(|one, other| compare(one, other, &query.order));
    Listing {
        total,
        filtered: rows.len() as u64,
        rows: slice(rows, query),
    }
}

/// The part that is asked for.
pub(super) fn slice<T>(rows: Vec<T>, query: &DeviceQuery) -> Vec<T> {
    let start = usize::try_from(query.start).unwrap_or(usize::MAX);
    let length = query.length.min(DeviceQuery::LENGTH_MAX);
    rows.into_iter().skip(start).take(length).collect()
}

fn passes(device: &Device, filter: &Filter) -> bool {
    filter.0.iter().any(|wanted| match wanted {
        Match::Contains(column, wanted) => {
            let wanted = wanted.to_ascii_lowercase();
            text(device, *column).is_some_and(|text| text.to_ascii_lowercase().contains(&wanted))
        }
        Match::Id(id) => device.id == *id,
        Match::Platform(platform) => device.platform == *platform,
        Match::Active(active) => (device.status == Status::Active) == *active,
        Match::DisplayOrder(number) => display_order(device) == *number,
        Match::Within(column, range) => range.contains(&time(device, *column)),
    })
}

fn compare(one: &Device, other: &Device, orders: &[Order]) -> Ordering {
    let by = |order: &Order| {
        let found = by_column(one, other, order.column);
        if order.descending {
            found.reverse()
        } else {
            found
        }
    };
    let mut found = orders.iter().map(by);
    let decisive = found.find(|found| found.is_ne());
    decisive.unwrap_or_else(|| one.id.cmp(&other.id))
}

fn by_column(one: &Device, other: &Device, column: Column) -> Ordering {
    match column {
        Column::Id => one.id.cmp(&other.id),
        Column::Text(column) => text(one, column).cmp(&text(other, column)),
        Column::Time(column) => time(one, column).cmp(&time(other, column)),
        Column::Platform => one.platform.as_str().cmp(other.platform.as_str()),
        Column::Active => {
            let is_active = |device: &Device| device.status == Status::Active;
            is_active(one).cmp(&is_active(other))
        }
        Column::DisplayOrder => display_order(one).cmp(&display_order(other)),
    }
}

fn text(device: &Device, column: TextColumn) -> Option<&str> {
    match column {
        TextColumn::User => Some(device.user.as_str()),
        TextColumn::DeviceKey => device.device_key.as_deref(),
        TextColumn::DeviceName => device.meta.device_name.as_deref(),
        TextColumn::AppVersion => device.meta.app_version.as_deref(),
    }
}

fn time(device: &Device, column: TimeColumn) -> Timestamp {
    match column {
        TimeColumn::LastSeenAt => device.last_seen_at,
        TimeColumn::CreatedAt => device.created_at,
        TimeColumn::UpdatedAt => device.updated_at,
    }
}

fn display_order(device: &Device) -> i32 {
    device.meta.display_order.unwrap_or(0)
}
