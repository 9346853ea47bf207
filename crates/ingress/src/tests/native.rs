//! The native registry contract.

use fanfare_core::admission::{Refused, Scope};
use fanfare_types::{Environment, Platform, Status};
use http::Request;
use serde_json::json;

use super::*;

fn token() -> String {
    "ab".repeat(32)
}

#[tokio::test]
async fn a_user_registers_lists_patches_and_deletes_a_device() {
    let api = Harness::new();
    let ada = user("ada");
    let body = json!({
        "channel": "ios_push", "token": token(), "environment": "sandbox", "app_version": "2.1.0",
        "device_model": "iPhone15,3", "os_version": "iOS 18.2", "tags": ["news"], "device_info": {"a": 1},
        "platform": "ios"
    });
    let answer = api.call("POST", "/v1/devices", &ada, Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(
        !answer.text.contains(&token()),
        "the token is never returned"
    );
    let device = &answer.json()["device"];
    let expected = json!({
        "id": device["id"], "channel": "ios_push", "environment": "sandbox", "app_version": "2.1.0",
        "device_model": "iPhone15,3", "os_version": "iOS 18.2", "last_seen_at": NOW.to_rfc3339(),
        "created_at": NOW.to_rfc3339(), "device_key": null, "platform": "ios", "device_name": null,
        "locale": null, "time_zone": null, "tags": ["news"], "device_info": {"a": 1}, "status": "active",
        "invalidated_at": null, "last_used_at": null, "notification_count": 0, "consecutive_failures": 0
    });
    assert_eq!(*device, expected);
    let command = api.rooms.registered.lock()[0].clone();
    assert_eq!(command.address.environment, Environment::Sandbox);
    assert_eq!(command.tenant.as_deref(), Some("acme"));

    let path = format!("/v1/devices/{}", device["id"].as_str().unwrap());
    let listed = api.call("GET", "/v1/devices", &ada, None).await.json();
    assert_eq!(listed, json!({"devices": [expected]}));
    let one = api.call("GET", &path, &ada, None).await;
    assert_eq!(one.json()["device"], expected);
    let patch = json!({"status": "inactive", "app_version": null, "platform": null, "tags": null});
    let patched = api.call("PATCH", &path, &ada, Some(patch)).await;
    assert_eq!(patched.json()["device"]["status"], "inactive");
    {
        let patches = api.rooms.patches.lock();
        assert_eq!(patches[0].status, Some(Status::Inactive));
        assert_eq!(patches[0].app_version, Some(None));
        assert_eq!(patches[0].platform, Some(Platform::Unknown));
        assert_eq!(patches[0].tags, Some(Vec::new()));
        assert_eq!((&patches[0].locale, &patches[0].address), (&None, &None));
    }
    let patch = json!({"status": null, "environment": null, "address_kind": null});
    let patched = api.call("PATCH", &path, &ada, Some(patch)).await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    {
        let patches = api.rooms.patches.lock();
        assert_eq!((&patches[1].status, &patches[1].address), (&None, &None));
    }
    let fixed = json!({"token": null, "channel": null});
    let refused = api.call("PATCH", &path, &ada, Some(fixed)).await;
    let found = refused.problem(400, "invalid_request");
    let expected = [("channel", "not_allowed"), ("token", "null")];
    assert_eq!(
        found,
        expected.map(|(field, code)| (field.to_owned(), code.to_owned()))
    );
    let hex = api.rooms.devices.lock()[0].id.0.to_hex();
    let by_hex = api
        .call("GET", &format!("/v1/devices/{hex}"), &ada, None)
        .await;
    assert_eq!(by_hex.json()["device"]["id"], device["id"]);
    let gone = api.call("DELETE", &path, &ada, None).await;
    assert_eq!(
        (gone.status.as_u16(), gone.json()),
        (200, json!({"id": device["id"]}))
    );
    api.call("DELETE", &path, &ada, None)
        .await
        .problem(404, "device_not_found");
}

#[tokio::test]
async fn a_service_does_the_same_for_any_user() {
    let api = Harness::new();
    let body = json!({"channel": "fcm", "token": "t", "address_kind": "registration_token"});
    let path = "/v1/users/staff%3A42/devices";
    let answer = api.call("POST", path, SERVICE, Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json()["device"]["platform"], "unknown");
    assert_eq!(api.rooms.devices.lock()[0].user.as_str(), "staff:42");
    let listed = api.call("GET", path, SERVICE, None).await.json();
    let id = listed["devices"][0]["id"].as_str().unwrap().to_owned();
    for (method, body) in [("GET", None), ("PATCH", Some(json!({}))), ("DELETE", None)] {
        let answer = api
            .call(method, &format!("{path}/{id}"), SERVICE, body)
            .await;
        assert_eq!(answer.status, 200, "{method}: {}", answer.text);
    }
    let long = format!("/v1/users/{}/devices", "u".repeat(129));
    api.call("GET", &long, SERVICE, None)
        .await
        .problem(404, "user_not_found");
    let body = json!({"channel": "fcm", "token": "t"});
    let faults = api.call("POST", &long, SERVICE, Some(body)).await;
    let faults = faults.problem(400, "invalid_request");
    assert_eq!(faults, [("user_id".to_owned(), "malformed".to_owned())]);
    api.call("GET", "/v1/users/%ff/devices", SERVICE, None)
        .await
        .problem(404, "user_not_found");
}

#[tokio::test]
async fn a_change_without_room_says_so_of_devices_and_as_documented() {
    let api = Harness::new();
    api.rooms.devices.lock().push(device("ada", 1));
    let one = format!("/v1/devices/{}", device("ada", 1).id);
    let body = json!({"channel": "fcm", "token": "t"});
    let document: Value = serde_json::from_str(&crate::openapi()).unwrap();
    for (scope, status, code) in [
        (Scope::App, 429, "no_room_for_user"),
        (Scope::Gateway, 503, "no_room"),
    ] {
        for (method, path, documented, body) in [
            ("POST", "/v1/devices", "/v1/devices", Some(body.clone())),
            ("DELETE", &one, "/v1/devices/{id}", None),
        ] {
            *api.rooms.failure.lock() = Some(fanfare_actors::Error::Refused(Refused {
                scope,
                retry_after: Duration::from_secs(2),
            }));
            let answer = api.call(method, path, &user("ada"), body).await;
            answer.problem(status, code);
            let detail = answer.json()["detail"].to_string();
            assert!(detail.contains("devices") && !detail.contains("deliver"));
            assert_eq!(answer.headers["retry-after"], "2");
            let operation = &document["paths"][documented][method.to_lowercase()];
            let response = &operation["responses"][status.to_string()];
            assert!(response.is_object(), "{method} {documented}: {status}");
        }
    }
}

#[tokio::test]
async fn who_may_do_what() {
    let api = Harness::new();
    let body = || Some(json!({"channel": "fcm", "token": "t"}));
    let id = device("ada", 1).id;
    let own = format!("/v1/devices/{id}");
    let of_ada = format!("/v1/users/ada/devices/{id}");
    let routes = [
        ("POST", "/v1/devices", "/v1/users/ada/devices"),
        ("GET", "/v1/devices", "/v1/users/ada/devices"),
        ("GET", &own, &of_ada),
        ("PATCH", &own, &of_ada),
        ("DELETE", &own, &of_ada),
    ];
    for (method, own, on_behalf) in routes {
        let body = || body().filter(|_| method == "POST" || method == "PATCH");
        for path in [own, on_behalf] {
            api.call(method, path, AGENT, body())
                .await
                .problem(403, "agent_forbidden");
            let answer = api.call(method, path, "", body()).await;
            answer.problem(401, "missing_credentials");
            assert_eq!(
                answer.headers["www-authenticate"],
                "Bearer realm=\"fanfare\""
            );
        }
        api.call(method, own, SERVICE, body())
            .await
            .problem(403, "user_token_required");
        api.call(method, on_behalf, &user("ada"), body())
            .await
            .problem(403, "service_key_required");
        // This app does not serve the contract.
        api.call(method, on_behalf, OTHER, body())
            .await
            .problem(404, "contract_not_served");
    }
    assert!(api.rooms.registered.lock().is_empty());
}

#[tokio::test]
async fn somebody_elses_device_and_a_malformed_id_are_not_there() {
    let api = Harness::new();
    api.rooms.devices.lock().push(device("eve", 1));
    let mut deleted = device("ada", 2);
    deleted.deleted_at = Some(NOW);
    let (eves, hers) = (device("eve", 1).id.to_string(), deleted.id.to_string());
    api.rooms.devices.lock().push(deleted);
    for id in [
        eves.as_str(),
        &hers,
        "x",
        "9f1c0f5e-7a50-4b07-9d5a-0a3f0b6c1d2e",
        "%ff",
    ] {
        let path = format!("/v1/devices/{id}");
        api.call("GET", &path, &user("ada"), None)
            .await
            .problem(404, "device_not_found");
        let body = Some(json!({"status": "nonsense"}));
        api.call("PATCH", &path, &user("ada"), body)
            .await
            .problem(404, "device_not_found");
        api.call("DELETE", &path, &user("ada"), None)
            .await
            .problem(404, "device_not_found");
    }
    assert_eq!(api.rooms.devices.lock().len(), 2, "nothing is gone");
}

#[tokio::test]
async fn faults_answer_400_all_at_once() {
    let api = Harness::new();
    let body = json!({"channel": "telegram", "token": "zz", "nonsense": 1});
    let faults = api
        .call("POST", "/v1/devices", &user("ada"), Some(body))
        .await;
    let faults = faults.problem(400, "invalid_request");
    let expected = [("channel", "unknown"), ("nonsense", "unknown")];
    assert_eq!(faults, expected.map(|(f, c)| (f.to_owned(), c.to_owned())));
    api.rooms.devices.lock().push(device("ada", 1));
    let path = format!("/v1/devices/{}", device("ada", 1).id);
    let body = json!({"status": "invalid", "token": "zz", "channel": "fcm", "locale": 7});
    let faults = api.call("PATCH", &path, &user("ada"), Some(body)).await;
    let faults = faults.problem(400, "invalid_request");
    let expected = [
        ("channel", "not_allowed"),
        ("token", "malformed"),
        ("status", "unknown"),
        ("locale", "wrong_type"),
    ];
    assert_eq!(faults, expected.map(|(f, c)| (f.to_owned(), c.to_owned())));
}

#[tokio::test]
async fn a_patch_may_bring_a_new_token_or_environment() {
    let api = Harness::new();
    api.rooms.devices.lock().push(device("ada", 1));
    let path = format!("/v1/devices/{}", device("ada", 1).id);
    for body in [json!({"token": token()}), json!({"environment": "sandbox"})] {
        let answer = api.call("PATCH", &path, &user("ada"), Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let patches = api.rooms.patches.lock();
    let address = |index: usize| patches[index].address.clone().unwrap();
    assert_eq!(address(0).expose(), token());
    assert_eq!(address(0).environment, Environment::Production);
    assert_eq!(address(1).expose(), device("ada", 1).address.expose());
    assert_eq!(address(1).environment, Environment::Sandbox);
}

#[tokio::test]
async fn the_jwt_may_come_as_a_cookie() {
    let api = Harness::new();
    api.rooms.devices.lock().push(device("ada", 1));
    let request = Request::builder()
        .uri("/v1/devices")
        .header("cookie", format!("theme=dark; session={}", user("ada")))
        .body(Body::empty());
    let answer = api.send(request.unwrap()).await;
    assert_eq!(answer.json()["devices"].as_array().unwrap().len(), 1);
}
