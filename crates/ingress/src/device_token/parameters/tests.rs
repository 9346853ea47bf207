//! The protocol as tables speak it, and as nobody should.

use serde_json::json;

use super::*;

fn of_json(value: Value) -> Result<Parameters, Vec<(String, &'static str)>> {
    told(read(value, Faults::default()))
}

fn of_text(form: &str) -> Result<Parameters, Vec<(String, &'static str)>> {
    let mut faults = Faults::default();
    let value = of_form(form.as_bytes(), &mut faults);
    told(read(value, faults))
}

fn told(read: Result<Parameters, Vec<Fault>>) -> Result<Parameters, Vec<(String, &'static str)>> {
    let pair = |fault: Fault| (fault.field, fault.code);
    read.map_err(|faults| faults.into_iter().map(pair).collect())
}

/// What a table of three columns sends, the last of which holds buttons.
fn usual() -> Value {
    let column = |data: Value, is_ours: bool| {
        json!({"data": data, "name": "", "searchable": is_ours, "orderable": is_ours,
            "search": {"value": "", "regex": false}})
    };
    json!({
        "draw": 3, "start": 20, "length": 10, "search": {"value": "ada", "regex": false},
        "columns": [column(json!("deviceId"), true), column(json!("userId"), true), column(json!(null), false)],
        "order": [{"column": 1, "dir": "desc"}, {"column": 0, "dir": "asc"}],
    })
}

/// The same, as jQuery writes it into a form.
fn as_form(value: &Value, name: &str, form: &mut Vec<(String, String)>) {
    let inside = |part: &str| match name {
        "" => part.to_owned(),
        name => format!("{name}[{part}]"),
    };
    match value {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(part, value)| as_form(value, &inside(part), form));
        }
        Value::Array(entries) => {
            let entries = entries.iter().enumerate();
            entries.for_each(|(index, value)| as_form(value, &inside(&index.to_string()), form));
        }
        Value::String(text) => form.push((name.to_owned(), text.clone())),
        Value::Null => form.push((name.to_owned(), String::new())),
        scalar => form.push((name.to_owned(), scalar.to_string())),
    }
}

fn encoded(value: &Value) -> String {
    let mut form = Vec::new();
    as_form(value, "", &mut form);
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish()
}

#[test]
fn a_table_asks_in_a_form_as_it_does_in_json() {
    let asked = of_json(usual()).unwrap();
    let expected = Parameters {
        draw: 3,
        start: 20,
        length: 10,
        search: Some("ada".to_owned()),
        searched: vec![Column::DeviceId, Column::UserId],
        filters: Vec::new(),
        order: vec![
            (Column::UserId, Direction::Descending),
            (Column::DeviceId, Direction::Ascending),
        ],
    };
    assert_eq!(asked, expected);
    assert_eq!(of_text(&encoded(&usual())), Ok(expected));
}

#[test]
fn what_is_left_out_has_defaults() {
    let all = Column::ALL.map(|(column, _)| column).to_vec();
    for asked in [
        of_json(json!({})),
        of_text(""),
        of_json(json!({"draw": null, "columns": [], "order": null})),
    ] {
        let asked = asked.unwrap();
        assert_eq!(
            (asked.draw, asked.start, asked.length),
            (0, 0, LENGTH_DEFAULT)
        );
        assert_eq!((asked.search, &asked.searched), (None, &all));
        assert_eq!((asked.filters.len(), asked.order.len()), (0, 0));
    }
}

#[test]
fn a_page_is_bounded_and_minus_one_means_all() {
    let length = |length: i64| of_json(json!({ "length": length })).map(|asked| asked.length);
    assert_eq!(length(-1), Ok(ROWS_MAX));
    assert_eq!(length(0), Ok(0));
    assert_eq!(length(ROWS_MAX as i64), Ok(ROWS_MAX));
    assert_eq!(length(1_000_000), Ok(ROWS_MAX));
    let out = |field: &str| Err(vec![(field.to_owned(), "out_of_range")]);
    assert_eq!(length(-2), out("length"));
    assert_eq!(length(i64::MAX), out("length"));
    for start in [
        "-1",
        "NaN",
        "Infinity",
        "1e9999",
        "9007199254740992",
        "0x10",
        "1; DROP TABLE devices",
    ] {
        let asked = of_text(&format!("start={start}"));
        assert_eq!(asked.map(|asked| asked.length), out("start"), "{start}");
    }
}

#[test]
fn the_draw_is_a_whole_number_and_nothing_else() {
    assert_eq!(of_json(json!({"draw": 7})).unwrap().draw, 7);
    assert_eq!(of_text("draw=7").unwrap().draw, 7);
    for draw in [
        json!("<script>alert(1)</script>"),
        json!(1.5),
        json!("7a"),
        json!(1e300),
    ] {
        assert_eq!(
            of_json(json!({ "draw": draw })),
            Err(vec![("draw".to_owned(), "out_of_range")])
        );
    }
    assert_eq!(
        of_json(json!({"draw": [1]})),
        Err(vec![("draw".to_owned(), "wrong_type")])
    );
}

fn with_column(column: Value) -> Result<Parameters, Vec<(String, &'static str)>> {
    of_json(json!({"columns": [column], "order": [{"column": 0, "dir": "asc"}]}))
}

#[test]
fn columns_are_known_by_data_or_name_in_any_case() {
    for column in [
        json!({"data": "platformName"}),
        json!({"data": "PlatformName"}),
        json!({"data": "function", "name": "platformName"}),
        json!({"data": 0, "name": "platformname"}),
        json!({"data": {"_": "x", "sort": "y"}, "name": "platformName"}),
    ] {
        let asked = with_column(column).unwrap();
        assert_eq!(asked.order, [(Column::PlatformName, Direction::Ascending)]);
        assert_eq!(asked.searched, [Column::PlatformName]);
    }
}

#[test]
fn ordering_by_buttons_does_nothing_and_searching_in_them_is_a_fault() {
    for column in [
        json!({}),
        json!({"data": ""}),
        json!({"data": "token"}),
        json!({"data": "id; DROP TABLE"}),
    ] {
        let asked = with_column(column.clone()).unwrap();
        assert_eq!(
            (asked.order.len(), asked.searched.len()),
            (0, 0),
            "{column}"
        );
        let mut searching = column;
        searching["search"] = json!({"value": "x"});
        let fault = ("columns[0].search".to_owned(), "unknown");
        assert_eq!(with_column(searching), Err(vec![fault]));
    }
    let fixed = json!({"data": "userId", "orderable": false, "searchable": "false", "search": {"value": "x"}});
    let asked = with_column(fixed).unwrap();
    assert_eq!(
        (asked.order.len(), asked.filters.len(), asked.searched.len()),
        (0, 0, 0)
    );
}

#[test]
fn each_column_has_its_own_search_and_a_pattern_is_a_text() {
    let asked =
        with_column(json!({"data": "deviceId", "search": {"value": "^a.*%_'\\", "regex": true}}));
    assert_eq!(
        asked.unwrap().filters,
        [(Column::DeviceId, "^a.*%_'\\".to_owned())]
    );
    let asked = of_json(json!({"search": {"value": "(a+)+$", "regex": "true"}})).unwrap();
    assert_eq!(asked.search.as_deref(), Some("(a+)+$"));
}

#[test]
fn a_table_is_ordered_by_several_columns_each_once() {
    let mut value = usual();
    value["order"] = json!([
        {"column": 0, "dir": "DESC", "name": ""}, {"column": 2, "dir": "asc"}, {"column": 0, "dir": "asc"},
        {"column": 1, "dir": ""}, {"column": 1, "dir": "asc"}
    ]);
    let expected = [
        (Column::DeviceId, Direction::Descending),
        (Column::UserId, Direction::Ascending),
    ];
    assert_eq!(of_json(value).unwrap().order, expected);
}

#[test]
fn every_fault_is_told_at_once() {
    let mut value = usual();
    value["search"] = json!({"value": "x".repeat(SEARCH_BYTES_MAX + 1), "regex": 3});
    value["order"] = json!([{"column": 9, "dir": "sideways"}, {"column": -1, "dir": 1}, 7]);
    value["columns"][1]["searchable"] = json!("perhaps");
    value["start"] = json!(true);
    let expected = [
        ("start", "wrong_type"),
        ("search.regex", "wrong_type"),
        ("search.value", "too_long"),
        ("columns[1].searchable", "wrong_type"),
        ("order[0].dir", "unknown"),
        ("order[0].column", "unknown"),
        ("order[1].column", "out_of_range"),
        ("order[1].dir", "wrong_type"),
        ("order[2]", "wrong_type"),
    ];
    let expected = expected.map(|(field, code)| (field.to_owned(), code));
    assert_eq!(of_json(value), Err(expected.to_vec()));
}

#[test]
fn floods_and_bombs_are_refused() {
    let many = json!({"columns": vec![json!({"data": "id"}); COLUMNS_MAX + 1]});
    let too_many = |field: &str| Err(vec![(field.to_owned(), "too_many")]);
    assert_eq!(of_json(many), too_many("columns"));
    assert_eq!(of_text("columns[4000000000][data]=id"), too_many("columns"));
    assert_eq!(of_text("order[100][column]=0"), too_many("order"));
    let many = json!({"columns": vec![json!({"data": "id"}); COLUMNS_MAX]});
    assert!(of_json(many).is_ok());
    let searching = json!({"data": "id", "search": {"value": "x"}});
    assert!(of_json(json!({"columns": vec![searching.clone(); FILTERS_MAX]})).is_ok());
    let many = json!({"columns": vec![searching; FILTERS_MAX + 1]});
    assert_eq!(of_json(many), too_many("columns"));
    // What is nested deeper than the protocol goes is none of its members.
    let bomb = format!("columns[0]{}=x", "[search]".repeat(10_000));
    assert!(of_text(&bomb).is_ok());
    assert_eq!(
        of_text("draw=1&draw=2"),
        Err(vec![("draw".to_owned(), "duplicate")])
    );
    assert_eq!(
        of_json(json!({"draw": 1, "Draw": 2})),
        Err(vec![("draw".to_owned(), "duplicate")])
    );
    for value in [
        json!(null),
        json!([]),
        json!("x"),
        json!({"columns": "x"}),
        json!({"columns": [1]}),
        json!({"search": []}),
    ] {
        assert!(of_json(value.clone()).is_err(), "{value}");
    }
}
