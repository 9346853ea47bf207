//! The DeviceToken contract against the whole gateway: what apps and the admin console do, and what becomes of it.

mod administration;
mod apps;
mod table;
mod tenants;

use std::time::Duration;

use fanfare_gateway::material;
use fanfare_types::{Clock, UserId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{World, json_of, text};

const ROOT: &str = "/api/v1/DeviceToken";

const PERMISSIONS: [&str; 7] = [
    "DeviceTokens.ViewAll",
    "DeviceTokens.View",
    "DeviceTokens.Edit",
    "DeviceTokens.Register",
    "DeviceTokens.Delete",
    "DeviceTokens.Active",
    "DeviceTokens.Deactive",
];

const CREATED: &str = "DeviceToken is created successfully";
const UPDATED: &str = "DeviceToken is updated successfully";

/// Somebody with every permission of the contract, in a tenant or in none.
struct Person<'w> {
    world: &'w World,
    jwt: String,
}

impl<'w> Person<'w> {
    fn new(world: &'w World, user: &str, tenant: Option<&str>) -> Self {
        Person {
            world,
            jwt: jwt(world, user, tenant),
        }
    }

    async fn call(
        &self,
        method: Method,
        endpoint: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let request = self.world.request(method, &format!("{ROOT}/{endpoint}"));
        let request = request.bearer_auth(&self.jwt);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.expect("an answer");
        (response.status(), json_of(response).await)
    }

    /// The data of a success.
    async fn done(&self, method: Method, endpoint: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method, endpoint, body).await;
        assert_eq!(status, StatusCode::OK, "{endpoint}: {answer}");
        assert_eq!(answer["succeeded"], true);
        answer["data"].clone()
    }

    async fn get(&self, endpoint: &str) -> Value {
        self.done(Method::GET, endpoint, None).await
    }

    async fn details(&self, id: &str) -> Value {
        self.get(&format!("GetDetails/{id}")).await
    }

    /// Registers; gives the id and what was said.
    async fn register(&self, device: &str, platform: u8, token: &str) -> (String, String) {
        let body = json!({
            "id": "00000000-0000-0000-0000-000000000000", "isActive": true, "displayOrder": 0,
            "deviceId": device, "platform": platform, "token": token,
        });
        let (status, answer) = self.call(Method::POST, "Register", Some(body)).await;
        assert_eq!(
            (status, &answer["succeeded"]),
            (StatusCode::OK, &json!(true)),
            "{answer}"
        );
        (text(&answer["data"]), text(&answer["message"]))
    }

    /// Deletes, restores, switches; gives the last id.
    async fn list(&self, method: Method, endpoint: &str, ids: &[&str]) -> Value {
        let ids: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
        self.done(method, endpoint, Some(json!(ids))).await
    }

    /// The whole table, or what of it a search finds.
    async fn table(&self, request: Value) -> Value {
        let (status, answer) = self.call(Method::POST, "GetDataTable", Some(request)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    async fn devices_of(&self, user: &str) -> Vec<Value> {
        let devices = self.get(&format!("GetUserDevices/{user}")).await;
        devices.as_array().expect("a list").clone()
    }
}

fn jwt(world: &World, user: &str, tenant: Option<&str>) -> String {
    let secret = world.sandbox.jwt_secret.expose().as_bytes();
    let user = UserId::new(user).expect("a user id");
    let mut claims = vec![("permissions".to_owned(), json!(PERMISSIONS))];
    claims.extend(tenant.map(|tenant| ("tenant_id".to_owned(), json!(tenant))));
    let ttl = Duration::from_secs(60);
    material::user_jwt(secret, &user, Clock::system().now(), ttl, &claims).expect("a token")
}
