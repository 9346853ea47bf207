//! More than the gateway can take: it says so in time, by lane and app, keeps what it took, and stays in its memory.

mod budgets;
mod clients;
mod flood;

use fanfare_gateway::material;
use fanfare_types::AppId;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{World, apns_token, json_of};

/// A second app beside the sandbox's, with the same credentials and a key of its own.
pub(crate) const OTHER: &str = "other";

/// The key of [`OTHER`]; its digest is in the configuration.
pub(crate) const OTHER_KEY: &str = "ffk_other_0123456789abcdefghijklmnopqrstuvwxyzABCD";

/// Adds [`OTHER`] to a sandbox's configuration.
pub(crate) fn with_another_app(text: String) -> String {
    AppId::new(OTHER).expect("an id");
    let providers = text.find("[apps.apns]").expect("provider tables");
    let sha256 = material::sha256_hex(OTHER_KEY.as_bytes());
    let app = format!(
        "[[apps]]\nid = \"{OTHER}\"\n[[apps.api_keys]]\nname = \"other\"\nsha256 = \"{sha256}\"\nkind = \"service\"\n"
    );
    let tables = &text[providers..];
    let end = tables
        .find("\n[limits]")
        .map_or(tables.len(), |end| end + 1);
    format!(
        "{}{}\n{app}\n{}",
        &text[..providers],
        &tables[..end],
        tables
    )
}

/// A body for `users`, in a lane.
pub(crate) fn body(users: &[String], lane: &str) -> Value {
    json!({ "to": { "users": users }, "lane": lane, "message": { "title": "Hello" } })
}

/// What a refusal says: status, code, and for how long.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) retry_after: Option<u64>,
}

/// The id of what was accepted, or the refusal.
pub(crate) async fn outcome(response: reqwest::Response) -> Result<String, Refusal> {
    let status = response.status();
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.map(|value| {
        let text = value.to_str().expect("text");
        text.parse().expect("whole seconds")
    });
    let json = json_of(response).await;
    if status == StatusCode::ACCEPTED {
        return Ok(json["id"].as_str().expect("an id").to_owned());
    }
    Err(Refusal {
        status: status.as_u16(),
        code: json["code"].as_str().unwrap_or_default().to_owned(),
        retry_after,
    })
}

/// Registers `count` users, each with one device, as a service of an app may.
pub(crate) async fn people(world: &World, key: &str, name: &str, count: u32) -> Vec<String> {
    let users: Vec<String> = (0..count).map(|n| format!("{name}-{n}")).collect();
    for (n, user) in (0..).zip(&users) {
        let path = format!("/v1/users/{user}/devices");
        let body = json!({ "channel": "ios_push", "token": apns_token(n) });
        let request = world.request(reqwest::Method::POST, &path).bearer_auth(key);
        let response = request.json(&body).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::CREATED);
    }
    users
}
