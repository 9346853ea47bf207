//! Whatever comes, there is a bounded request or a fault.

use fanfare_types::AppId;
use proptest::prelude::*;
use serde_json::Value;

use super::super::query;
use super::*;

/// Names and values of the protocol, put together as nobody should.
fn form() -> impl Strategy<Value = String> {
    let name = "(draw|start|length|search|order|columns|_)(\\[(0|1|99|-1|value|regex|data|dir|column|search|)\\]){0,5}";
    let value = prop_oneof![
        "[0-9-]{1,20}",
        "(asc|desc|true|false|userId|id|platform)",
        any::<String>()
    ];
    let pair = (name, value).prop_map(|pair| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair(&pair.0, &pair.1).finish()
    });
    proptest::collection::vec(pair, 0..20).prop_map(|pairs| pairs.join("&"))
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(asc|desc|userId|createdOn|.{0,8})".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name = "(draw|start|length|search|order|columns|value|data|dir|column|0|1|.)";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(name, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn is_bounded(read: Result<Parameters, Vec<Fault>>) -> Result<(), TestCaseError> {
    match read {
        Err(faults) => prop_assert!(!faults.is_empty()),
        Ok(parameters) => {
            let query = query::of(parameters, AppId::new("shop").unwrap(), None);
            prop_assert!(query.length <= ROWS_MAX && query.start <= SAFE_INTEGER.unsigned_abs());
            prop_assert!(query.filters.len() <= DeviceQuery::FILTERS_MAX);
            prop_assert!(query.order.len() <= Column::ALL.len());
            let most = query.filters.iter().map(|filter| filter.0.len()).max();
            prop_assert!(most.unwrap_or(0) <= DeviceQuery::FILTERS_MAX);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_form_is_a_bounded_request_or_a_fault(form in form()) {
        let mut faults = Faults::default();
        let value = of_form(form.as_bytes(), &mut faults);
        is_bounded(read(value, faults))?;
    }

    #[test]
    fn any_bytes_are_a_bounded_request_or_a_fault(bytes in any::<Vec<u8>>()) {
        let mut faults = Faults::default();
        let value = of_form(&bytes, &mut faults);
        is_bounded(read(value, faults))?;
    }

    #[test]
    fn any_json_is_a_bounded_request_or_a_fault(value in json()) {
        is_bounded(read(value, Faults::default()))?;
    }
}
