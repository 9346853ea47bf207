//! Sending, following and cancelling notifications.

use std::time::Duration;

use fanfare_actors::notifications::{NewNotification, To};
use fanfare_core::admission::{Refused, Scope};
use fanfare_types::{AddressKind, Environment, Lane, OnUnknown, Priority};
use serde_json::json;

use super::*;
use crate::stand_in::notification;

const PATH: &str = "/v1/notifications";

async fn accepted(api: &Harness, body: Value) -> NewNotification {
    let answer = api.call("POST", PATH, SERVICE, Some(body)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    api.rooms.accepted.lock().last().unwrap().clone()
}

async fn faults(api: &Harness, body: Value) -> Vec<(String, String)> {
    let answer = api.call("POST", PATH, SERVICE, Some(body)).await;
    answer.problem(422, "invalid_request")
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(field, code)| (field.to_owned(), code.to_owned()))
        .to_vec()
}

#[tokio::test]
async fn the_smallest_request_takes_its_defaults() {
    let api = Harness::new();
    let body = json!({"to": {"users": ["ada", "bob", "ada"]}, "message": {"title": "hi"}});
    let answer = api.call("POST", PATH, SERVICE, Some(body)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let json = answer.json();
    assert_eq!(json["recipients"], 2, "an entry given twice counts once");
    let location = format!("{PATH}/{}", json["id"].as_str().unwrap());
    assert_eq!(answer.headers["location"], location.as_str());
    let new = api.rooms.accepted.lock()[0].clone();
    assert!(matches!(&new.to, To::Users(users) if users.len() == 2));
    assert_eq!(new.options.priority, Priority::High);
    assert_eq!(
        (new.options.lane, new.options.on_unknown),
        (Lane::Urgent, OnUnknown::Retry)
    );
    assert_eq!(new.options.expires_at, NOW + config().ttl_default);
    assert_eq!(new.options.send_at, None);
    assert!(new.idempotency.is_none());
}

#[tokio::test]
async fn every_option_is_read() {
    let api = Harness::new();
    let at = NOW + Duration::from_secs(60);
    let new = accepted(
        &api,
        json!({
            "to": {"addresses": [
                {"channel": "fcm", "address": "c".repeat(22), "kind": "fid"},
                {"channel": "ios_push", "address": "AB".repeat(32), "environment": "sandbox"},
                {"channel": "ios_push", "address": "ab".repeat(32), "environment": "sandbox"},
            ]},
            "message": {"title": "Hello {{name}}", "data": {"k": "v"}, "badge": 3,
                "localized": {"de": {"title": "Hallo {{name}}"}}, "apns": {"aps": {"sound": "x.caf"}}},
            "variables": {"name": "Ada"},
            "ttl": 10, "lane": "bulk", "collapse_key": "c", "on_unknown": "drop", "send_at": at.to_rfc3339(),
        }),
    )
    .await;
    let To::Addresses(addresses) = &new.to else {
        panic!("addresses were given")
    };
    assert_eq!(
        addresses.len(),
        2,
        "one endpoint in two spellings is one address"
    );
    assert_eq!(addresses[0].kind, AddressKind::Fid);
    assert_eq!(addresses[1].environment, Environment::Sandbox);
    let options = &new.options;
    assert_eq!(
        (options.lane, options.priority),
        (Lane::Bulk, Priority::Normal)
    );
    assert_eq!(options.on_unknown, OnUnknown::Drop);
    assert_eq!(options.send_at, Some(at));
    assert_eq!(
        options.expires_at,
        at + Duration::from_secs(10),
        "the ttl counts from send_at"
    );
    assert_eq!(new.variables["name"], "Ada");
    assert_eq!(new.message.badge, Some(3));
    assert_eq!(
        new.message.localized["de"].title.as_deref(),
        Some("Hallo {{name}}")
    );
}

#[tokio::test]
async fn an_optional_member_that_is_null_is_as_good_as_none() {
    let api = Harness::new();
    let to = |rest: Value| {
        let mut address = json!({"channel": "ios_push", "address": "ab".repeat(32)});
        let members = address.as_object_mut().unwrap();
        members.extend(rest.as_object().unwrap().clone());
        json!({"addresses": [address]})
    };
    let plain = json!({"to": to(json!({})), "message": {"body": "b"}});
    let nulls = json!({
        "to": to(json!({"environment": null, "kind": null})),
        "message": {"title": null, "body": "b", "image": null, "data": null, "sound": null, "badge": null,
            "click_action": null, "localized": null, "apns": null, "fcm": null, "web_push": null},
        "variables": null, "ttl": null, "priority": null, "collapse_key": null, "send_at": null, "lane": null,
        "on_unknown": null,
    });
    let (plain, nulls) = (accepted(&api, plain).await, accepted(&api, nulls).await);
    let addresses = |new: &NewNotification| match &new.to {
        To::Addresses(addresses) => addresses.clone(),
        _ => Vec::new(),
    };
    assert_eq!(addresses(&nulls), addresses(&plain));
    assert!(nulls.message == plain.message && nulls.options == plain.options);
    let found = faults(&api, json!({"to": null, "message": null})).await;
    assert_eq!(found, pairs([("to", "null"), ("message", "null")]));
}

#[tokio::test]
async fn a_past_send_at_means_now() {
    let api = Harness::new();
    let body = json!({"to": {"users": ["a"]}, "message": {"title": "t"}, "send_at": "2001-01-01T00:00:00Z", "ttl": 5});
    let options = accepted(&api, body).await.options;
    assert_eq!(
        (options.send_at, options.expires_at),
        (None, NOW + Duration::from_secs(5))
    );
}

#[tokio::test]
async fn every_fault_is_listed_at_once() {
    let api = Harness::new();
    let far = (NOW + Duration::from_secs(29 * 86_400)).to_rfc3339();
    let found = faults(
        &api,
        json!({
            "to": {"users": ["", 7, "u".repeat(129), "fine"]},
            "message": {"title": 1, "data": {"from": "x", "n": 1}, "badge": -1, "subtitle": "?"},
            "variables": {"a": 1}, "ttl": 0, "priority": "urgent", "send_at": far, "lane": 3, "retries": 5,
        }),
    )
    .await;
    let expected = pairs([
        ("to.users[0]", "malformed"),
        ("to.users[1]", "wrong_type"),
        ("to.users[2]", "malformed"),
        ("message.badge", "out_of_range"),
        ("message.title", "wrong_type"),
        ("message.data.n", "wrong_type"),
        ("message.subtitle", "unknown"),
        ("variables.a", "wrong_type"),
        ("lane", "wrong_type"),
        ("priority", "unknown"),
        ("ttl", "out_of_range"),
        ("send_at", "out_of_range"),
        ("retries", "unknown"),
        ("message.data.from", "reserved"),
    ]);
    assert_eq!(found, expected);
    assert!(api.rooms.accepted.lock().is_empty());
}

#[tokio::test]
async fn recipients_are_exactly_one_kind_and_not_too_many() {
    let api = Harness::new();
    let to = |to: Value| json!({"to": to, "message": {"title": "t"}});
    let id = device("ada", 1).id.to_string();
    let many: Vec<_> = (0..11).map(|n| n.to_string()).collect();
    let address = |channel: &str, address: &str| json!({"addresses": [{"channel": channel, "address": address}]});
    for (body, field, code) in [
        (json!({}), "to", "malformed"),
        (json!({"users": ["a"], "devices": [id]}), "to", "malformed"),
        (json!([]), "to", "wrong_type"),
        (json!({"users": []}), "to.users", "empty"),
        (json!({"users": many}), "to.users", "too_many"),
        (json!({"users": "ada"}), "to.users", "wrong_type"),
        (
            json!({"users": ["a"], "everyone": true}),
            "to.everyone",
            "unknown",
        ),
        (json!({"devices": ["4711"]}), "to.devices[0]", "malformed"),
        (
            address("ios_push", "xyz"),
            "to.addresses[0].address",
            "malformed",
        ),
        (
            address("pigeon", "xyz"),
            "to.addresses[0].channel",
            "unknown",
        ),
        (
            json!({"addresses": [{"channel": "fcm"}]}),
            "to.addresses[0].address",
            "missing",
        ),
        (json!({"addresses": ["x"]}), "to.addresses[0]", "wrong_type"),
    ] {
        assert_eq!(faults(&api, to(body)).await, pairs([(field, code)]));
    }
    assert_eq!(
        faults(&api, json!({})).await,
        pairs([("to", "missing"), ("message", "missing")])
    );
    let devices = accepted(&api, to(json!({"devices": [id]}))).await.to;
    assert!(matches!(devices, To::Devices(devices) if devices == [device("ada", 1).id]));
    let ours = device("ada", 1).id;
    let foreign = "123e4567-e89b-42d3-a456-426614174000";
    let body = to(json!({"devices": [foreign, ours.0.to_hex(), id], "users": null}));
    let devices = accepted(&api, body).await.to;
    assert!(matches!(devices, To::Devices(devices) if devices == [ours]));
    let nobody = accepted(&api, to(json!({"devices": [foreign]}))).await.to;
    assert!(matches!(nobody, To::Devices(devices) if devices.is_empty()));
}

#[tokio::test]
async fn a_message_is_checked_with_its_variables() {
    let api = Harness::new();
    let send = |message: Value, variables: Value| json!({"to": {"users": ["a"]}, "message": message, "variables": variables});
    let found = faults(&api, send(json!({"title": "{{who}}"}), json!({}))).await;
    assert_eq!(found, pairs([("message.title", "missing_variable")]));
    let found = faults(
        &api,
        send(json!({"title": "{{who}}"}), json!({"who": null})),
    )
    .await;
    assert_eq!(found, pairs([("variables.who", "null")]));
    let found = faults(&api, send(json!({"body": "x".repeat(5000)}), json!({}))).await;
    assert!(
        found.iter().any(|(_, code)| code == "too_large"),
        "{found:?}"
    );
    let found = faults(&api, send(json!({}), json!({}))).await;
    assert_eq!(found, pairs([("message", "empty")]));
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_again() {
    let api = Harness::new();
    let send = |key: &str, title: &str, pretty: bool| {
        let body = json!({"to": {"users": ["a"]}, "message": {"title": title}});
        let text = match pretty {
            true => serde_json::to_string_pretty(&body).unwrap(),
            false => body.to_string(),
        };
        let mut request = request("POST", PATH, SERVICE, Some(json!({})));
        request
            .headers_mut()
            .insert("idempotency-key", key.parse().unwrap());
        *request.body_mut() = Body::from(text);
        api.send(request)
    };
    let first = send("k1", "t", false).await;
    assert_eq!(first.status, 202);
    let again = send("k1", "t", true).await;
    assert_eq!((again.status.as_u16(), &again.text), (202, &first.text));
    send("k1", "u", false)
        .await
        .problem(409, "idempotency_conflict");
    assert_eq!(send("k2", "u", false).await.status, 202);
    assert_eq!(api.rooms.accepted.lock().len(), 2);
    let request = |key: &str, body: Value| {
        let mut request = request("POST", PATH, SERVICE, Some(body));
        let key = key.parse().unwrap();
        request.headers_mut().insert("idempotency-key", key);
        request
    };
    let answer = api.send(request("two words", json!({"ttl": 0}))).await;
    let expected = [
        ("Idempotency-Key", "malformed"),
        ("to", "missing"),
        ("message", "missing"),
        ("ttl", "out_of_range"),
    ];
    assert_eq!(answer.problem(422, "invalid_request"), pairs(expected));
    for key in ["", "two words", &"k".repeat(256)] {
        let faults = send(key, "t", false).await.problem(422, "invalid_request");
        assert_eq!(faults, pairs([("Idempotency-Key", "malformed")]));
    }
}

#[tokio::test]
async fn only_services_send() {
    let api = Harness::new();
    let body = || Some(json!({"to": {"users": ["a"]}, "message": {"title": "t"}}));
    let path = format!("{PATH}/{}", notification());
    api.call("POST", PATH, AGENT, body())
        .await
        .problem(403, "agent_forbidden");
    api.call("POST", PATH, &user("ada"), body())
        .await
        .problem(403, "service_key_required");
    api.call("POST", PATH, "", body())
        .await
        .problem(401, "missing_credentials");
    api.call("GET", &path, AGENT, None)
        .await
        .problem(403, "agent_forbidden");
    api.call("GET", &path, OTHER, None)
        .await
        .problem(404, "notification_not_found");
    api.call("DELETE", &path, OTHER, None)
        .await
        .problem(404, "notification_not_found");
    assert!(api.rooms.accepted.lock().is_empty());
}

#[tokio::test]
async fn a_notification_is_followed_and_cancelled() {
    let api = Harness::new();
    let path = format!("{PATH}/{}", notification());
    let view = api.call("GET", &path, SERVICE, None).await.json();
    let counts = json!({"waiting": 1, "in_flight": 0, "delivered": 2, "rejected": 0, "dead": 0,
        "expired": 0, "cancelled": 0, "failed": 0});
    let expected = json!({"id": notification().to_string(), "state": "sending", "created_at": NOW.to_rfc3339(),
        "recipients": 3, "counts": counts});
    assert_eq!(view, expected);
    let cancelled = api.call("DELETE", &path, SERVICE, None).await;
    assert_eq!(
        (cancelled.status.as_u16(), &cancelled.json()["state"]),
        (200, &json!("cancelled"))
    );
    for id in ["x", "4711", &device("ada", 4).id.to_string()] {
        let path = format!("{PATH}/{id}");
        api.call("GET", &path, SERVICE, None)
            .await
            .problem(404, "notification_not_found");
        api.call("DELETE", &path, SERVICE, None)
            .await
            .problem(404, "notification_not_found");
        let path = format!("{path}/deliveries");
        api.call("GET", &path, SERVICE, None)
            .await
            .problem(404, "notification_not_found");
    }
}

#[tokio::test]
async fn deliveries_come_in_pages() {
    let api = Harness::new();
    let path = format!("{PATH}/{}/deliveries", notification());
    let mut all = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = api
            .call("GET", &format!("{path}{query}"), SERVICE, None)
            .await
            .json();
        all.extend(page["deliveries"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(all.len(), 5);
    let first = json!({"device_id": fanfare_types::DeviceId::new(NOW, 0).to_string(), "user_id": "ada",
        "channel": "ios_push", "outcome": "delivered", "reason": null, "attempts": 2,
        "created_at": NOW.to_rfc3339(), "finished_at": NOW.to_rfc3339()});
    assert_eq!(all[0], first);
    let last = json!({"device_id": null, "user_id": null, "channel": "ios_push", "outcome": null,
        "reason": null, "attempts": null, "created_at": NOW.to_rfc3339(), "finished_at": null});
    assert_eq!(all[4], last);
    let ended = api
        .call("GET", &format!("{path}?outcome=delivered"), SERVICE, None)
        .await
        .json();
    assert_eq!(ended["deliveries"].as_array().unwrap().len(), 1);
    let answer = api
        .call(
            "GET",
            &format!("{path}?outcome=lost&limit=1001"),
            SERVICE,
            None,
        )
        .await;
    let expected = pairs([("outcome", "unknown"), ("limit", "out_of_range")]);
    assert_eq!(answer.problem(422, "invalid_request"), expected);
}

#[tokio::test]
async fn want_of_room_says_when_to_come_back() {
    let api = Harness::new();
    let refused = |scope| {
        fanfare_actors::Error::Refused(Refused {
            scope,
            retry_after: Duration::from_millis(1500),
        })
    };
    let unavailable = fanfare_store::Error::Unavailable("disk".to_owned());
    for (error, status, code, after) in [
        (refused(Scope::App), 429, "no_room_for_app", Some("2")),
        (refused(Scope::Gateway), 503, "no_room", Some("2")),
        (refused(Scope::TooLarge), 422, "too_many_recipients", None),
        (unavailable.into(), 503, "store_unavailable", Some("1")),
        (
            fanfare_actors::Error::ShuttingDown,
            503,
            "shutting_down",
            Some("1"),
        ),
    ] {
        *api.rooms.failure.lock() = Some(error);
        let body = json!({"to": {"users": ["a"]}, "message": {"title": "t"}});
        let answer = api.call("POST", PATH, SERVICE, Some(body)).await;
        answer.problem(status, code);
        assert!(!answer.text.contains("disk"), "causes are for the log");
        let given = answer
            .headers
            .get("retry-after")
            .map(|value| value.to_str().unwrap());
        assert_eq!(given, after);
    }
}
