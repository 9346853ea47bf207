//! The Ring contract: statuses, shapes and bad input.

use fanfare_actors::Error;
use fanfare_types::{Channel, Platform};
use http::Request;
use serde_json::json;

use super::*;

const PATH: &str = "/api/notifications/fcm/register";

fn body() -> Value {
    json!({"token": "fcm-token", "deviceFingerprint": "0b0ce2a6-9d5b"})
}

impl Answer {
    /// The text of a failure in this contract's shape.
    fn ring(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        let json = self.json();
        let members: Vec<_> = json.as_object().unwrap().keys().collect();
        assert_eq!(members, ["error", "success"], "{}", self.text);
        assert_eq!(json["success"], false);
        json["error"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn post_registers_for_the_user_of_the_session_whoever_the_body_names() {
    let api = Harness::new();
    let mut body = body();
    body["userId"] = json!("eve");
    body["user_id"] = json!("eve");
    body["deviceInfo"] = json!({"platform": "android", "userAgent": "x"});
    let answer = api.call("POST", PATH, &user("ada"), Some(body)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, json!({"success": true}))
    );
    assert_eq!(api.rooms.devices.lock()[0].user.as_str(), "ada");
    let command = api.rooms.registered.lock()[0].clone();
    assert_eq!(command.device_key.as_deref(), Some("0b0ce2a6-9d5b"));
    assert_eq!(
        (command.address.channel, command.address.expose()),
        (Channel::Fcm, "fcm-token")
    );
    assert_eq!(command.platform, Some(Platform::Android));
    let info: Value = serde_json::from_str(&command.meta.device_info.unwrap()).unwrap();
    assert_eq!(info, json!({"platform": "android", "userAgent": "x"}));
    assert_eq!(command.tenant.as_deref(), Some("acme"));
}

#[tokio::test]
async fn the_session_may_be_a_cookie_or_a_bearer_and_must_be() {
    let api = Harness::new();
    let by_cookie = |content_type: &str| {
        let request = Request::post(PATH)
            .header("cookie", format!("session={}", user("ada")))
            .header("content-type", content_type);
        request.body(Body::from(body().to_string())).unwrap()
    };
    assert_eq!(api.send(by_cookie("application/json")).await.status, 200);
    api.send(by_cookie("text/plain")).await.ring(415);
    for method in ["POST", "DELETE"] {
        for credential in ["", "nonsense", SERVICE, AGENT] {
            let answer = api.call(method, PATH, credential, Some(body())).await;
            assert_eq!(answer.ring(401), "Not authenticated");
            assert!(answer.headers.contains_key("www-authenticate"));
        }
    }
}

#[tokio::test]
async fn delete_answers_success_whether_or_not_there_is_such_a_row() {
    let api = Harness::new();
    let ada = user("ada");
    api.call("POST", PATH, &ada, Some(body())).await;
    for fingerprint in ["0b0ce2a6-9d5b", "0b0ce2a6-9d5b", "never-seen"] {
        let body = json!({"deviceFingerprint": fingerprint, "userId": "eve"});
        let answer = api.call("DELETE", PATH, &ada, Some(body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, json!({"success": true}))
        );
    }
    let row = api.rooms.devices.lock()[0].clone();
    assert_eq!(row.status, fanfare_types::Status::Invalid);
}

#[tokio::test]
async fn ten_registrations_a_minute_pass_and_the_next_is_told_when_to_come_back() {
    let api = Harness::new();
    let ada = user("ada");
    for _ in 0..10 {
        assert_eq!(api.call("POST", PATH, &ada, Some(body())).await.status, 200);
    }
    let refused = api.call("POST", PATH, &ada, Some(body())).await;
    assert_eq!(refused.ring(429), "Rate limit exceeded");
    assert_eq!(refused.headers["retry-after"], "60");
    // The limit is of registering, of one user, and of this contract.
    let gone = json!({"deviceFingerprint": "0b0ce2a6-9d5b"});
    assert_eq!(api.call("DELETE", PATH, &ada, Some(gone)).await.status, 200);
    assert_eq!(
        api.call("POST", PATH, &user("bob"), Some(body()))
            .await
            .status,
        200
    );
    let native = json!({"channel": "fcm", "token": "t"});
    assert_eq!(
        api.call("POST", "/v1/devices", &ada, Some(native))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_request_that_is_not_valid_counts_towards_the_limit_too() {
    let api = Harness::new();
    for _ in 0..10 {
        api.call("POST", PATH, &user("ada"), Some(json!({})))
            .await
            .ring(400);
    }
    api.call("POST", PATH, &user("ada"), Some(body()))
        .await
        .ring(429);
}

/// Bodies, and the members that are wrong in them.
fn bad_bodies() -> Vec<(Value, Vec<&'static str>)> {
    let huge = "t".repeat(1 << 15);
    vec![
        (json!({}), vec!["token", "deviceFingerprint"]),
        (
            json!({"token": null, "deviceFingerprint": null}),
            vec!["token", "deviceFingerprint"],
        ),
        (
            json!({"token": 1, "deviceFingerprint": []}),
            vec!["token", "deviceFingerprint"],
        ),
        (
            json!({"token": "", "deviceFingerprint": ""}),
            vec!["token", "deviceFingerprint"],
        ),
        (
            json!({"token": "t", "deviceFingerprint": "f".repeat(129)}),
            vec!["deviceFingerprint"],
        ),
        (
            json!({"token": "t", "deviceFingerprint": "\u{430}bc"}),
            vec!["deviceFingerprint"],
        ),
        (
            json!({"token": "t", "deviceFingerprint": "a b"}),
            vec!["deviceFingerprint"],
        ),
        (
            json!({"token": "t", "deviceFingerprint": huge}),
            vec!["deviceFingerprint"],
        ),
        (
            json!({"token": huge, "deviceFingerprint": "f"}),
            vec!["token"],
        ),
        (
            json!({"token": "t".repeat(4097), "deviceFingerprint": "f"}),
            vec!["token"],
        ),
        (
            json!({"token": "a b", "deviceFingerprint": "f"}),
            vec!["token"],
        ),
        (
            json!({"token": {"a": 1}, "deviceFingerprint": "f"}),
            vec!["token"],
        ),
        (
            json!({"token": "t", "deviceFingerprint": "f", "deviceInfo": "x"}),
            vec!["deviceInfo"],
        ),
        (
            json!({"token": "t", "deviceFingerprint": "f", "deviceInfo": [1]}),
            vec!["deviceInfo"],
        ),
        (
            json!({"token": "t", "deviceFingerprint": "f", "deviceInfo": {"a": "v".repeat(4096)}}),
            vec!["deviceInfo"],
        ),
        (
            json!({"token": "t", "deviceFingerprint": "f", "platform": 3}),
            vec!["platform"],
        ),
        (json!([1]), vec!["body"]),
        (json!("text"), vec!["body"]),
        (json!(-1e308), vec!["body"]),
    ]
}

#[tokio::test]
async fn bad_bodies_are_400_and_name_every_fault() {
    let api = Harness::new();
    // Each with a user of its own: the limit is not what is tested.
    for (n, (body, named)) in bad_bodies().into_iter().enumerate() {
        let caller = user(&format!("user-{n}"));
        let error = api.call("POST", PATH, &caller, Some(body)).await.ring(400);
        for field in named {
            assert!(error.contains(&format!("Invalid {field}: ")), "{error}");
        }
    }
    for body in [
        json!({}),
        json!({"deviceFingerprint": 7}),
        json!({"deviceFingerprint": "é"}),
    ] {
        let error = api
            .call("DELETE", PATH, &user("ada"), Some(body))
            .await
            .ring(400);
        assert!(error.starts_with("Invalid deviceFingerprint: "), "{error}");
    }
    assert!(api.rooms.registered.lock().is_empty());
}

#[tokio::test]
async fn what_shared_layers_answer_comes_in_this_shape() {
    let api = Harness::new();
    let raw = |n: u32, text: &str| {
        let request =
            Request::post(PATH).header("authorization", format!("Bearer {}", user(&n.to_string())));
        request.body(Body::from(text.to_owned())).unwrap()
    };
    for (n, text) in (0..).zip([
        "",
        "{",
        "{'token': 1}",
        "{\"token\": \"a\", \"token\": \"b\"}",
    ]) {
        api.send(raw(n, text)).await.ring(400);
    }
    api.send(raw(9, &" ".repeat(1 << 20))).await.ring(413);
    for method in ["GET", "PUT", "PATCH"] {
        let answer = api.call(method, PATH, &user("ada"), None).await;
        answer.ring(405);
        assert!(answer.headers["allow"].to_str().unwrap().contains("DELETE"));
    }
    api.call("POST", &format!("{PATH}/x"), &user("ada"), Some(body()))
        .await
        .ring(404);
    for (error, status) in [
        (Error::Timeout(Duration::from_secs(1)), 503),
        (Error::ShuttingDown, 503),
        (Error::Store(fanfare_store::Error::Overloaded), 503),
        (Error::Contended, 503),
    ] {
        *api.rooms.failure.lock() = Some(error);
        let answer = api.call("DELETE", PATH, &user("ada"), Some(body())).await;
        answer.ring(status);
        assert!(answer.headers.contains_key("retry-after"));
    }
    *api.rooms.panics.lock() = true;
    let error = api
        .call("POST", PATH, &user("ada"), Some(body()))
        .await
        .ring(500);
    assert_eq!(error, "Server error");
}

#[tokio::test(start_paused = true)]
async fn out_of_time_is_503_in_this_shape() {
    let api = Harness::new();
    *api.rooms.hangs.lock() = true;
    api.call("POST", PATH, &user("ada"), Some(body()))
        .await
        .ring(503);
}

#[tokio::test]
async fn an_app_that_does_not_serve_it_answers_404() {
    let api = Harness::new();
    let claims =
        json!({"sub": "ada", "exp": NOW.as_seconds() + 600, "iss": "https://id.news.example"});
    let reader = jwt("news-secret", &claims);
    for method in ["POST", "DELETE"] {
        api.call(method, PATH, &reader, Some(body()))
            .await
            .ring(404);
    }
}

#[tokio::test]
async fn a_megabyte_in_any_member_is_a_fault_of_that_member() {
    let api = Harness::with(Config {
        body_bytes_max: 4 << 20,
        bodies_bytes_max: 16 << 20,
        ..config()
    });
    let huge = "x".repeat(1 << 20);
    for (member, value) in [
        ("token", json!(huge)),
        ("deviceFingerprint", json!(huge)),
        ("platform", json!(huge)),
        ("deviceInfo", json!({"userAgent": huge})),
    ] {
        let mut body = body();
        body[member] = value;
        let error = api
            .call("POST", PATH, &user("ada"), Some(body))
            .await
            .ring(400);
        assert!(
            error.starts_with(&format!("Invalid {member}: ")) && error.len() < 200,
            "{error}"
        );
    }
    // What the contract does not know is passed over, however large.
    let mut body = body();
    body["userId"] = json!(huge);
    assert_eq!(
        api.call("POST", PATH, &user("ada"), Some(body))
            .await
            .status,
        200
    );
}
