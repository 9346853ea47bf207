//! What is wrong with a request as a request: each has its clear answer, in one shape.

use std::time::Duration;

use http::Request;
use serde_json::json;

use super::*;

const PATH: &str = "/v1/notifications";

fn raw(body: impl Into<Body>) -> Request<Body> {
    Request::post(PATH)
        .header("authorization", format!("Bearer {SERVICE}"))
        .header("content-type", "application/json; charset=utf-8")
        .body(body.into())
        .unwrap()
}

#[tokio::test]
async fn no_such_route_and_no_such_method() {
    let api = Harness::new();
    api.call("GET", "/v2/devices", SERVICE, None)
        .await
        .problem(404, "no_such_route");
    api.call("GET", "/", "", None)
        .await
        .problem(404, "no_such_route");
    let answer = api.call("PUT", "/v1/devices", SERVICE, None).await;
    answer.problem(405, "method_not_allowed");
    let allow = answer.headers["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let api = Harness::new();
    api.send(raw("{\"to\": "))
        .await
        .problem(400, "malformed_json");
    api.send(raw(Body::empty()))
        .await
        .problem(400, "malformed_json");
    api.send(raw(b"{\"to\": \"\xff\"}".to_vec()))
        .await
        .problem(400, "invalid_utf8");
    api.send(raw("{\"to\": 1, \"to\": 2}"))
        .await
        .problem(400, "duplicate_member");
    let answer = api.send(raw("{\"to\": {},\n hush}")).await;
    answer.problem(400, "malformed_json");
    assert!(answer.text.contains("line 2") && !answer.text.contains("hush"));
    let faults = api.send(raw("[1]")).await.problem(422, "invalid_request");
    assert_eq!(faults, [("body".to_owned(), "wrong_type".to_owned())]);
}

#[tokio::test]
async fn a_body_must_say_it_is_json_with_a_cookie_only() {
    let api = Harness::new();
    let ada = user("ada");
    let send = async |credential: (&'static str, String), content_type: Option<&str>| {
        let body = json!({"channel": "fcm", "token": "t"}).to_string();
        let request = Request::post("/v1/devices").header(credential.0, credential.1);
        let request = match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        };
        api.send(request.body(Body::from(body)).unwrap()).await
    };
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let bearer = ("authorization", format!("Bearer {ada}"));
        assert_eq!(send(bearer, content_type).await.status, 201);
        let cookie = ("cookie", format!("session={ada}"));
        send(cookie, content_type)
            .await
            .problem(415, "unsupported_media_type");
    }
    let cookie = ("cookie", format!("session={ada}"));
    assert_eq!(send(cookie, Some("application/json")).await.status, 201);
}

#[tokio::test]
async fn a_body_over_the_limit_announced_or_not() {
    let api = Harness::new();
    let large = vec![b' '; 5 << 20];
    let mut announced = raw(large.clone());
    announced
        .headers_mut()
        .insert("content-length", (5 << 20).into());
    api.send(announced).await.problem(413, "body_too_large");
    let chunks = large
        .chunks(8192)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
    let chunks: Vec<_> = chunks.collect();
    let streamed = Body::from_stream(futures_util::stream::iter(chunks));
    api.send(raw(streamed)).await.problem(413, "body_too_large");
    let just_fits = vec![b' '; config().body_bytes_max];
    api.send(raw(just_fits))
        .await
        .problem(400, "malformed_json");
}

#[tokio::test]
async fn bodies_take_room_and_give_it_back() {
    let rooms = Arc::new(StandIn::default());
    let clock = Clock::from_fn(|| NOW);
    let api = Api::with_rooms(in_force(config()), rooms.clone(), Telemetry::new(), clock);
    let harness = Harness {
        in_force: api.in_force.clone(),
        router: api::router(api.clone(), true),
        rooms,
        telemetry: Telemetry::new(),
    };
    let all = api.bodies.available_permits();
    assert_eq!(all, config().bodies_bytes_max);
    assert_eq!(api.requests.available_permits(), config().requests_max);
    let held = api
        .bodies
        .clone()
        .try_acquire_many_owned(all as u32 - 10)
        .unwrap();
    let body = json!({"to": {"users": ["a"]}, "message": {"title": "t"}});
    let answer = harness
        .call("POST", PATH, SERVICE, Some(body.clone()))
        .await;
    answer.problem(503, "overloaded");
    assert_eq!(answer.headers["retry-after"], "1");
    drop(held);
    let answer = harness.call("POST", PATH, SERVICE, Some(body)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(api.bodies.available_permits(), all);
    let _all = api
        .requests
        .try_acquire_many(api.requests.available_permits() as u32)
        .unwrap();
    harness
        .call("GET", "/healthz", "", None)
        .await
        .problem(503, "overloaded");
}

#[tokio::test(start_paused = true)]
async fn a_handler_out_of_time_answers_503() {
    let api = Harness::with(Config {
        request_timeout: Duration::from_secs(3),
        ..config()
    });
    *api.rooms.hangs.lock() = true;
    let answer = api.call("GET", "/v1/devices", &user("ada"), None).await;
    answer.problem(503, "timeout");
    assert!(answer.headers.contains_key("retry-after"));
    let never = Body::from_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>());
    api.send(raw(never)).await.problem(503, "timeout");
}

#[tokio::test]
async fn a_handler_that_panics_answers_500() {
    let api = Harness::new();
    *api.rooms.panics.lock() = true;
    api.call("GET", "/v1/devices", &user("ada"), None)
        .await
        .problem(500, "internal");
    let body = json!({"to": {"users": ["a"]}, "message": {"title": "t"}});
    api.call("POST", PATH, SERVICE, Some(body))
        .await
        .problem(500, "internal");
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_is_counted_by_its_template() {
    let api = Harness::new();
    let path = format!("/v1/devices/{}", device("ada", 1).id);
    let answer = api.call("GET", &path, &user("ada"), None).await;
    assert_eq!(answer.headers["x-request-id"].len(), 16);
    let mut request = request("GET", "/healthz", "", None);
    request
        .headers_mut()
        .insert("x-request-id", "abc-1".parse().unwrap());
    assert_eq!(api.send(request).await.headers["x-request-id"], "abc-1");
    let metrics = api.telemetry.encode();
    let line = r#"route="/v1/devices/{id}",method="GET",status="4xx"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    assert!(!metrics.contains(&device("ada", 1).id.to_string()));
}

#[tokio::test]
async fn operations_answer() {
    let api = Harness::new();
    assert_eq!(
        api.call("GET", "/healthz", "", None).await.json(),
        json!({"status": "ok"})
    );
    let ready = api.call("GET", "/readyz", "", None).await;
    assert_eq!(ready.json(), json!({"ready": true, "reasons": []}));
    *api.rooms.unready.lock() = vec!["store_unavailable".to_owned()];
    let unready = api.call("GET", "/readyz", "", None).await;
    assert_eq!(unready.status, 503);
    assert_eq!(
        unready.json(),
        json!({"ready": false, "reasons": ["store_unavailable"]})
    );
    let metrics = api.call("GET", "/metrics", "", None).await;
    assert!(
        metrics.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    assert!(metrics.text.contains("fanfare_") && metrics.text.ends_with("# EOF\n"));
    let stats = api.call("GET", "/v1/stats", SERVICE, None).await.json();
    assert_eq!(stats["permits_max"], 9);
    assert_eq!(
        stats["pools"].as_array().unwrap().len(),
        1,
        "other apps' pools are not shown"
    );
    assert_eq!(stats["misconfigured"], json!(["shop/ios_push/sandbox"]));
    api.call("GET", "/v1/stats", "", None)
        .await
        .problem(401, "missing_credentials");
    api.call("GET", "/v1/stats", &user("ada"), None)
        .await
        .problem(403, "service_key_required");
}

#[tokio::test]
async fn operations_may_be_elsewhere() {
    let rooms = Arc::new(StandIn::default());
    let clock = Clock::from_fn(|| NOW);
    let api = Api::with_rooms(in_force(config()), rooms, Telemetry::new(), clock);
    let status = async |router: Router, path: &str| {
        let request = request("GET", path, "", None);
        router.oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(
        status(api::router(api.clone(), false), "/metrics").await,
        404
    );
    assert_eq!(
        status(api::operations_router(api.clone()), "/metrics").await,
        200
    );
    assert_eq!(
        status(api::operations_router(api), "/v1/devices").await,
        404
    );
}
