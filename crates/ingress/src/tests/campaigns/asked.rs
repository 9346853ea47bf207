//! Making campaigns and looking them up.

use fanfare_types::{Audience, MissingVariable, OnUnknown, Priority};

use super::*;

async fn faults(api: &Harness, body: Value) -> Vec<(String, String)> {
    let answer = api.call("POST", PATH, SERVICE, Some(body)).await;
    answer.problem(422, "invalid_request")
}

#[tokio::test]
async fn the_smallest_request_takes_its_defaults() {
    let api = Harness::new();
    let answer = api.call("POST", PATH, SERVICE, Some(smallest())).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let mut campaign = answer.json();
    let id = campaign["id"].take();
    let location = format!("{PATH}/{}", id.as_str().unwrap());
    assert_eq!(answer.headers["location"], location.as_str());
    let golden = json!({
        "id": null, "name": "spring", "state": "draft", "audience": {"all": true},
        "created_at": "2027-01-15T08:00:00.000Z", "start_at": null, "started_at": null, "finished_at": null,
        "expires_at": null, "reason": null, "rate": null, "missing_variable": "fail",
        "counts": {"total": 0, "estimated": false, "waiting": 0, "in_flight": 0, "delivered": 0, "rejected": 0,
            "dead": 0, "expired": 0, "cancelled": 0, "failed": 0},
        "rate_now": 0.0, "eta": null, "upload": null,
    });
    assert_eq!(campaign, golden);
    let record = api.rooms.book.views.lock()[0].record.clone();
    assert_eq!(record.priority, Priority::Normal);
    assert_eq!(record.on_unknown, OnUnknown::Retry);
    assert_eq!(record.ttl, config().ttl_default);
    assert_eq!(record.collapse_key, None);
}

#[tokio::test]
async fn every_member_is_read() {
    let api = Harness::new();
    let filter = json!({"any": [{"field": "platform", "in": ["ios"]}, {"field": "app_version", "gte": "2.10.0"}]});
    let body = json!({
        "name": "Frühling", "audience": {"filter": filter}, "message": {"title": "Hello {{name}}"},
        "variables": {"name": "you"}, "missing_variable": "skip", "rate": 5000,
        "start_at": "2027-02-01T08:00:00+01:00", "ttl": 60, "priority": "high", "collapse_key": "k",
        "on_unknown": "drop",
    });
    let answer = api.call("POST", PATH, SERVICE, Some(body)).await;
    let campaign = answer.json();
    assert_eq!(campaign["state"], "scheduled");
    assert_eq!(campaign["start_at"], "2027-02-01T07:00:00.000Z");
    assert_eq!(campaign["audience"], json!({"filter": filter}));
    assert_eq!(
        (&campaign["rate"], &campaign["missing_variable"]),
        (&json!(5000), &json!("skip"))
    );
    let record = api.rooms.book.views.lock()[0].record.clone();
    assert!(matches!(record.audience, Audience::Filter(_)));
    assert_eq!(record.missing_variable, MissingVariable::Skip);
    assert_eq!(
        (record.priority, record.on_unknown),
        (Priority::High, OnUnknown::Drop)
    );
    assert_eq!(record.collapse_key.as_deref(), Some("k"));
    assert_eq!(record.ttl, Duration::from_secs(60));
    assert_eq!(record.variables["name"], "you");
}

#[tokio::test]
async fn every_form_of_audience_is_shown_as_it_was_asked_for() {
    let api = Harness::new();
    for audience in [
        json!({"all": true}),
        json!({"tag": "news"}),
        json!({"filter": {"not": {"field": "time_zone", "exists": false}}}),
        json!({"recipients": "upload"}),
    ] {
        let answer = api
            .call(
                "POST",
                PATH,
                SERVICE,
                Some(with(json!({"audience": audience}))),
            )
            .await;
        let campaign = answer.json();
        assert_eq!(campaign["audience"], audience);
        let has_upload = audience.get("recipients").is_some();
        assert_eq!(campaign["upload"].is_null(), !has_upload);
    }
    let upload = json!({"state": "none", "bytes": 0, "rows": 0, "bad_rows": 0, "errors": []});
    let list = api.call("GET", PATH, SERVICE, None).await.json();
    assert_eq!(list["campaigns"][0]["upload"], upload);
}

#[tokio::test]
async fn every_fault_is_listed_at_once_with_its_path() {
    let api = Harness::new();
    let body = json!({
        "name": "", "audience": {"filter": {"all": [{"field": "platform", "eq": "ios"},
            {"any": [{"field": "last_seen_at", "gte": "soon"}]}]}},
        "message": {"title": "Hello {{name}}", "data": {"from": "x"}}, "missing_variable": "perhaps",
        "rate": 0, "start_at": "soon", "ttl": 0, "priority": "low", "collapse_key": " ", "on_unknown": 1,
        "lane": "bulk",
    });
    let mut found = faults(&api, body).await;
    found.sort();
    let mut expected = pairs([
        ("name", "empty"),
        ("audience.filter.all[1].any[0].gte", "malformed"),
        ("message.title", "missing_variable"),
        ("message.data.from", "reserved"),
        ("missing_variable", "unknown"),
        ("rate", "out_of_range"),
        ("start_at", "malformed"),
        ("ttl", "out_of_range"),
        ("priority", "unknown"),
        ("collapse_key", "malformed"),
        ("on_unknown", "wrong_type"),
        ("lane", "unknown"),
    ]);
    expected.sort();
    assert_eq!(found, expected);
    let missing = faults(&api, json!({})).await;
    let names = ["name", "audience", "message"];
    assert_eq!(missing, pairs(names.map(|name| (name, "missing"))));
    assert!(api.rooms.book.views.lock().is_empty());
}

#[tokio::test]
async fn names_rates_and_audiences_have_bounds() {
    let api = Harness::new();
    for (members, expected) in [
        (json!({"name": "ä".repeat(129)}), ("name", "too_long")),
        (json!({"name": "a\nb"}), ("name", "malformed")),
        (json!({"rate": 1_000_001}), ("rate", "out_of_range")),
        (json!({"rate": "fast"}), ("rate", "wrong_type")),
        (json!({"audience": {}}), ("audience", "malformed")),
        (
            json!({"audience": {"all": true, "tag": "a"}}),
            ("audience", "malformed"),
        ),
        (
            json!({"audience": {"all": false}}),
            ("audience.all", "not_allowed"),
        ),
        (json!({"audience": {"tag": ""}}), ("audience.tag", "empty")),
        (
            json!({"audience": {"tag": "t".repeat(65)}}),
            ("audience.tag", "too_long"),
        ),
        (
            json!({"audience": {"recipients": "all"}}),
            ("audience.recipients", "unknown"),
        ),
        (
            json!({"audience": {"all": true, "limit": 7}}),
            ("audience.limit", "unknown"),
        ),
    ] {
        assert_eq!(faults(&api, with(members)).await, pairs([expected]));
    }
    made(
        &api,
        with(json!({"name": "ä".repeat(128), "rate": 1_000_000})),
    )
    .await;
    made(
        &api,
        with(json!({"start_at": "2001-01-01T00:00:00Z", "rate": null})),
    )
    .await;
}

#[tokio::test]
async fn a_placeholder_without_a_value_is_a_fault_where_no_recipient_may_miss_it() {
    let api = Harness::new();
    let ask = |audience: Value, missing: &str| {
        with(json!({"audience": audience, "missing_variable": missing,
            "message": {"title": "Hello {{name}}", "localized": {"de": {"title": "Hallo {{name}}"}}}}))
    };
    let (all, upload) = (json!({"all": true}), json!({"recipients": "upload"}));
    let expected = pairs([
        ("message.title", "missing_variable"),
        ("message.localized.de.title", "missing_variable"),
    ]);
    assert_eq!(faults(&api, ask(all.clone(), "fail")).await, expected);
    for body in [
        ask(all.clone(), "skip"),
        ask(all, "empty"),
        ask(upload, "fail"),
    ] {
        made(&api, body).await;
    }
}

#[tokio::test]
async fn the_same_key_and_body_make_one_campaign() {
    let api = Harness::new();
    let send = async |body: Value, key: &str| {
        let mut request = request("POST", PATH, SERVICE, Some(body));
        request
            .headers_mut()
            .insert("idempotency-key", key.parse().unwrap());
        api.send(request).await
    };
    let first = send(smallest(), "spring-1").await;
    let again = send(smallest(), "spring-1").await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.json()["id"], again.json()["id"]);
    let other = send(with(json!({"name": "autumn"})), "spring-1").await;
    other.problem(409, "idempotency_conflict");
    assert_eq!(api.rooms.book.views.lock().len(), 1);
    let faulty = send(json!({"name": "x"}), "a b").await;
    let expected = pairs([
        ("Idempotency-Key", "malformed"),
        ("audience", "missing"),
        ("message", "missing"),
    ]);
    assert_eq!(faulty.problem(422, "invalid_request"), expected);
}

#[tokio::test]
async fn pages_lead_from_the_newest_to_the_oldest() {
    let api = Harness::new();
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(made(&api, with(json!({"name": format!("campaign {number}")}))).await);
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = format!("{PATH}?limit=2");
    for expected in [2, 2, 1] {
        let page = api.call("GET", &path, SERVICE, None).await.json();
        let campaigns = page["campaigns"].as_array().unwrap().clone();
        assert_eq!(campaigns.len(), expected);
        seen.extend(
            campaigns
                .iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        let cursor = page["next_cursor"].as_str().unwrap_or_default().to_owned();
        assert_eq!(cursor.is_empty(), expected == 1);
        path = format!("{PATH}?limit=2&cursor={cursor}");
        let other = api.call("GET", &path, OTHER, None).await;
        match cursor.is_empty() {
            true => assert_eq!(other.json(), json!({"campaigns": [], "next_cursor": null})),
            false => assert_eq!(
                other.problem(422, "invalid_request"),
                pairs([("cursor", "malformed")]),
                "a cursor of another app's list"
            ),
        }
    }
    assert_eq!(seen, ids);
    let faults = api
        .call(
            "GET",
            &format!("{PATH}?limit=101&outcome=dead"),
            SERVICE,
            None,
        )
        .await;
    assert_eq!(
        faults.problem(422, "invalid_request"),
        pairs([("outcome", "unknown"), ("limit", "out_of_range")])
    );
}

#[tokio::test]
async fn only_services_of_the_app_find_a_campaign() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    let one = format!("{PATH}/{id}");
    assert_eq!(api.call("GET", &one, SERVICE, None).await.status, 200);
    let hex = fanfare_types::CampaignId::parse_uuid(&id)
        .unwrap()
        .0
        .to_hex();
    assert_eq!(
        api.call("GET", &format!("{PATH}/{hex}"), SERVICE, None)
            .await
            .status,
        200
    );
    for (method, path) in [
        ("GET", one.clone()),
        ("PATCH", one.clone()),
        ("POST", format!("{one}/start")),
        ("POST", format!("{one}/pause")),
        ("POST", format!("{one}/resume")),
        ("POST", format!("{one}/cancel")),
    ] {
        let body = (method == "PATCH").then(|| json!({"rate": 1}));
        let ask = async |credential: &str| api.call(method, &path, credential, body.clone()).await;
        ask(OTHER).await.problem(404, "campaign_not_found");
        ask(AGENT).await.problem(403, "agent_forbidden");
        ask(&user("ada")).await.problem(403, "service_key_required");
        ask("").await.problem(401, "missing_credentials");
    }
    for credential in [AGENT, &user("ada")] {
        let answer = api.call("POST", PATH, credential, Some(smallest())).await;
        assert_eq!(answer.status, 403);
    }
    let nonsense = api
        .call("GET", &format!("{PATH}/nonsense"), SERVICE, None)
        .await;
    nonsense.problem(404, "campaign_not_found");
}
