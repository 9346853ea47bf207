use proptest::prelude::*;

use super::*;

fn faults(value: Json) -> Vec<(String, &'static str)> {
    let mut faults = Faults::default();
    let read = read(value, "audience.filter", &mut faults);
    let faults = faults.into_vec();
    assert_eq!(read.is_none(), !faults.is_empty(), "{faults:?}");
    let pair = |fault: fanfare_providers::Fault| (fault.field, fault.code);
    faults.into_iter().map(pair).collect()
}

fn pairs<const N: usize>(pairs: [(&str, &'static str); N]) -> Vec<(String, &'static str)> {
    pairs
        .map(|(path, code)| (format!("audience.filter{path}"), code))
        .to_vec()
}

fn any_value(field: Field) -> BoxedStrategy<Value> {
    let text = |pattern: &'static str| pattern.prop_map(Value::Text).boxed();
    match field {
        Field::Platform => text("android|ios|web|unknown"),
        Field::Channel => text("ios_push|fcm|web_push"),
        Field::Locale | Field::TimeZone | Field::Tags => text("[a-zA-Z/_äß -]{1,20}"),
        Field::AppVersion => "v?[0-9]{1,4}([.+_-][0-9a-z ()]{1,4}){0,4}"
            .prop_map(Value::Version)
            .boxed(),
        Field::LastSeenAt | Field::CreatedAt => (0..=Timestamp::MAX.0)
            .prop_map(|millis| Value::At(Timestamp(millis)))
            .boxed(),
    }
}

fn any_leaf() -> impl Strategy<Value = Filter> {
    let field = proptest::sample::select(Field::ALL);
    let of = |field: Field| {
        let test = proptest::sample::select(tests(field));
        let values = proptest::collection::vec(any_value(field), 1..4);
        (Just(field), test, values, any::<bool>())
    };
    field
        .prop_flat_map(of)
        .prop_map(|(field, test, values, wanted)| {
            let value = values[0].clone();
            let test = match (test, value) {
                ("in", _) => Test::In(values),
                ("exists", _) => Test::Exists(wanted),
                ("contains", Value::Text(tag)) => Test::Contains(tag),
                ("gt", value) => Test::Gt(value),
                ("gte", value) => Test::Gte(value),
                ("lt", value) => Test::Lt(value),
                ("lte", value) => Test::Lte(value),
                (_, value) => Test::Eq(value),
            };
            Filter::Leaf(Leaf { field, test })
        })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    any_leaf().prop_recursive(6, 64, 4, |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            list.clone().prop_map(Filter::All),
            list.prop_map(Filter::Any),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(filter in any_filter()) {
        let mut faults = Faults::default();
        let read = read(write(&filter), "f", &mut faults);
        prop_assert_eq!(read, Some(filter), "{:?}", faults);
    }
}

#[test]
fn every_fault_has_its_path() {
    let filter = json!({"all": [
        {"any": [{"field": "app_version", "gte": "two"}, {"field": "tags", "contains": ""}]},
        {"field": "shoe_size", "gt": "44"},
        {"not": {"field": "platform", "in": ["ios", "beos", 7]}},
        {"field": "last_seen_at", "gt": "yesterday"},
        {"field": "locale", "gt": "de"},
        {"field": "locale"},
        {"eq": "de"},
        {"field": "locale", "eq": "de", "in": ["at"]},
        {"field": "locale", "eq": "de", "like": "d%"},
        {"field": "time_zone", "exists": "yes"},
        {"all": [], "any": []},
        {"any": []},
        {"field": "channel", "in": []},
        7,
    ]});
    let expected = pairs([
        (".all[0].any[0].gte", "malformed"),
        (".all[0].any[1].contains", "empty"),
        (".all[1].field", "unknown"),
        (".all[2].not.in[1]", "unknown"),
        (".all[2].not.in[2]", "wrong_type"),
        (".all[3].gt", "malformed"),
        (".all[4].gt", "not_allowed"),
        (".all[5]", "malformed"),
        (".all[6].field", "missing"),
        (".all[7]", "malformed"),
        (".all[8].like", "unknown"),
        (".all[9].exists", "wrong_type"),
        (".all[10]", "malformed"),
        (".all[11].any", "empty"),
        (".all[12].in", "empty"),
        (".all[13]", "wrong_type"),
    ]);
    assert_eq!(faults(filter), expected);
}

#[test]
fn depth_leaves_and_values_are_bounded() {
    let leaf = || json!({"field": "platform", "eq": "ios"});
    let deep = |depth: usize| (1..depth).fold(leaf(), |inner, _| json!({"not": inner}));
    assert_eq!(faults(deep(DEPTH_MAX)), []);
    let path = ".not".repeat(DEPTH_MAX);
    assert_eq!(faults(deep(DEPTH_MAX + 1)), pairs([(&path, "too_large")]));
    let wide = |count: usize| json!({"all": vec![leaf(); count]});
    let both = |count: usize| json!({"any": [wide(200), wide(count)]});
    assert_eq!(faults(wide(256)), []);
    assert_eq!(faults(both(56)), []);
    assert_eq!(faults(wide(257)), pairs([(".all", "too_many")]));
    assert_eq!(faults(both(57)), pairs([("", "too_many")]));
    let values = |count: usize| json!({"field": "tags", "in": vec!["a"; count]});
    assert_eq!(faults(values(1000)), []);
    assert_eq!(faults(values(1001)), pairs([(".in", "too_many")]));
}

#[test]
fn what_is_null_is_as_good_as_not_there() {
    let filter = json!({"all": null, "not": null, "field": "locale", "eq": "de", "gt": null});
    assert_eq!(faults(filter), []);
    let missing = json!({"field": null, "eq": "de"});
    assert_eq!(faults(missing), pairs([(".field", "null")]));
}

#[test]
fn versions_are_as_apps_write_them() {
    for version in ["2", "2.10.0", "2.0-beta", "v3", "2.1 (345)", "20260131_2+a"] {
        assert!(is_version(version), "{version}");
    }
    for text in ["", "latest", "2..1", "2.", ".2", "2.1\n"] {
        assert!(!is_version(text), "{text}");
    }
}
