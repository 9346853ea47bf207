//! Bad input: each gets a clear answer with the right status, and loses nothing.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{World, apns_token, expect, fcm_token, json_of};

/// The fields that a problem document names.
fn fields(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().expect("errors");
    errors
        .iter()
        .map(|error| error["field"].as_str().expect("a field").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_notification_is_named_at_once() {
    let world = World::new().await;
    let body = json!({
        "to": { "users": ["ada", ""] },
        "message": { "title": 5, "data": { "from": "x" }, "image": "ftp://x" },
        "ttl": -1, "priority": "urgent", "collapse_key": "k".repeat(65), "send_at": "tomorrow", "lane": "fast", "color": "red",
    });
    let problem = expect(
        world.service(Method::POST, "/v1/notifications").json(&body),
        StatusCode::UNPROCESSABLE_ENTITY,
    )
    .await;
    let found = fields(&problem);
    for field in [
        "to.users",
        "message.title",
        "ttl",
        "priority",
        "send_at",
        "lane",
        "color",
    ] {
        assert!(
            found.iter().any(|name| name.starts_with(field)),
            "{field} in {problem}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_no_provider_would_take_costs_no_provider_call() {
    let world = World::new().await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    for message in [
        json!({ "title": "x".repeat(5000) }),
        json!({ "data": { "from": "me" } }),
        json!({ "title": "Hello {{name}}" }),
        json!({}),
    ] {
        let body = json!({ "to": { "users": ["ada"] }, "message": message });
        let request = world.service(Method::POST, "/v1/notifications").json(&body);
        expect(request, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    assert_eq!(world.simulator.books().totals().fcm.requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_json() {
    let world = World::new().await;
    let post = || {
        world
            .service(Method::POST, "/v1/notifications")
            .header("content-type", "application/json")
    };
    for (body, status) in [
        (b"{\"to\": ".to_vec(), StatusCode::BAD_REQUEST),
        (b"{\"to\": \"\xff\xfe\"}".to_vec(), StatusCode::BAD_REQUEST),
        (vec![b'x'; 5 << 20], StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let response = post().body(body).send().await.expect("an answer");
        assert_eq!(response.status(), status);
        let kind = response.headers()["content-type"]
            .to_str()
            .expect("text")
            .to_owned();
        assert!(kind.starts_with("application/problem+json"), "{kind}");
        assert!(json_of(response).await["code"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_of_the_wrong_shape() {
    let world = World::new().await;
    for (body, field) in [
        (json!({ "channel": "pigeon", "token": "abc" }), "channel"),
        (
            json!({ "channel": "ios_push", "token": "not hex" }),
            "token",
        ),
        (json!({ "channel": "fcm" }), "token"),
        (json!({ "channel": "fcm", "token": null }), "token"),
        (
            json!({ "channel": "fcm", "token": fcm_token(1), "app_version": "v".repeat(5000) }),
            "app_version",
        ),
        (
            json!({ "channel": "fcm", "token": fcm_token(1), "user_id": "eve" }),
            "user_id",
        ),
    ] {
        let problem = expect(
            world.user("ada", Method::POST, "/v1/devices").json(&body),
            StatusCode::BAD_REQUEST,
        )
        .await;
        assert!(
            fields(&problem).iter().any(|name| name == field),
            "{field} in {problem}"
        );
    }
    assert!(world.devices("ada").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_prove_nothing() {
    let world = World::new().await;
    let secret = world.sandbox.jwt_secret.expose().clone();
    let sign = |algorithm, claims: &Value, secret: &str| {
        jsonwebtoken::encode(
            &Header::new(algorithm),
            claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .expect("a token")
    };
    let good = json!({ "sub": "ada", "exp": 4_000_000_000u64 });
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJleHAiOjQwMDAwMDAwMDB9.";
    let expired = json!({ "sub": "ada", "exp": 1_000_000_000u64 });
    for (what, token) in [
        (
            "another secret",
            sign(
                Algorithm::HS256,
                &good,
                "another secret, as long as the right one",
            ),
        ),
        ("another algorithm", sign(Algorithm::HS512, &good, &secret)),
        ("expired", sign(Algorithm::HS256, &expired, &secret)),
        (
            "no exp",
            sign(Algorithm::HS256, &json!({ "sub": "ada" }), &secret),
        ),
        (
            "no sub",
            sign(
                Algorithm::HS256,
                &json!({ "exp": 4_000_000_000u64 }),
                &secret,
            ),
        ),
        ("alg none", none.to_owned()),
        ("nonsense", "nonsense".to_owned()),
    ] {
        let request = world.request(Method::GET, "/v1/devices").bearer_auth(token);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{what}");
    }
    let good = world
        .request(Method::GET, "/v1/devices")
        .bearer_auth(world.jwt("ada", Duration::from_secs(60)));
    expect(good, StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_not() {
    let world = World::new().await;
    let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" } });
    let post = || world.request(Method::POST, "/v1/notifications").json(&body);
    expect(post(), StatusCode::UNAUTHORIZED).await;
    let key = world.sandbox.api_key.expose();
    let wrong = format!(
        "{}{}",
        &key[..key.len() - 1],
        if key.ends_with('a') { 'b' } else { 'a' }
    );
    expect(post().bearer_auth(&wrong), StatusCode::UNAUTHORIZED).await;
    expect(
        post().bearer_auth(&key[..key.len() - 1]),
        StatusCode::UNAUTHORIZED,
    )
    .await;
    expect(
        post().bearer_auth(world.jwt("ada", Duration::from_secs(60))),
        StatusCode::FORBIDDEN,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roads_that_lead_nowhere() {
    let world = World::new().await;
    for (method, path, status) in [
        (Method::GET, "/v1/nothing", StatusCode::NOT_FOUND),
        (
            Method::GET,
            "/v1/notifications/not-an-id",
            StatusCode::NOT_FOUND,
        ),
        (
            Method::PUT,
            "/v1/notifications",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
    ] {
        let problem = expect(world.service(method, path), status).await;
        assert_eq!(problem["status"], status.as_u16());
    }
    let _device = world.register("ada", "ios_push", &apns_token(1)).await;
    expect(
        world.user("ada", Method::GET, "/v1/devices/not-an-id"),
        StatusCode::NOT_FOUND,
    )
    .await;
}
