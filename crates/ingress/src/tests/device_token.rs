//! The DeviceToken contract on the wire: who may what, the shapes, and what is wrong with a request.

mod documented;
mod refused;
mod shapes;

use fanfare_types::{Address, AddressKind, Channel, Device, Environment, Platform};
use serde_json::json;

use super::*;

const ROOT: &str = "/api/v1/DeviceToken";

/// Method, path and permission of each endpoint.
const ENDPOINTS: [(&str, &str, &str); 9] = [
    ("POST", "GetDataTable", "DeviceTokens.ViewAll"),
    ("GET", "GetDetails/{id}", "DeviceTokens.View"),
    ("GET", "GetEdit/{id}", "DeviceTokens.Edit"),
    ("GET", "GetUserDevices/ada", "DeviceTokens.View"),
    ("POST", "Register", "DeviceTokens.Register"),
    ("PUT", "Update/{id}", "DeviceTokens.Edit"),
    ("DELETE", "Delete", "DeviceTokens.Delete"),
    ("PUT", "Active", "DeviceTokens.Active"),
    ("PUT", "Deactive", "DeviceTokens.Deactive"),
];

fn path(endpoint: &str) -> String {
    format!(
        "{ROOT}/{}",
        endpoint.replace("{id}", &row(1).id.to_string())
    )
}

/// A body the endpoint takes.
fn body(endpoint: &str) -> Option<Value> {
    match endpoint {
        "GetDataTable" => Some(json!({"draw": 1})),
        "Register" => Some(json!({"deviceId": "d", "platform": 1, "token": "t"})),
        "Update/{id}" => Some(json!({"displayOrder": 3})),
        "Delete" | "Active" | "Deactive" => Some(json!([{"id": row(1).id.to_string()}])),
        _ => None,
    }
}

/// Ada's row in the tenant `acme`.
fn row(number: u64) -> Device {
    let mut row = device("ada", number);
    let (kind, environment) = (AddressKind::RegistrationToken, Environment::Production);
    row.address = Address::new(
        Channel::Fcm,
        kind,
        environment,
        &format!("fcm-token-{number}"),
    );
    row.device_key = Some(format!("install-{number}"));
    row.platform = Platform::Android;
    row.tenant = Some("acme".to_owned());
    row
}

/// The contract and nothing else, in the first app; with one row.
fn api() -> Harness {
    let mut config = config();
    let mut apps = config.apps.to_vec();
    apps[0].contracts = vec![Contract::DeviceToken];
    config.apps = apps.into();
    let api = Harness::with(config);
    api.rooms.devices.lock().push(row(1));
    api
}

/// Ada's JWT in the tenant `acme`, with this permissions claim.
fn may(permissions: impl Into<Value>) -> String {
    let exp = NOW.as_seconds() + 600;
    let claims = json!({
        "sub": "ada", "exp": exp, "iss": "https://id.shop.example", "tenant_id": "acme",
        "permissions": permissions.into(),
    });
    jwt("shop-secret", &claims)
}

/// Ada's JWT with every permission.
fn admin() -> String {
    may(ENDPOINTS.map(|(.., permission)| permission).to_vec())
}

impl Answer {
    /// The message of a failure, after checking that it comes in the envelope.
    fn failed(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        let json = self.json();
        let members: Vec<_> = json.as_object().unwrap().keys().collect();
        assert_eq!(members, ["data", "message", "succeeded"]);
        assert_eq!(
            (&json["succeeded"], &json["data"]),
            (&json!(false), &Value::Null)
        );
        json["message"].as_str().unwrap().to_owned()
    }

    /// The data of a success, after checking that it comes in the envelope with this message.
    fn succeeded(&self, message: Value) -> Value {
        assert_eq!(self.status.as_u16(), 200, "{}", self.text);
        let data = self.json()["data"].clone();
        assert_eq!(
            self.json(),
            json!({"succeeded": true, "message": message, "data": data})
        );
        data
    }
}
