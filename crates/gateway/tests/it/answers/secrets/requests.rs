//! Requests of all kinds with secrets in them, and above all wrong ones.

use std::time::Duration;

use fanfare_gateway::material;
use fanfare_types::{Clock, UserId};
use reqwest::header::{CONTENT_TYPE, COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{BODY, COLLAPSE, DATA, RAW, TITLE, VARIABLE, apns_address, fcm_address};
use crate::harness::{World, apns_token, expect, fcm_token};

pub(super) const WRONG_KEY: &str = "ffk_demo_WrongKeyWrongKeyWrongKeyWrongKey4711";

/// A message with something secret wherever there is room for it.
pub(super) fn message() -> Value {
    json!({
        "title": format!("{TITLE} {{{{code}}}}"),
        "body": BODY,
        "data": { "k": DATA },
        "apns": { "aps": { "category": RAW } },
        "fcm": { "android": { "notification": { "tag": RAW } } },
    })
}

/// A notification to these, as secret as can be.
pub(super) fn notification(to: &Value, ttl: u32) -> Value {
    json!({ "to": to, "message": message(), "variables": { "code": VARIABLE },
        "collapse_key": COLLAPSE, "ttl": ttl })
}

/// Makes the prober's devices and others, and everything wrong that comes to mind; returns each refused request
/// with its answer.
pub(super) async fn good_and_bad(world: &World) -> Vec<(String, String)> {
    world.register("prover", "ios_push", &apns_token(1)).await;
    world.register("prover", "fcm", &fcm_token(1)).await;
    world
        .register("ada", "ios_push", &apns_address(9_000))
        .await;
    let id = world.register("ada", "fcm", &fcm_address(9_000)).await;
    let patch = json!({ "device_name": BODY });
    let path = format!("/v1/devices/{id}");
    expect(
        world.user("ada", Method::PATCH, &path).json(&patch),
        StatusCode::OK,
    )
    .await;

    let mut answers = Vec::new();
    let mut refused = async |what: &str, request: RequestBuilder| {
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        assert!(status.is_client_error(), "{what}: {status}");
        let headers = format!("{:?}", answer.headers());
        let text = answer.text().await.expect("text");
        answers.push((what.to_owned(), format!("{headers}\n{text}")));
    };
    for (what, body) in bad_registrations() {
        let request = world.user("ada", Method::POST, "/v1/devices");
        refused(
            what,
            request.header(CONTENT_TYPE, "application/json").body(body),
        )
        .await;
    }
    for (what, body) in bad_notifications() {
        let request = world.service(Method::POST, "/v1/notifications");
        refused(
            what,
            request.header(CONTENT_TYPE, "application/json").body(body),
        )
        .await;
    }
    for (what, request) in strangers(world) {
        refused(what, request).await;
    }
    answers
}

fn bad_registrations() -> Vec<(&'static str, String)> {
    let (apns, fcm) = (apns_address(9_001), fcm_address(9_001));
    let of = |channel: &str, mut body: Value| {
        body["channel"] = json!(channel);
        body.to_string()
    };
    let (with_blank, long) = (format!("{fcm} {fcm}"), fcm.repeat(100));
    vec![
        (
            "of another channel",
            of("ios_push", json!({ "token": fcm })),
        ),
        ("with a blank", of("fcm", json!({ "token": with_blank }))),
        ("far too long", of("fcm", json!({ "token": long }))),
        ("as channel", of(&apns, json!({ "token": apns }))),
        (
            "as platform",
            of("ios_push", json!({ "platform": apns, "token": apns })),
        ),
        ("in a list", of("ios_push", json!({ "token": [apns] }))),
        (
            "as device key",
            of("fcm", json!({ "token": fcm, "device_key": fcm })),
        ),
        (
            "in broken JSON",
            format!("{{\"channel\":\"fcm\",\"token\":\"{fcm}"),
        ),
        (
            "twice",
            format!("{{\"token\":\"{apns}\",\"token\":\"{apns}\"}}"),
        ),
        ("instead of JSON", fcm),
    ]
}

fn bad_notifications() -> Vec<(&'static str, String)> {
    let (apns, fcm) = (apns_address(9_002), fcm_address(9_002));
    let to = json!({ "users": ["ada"] });
    let to_others = |to: Value| notification(&to, 60).to_string();
    let elsewhere = json!({ "addresses": [{ "channel": "ios_push", "address": fcm }] });
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = notification(&to, 60);
        change(&mut body);
        body.to_string()
    };
    vec![
        (
            "an address as device",
            to_others(json!({ "devices": [apns, fcm] })),
        ),
        ("an address of another channel", to_others(elsewhere)),
        (
            "a title that is an object",
            with(&|body| body["message"]["title"] = json!({ TITLE: BODY })),
        ),
        ("a text as ttl", with(&|body| body["ttl"] = json!(BODY))),
        (
            "a text as priority",
            with(&|body| body["priority"] = json!(BODY)),
        ),
        (
            "a text as send_at",
            with(&|body| body["send_at"] = json!(BODY)),
        ),
        (
            "a variable nobody gave",
            with(&|body| body["variables"] = json!({ "other": VARIABLE })),
        ),
        (
            "a variable that is a list",
            with(&|body| body["variables"] = json!({ "code": [VARIABLE] })),
        ),
        (
            "a payload that is too large",
            with(&|body| body["message"]["body"] = json!(BODY.repeat(500))),
        ),
        (
            "a reserved key",
            with(&|body| body["message"]["data"] = json!({ "from": DATA })),
        ),
        (
            "an override that is a text",
            with(&|body| body["message"]["apns"] = json!(RAW)),
        ),
        (
            "a message cut off",
            notification(&to, 60).to_string().replace("]}", ""),
        ),
        (
            "a collapse key that is too long",
            with(&|body| body["collapse_key"] = json!(COLLAPSE.repeat(10))),
        ),
    ]
}

/// Callers that are nobody, with secrets in every place of a request.
fn strangers(world: &World) -> Vec<(&'static str, RequestBuilder)> {
    let jwt = world.jwt("ada", Duration::from_secs(60));
    let ada = UserId::new("ada").expect("an id");
    let (then, minute) = (
        Clock::system().now() - Duration::from_secs(3_600),
        Duration::from_secs(60),
    );
    let secret = world.sandbox.jwt_secret.expose().as_bytes();
    let expired = material::user_jwt(secret, &ada, then, minute, &[]).expect("a token");
    let forged = format!("{}x{}", &jwt[..jwt.len() - 6], &jwt[jwt.len() - 5..]);
    let key = world.sandbox.api_key.expose();
    let (apns, fcm) = (apns_address(9_003), fcm_address(9_003));
    let cookie = format!("session={}", &jwt[..jwt.len() / 2]);
    let page = format!("/v1/notifications/{apns}/deliveries?cursor={fcm}");
    let get = |path: &str| world.request(Method::GET, path);
    let as_ada = |path: &str| world.user("ada", Method::GET, path);
    let (devices, stats) = ("/v1/devices", "/v1/stats");
    vec![
        ("a wrong key", get(stats).bearer_auth(WRONG_KEY)),
        ("a key too long", get(stats).bearer_auth(format!("{key}x"))),
        ("a forged JWT", get(devices).bearer_auth(forged)),
        ("an expired JWT", get(devices).bearer_auth(expired)),
        ("a JWT where a key is due", get(stats).bearer_auth(&jwt)),
        ("a key where a JWT is due", get(devices).bearer_auth(key)),
        (
            "a JWT as password",
            get(devices).basic_auth("ada", Some(&jwt)),
        ),
        ("a JWT in a query", get(&format!("{devices}?token={jwt}"))),
        (
            "half a JWT in a cookie",
            get(devices).header(COOKIE, cookie),
        ),
        ("an address in a path", as_ada(&format!("{devices}/{apns}"))),
        ("an address as path", as_ada(&format!("/{fcm}"))),
        ("an address as cursor", world.service(Method::GET, &page)),
    ]
}
