//! Sending: from the API to the provider's books and back.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{
    Options, World, apns_token, eventually, expect, fcm_token, json_of, text, with_codec,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_reaches_every_device_of_every_user() {
    reaches_every_device(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_so_by_the_other_codec() {
    let options = Options {
        edit: Some(|text| with_codec(&text, "h2")),
        ..Options::default()
    };
    reaches_every_device(World::with(options).await).await;
}

async fn reaches_every_device(world: World) {
    world.register("ada", "ios_push", &apns_token(1)).await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    world.register("bob", "fcm", &fcm_token(2)).await;
    let id = world.send_to(&["ada", "bob", "nobody", "ada"]).await;
    let counts = world.ended(&id).await;
    assert_eq!(counts["delivered"], 3, "{counts}");
    let view = world.view(&id).await;
    assert_eq!(
        (view["state"].as_str(), view["recipients"].as_u64()),
        (Some("completed"), Some(3))
    );
    let books = world.simulator.books().totals();
    assert_eq!((books.apns.accepted, books.fcm.accepted), (1, 2));
    let rows = world.deliveries(&id).await;
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert_eq!(
            (row["outcome"].as_str(), row["attempts"].as_u64()),
            (Some("delivered"), Some(1)),
            "{row}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_device_id_by_address_and_by_fid() {
    let world = World::new().await;
    let device = world.register("ada", "ios_push", &apns_token(1)).await;
    let by_device = world
        .send(&json!({ "to": { "devices": [device] }, "message": { "title": "hi" } }))
        .await;
    let addresses = json!([
        { "channel": "ios_push", "address": apns_token(9), "environment": "sandbox" },
        { "channel": "fcm", "address": fcm_token(9) },
    ]);
    let by_address = world
        .send(&json!({ "to": { "addresses": addresses }, "message": { "title": "hi" } }))
        .await;
    let fid = json!({ "channel": "fcm", "token": "cLzT1_abcdefghijklmnop", "address_kind": "fid" });
    expect(
        world.user("eve", Method::POST, "/v1/devices").json(&fid),
        StatusCode::CREATED,
    )
    .await;
    let by_fid = world.send_to(&["eve"]).await;
    for (id, expected) in [(by_device, 1), (by_address, 2), (by_fid, 1)] {
        let counts = world.ended(&id).await;
        assert_eq!(counts["delivered"], expected, "{counts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_to_send_to_is_completed_at_once() {
    let world = World::new().await;
    let body = json!({ "to": { "users": ["nobody"] }, "message": { "title": "hi" } });
    let answer = expect(
        world.service(Method::POST, "/v1/notifications").json(&body),
        StatusCode::ACCEPTED,
    )
    .await;
    assert_eq!(answer["recipients"], 0);
    let view = world.view(&text(&answer["id"])).await;
    assert_eq!(view["state"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_answered_the_same_again_and_sends_once() {
    let world = World::new().await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" } });
    let ask = || {
        world
            .service(Method::POST, "/v1/notifications")
            .header("idempotency-key", "order-1")
    };
    let first = expect(ask().json(&body), StatusCode::ACCEPTED).await;
    let again = expect(ask().json(&body), StatusCode::ACCEPTED).await;
    assert_eq!(first, again);
    let other = json!({ "to": { "users": ["ada"] }, "message": { "title": "other" } });
    let refused = expect(ask().json(&other), StatusCode::CONFLICT).await;
    assert!(refused["code"].is_string(), "{refused}");
    world.ended(&text(&first["id"])).await;
    assert_eq!(world.simulator.books().totals().fcm.requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_notification_waits_for_its_time() {
    let world = World::new().await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    let send_at = (fanfare_types::Clock::system().now() + std::time::Duration::from_millis(1500))
        .to_rfc3339();
    let body =
        json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" }, "send_at": send_at });
    let id = world.send(&body).await;
    let view = world.view(&id).await;
    assert_eq!(
        (view["state"].as_str(), view["counts"]["waiting"].as_u64()),
        (Some("scheduled"), Some(1))
    );
    let counts = world.ended(&id).await;
    assert_eq!(counts["delivered"], 1);
    let rows = world.deliveries(&id).await;
    assert!(
        text(&rows[0]["finished_at"]) >= send_at,
        "not before its time: {}",
        rows[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_notification_is_not_handed_over() {
    let world = World::new().await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    let send_at =
        (fanfare_types::Clock::system().now() + std::time::Duration::from_secs(3600)).to_rfc3339();
    let body =
        json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" }, "send_at": send_at });
    let id = world.send(&body).await;
    let path = format!("/v1/notifications/{id}");
    let cancelled = expect(world.service(Method::DELETE, &path), StatusCode::OK).await;
    assert_eq!(cancelled["state"], "cancelled");
    let again = expect(world.service(Method::DELETE, &path), StatusCode::OK).await;
    assert_eq!(again["state"], "cancelled");
    assert_eq!(world.simulator.books().totals().fcm.requests, 0);
    let unknown = path.replace(&id[..4], "0000");
    expect(
        world.service(Method::DELETE, &unknown),
        StatusCode::NOT_FOUND,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_stops_what_waits_for_a_retry() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    world.rules(
        &json!([{ "then": { "answer": { "status": 503, "reason": "ServiceUnavailable" } } }]),
    );
    let id = world.send_to(&["ada"]).await;
    eventually(|| async { (world.simulator.books().totals().apns.requests > 0).then_some(()) })
        .await;
    expect(
        world.service(Method::DELETE, &format!("/v1/notifications/{id}")),
        StatusCode::OK,
    )
    .await;
    let counts = world.ended(&id).await;
    assert_eq!(counts["cancelled"], 1, "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_never_outlives_its_ttl() {
    let world = World::new().await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    world.rules(
        &json!([{ "then": { "answer": { "status": 503, "reason": "ServiceUnavailable" } } }]),
    );
    let body = json!({ "to": { "users": ["ada"] }, "message": { "title": "hi" }, "ttl": 1 });
    let counts = world.ended(&world.send(&body).await).await;
    assert_eq!(counts["expired"], 1, "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_locales_and_overrides_reach_the_provider() {
    let world = World::new().await;
    let german = json!({ "channel": "ios_push", "token": apns_token(1), "locale": "de-AT" });
    expect(
        world.user("ada", Method::POST, "/v1/devices").json(&german),
        StatusCode::CREATED,
    )
    .await;
    let body = json!({
        "to": { "users": ["ada"] },
        "message": {
            "title": "Hello {{name}}",
            "localized": { "de": { "title": "Hallo {{name}}" } },
            "apns": { "aps": { "thread-id": "orders" }, "headers": { "apns-priority": "5" } },
        },
        "variables": { "name": "Ada" },
        "collapse_key": "orders",
    });
    let counts = world.ended(&world.send(&body).await).await;
    assert_eq!(counts["delivered"], 1);
    let seen = world
        .simulator
        .books()
        .requests(&fanfare_simulator::books::Query::default());
    let push = seen
        .iter()
        .find(|entry| entry.provider == fanfare_simulator::Provider::Apns)
        .expect("a push");
    assert_eq!(
        (push.priority, push.collapse.as_deref()),
        (Some(5), Some("orders"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_users_page_through_their_deliveries() {
    let world = World::new().await;
    let users: Vec<String> = (0..300).map(|n| format!("user-{n}")).collect();
    for (n, user) in (0..).zip(&users) {
        world
            .register(user, if n % 2 == 0 { "ios_push" } else { "fcm" }, &token(n))
            .await;
    }
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let id = world.send_to(&names).await;
    assert_eq!(world.ended(&id).await["delivered"], 300);
    let (mut cursor, mut seen) = (String::new(), 0);
    loop {
        let path = format!("/v1/notifications/{id}/deliveries?outcome=delivered&limit=70{cursor}");
        let page = expect(world.service(Method::GET, &path), StatusCode::OK).await;
        seen += page["deliveries"].as_array().expect("deliveries").len();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 300);
    let totals = world.simulator.books().totals();
    assert_eq!(
        (
            totals.apns.accepted + totals.fcm.accepted,
            totals.apns.duplicates
        ),
        (300, 0)
    );
    assert_eq!(
        totals.oauth.requests, 1,
        "one access token, however many pushes wait"
    );
}

fn token(n: u32) -> String {
    if n.is_multiple_of(2) {
        apns_token(n)
    } else {
        fcm_token(n)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_app_never_sees_anothers_notifications() {
    let world = World::with(crate::harness::Options {
        tables: "\n[[apps]]\nid = \"other\"\n",
        ..Default::default()
    })
    .await;
    world.register("ada", "fcm", &fcm_token(1)).await;
    let id = world.send_to(&["ada"]).await;
    let response = world
        .request(Method::GET, &format!("/v1/notifications/{id}"))
        .bearer_auth(format!("ffk_other_{}", "a".repeat(40)))
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    json_of(response).await;
}
