//! The OpenAPI document, compared with the code it describes.

use std::collections::BTreeSet;

use fanfare_actors::system::{PoolStats, Stats};
use fanfare_providers::Fault;
use fanfare_types::CampaignId;
use serde_json::json;

use super::*;
use crate::stand_in::notification;

pub(crate) fn document() -> Value {
    serde_json::from_str(&crate::openapi()).unwrap()
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Path and method of every documented operation.
fn operations(document: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
            all.push((path.clone(), method.to_uppercase()));
        }
    }
    all
}

fn filled(path: &str) -> String {
    let id = match path {
        path if path.contains("notifications") => notification().to_string(),
        path if path.contains("campaigns") => CampaignId::new(NOW, 0).to_string(),
        _ => device("ada", 1).id.to_string(),
    };
    let hex = device("ada", 1).id.0.to_hex();
    path.replace("{user_id}", "ada")
        .replace("{device_id}", &hex)
        .replace("{id}", &id)
}

#[tokio::test]
async fn every_documented_operation_is_routed_and_no_other() {
    let api = Harness::new();
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let documented = operations(&document);
    assert_eq!(documented.len(), 50);
    for path in document["paths"].as_object().unwrap().keys() {
        for method in METHODS.map(str::to_uppercase) {
            let answer = api.call(&method, &filled(path), "", None).await;
            let is_routed =
                answer.status != 405 && answer.json_code() != Some("no_such_route".into());
            let is_documented = documented.contains(&(path.clone(), method.clone()));
            assert_eq!(
                is_routed, is_documented,
                "{method} {path}: {}",
                answer.status
            );
        }
    }
}

impl Answer {
    fn json_code(&self) -> Option<String> {
        let json: Value = serde_json::from_str(&self.text).ok()?;
        json["code"].as_str().map(str::to_owned)
    }
}

/// The schema a reference points to.
pub(crate) fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(pointer) => {
            let found = document.pointer(pointer.trim_start_matches('#'));
            resolved(
                document,
                found.unwrap_or_else(|| panic!("{pointer} is dangling")),
            )
        }
        None => schema,
    }
}

#[test]
fn no_reference_dangles() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if members.contains_key("$ref") {
                    resolved(document, value);
                }
                members.values().for_each(|value| walk(document, value));
            }
            Value::Array(entries) => entries.iter().for_each(|value| walk(document, value)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

/// Whether an answer is what its schema says: every member documented, every required one there, types right.
pub(crate) fn conforms(document: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = resolved(document, schema);
    if let Some(choices) = schema["oneOf"].as_array() {
        let some = choices.iter().find(|choice| choice["type"] != "null");
        if !value.is_null() {
            conforms(document, some.unwrap(), value, path);
        }
        return;
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(
        types.contains(&actual),
        "{path} is {actual}, documented as {types:?}"
    );
    match value {
        Value::Array(entries) => {
            entries
                .iter()
                .for_each(|entry| conforms(document, &schema["items"], entry, path));
        }
        Value::Object(members) if schema.get("properties").is_some() => {
            for (name, value) in members {
                let member = &schema["properties"][name];
                assert!(!member.is_null(), "{path}.{name} is not documented");
                conforms(document, member, value, &format!("{path}.{name}"));
            }
            for required in schema["required"].as_array().into_iter().flatten() {
                let name = required.as_str().unwrap();
                assert!(members.contains_key(name), "{path}.{name} is missing");
            }
        }
        _ => {}
    }
}

/// The document has the answer's status, media type and shape.
pub(crate) fn is_documented(document: &Value, method: &str, path: &str, answer: &Answer) {
    let operation = &document["paths"][path][method.to_lowercase()];
    let response = &operation["responses"][answer.status.as_str()];
    let status = answer.status;
    assert!(
        !response.is_null(),
        "{method} {path}: {status} is not documented"
    );
    let response = resolved(document, response);
    let media_type = answer.headers["content-type"].to_str().unwrap();
    let schema = &response["content"][media_type]["schema"];
    assert!(
        !schema.is_null(),
        "{method} {path}: {media_type} is not documented in {response}"
    );
    let place = format!("{method} {path}");
    conforms(document, schema, &answer.json(), &place);
}

#[tokio::test]
async fn answers_are_as_documented() {
    let api = Harness::new();
    let document = document();
    let ada = user("ada");
    let registration =
        json!({"channel": "ios_push", "token": "ab".repeat(32), "device_info": {"a": 1}});
    let registered = api
        .call("POST", "/v1/devices", &ada, Some(registration.clone()))
        .await;
    let one = "/v1/devices/{id}";
    let send = json!({"to": {"users": ["a"]}, "message": {"title": "t"}});
    let follow = "/v1/notifications/{id}";
    let deliveries = "/v1/notifications/{id}/deliveries";
    let id = registered.json()["device"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut checked = 0;
    let staff = super::reserva::staff();
    let fcm = "t".repeat(120);
    let ring = "/api/notifications/fcm/register";
    let fingerprint = json!({"token": "t", "deviceFingerprint": "f"});
    let reserva = "/api/v1/devices";
    let device = "/api/v1/devices/{device_id}";
    for (method, path, credential, body) in [
        ("POST", "/v1/devices", ada.as_str(), Some(registration)),
        ("GET", "/v1/devices", &ada, None),
        ("GET", one, &ada, None),
        ("PATCH", one, &ada, Some(json!({"status": "active"}))),
        ("PATCH", one, &ada, Some(json!({"status": "odd"}))),
        ("DELETE", one, &ada, None),
        ("DELETE", one, &ada, None),
        ("DELETE", one, AGENT, None),
        ("DELETE", one, "", None),
        ("POST", "/v1/notifications", SERVICE, Some(send)),
        ("POST", "/v1/notifications", SERVICE, Some(json!({}))),
        ("GET", follow, SERVICE, None),
        ("DELETE", follow, SERVICE, None),
        ("GET", deliveries, SERVICE, None),
        ("GET", "/v1/stats", SERVICE, None),
        ("POST", ring, &ada, Some(fingerprint.clone())),
        ("POST", ring, &ada, Some(json!({}))),
        ("POST", ring, "", None),
        ("DELETE", ring, &ada, Some(fingerprint)),
        (
            "POST",
            "/api/v1/devices/register",
            &staff,
            Some(json!({"fcm_token": fcm})),
        ),
        ("POST", "/api/v1/devices/register", &staff, Some(json!({}))),
        ("GET", reserva, &staff, None),
        ("GET", reserva, "", None),
        ("GET", "/api/v1/devices/customer", &ada, None),
        ("PUT", device, &staff, Some(json!({}))),
        ("GET", "/healthz", "", None),
        ("GET", "/readyz", "", None),
        ("GET", "/openapi.json", "", None),
    ] {
        let filled = match path == one {
            true => path.replace("{id}", &id),
            false => filled(path),
        };
        let answer = api.call(method, &filled, credential, body).await;
        is_documented(&document, method, path, &answer);
        checked += 1;
    }
    assert_eq!(checked, 28);
}

#[tokio::test]
async fn answers_of_campaigns_are_as_documented() {
    let api = Harness::new();
    let document = document();
    let (all, one) = ("/v1/campaigns", "/v1/campaigns/{id}");
    let campaign = super::campaigns::smallest();
    for (method, path, body, status) in [
        ("POST", all, Some(campaign), 201),
        ("POST", all, Some(json!({})), 422),
        ("GET", all, None, 200),
        ("GET", one, None, 200),
        ("PATCH", one, Some(json!({"rate": 5})), 200),
        ("POST", "/v1/campaigns/{id}/pause", None, 409),
        ("POST", "/v1/campaigns/{id}/start", None, 200),
        ("POST", "/v1/campaigns/{id}/pause", None, 200),
        ("POST", "/v1/campaigns/{id}/resume", None, 200),
        ("POST", "/v1/campaigns/{id}/cancel", None, 200),
        ("POST", "/v1/campaigns/{id}/preview", Some(json!({})), 200),
        ("GET", "/v1/campaigns/{id}/deliveries", None, 200),
    ] {
        let answer = api.call(method, &filled(path), SERVICE, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        is_documented(&document, method, path, &answer);
    }
}

/// Properties of a schema, and those that are required.
pub(crate) fn members(document: &Value, name: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let schema = &document["components"]["schemas"][name];
    let names = schema["properties"]
        .as_object()
        .unwrap_or_else(|| panic!("no schema {name}"));
    let required = schema["required"].as_array().into_iter().flatten();
    let required = required.map(|name| name.as_str().unwrap().to_owned());
    (names.keys().cloned().collect(), required.collect())
}

/// The reader knows every documented member, asks for those documented as required, and for no other.
fn reads_as_documented(
    schema: &str,
    prefix: &str,
    wrap: fn(Value) -> Value,
    read: fn(Value) -> Vec<Fault>,
) {
    let (names, required) = members(&document(), schema);
    let of = |body: Value, code: &str| -> BTreeSet<String> {
        let faults = read(wrap(body))
            .into_iter()
            .filter(|fault| fault.code == code);
        faults
            .filter_map(|fault| Some(fault.field.strip_prefix(prefix)?.to_owned()))
            .collect()
    };
    // No member takes a truth value, so that each documented one is known and has a fault, and an unknown one
    // is told apart.
    let mut body: serde_json::Map<_, _> = names
        .iter()
        .map(|name| (name.clone(), json!(true)))
        .collect();
    body.insert("nonsense".to_owned(), json!(true));
    let unknown = of(Value::Object(body.clone()), "unknown");
    assert_eq!(unknown, BTreeSet::from(["nonsense".to_owned()]), "{schema}");
    let wrong = of(Value::Object(body), "wrong_type");
    let unread: Vec<_> = names.iter().filter(|name| !wrong.contains(*name)).collect();
    let exempt = ["token", "address", "users", "devices", "addresses"];
    assert!(
        unread.iter().all(|name| exempt.contains(&name.as_str())),
        "{schema}: {unread:?}"
    );
    assert_eq!(of(json!({}), "missing"), required, "{schema}");
}

#[test]
fn readers_know_what_is_documented_and_nothing_else() {
    let (native, patch) = (crate::native::register_faults, crate::native::patch_faults);
    let send = crate::notifications::faults_of;
    reads_as_documented("RegisterDevice", "", |body| body, native);
    reads_as_documented("PatchDevice", "", |body| body, patch);
    reads_as_documented("SendNotification", "", |body| body, send);
    reads_as_documented("Message", "message.", |body| json!({"message": body}), send);
    let localized = |body| json!({"message": {"localized": {"de": body}}});
    reads_as_documented("Localized", "message.localized.de.", localized, send);
    let address = |body| json!({"to": {"addresses": [body]}});
    reads_as_documented("Address", "to.addresses[0].", address, send);
    let campaign = crate::campaigns::faults_of;
    reads_as_documented("CreateCampaign", "", |body| body, campaign);
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let filter = [
        "all", "any", "not", "field", "eq", "in", "contains", "gt", "gte", "lt", "lte", "exists",
    ];
    for (schema, forms) in [
        ("Recipients", &["addresses", "devices", "users"][..]),
        ("Audience", &["all", "tag", "filter", "recipients"]),
        ("Filter", &filter),
    ] {
        assert_eq!(members(&document(), schema).0, named(forms), "{schema}");
    }
}

#[test]
fn readers_of_the_older_contracts_know_what_is_documented_and_pass_over_the_rest() {
    type Read = fn(Value) -> Vec<Fault>;
    let document = document();
    let readers: [(&str, Read); 4] = [
        ("RingRegister", crate::ring::register_faults),
        ("RingUnregister", crate::ring::unregister_faults),
        ("ReservaRegister", crate::reserva::register_faults),
        ("ReservaUpdate", crate::reserva::update_faults),
    ];
    for (schema, read) in readers {
        let (names, required) = members(&document, schema);
        let of = |body: Value, code: &str| -> BTreeSet<String> {
            let faults = read(body).into_iter().filter(|fault| fault.code == code);
            faults.map(|fault| fault.field).collect()
        };
        let mut body: serde_json::Map<_, _> =
            names.iter().map(|name| (name.clone(), json!(1))).collect();
        body.insert("nonsense".to_owned(), json!(1));
        assert_eq!(of(Value::Object(body), "wrong_type"), names, "{schema}");
        assert_eq!(of(json!({}), "missing"), required, "{schema}");
    }
}

#[test]
fn figures_are_documented_as_they_are() {
    let names =
        |value: Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    let document = document();
    let stats = serde_json::to_value(Stats::default()).unwrap();
    assert_eq!(members(&document, "Stats").0, names(stats));
    let pool = serde_json::to_value(PoolStats::default()).unwrap();
    assert_eq!(members(&document, "Pool").0, names(pool));
}
