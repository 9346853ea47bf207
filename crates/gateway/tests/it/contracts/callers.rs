//! Callers of the contracts, and what their tests share.

pub(crate) use std::time::Duration;

pub(crate) use fanfare_simulator::books::Query;
pub(crate) use fanfare_types::{Clock, UserId};
pub(crate) use reqwest::{Method, RequestBuilder, StatusCode};
pub(crate) use serde_json::{Value, json};

pub(crate) use crate::harness::{Options, World, expect, json_of};

/// A JWT of a user with further claims.
pub(crate) fn token_with(world: &World, user: &str, claims: &[(&str, &str)]) -> String {
    let secret = world.sandbox.jwt_secret.expose().as_bytes();
    let user = UserId::new(user).expect("a user id");
    let claims: Vec<_> = claims
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let ttl = Duration::from_secs(600);
    fanfare_gateway::material::user_jwt(secret, &user, Clock::system().now(), ttl, &claims)
        .expect("a token")
}

pub(crate) fn staff(world: &World, id: &str) -> String {
    token_with(world, id, &[("user_type", "staff"), ("tenant_id", "acme")])
}

pub(crate) fn customer(world: &World, id: &str) -> String {
    token_with(world, id, &[("user_type", "customer")])
}

/// An FCM token that every contract takes.
pub(crate) fn fcm(name: &str) -> String {
    format!("{name}:APA91b{}", "x".repeat(120))
}

pub(crate) fn call(world: &World, method: Method, path: &str, jwt: &str) -> RequestBuilder {
    world.request(method, path).bearer_auth(jwt)
}

/// Sends a request with a body; the status must be 200.
pub(crate) async fn ok(request: RequestBuilder) -> Value {
    expect(request, StatusCode::OK).await
}

/// Status and body.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, json_of(response).await)
}

/// All rows of a user, as a service sees them.
pub(crate) async fn rows_of(world: &World, user: &str) -> Vec<Value> {
    let path = format!("/v1/users/{user}/devices");
    let listed = ok(world.service(Method::GET, &path)).await;
    listed["devices"].as_array().expect("devices").clone()
}

/// Pushes that the provider took for an address.
pub(crate) fn pushes_to(world: &World, address: &str) -> usize {
    let query = Query {
        address: Some(address.to_owned()),
        status: Some(200),
        ..Query::default()
    };
    world.simulator.books().requests(&query).len()
}

/// Delivery facts are written soon, so that nobody waits for them.
pub(crate) async fn world_of_prompt_facts() -> World {
    World::with(Options {
        tables: "[journal]\nfacts_after = \"20ms\"\n",
        ..Options::default()
    })
    .await
}
