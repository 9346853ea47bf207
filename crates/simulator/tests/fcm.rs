//! FCM and the token endpoint: what is taken, and Google's error JSON for each fault.

#![allow(clippy::unwrap_used, reason = "this is a test")]

mod common;

use std::time::Duration;

use common::{GRANT, now, stage};
use serde_json::{Value, json};

fn message() -> Value {
    json!({ "message": {
        "token": "abc:def", "data": { "k": "v" },
        "android": { "priority": "HIGH", "ttl": "60s", "collapse_key": "c" },
    } })
}

fn detail<'a>(error: &'a Value, kind: &str) -> Option<&'a Value> {
    let details = error["error"]["details"].as_array()?;
    details
        .iter()
        .find(|detail| detail["@type"].as_str().unwrap().ends_with(kind))
}

#[tokio::test]
async fn a_good_message_is_taken_and_booked() {
    let stage = stage(|_| {}).await;
    let access = stage.access_token().await;
    let answer = stage
        .fcm()
        .await
        .ask(stage.message(&access, &message()))
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert!(
        answer.json()["name"]
            .as_str()
            .unwrap()
            .starts_with("projects/fanfare-dev/messages/")
    );
    let entry = stage
        .simulator
        .books()
        .requests(&Default::default())
        .pop()
        .unwrap();
    assert_eq!(
        (entry.address.as_str(), entry.collapse.as_deref()),
        ("abc:def", Some("c"))
    );
    assert_eq!((entry.expiration, entry.priority), (Some(60), Some(10)));
    assert_eq!(
        (stage.totals().fcm.accepted, stage.totals().oauth.accepted),
        (1, 1)
    );
}

#[tokio::test]
async fn a_wrong_token_project_or_path_is_told() {
    let stage = stage(|_| {}).await;
    let access = stage.access_token().await;
    let client = stage.fcm().await;
    for authorization in ["Bearer nonsense", "Basic x", ""] {
        let answer = client
            .ask(stage.message(authorization, &message()))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.json()["error"]["status"].as_str()),
            (401, Some("UNAUTHENTICATED"))
        );
        assert!(answer.json()["error"].get("details").is_none());
    }
    let mut elsewhere = stage.message(&access, &message());
    *elsewhere.uri_mut() = "https://localhost/v1/projects/other/messages:send"
        .parse()
        .unwrap();
    let answer = client.ask(elsewhere).await.unwrap();
    assert_eq!(
        (answer.status, answer.json()["error"]["status"].as_str()),
        (404, Some("NOT_FOUND"))
    );
    let mut astray = stage.message(&access, &message());
    *astray.uri_mut() = "https://localhost/fcm/send".parse().unwrap();
    let answer = client.ask(astray).await.unwrap();
    assert_eq!(answer.status, 404);
    assert!(answer.body.starts_with(b"<!DOCTYPE html>"));
}

#[tokio::test]
async fn access_tokens_end() {
    let stage = stage(|config| config.fcm.access_token_ttl = Duration::ZERO).await;
    let access = stage.access_token().await;
    let answer = stage
        .fcm()
        .await
        .ask(stage.message(&access, &message()))
        .await
        .unwrap();
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn faults_in_the_message_come_with_details() {
    let stage = stage(|_| {}).await;
    let access = stage.access_token().await;
    let client = stage.fcm().await;
    let mut number = message();
    number["message"]["data"]["k"] = 5.into();
    let answer = client
        .ask(stage.message(&access, &number))
        .await
        .unwrap()
        .json();
    assert_eq!(
        detail(&answer, "BadRequest").unwrap()["fieldViolations"][0]["field"],
        "message.data[0].value"
    );
    assert!(detail(&answer, "FcmError").is_none());
    let mut words = message();
    words["message"]["token"] = "two words".into();
    let answer = client
        .ask(stage.message(&access, &words))
        .await
        .unwrap()
        .json();
    assert_eq!(
        detail(&answer, "FcmError").unwrap()["errorCode"],
        "INVALID_ARGUMENT"
    );
    assert_eq!(
        detail(&answer, "BadRequest").unwrap()["fieldViolations"][0]["field"],
        "message.token"
    );
    let mut torn = stage.message(&access, &message());
    *torn.body_mut() = "{\"message\":".into();
    assert_eq!(client.ask(torn).await.unwrap().status, 400);
    let mut dead = message();
    dead["message"]["token"] = "dead:1".into();
    let answer = client.ask(stage.message(&access, &dead)).await.unwrap();
    assert_eq!(answer.status, 404);
    assert_eq!(
        detail(&answer.json(), "FcmError").unwrap()["errorCode"],
        "UNREGISTERED"
    );
    let fcm = stage.totals().fcm;
    assert_eq!(
        (
            fcm.answered(400, Some("INVALID_ARGUMENT")),
            fcm.answered(404, Some("UNREGISTERED"))
        ),
        (3, 1)
    );
}

#[tokio::test]
async fn pings_end_the_connection() {
    let stage = stage(|_| {}).await;
    let mut client = stage.fcm().await;
    let mut ping = client.ping.take().unwrap();
    while ping.ping(h2::Ping::opaque()).await.is_ok() {}
    let error = client.ended().await.unwrap_err();
    assert!(error.is_go_away() && error.is_remote(), "{error}");
    assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
    assert!(format!("{error:?}").contains("too_many_pings"), "{error:?}");
    assert_eq!(stage.totals().fcm.connections.violations, 1);
}

#[tokio::test]
async fn assertions_are_checked() {
    let stage = stage(|_| {}).await;
    let refuse = async |grant: &str, assertion: String| {
        let (status, body) = stage.oauth(grant, &assertion).await;
        assert_eq!(status, 400, "{body}");
        body["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        refuse("password", stage.assertion(|_| {})).await,
        "unsupported_grant_type"
    );
    assert_eq!(refuse(GRANT, "nonsense".into()).await, "invalid_grant");
    for (field, value) in [
        ("iss", json!("someone@else")),
        ("aud", json!("https://elsewhere/token")),
        ("exp", json!(now() - 120)),
        ("exp", json!(now() + 7200)),
        ("iat", json!(now() + 600)),
    ] {
        let wrong = stage.assertion(|claims| claims[field] = value);
        assert_eq!(refuse(GRANT, wrong).await, "invalid_grant", "{field}");
    }
    assert_eq!(
        refuse(
            GRANT,
            stage.assertion(|claims| claims["scope"] = "openid".into())
        )
        .await,
        "invalid_scope"
    );
    let oauth = stage.totals().oauth;
    assert_eq!((oauth.requests, oauth.accepted), (8, 0));
}

#[tokio::test]
async fn the_token_endpoint_follows_rules() {
    let stage = stage(|config| config.fcm.access_token_ttl = Duration::from_secs(7)).await;
    stage.rules(json!([
        { "when": { "provider": "oauth" }, "times": 1,
          "then": { "answer": { "status": 500, "reason": "internal_failure", "headers": { "retry-after": "9" } } } },
        { "when": { "provider": "oauth" }, "times": 1, "then": { "close": {} } },
    ]));
    assert_eq!(
        stage.oauth(GRANT, "x").await,
        (
            500,
            json!({ "error": "internal_failure", "error_description": "scripted" })
        )
    );
    let uri = stage.simulator.addresses().token_uri();
    assert!(
        stage
            .http()
            .post(uri)
            .body("grant_type=x")
            .send()
            .await
            .is_err()
    );
    let (status, body) = stage.oauth(GRANT, &stage.assertion(|_| {})).await;
    assert_eq!(
        (status, &body["expires_in"], &body["token_type"]),
        (200, &json!(7), &json!("Bearer"))
    );
}
