//! The table's request in the words of the store.
//!
//! What a column shows as text is found by a part of it, ASCII letters in either case; ids, numbers and truth values as a
//! whole; an instant by what it begins with (`2024-01`, `2024-01-15T10`).

#[cfg(test)]
mod tests;

use fanfare_store::DeviceQuery;
use fanfare_store::listing::{self, Filter, Match, TextColumn, TimeColumn};
use fanfare_types::AppId;

use super::column::{Column, PLATFORMS};
use super::guid::Guid;
use super::members;
use super::parameters::{Direction, Parameters};
use super::span;

/// The page of the tenant's rows that `parameters` ask for. A caller without a tenant gets rows without one.
pub(super) fn of(parameters: Parameters, app: AppId, tenant: Option<String>) -> DeviceQuery {
    let any = |text: &String| {
        let columns = parameters.searched.iter();
        Filter(columns.flat_map(|column| matches(*column, text)).collect())
    };
    let search = parameters.search.as_ref().map(any);
    let filters = parameters.filters.iter();
    let filters = filters.map(|(column, text)| Filter(matches(*column, text)));
    DeviceQuery {
        app,
        tenant,
        filters: search.into_iter().chain(filters).collect(),
        order: parameters.order.iter().copied().map(ordered).collect(),
        start: parameters.start,
        length: parameters.length,
    }
}

/// What a row may have for `text` to be found in its `column`; nothing when no row can.
fn matches(column: Column, text: &str) -> Vec<Match> {
    let contains = |column| vec![Match::Contains(column, text.to_owned())];
    let within = |column| {
        let span = span::of(text);
        span.map(|span| Match::Within(column, span))
            .into_iter()
            .collect()
    };
    match column {
        Column::Id => {
            let device = Guid::parse(text).and_then(Guid::device);
            device.map(Match::Id).into_iter().collect()
        }
        Column::UserId => contains(TextColumn::User),
        Column::DeviceId => contains(TextColumn::DeviceKey),
        Column::Platform => platforms(|number, _| number.to_string() == text),
        Column::PlatformName => {
            let part = text.to_ascii_lowercase();
            platforms(|_, name| name.to_ascii_lowercase().contains(&part))
        }
        Column::IsActive => members::truth(text)
            .map(Match::Active)
            .into_iter()
            .collect(),
        Column::DisplayOrder => {
            let number = text.parse().ok();
            number.map(Match::DisplayOrder).into_iter().collect()
        }
        Column::LastSeenOn => within(TimeColumn::LastSeenAt),
        Column::CreatedOn => within(TimeColumn::CreatedAt),
    }
}

fn platforms(fits: impl Fn(i64, &str) -> bool) -> Vec<Match> {
    let fitting = PLATFORMS
        .iter()
        .filter(|(_, number, name)| fits(*number, name));
    fitting
        .map(|(platform, ..)| Match::Platform(*platform))
        .collect()
}

/// Both columns of the platform are ordered by its name.
fn ordered((column, direction): (Column, Direction)) -> listing::Order {
    use listing::Column as By;
    let column = match column {
        Column::Id => By::Id,
        Column::UserId => By::Text(TextColumn::User),
        Column::DeviceId => By::Text(TextColumn::DeviceKey),
        Column::Platform | Column::PlatformName => By::Platform,
        Column::IsActive => By::Active,
        Column::DisplayOrder => By::DisplayOrder,
        Column::LastSeenOn => By::Time(TimeColumn::LastSeenAt),
        Column::CreatedOn => By::Time(TimeColumn::CreatedAt),
    };
    listing::Order {
        column,
        descending: direction == Direction::Descending,
    }
}
