//! Whom a campaign goes to, and with which words.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::books::{assert_each_once, pushes};
use super::fill::{address, user};
use super::rig::{count, crowd, to_all, with, with_books};
use crate::harness::{World, expect, fcm_token, text};

const DEVICES: u32 = 1_200;

/// Whether the n-th device is in an audience.
type Matches = fn(u32) -> bool;

async fn preview(world: &World, id: &str, whose: &Value) -> Value {
    let request = world.service(Method::POST, &format!("/v1/campaigns/{id}/preview"));
    expect(request.json(whose), StatusCode::OK).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_filters_choose_whom_they_say() {
    let world = crowd(DEVICES, with_books()).await;
    let cases: [(Value, Matches); 4] = [
        (json!({"tag": "news"}), |n| n % 10 == 0),
        (
            json!({"filter": {"field": "platform", "in": ["ios"]}}),
            |n| n % 2 == 0,
        ),
        // As versions: 2.9.0 comes before 2.10.0.
        (
            json!({"filter": {"all": [{"field": "app_version", "gte": "2.10"}, {"field": "locale", "eq": "de-AT"}]}}),
            |n| n % 20 >= 10 && n % 3 == 0,
        ),
        (
            json!({"filter": {"any": [{"not": {"field": "channel", "eq": "ios_push"}}, {"field": "tags", "contains": "news"}]}}),
            |n| n % 2 == 1 || n % 10 == 0,
        ),
    ];
    for (audience, is_in) in cases {
        world.simulator.books().reset();
        let id = world
            .create(&with(to_all(), &json!({ "audience": audience })))
            .await;
        let wanted: Vec<u32> = (0..DEVICES).filter(|n| is_in(*n)).collect();
        let counted = preview(&world, &id, &json!({})).await;
        assert_eq!(counted["recipients"], wanted.len(), "{audience}");
        assert_eq!(counted["recipients_estimated"], false);
        world.steer(&id, "start").await;
        let view = world.completed(&id).await;
        assert_eq!(count(&view, "delivered"), wanted.len() as u64, "{audience}");
        assert_eq!(count(&view, "total"), wanted.len() as u64, "{audience}");
        assert_each_once(&pushes(&world), wanted.into_iter().map(address));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_no_audience() {
    let world = crowd(10, with_books()).await;
    let id = world
        .create(&with(
            to_all(),
            &json!({"audience": {"tag": "none-has-it"}}),
        ))
        .await;
    let refused = expect(
        world.service(Method::POST, &format!("/v1/campaigns/{id}/start")),
        StatusCode::CONFLICT,
    )
    .await;
    assert_eq!(refused["code"], "empty_audience");
    assert_eq!(world.campaign(&id).await["state"], "draft");
    let id = world
        .create(&with(
            to_all(),
            &json!({"audience": {"recipients": "upload"}}),
        ))
        .await;
    let refused = expect(
        world.service(Method::POST, &format!("/v1/campaigns/{id}/start")),
        StatusCode::CONFLICT,
    )
    .await;
    assert_eq!(refused["code"], "upload_incomplete");
}

/// Two locales and two variables, one of which has a value for everybody.
fn greeting(missing_variable: &str) -> Value {
    with(
        to_all(),
        &json!({
            "audience": {"recipients": "upload"}, "missing_variable": missing_variable, "variables": {"shop": "Corner"},
            "message": {"title": "Hello {{name}}", "body": "{{shop}} has news",
                "localized": {"de": {"title": "Hallo {{name}}", "body": "{{shop}} hat Neues"}}},
        }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_has_its_own_words_for_each() {
    let world = crowd(DEVICES, with_books()).await;
    let id = world.create(&greeting("fail")).await;
    let rows: String = (0..400)
        .map(|n| {
            format!(
                "{}\n",
                json!({"user_id": user(n), "variables": {"name": format!("number {n}")}})
            )
        })
        .collect();
    let nameless = json!({"user_id": user(500)});
    let nobody = json!({"user_id": "somebody else", "variables": {"name": "x"}});
    let done = world
        .upload(
            &id,
            "application/x-ndjson",
            &format!("{rows}{nameless}\nnot json\n{nobody}\n"),
        )
        .await;
    assert_eq!(
        (&done["state"], &done["rows"], &done["bad_rows"]),
        (&json!("complete"), &json!(401), &json!(2)),
        "{done}"
    );
    assert_eq!(done["errors"][0]["line"], 401);
    assert_eq!(done["errors"][1]["line"], 402);
    // The third has a German locale, the first an English one would have; 3 is in every third.
    for (n, title, body) in [
        (3, "Hallo number 3", "Corner hat Neues"),
        (4, "Hello number 4", "Corner has news"),
    ] {
        let shown = preview(&world, &id, &json!({"user_id": user(n)}))
            .await
            .to_string();
        assert!(shown.contains(title) && shown.contains(body), "{shown}");
        assert!(!shown.contains(&address(n)), "no address in a preview");
    }
    world.steer(&id, "start").await;
    let view = world.completed(&id).await;
    assert_eq!(
        (
            count(&view, "total"),
            count(&view, "delivered"),
            count(&view, "cancelled")
        ),
        (401, 400, 1),
        "{view}"
    );
    assert_each_once(&pushes(&world), (0..400).map(address));
    let listed = world.undelivered(&id).await;
    assert_eq!(
        (&listed[0]["reason"], &listed[0]["user_id"]),
        (&json!("no_device"), &json!("somebody else"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_skipped_or_empty() {
    let world = crowd(20, with_books()).await;
    let rows = format!(
        "user_id,name\n{},Ada\n{},\n{},\n",
        user(1),
        user(2),
        user(3)
    );
    for (missing, delivered, skipped) in [("skip", 1, 2), ("empty", 3, 0)] {
        world.simulator.books().reset();
        let id = world.create(&greeting(missing)).await;
        // An empty cell is an empty text: what is missing is the column.
        let rows = match missing {
            "skip" => format!(
                "{{\"user_id\": \"{}\", \"variables\": {{\"name\": \"Ada\"}}}}\n{{\"user_id\": \"{}\"}}\n{{\"user_id\": \"{}\"}}\n",
                user(1),
                user(2),
                user(3)
            ),
            _ => rows.clone(),
        };
        let kind = if missing == "skip" {
            "application/x-ndjson"
        } else {
            "text/csv"
        };
        let done = world.upload(&id, kind, &rows).await;
        assert_eq!(
            (&done["rows"], &done["bad_rows"]),
            (&json!(3), &json!(0)),
            "{done}"
        );
        world.steer(&id, "start").await;
        let view = world.completed(&id).await;
        assert_eq!(
            (count(&view, "delivered"), count(&view, "cancelled")),
            (delivered, skipped),
            "{view}"
        );
        let listed = world.undelivered(&id).await;
        assert!(
            listed.iter().all(|row| row["reason"] == "missing_variable"),
            "{listed:?}"
        );
        assert_eq!(pushes(&world).len() as u64, delivered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_device_of_a_user_gets_it_and_a_device_can_be_named() {
    let world = crowd(10, with_books()).await;
    let second = world.register(&user(1), "fcm", &fcm_token(900)).await;
    let id = world
        .create(&with(
            to_all(),
            &json!({"audience": {"recipients": "upload"}}),
        ))
        .await;
    world
        .upload(&id, "text/csv", &format!("user_id\n{}\n", user(1)))
        .await;
    world.steer(&id, "start").await;
    assert_eq!(
        count(&world.completed(&id).await, "delivered"),
        2,
        "both devices"
    );
    let id = world
        .create(&with(
            to_all(),
            &json!({"audience": {"recipients": "upload"}}),
        ))
        .await;
    world
        .upload(&id, "text/csv", &format!("device_id\n{second}\n"))
        .await;
    world.steer(&id, "start").await;
    assert_eq!(count(&world.completed(&id).await, "delivered"), 1);
    let to_second = pushes(&world);
    let to_second = to_second
        .iter()
        .filter(|push| push.address == fcm_token(900));
    assert_eq!(to_second.count(), 2);
    let list = expect(
        world.service(Method::GET, "/v1/campaigns?limit=10"),
        StatusCode::OK,
    )
    .await;
    let listed = list["campaigns"].as_array().expect("campaigns");
    assert_eq!(
        (listed.len(), text(&listed[0]["id"])),
        (2, id),
        "the newest first"
    );
}
