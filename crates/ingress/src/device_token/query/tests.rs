//! What a search means in each column.

use fanfare_types::{DeviceId, Platform, Timestamp};
use serde_json::json;

use super::*;
use crate::device_token::parameters;
use crate::fields::Faults;

fn query(request: serde_json::Value) -> DeviceQuery {
    let parameters = parameters::read(request, Faults::default()).unwrap();
    let app = AppId::new("shop").unwrap();
    of(parameters, app, Some("acme".to_owned()))
}

/// What is looked for when `text` is searched in `column` alone.
fn found(column: &str, text: &str) -> Vec<Match> {
    let request = json!({"columns": [{"data": column, "search": {"value": text}}]});
    let mut filters = query(request).filters;
    assert_eq!(filters.len(), 1);
    filters.remove(0).0
}

fn contains(column: TextColumn, text: &str) -> Vec<Match> {
    vec![Match::Contains(column, text.to_owned())]
}

#[test]
fn texts_are_found_by_a_part_and_nothing_in_it_is_special() {
    for text in ["Ada", "%", "_", "'; DROP TABLE devices --", "\\", "*", "."] {
        assert_eq!(found("userId", text), contains(TextColumn::User, text));
        assert_eq!(
            found("deviceId", text),
            contains(TextColumn::DeviceKey, text)
        );
    }
}

#[test]
fn platforms_are_found_by_number_or_part_of_the_name() {
    let platforms = |platforms: &[Platform]| -> Vec<Match> {
        platforms.iter().copied().map(Match::Platform).collect()
    };
    assert_eq!(found("platform", "1"), platforms(&[Platform::Android]));
    assert_eq!(found("platform", "0"), platforms(&[Platform::Unknown]));
    assert_eq!(found("platform", "01"), []);
    assert_eq!(found("platformName", "WEB"), platforms(&[Platform::Web]));
    assert_eq!(
        found("platformName", "o"),
        platforms(&[Platform::Android, Platform::Ios, Platform::Unknown])
    );
    assert_eq!(found("platformName", "nokia"), []);
}

#[test]
fn ids_truth_values_and_numbers_are_found_whole() {
    let id = DeviceId::new(Timestamp(1_700_000_000_000), 7);
    assert_eq!(found("id", &id.to_string().to_uppercase()), [Match::Id(id)]);
    assert_eq!(found("id", &id.to_string()[..8]), []);
    assert_eq!(found("id", &id.0.to_hex()), []);
    assert_eq!(found("isActive", "True"), [Match::Active(true)]);
    assert_eq!(found("isActive", "tru"), []);
    assert_eq!(found("displayOrder", "-3"), [Match::DisplayOrder(-3)]);
    assert_eq!(found("displayOrder", "3.5"), []);
    assert_eq!(found("displayOrder", "99999999999"), []);
}

#[test]
fn instants_are_found_by_what_they_begin_with() {
    let instant = |text| Timestamp::parse_rfc3339(text).unwrap();
    let day = instant("2024-01-15T00:00:00Z")..instant("2024-01-16T00:00:00Z");
    let within = |column| [Match::Within(column, day.clone())];
    assert_eq!(
        found("lastSeenOn", "2024-01-15"),
        within(TimeColumn::LastSeenAt)
    );
    assert_eq!(
        found("createdOn", "2024-01-15"),
        within(TimeColumn::CreatedAt)
    );
    assert_eq!(found("createdOn", "Monday"), []);
}

#[test]
fn the_search_in_all_columns_is_one_filter_beside_theirs() {
    let column = |data: &str, search: &str| json!({"data": data, "search": {"value": search}});
    let request = json!({
        "search": {"value": "true"}, "start": 40, "length": 20, "draw": 2,
        "columns": [column("userId", ""), column("isActive", ""), column("deviceId", "x")],
        "order": [{"column": 2, "dir": "desc"}, {"column": 1, "dir": "asc"}],
    });
    let query = query(request);
    let filters: Vec<_> = query.filters.into_iter().map(|filter| filter.0).collect();
    let any = vec![
        Match::Contains(TextColumn::User, "true".to_owned()),
        Match::Active(true),
        Match::Contains(TextColumn::DeviceKey, "true".to_owned()),
    ];
    assert_eq!(filters, [any, contains(TextColumn::DeviceKey, "x")]);
    let order = [
        listing::Order {
            column: listing::Column::Text(TextColumn::DeviceKey),
            descending: true,
        },
        listing::Order {
            column: listing::Column::Active,
            descending: false,
        },
    ];
    assert_eq!(query.order, order);
    assert_eq!((query.start, query.length), (40, 20));
    assert_eq!(query.tenant.as_deref(), Some("acme"));
}

#[test]
fn a_search_that_no_column_can_have_finds_nothing() {
    let request =
        json!({"search": {"value": "x"}, "columns": [{"data": "displayOrder"}, {"data": null}]});
    let filters = query(request).filters;
    assert_eq!(
        (filters.len(), filters[0].0.len()),
        (1, 0),
        "a filter that holds for no row"
    );
}
