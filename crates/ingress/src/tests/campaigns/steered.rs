//! Start, pause, resume, cancel, and the rate.

use fanfare_core::campaign::Impossible;
use fanfare_store::campaigns::Audienced;

use super::*;

async fn steer(api: &Harness, id: &str, verb: &str) -> Answer {
    api.call("POST", &format!("{PATH}/{id}/{verb}"), SERVICE, None)
        .await
}

async fn state(api: &Harness, id: &str, verb: &str) -> String {
    let answer = steer(api, id, verb).await;
    assert_eq!(answer.status, 200, "{verb}: {}", answer.text);
    answer.json()["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_step_is_answered_with_what_it_made_and_asking_twice_does_no_harm() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    for (verb, expected) in [
        ("start", "running"),
        ("start", "running"),
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "running"),
        ("resume", "running"),
        ("cancel", "cancelled"),
        ("cancel", "cancelled"),
    ] {
        assert_eq!(state(&api, &id, verb).await, expected, "{verb}");
    }
    let campaign = api
        .call("GET", &format!("{PATH}/{id}"), SERVICE, None)
        .await
        .json();
    let now = NOW.to_rfc3339();
    assert_eq!(
        (&campaign["started_at"], &campaign["finished_at"]),
        (&json!(now), &json!(now))
    );
    let expires = NOW + config().ttl_default;
    assert_eq!(campaign["expires_at"], expires.to_rfc3339());
    assert_eq!(api.rooms.book.views.lock()[0].standing.history.len(), 5);
}

#[tokio::test]
async fn what_cannot_be_is_a_conflict_that_names_the_state() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    for (verb, from) in [("pause", "draft"), ("resume", "draft")] {
        let answer = steer(&api, &id, verb).await;
        answer.problem(409, "impossible_in_state");
        assert_eq!(answer.json()["state"], from);
        assert!(answer.json()["detail"].as_str().unwrap().contains(from));
    }
    state(&api, &id, "cancel").await;
    for verb in ["start", "pause", "resume"] {
        assert_eq!(
            steer(&api, &id, verb).await.json()["state"],
            "cancelled",
            "{verb}"
        );
    }
    let path = format!("{PATH}/{id}");
    let patch = api
        .call("PATCH", &path, SERVICE, Some(json!({"rate": 7})))
        .await;
    patch.problem(409, "impossible_in_state");
    assert_eq!(patch.json()["state"], "cancelled");
}

#[tokio::test]
async fn a_start_without_an_audience_is_refused() {
    let api = Harness::new();
    *api.rooms.book.audience.lock() = Audienced {
        recipients: 0,
        scanned: 0,
        is_whole: true,
    };
    let nobody = made(&api, smallest()).await;
    let answer = steer(&api, &nobody, "start").await;
    answer.problem(409, "empty_audience");
    assert!(answer.json().get("state").is_none());
    let upload = made(&api, with(json!({"audience": {"recipients": "upload"}}))).await;
    steer(&api, &upload, "start")
        .await
        .problem(409, "upload_incomplete");
    *api.rooms.failure.lock() = Some(fanfare_actors::Error::Impossible(Impossible::TooMany));
    let answer = api.call("POST", PATH, SERVICE, Some(smallest())).await;
    answer.problem(409, "too_many_campaigns");
}

#[tokio::test]
async fn the_rate_is_changed_and_lifted() {
    let api = Harness::new();
    let id = made(&api, with(json!({"rate": 10}))).await;
    let path = format!("{PATH}/{id}");
    let patch = async |body: Value| api.call("PATCH", &path, SERVICE, Some(body)).await;
    for rate in [json!(500), json!(null), json!(1)] {
        let answer = patch(json!({"rate": rate})).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["rate"]),
            (200, &rate)
        );
    }
    for (body, fault) in [
        (json!({}), ("rate", "missing")),
        (json!({"rate": 0}), ("rate", "out_of_range")),
        (json!({"rate": "7"}), ("rate", "wrong_type")),
        (json!([]), ("body", "wrong_type")),
    ] {
        let found = patch(body).await.problem(422, "invalid_request");
        assert_eq!(found, pairs([fault]));
    }
    let found = patch(json!({"rate": 2, "name": "x"}))
        .await
        .problem(422, "invalid_request");
    assert_eq!(found, pairs([("name", "unknown")]));
}

#[tokio::test]
async fn what_moves_has_a_rate_and_an_end() {
    let api = Harness::new();
    let id = made(&api, smallest()).await;
    state(&api, &id, "start").await;
    {
        let mut views = api.rooms.book.views.lock();
        views[0].rate_now = 4998.2345;
        views[0].eta = Some(Duration::from_secs(60));
        views[0].total = 7;
        views[0].total_is_estimate = true;
        views[0].counts.delivered = 7;
    }
    let path = format!("{PATH}/{id}");
    let campaign = api.call("GET", &path, SERVICE, None).await.json();
    assert_eq!(campaign["rate_now"], 4998.2);
    let end = NOW + Duration::from_secs(60);
    assert_eq!(campaign["eta"], end.to_rfc3339());
    assert_eq!(
        (
            &campaign["counts"]["total"],
            &campaign["counts"]["estimated"]
        ),
        (&json!(7), &json!(true))
    );
    state(&api, &id, "pause").await;
    let paused = api.call("GET", &path, SERVICE, None).await.json();
    assert!(paused["eta"].is_null());
}
