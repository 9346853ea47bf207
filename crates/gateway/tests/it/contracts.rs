//! The contracts of older registries on the wire: what their tests share.

mod client;
mod device_token;
mod fire;
mod native;
mod reserva;
mod ring;
mod together;

use std::time::Duration;

use fanfare_simulator::books::Query;
use fanfare_types::{Clock, UserId};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Options, World, expect, json_of};

/// A JWT of a user with further claims.
fn token_with(world: &World, user: &str, claims: &[(&str, &str)]) -> String {
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

fn staff(world: &World, id: &str) -> String {
    token_with(world, id, &[("user_type", "staff"), ("tenant_id", "acme")])
}

fn customer(world: &World, id: &str) -> String {
    token_with(world, id, &[("user_type", "customer")])
}

/// An FCM token that every contract takes.
fn fcm(name: &str) -> String {
    format!("{name}:APA91b{}", "x".repeat(120))
}

fn call(world: &World, method: Method, path: &str, jwt: &str) -> RequestBuilder {
    world.request(method, path).bearer_auth(jwt)
}

/// Sends a request with a body; the status must be 200.
async fn ok(request: RequestBuilder) -> Value {
    expect(request, StatusCode::OK).await
}

/// Status and body.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, json_of(response).await)
}

/// All rows of a user, as a service sees them.
async fn rows_of(world: &World, user: &str) -> Vec<Value> {
    let path = format!("/v1/users/{user}/devices");
    let listed = ok(world.service(Method::GET, &path)).await;
    listed["devices"].as_array().expect("devices").clone()
}

/// Pushes that the provider took for an address.
fn pushes_to(world: &World, address: &str) -> usize {
    let query = Query {
        address: Some(address.to_owned()),
        status: Some(200),
        ..Query::default()
    };
    world.simulator.books().requests(&query).len()
}

/// Delivery facts are written soon, so that nobody waits for them.
async fn world_of_prompt_facts() -> World {
    World::with(Options {
        tables: "[journal]\nfacts_after = \"20ms\"\n",
        ..Options::default()
    })
    .await
}
