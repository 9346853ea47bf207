//! YAML as it is read, with what `<<` brings in, as JSON.

use serde::Deserialize;
use serde_json::Value;

pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(text);
    let document = |document| {
        let mut read = serde_yaml_ng::Value::deserialize(document).expect("YAML");
        read.apply_merge().expect("what can be merged");
        serde_json::to_value(read).expect("JSON")
    };
    documents.map(document).collect()
}

/// A member of a member …, which must be there.
pub(crate) fn at<'a>(node: &'a Value, path: &str) -> &'a Value {
    let found = node.pointer(&format!("/{path}"));
    found.unwrap_or_else(|| panic!("no {path}"))
}

pub(crate) fn text<'a>(node: &'a Value, path: &str) -> &'a str {
    let found = at(node, path);
    found
        .as_str()
        .unwrap_or_else(|| panic!("{path} is no text: {found}"))
}

pub(crate) fn items<'a>(node: &'a Value, path: &str) -> &'a [Value] {
    let found = at(node, path).as_array();
    found.unwrap_or_else(|| panic!("{path} is no list"))
}

pub(crate) fn texts(node: &Value, path: &str) -> Vec<String> {
    let text = |item: &Value| item.as_str().expect("a text").to_owned();
    items(node, path).iter().map(text).collect()
}
