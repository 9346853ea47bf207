//! The Reserva contract: statuses, messages, shapes and bad input.

use fanfare_actors::Error;
use fanfare_types::{AppId, Device, Platform, Status, Timestamp, UserId};
use http::Request;
use serde_json::json;

use super::*;

const ROOT: &str = "/api/v1/devices";

/// A JWT of a member of `population` with the id 42, and more claims.
fn person(population: &str, more: &[(&str, Value)]) -> String {
    let mut claims = json!({"sub": 42, "exp": NOW.as_seconds() + 600, "iss": "https://id.shop.example",
        "user_type": population});
    for (name, value) in more {
        claims[*name] = value.clone();
    }
    jwt("shop-secret", &claims)
}

pub(super) fn staff() -> String {
    person("staff", &[("tenant_id", json!("acme"))])
}

fn customer() -> String {
    person("customer", &[])
}

fn token(n: u32) -> String {
    format!("{n:0>120}")
}

fn device_of(owner: &str, number: u64) -> Device {
    Device {
        user: UserId::new(owner).unwrap(),
        ..device("-", number)
    }
}

/// Both forms of each route, with a credential that fits.
fn both(suffix: &str) -> [(String, String); 2] {
    let register = suffix == "/register";
    let customers = match register {
        true => format!("{ROOT}/register/customer"),
        false => format!("{ROOT}/customer{suffix}"),
    };
    [
        (format!("{ROOT}{suffix}"), staff()),
        (customers, customer()),
    ]
}

impl Answer {
    /// The detail of a failure in this contract's shape.
    fn detail(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        let json = self.json();
        assert_eq!(json.as_object().unwrap().len(), 1, "{}", self.text);
        json["detail"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn staff_and_customers_of_one_id_are_two_users() {
    let api = Harness::new();
    for (path, credential) in both("/register") {
        let body = json!({"fcm_token": token(1), "device_info": {"browser": "Chrome"}});
        let answer = api.call("POST", &path, &credential, Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let json = answer.json();
        let id = json["id"].as_str().unwrap();
        assert!(
            id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{id}"
        );
        assert_eq!(
            (&json["is_new"], json["message"].is_string()),
            (&json!(true), true)
        );
        assert_eq!(json.as_object().unwrap().len(), 3);
    }
    let users: Vec<String> = api
        .rooms
        .devices
        .lock()
        .iter()
        .map(|row| row.user.to_string())
        .collect();
    assert_eq!(users, ["staff:42", "customer:42"]);
    let commands = api.rooms.registered.lock();
    assert_eq!(commands[0].tenant.as_deref(), Some("acme"));
    assert_eq!(
        (commands[0].platform, &commands[0].device_key),
        (Some(Platform::Web), &None)
    );
    assert_eq!(
        commands[0].meta.device_info.as_deref(),
        Some(r#"{"browser":"Chrome"}"#)
    );
}

#[tokio::test]
async fn a_missing_or_wrong_jwt_is_401_and_staff_without_a_tenant_403() {
    let api = Harness::new();
    let id = device("x", 1).id.0.to_hex();
    let body = || Some(json!({"fcm_token": token(1)}));
    for (method, suffix) in [
        ("POST", "/register"),
        ("GET", ""),
        ("PUT", "/{id}"),
        ("DELETE", "/{id}"),
    ] {
        let [(of_staff, staff), (of_customers, customer)] = both(&suffix.replace("{id}", &id));
        let nobody = person("robot", &[("tenant_id", json!("acme"))]);
        let untyped = user("42");
        for (path, wrong) in [
            (
                &of_staff,
                ["", "x.y.z", SERVICE, AGENT, &customer, &nobody, &untyped],
            ),
            (
                &of_customers,
                ["", "x.y.z", SERVICE, AGENT, &staff, &nobody, &untyped],
            ),
        ] {
            for credential in wrong {
                let body = body().filter(|_| method != "GET");
                let answer = api.call(method, path, credential, body).await;
                assert_eq!(answer.detail(401), "Authentication required");
            }
        }
        for lost in [
            person("staff", &[]),
            person("staff", &[("tenant_id", Value::Null)]),
        ] {
            let answer = api.call(method, &of_staff, &lost, body()).await;
            assert_eq!(answer.detail(403), "User has no tenant access");
        }
    }
    assert!(api.rooms.registered.lock().is_empty());
}

#[tokio::test]
async fn the_list_has_the_fields_of_the_contract_and_active_devices_by_default() {
    let api = Harness::new();
    let used = Timestamp(NOW.0 + 5_000);
    let mut chrome = Device {
        platform: Platform::Web,
        last_used_at: Some(used),
        notification_count: 45,
        ..device_of("staff:42", 1)
    };
    chrome.meta.device_name = Some("Chrome on Windows".to_owned());
    chrome.meta.app_version = Some("1.0.0".to_owned());
    let off = Device {
        status: Status::Inactive,
        updated_at: Timestamp(NOW.0 + 9_000),
        ..device_of("staff:42", 2)
    };
    let dead = Device {
        status: Status::Invalid,
        ..device_of("staff:42", 3)
    };
    let others = device_of("customer:42", 4);
    api.rooms
        .devices
        .lock()
        .extend([dead.clone(), chrome.clone(), off.clone(), others]);
    let list = async |query: &str| {
        let answer = api
            .call("GET", &format!("{ROOT}{query}"), &staff(), None)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let expected = json!({
        "id": chrome.id.0.to_hex(), "platform": "web", "device_name": "Chrome on Windows", "app_version": "1.0.0",
        "is_active": true, "last_used_at": used.to_rfc3339(), "notification_count": 45,
        "created_at": NOW.to_rfc3339(), "updated_at": used.to_rfc3339()
    });
    let active = json!({"items": [expected], "total": 1});
    for query in [
        "",
        "?include_inactive=false",
        "?include_inactive=",
        "?include_inactive=False",
        "?other=1",
    ] {
        assert_eq!(list(query).await, active, "{query}");
    }
    for query in [
        "?include_inactive=true",
        "?include_inactive=1",
        "?include_inactive=True",
    ] {
        let all = list(query).await;
        let ids: Vec<_> = all["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].clone())
            .collect();
        let newest_first = [&off, &chrome, &dead].map(|row| json!(row.id.0.to_hex()));
        assert_eq!(
            (ids.as_slice(), &all["total"]),
            (newest_first.as_slice(), &json!(3))
        );
        assert_eq!(all["items"][0]["is_active"], false);
        assert!(all["items"][0]["last_used_at"].is_null());
    }
}

#[tokio::test]
async fn include_inactive_is_true_or_false_and_said_once() {
    let api = Harness::new();
    for query in [
        "?include_inactive=maybe",
        "?include_inactive=-1",
        "?include_inactive=%ff",
    ] {
        let answer = api
            .call("GET", &format!("{ROOT}{query}"), &staff(), None)
            .await;
        assert!(answer.detail(422).contains("include_inactive"), "{query}");
    }
    let twice = format!("{ROOT}?include_inactive=true&include_inactive=false");
    api.call("GET", &twice, &staff(), None).await.detail(422);
}

fn deleted() -> Device {
    Device {
        deleted_at: Some(NOW),
        ..device_of("staff:42", 2)
    }
}

fn of_news() -> Device {
    Device {
        app: AppId::new("news").unwrap(),
        ..device_of("staff:42", 3)
    }
}

#[tokio::test]
async fn the_error_table_to_the_letter() {
    let api = Harness::new();
    let others = device_of("staff:7", 1);
    let (gone, news) = (deleted(), of_news());
    api.rooms
        .devices
        .lock()
        .extend([others.clone(), gone.clone(), news.clone()]);
    let body = || json!({"device_name": "n"});
    for (path, credential) in both("") {
        let path = path.trim_end_matches('/').to_owned();
        let call = async |method: &str, id: &str, body: Value| {
            let body = Some(body).filter(|_| method == "PUT");
            api.call(method, &format!("{path}/{id}"), &credential, body)
                .await
        };
        for (method, refusal) in [
            ("PUT", "Cannot update another user's device"),
            ("DELETE", "Cannot delete another user's device"),
        ] {
            assert_eq!(
                call(method, &others.id.0.to_hex(), body())
                    .await
                    .detail(403),
                refusal
            );
            for missing in [
                &"0".repeat(24),
                &"F".repeat(24),
                &gone.id.0.to_hex(),
                &news.id.0.to_hex(),
            ] {
                assert_eq!(
                    call(method, missing, body()).await.detail(404),
                    "Device not found"
                );
            }
            let uuid = others.id.to_string();
            let (short, long) = ("0".repeat(23), "0".repeat(25));
            for malformed in [
                &short,
                &long,
                &"g".repeat(24),
                &uuid,
                "%ff",
                "null",
                "-1",
                "0x0123456789abcdef012345",
            ] {
                let answer = call(method, malformed, body()).await;
                assert_eq!(answer.detail(422), "Invalid ObjectId format", "{malformed}");
            }
        }
        for blank in ["", "   ", "\t\n"] {
            let body = json!({"fcm_token": blank});
            let answer = call("PUT", &others.id.0.to_hex(), body.clone()).await;
            assert_eq!(answer.detail(422), "FCM token cannot be empty");
        }
    }
    assert_eq!(
        api.rooms.devices.lock().len(),
        3,
        "nobody's device was touched"
    );
    assert!(api.rooms.patches.lock().is_empty());
}

#[tokio::test]
async fn a_blank_token_cannot_be_registered() {
    let api = Harness::new();
    for (path, credential) in both("/register") {
        let answer = api
            .call("POST", &path, &credential, Some(json!({"fcm_token": "  "})))
            .await;
        assert_eq!(answer.detail(422), "FCM token cannot be empty");
    }
    assert!(api.rooms.registered.lock().is_empty());
}

#[tokio::test]
async fn an_update_answers_the_device_and_a_deletion_a_message() {
    let api = Harness::new();
    for (population, credential, path) in [
        ("staff", staff(), ROOT.to_owned()),
        ("customer", customer(), format!("{ROOT}/customer")),
    ] {
        let row = device_of(&format!("{population}:42"), 5);
        api.rooms.devices.lock().push(row.clone());
        let path = format!("{path}/{}", row.id.0.to_hex().to_uppercase());
        let body = json!({"fcm_token": token(9), "app_version": "1.1.0", "is_active": false});
        let answer = api.call("PUT", &path, &credential, Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let json = answer.json();
        assert_eq!(
            (&json["app_version"], &json["is_active"]),
            (&json!("1.1.0"), &json!(false))
        );
        assert_eq!(json.as_object().unwrap().len(), 9, "as an item of the list");
        assert!(
            !answer.text.contains(&token(9)),
            "the token is never returned"
        );
        let patch = api.rooms.patches.lock().pop().unwrap();
        assert_eq!(patch.address.unwrap().expose(), token(9));
        // Nothing to change is no change.
        let answer = api.call("PUT", &path, &credential, Some(json!({}))).await;
        assert_eq!(answer.status, 200);
        assert!(api.rooms.patches.lock().is_empty());
        let answer = api.call("DELETE", &path, &credential, None).await;
        assert_eq!(answer.status, 200);
        assert!(answer.json()["message"].is_string());
        let again = api.call("DELETE", &path, &credential, None).await;
        assert_eq!(again.detail(404), "Device not found");
    }
}

#[tokio::test]
async fn bad_bodies_are_422_and_name_every_fault() {
    let api = Harness::new();
    api.rooms.devices.lock().push(device_of("staff:42", 5));
    let id = device("x", 5).id.0.to_hex();
    let huge = "x".repeat(1 << 14);
    for (body, named) in [
        (
            json!({"fcm_token": 1, "device_name": 2, "app_version": {}}),
            vec!["fcm_token", "device_name", "app_version"],
        ),
        (json!({"fcm_token": "t".repeat(99)}), vec!["fcm_token"]),
        (json!({"fcm_token": "t".repeat(4097)}), vec!["fcm_token"]),
        (
            json!({"fcm_token": huge, "device_name": huge, "app_version": huge}),
            vec!["fcm_token", "device_name", "app_version"],
        ),
        (
            json!({"fcm_token": format!("{} ", token(1))}),
            vec!["fcm_token"],
        ),
        (json!([]), vec!["body"]),
        (json!(null), vec!["body"]),
        (json!(1e300), vec!["body"]),
    ] {
        for (method, path) in [
            ("POST", format!("{ROOT}/register")),
            ("PUT", format!("{ROOT}/{id}")),
        ] {
            let detail = api
                .call(method, &path, &staff(), Some(body.clone()))
                .await
                .detail(422);
            for field in &named {
                assert!(detail.contains(&format!("{field}: ")), "{detail}");
            }
        }
    }
    for (body, field) in [
        (json!({}), "fcm_token"),
        (json!({"fcm_token": null}), "fcm_token"),
        (
            json!({"fcm_token": token(1), "platform": "windows"}),
            "platform",
        ),
        (json!({"fcm_token": token(1), "platform": -1}), "platform"),
        (
            json!({"fcm_token": token(1), "device_info": "x"}),
            "device_info",
        ),
        (
            json!({"fcm_token": token(1), "device_info": {"a": "v".repeat(4096)}}),
            "device_info",
        ),
    ] {
        let detail = api
            .call("POST", &format!("{ROOT}/register"), &staff(), Some(body))
            .await
            .detail(422);
        assert!(detail.starts_with(&format!("{field}: ")), "{detail}");
    }
    for is_active in [json!("true"), json!(1), json!([])] {
        let body = json!({"is_active": is_active});
        let detail = api
            .call("PUT", &format!("{ROOT}/{id}"), &staff(), Some(body))
            .await
            .detail(422);
        assert!(detail.starts_with("is_active: "), "{detail}");
    }
    assert!(api.rooms.registered.lock().is_empty() && api.rooms.patches.lock().is_empty());
}

#[tokio::test]
async fn what_shared_layers_answer_comes_in_this_shape() {
    let api = Harness::new();
    let raw = |text: &str| {
        let request = Request::post(format!("{ROOT}/register"))
            .header("authorization", format!("Bearer {}", staff()));
        request.body(Body::from(text.to_owned())).unwrap()
    };
    for text in [
        "",
        "{",
        "{'a': 1}",
        "{\"fcm_token\": \"a\", \"fcm_token\": \"b\"}",
    ] {
        api.send(raw(text)).await.detail(422);
    }
    api.send(raw(&" ".repeat(1 << 20))).await.detail(413);
    for (method, path) in [
        ("DELETE", "/register"),
        ("PATCH", ""),
        ("POST", ""),
        ("PUT", "/customer"),
    ] {
        let answer = api
            .call(method, &format!("{ROOT}{path}"), &staff(), None)
            .await;
        answer.detail(405);
        assert!(answer.headers.contains_key("allow"));
    }
    api.call("GET", &format!("{ROOT}/a/b/c"), &staff(), None)
        .await
        .detail(404);
    let cookie =
        Request::post(format!("{ROOT}/register")).header("cookie", format!("session={}", staff()));
    api.send(cookie.body(Body::from("{}")).unwrap())
        .await
        .detail(415);
    for error in [
        Error::Timeout(Duration::from_secs(1)),
        Error::ShuttingDown,
        Error::Store(fanfare_store::Error::Unavailable("x".to_owned())),
    ] {
        *api.rooms.failure.lock() = Some(error);
        let answer = api.call("GET", ROOT, &staff(), None).await;
        answer.detail(503);
        assert!(answer.headers.contains_key("retry-after"));
    }
    *api.rooms.failure.lock() = Some(Error::Refused(fanfare_core::admission::Refused {
        scope: fanfare_core::admission::Scope::App,
        retry_after: Duration::from_secs(2),
    }));
    let body = json!({"fcm_token": token(1)});
    let answer = api
        .call("POST", &format!("{ROOT}/register"), &staff(), Some(body))
        .await;
    answer.detail(429);
    assert_eq!(answer.headers["retry-after"], "2");
    *api.rooms.panics.lock() = true;
    api.call("GET", ROOT, &staff(), None).await.detail(500);
}

#[tokio::test]
async fn an_app_that_does_not_serve_it_answers_404() {
    let api = Harness::new();
    let claims = json!({"sub": 42, "exp": NOW.as_seconds() + 600, "iss": "https://id.news.example",
        "user_type": "staff", "tenant_id": "acme"});
    let foreign = jwt("news-secret", &claims);
    api.call("GET", ROOT, &foreign, None).await.detail(404);
    let body = json!({"fcm_token": token(1)});
    api.call("POST", &format!("{ROOT}/register"), &foreign, Some(body))
        .await
        .detail(404);
}

#[tokio::test]
async fn an_id_too_long_with_its_population_is_no_user() {
    let api = Harness::new();
    let named = |id: &str| person("staff", &[("tenant_id", json!("acme")), ("sub", json!(id))]);
    assert_eq!(
        api.call("GET", ROOT, &named(&"u".repeat(122)), None)
            .await
            .status,
        200
    );
    api.call("GET", ROOT, &named(&"u".repeat(123)), None)
        .await
        .detail(401);
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
        ("fcm_token", json!(huge)),
        ("device_name", json!(huge)),
        ("app_version", json!(huge)),
        ("platform", json!(huge)),
        ("device_info", json!({"browser": huge})),
    ] {
        let mut body = json!({"fcm_token": token(1)});
        body[member] = value;
        let answer = api
            .call("POST", &format!("{ROOT}/register"), &staff(), Some(body))
            .await;
        let detail = answer.detail(422);
        assert!(
            detail.starts_with(&format!("{member}: ")) && detail.len() < 200,
            "{detail}"
        );
    }
}

#[tokio::test]
async fn a_tenant_that_is_none_is_401_and_a_foreign_one_changes_nothing() {
    let api = Harness::new();
    let long = "t".repeat(129);
    for tenant in [
        json!(""),
        json!([]),
        json!({"id": "acme"}),
        json!(true),
        json!(long),
        json!("a\nb"),
    ] {
        let credential = person("staff", &[("tenant_id", tenant)]);
        assert_eq!(
            api.call("GET", ROOT, &credential, None).await.detail(401),
            "Authentication required"
        );
    }
    let theirs = Device {
        tenant: Some("acme".to_owned()),
        ..device_of("staff:7", 1)
    };
    api.rooms.devices.lock().push(theirs.clone());
    let foreigner = person("staff", &[("tenant_id", json!("other"))]);
    assert_eq!(
        api.call("GET", ROOT, &foreigner, None).await.json()["total"],
        0
    );
    let path = format!("{ROOT}/{}", theirs.id.0.to_hex());
    let body = Some(json!({"is_active": false}));
    api.call("PUT", &path, &foreigner, body).await.detail(403);
    api.call("DELETE", &path, &foreigner, None)
        .await
        .detail(403);
    assert_eq!(api.rooms.devices.lock()[0], theirs);
    // A tenant may be a number.
    let numbered = person("staff", &[("tenant_id", json!(7))]);
    assert_eq!(api.call("GET", ROOT, &numbered, None).await.status, 200);
}
