//! What somebody would get.

use fanfare_store::campaigns::Audienced;
use fanfare_types::{Channel, Status};

use super::*;
use crate::tests::documents::{document, is_documented};

fn message() -> Value {
    with(
        json!({"message": {"title": "Hello {{name}}", "localized": {"de": {"title": "Hallo {{name}}"}}},
        "variables": {"name": "you"}}),
    )
}

async fn previewed(api: &Harness, id: &str, body: Value) -> Value {
    let answer = api
        .call("POST", &format!("{PATH}/{id}/preview"), SERVICE, Some(body))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    is_documented(&document(), "POST", "/v1/campaigns/{id}/preview", &answer);
    answer.json()
}

#[tokio::test]
async fn each_deliverable_device_of_a_user_is_rendered_in_its_locale() {
    let api = Harness::new();
    let id = made(&api, message()).await;
    let mut devices = [1, 2, 3].map(|number| device("ada", number));
    devices[1].meta.locale = Some("de-AT".to_owned());
    devices[1].address.channel = Channel::Fcm;
    devices[2].status = Status::Inactive;
    *api.rooms.devices.lock() = devices.to_vec();
    *api.rooms.book.audience.lock() = Audienced {
        recipients: 7,
        scanned: 9,
        is_whole: true,
    };
    let preview = previewed(&api, &id, json!({"user_id": "ada"})).await;
    assert_eq!(preview["recipients"], 7);
    assert_eq!(preview["recipients_estimated"], false);
    let shown = preview["devices"].as_array().unwrap();
    assert_eq!(shown.len(), 2, "a device that is switched off gets nothing");
    assert_eq!(shown[0]["device_id"], devices[0].id.to_string());
    assert_eq!(shown[0]["channel"], "ios_push");
    assert_eq!(shown[0]["headers"]["apns-priority"], "5");
    assert_eq!(shown[0]["payload"]["aps"]["alert"]["title"], "Hello you");
    assert!(shown[0]["outcome"].is_null() && shown[0]["reason"].is_null());
    assert_eq!(
        shown[1]["payload"]["message"]["notification"]["title"],
        "Hallo you"
    );
    let text = preview.to_string();
    assert!(
        devices
            .iter()
            .all(|device| !text.contains(device.address.expose()))
    );
    let one = previewed(&api, &id, json!({"device_id": devices[1].id.to_string()})).await;
    assert_eq!(one["devices"], json!([shown[1]]));
}

#[tokio::test]
async fn a_row_of_the_upload_brings_its_own_variables() {
    let api = Harness::new();
    let body =
        with(json!({"audience": {"recipients": "upload"}, "message": {"title": "Hello {{name}}"}}));
    let id = made(&api, body).await;
    *api.rooms.devices.lock() = vec![device("ada", 1), device("bob", 2)];
    let mut put = request("PUT", &format!("{PATH}/{id}/recipients"), SERVICE, None);
    *put.body_mut() = Body::from("user_id,name\nada,Ada\n");
    put.headers_mut()
        .insert("content-type", "text/csv".parse().unwrap());
    assert_eq!(api.send(put).await.status, 200);
    let preview = previewed(&api, &id, json!({"user_id": "ada"})).await;
    assert_eq!(preview["recipients"], 1);
    assert_eq!(
        preview["devices"][0]["payload"]["aps"]["alert"]["title"],
        "Hello Ada"
    );
    let without = previewed(&api, &id, json!({"user_id": "bob"})).await;
    let shown = &without["devices"][0];
    assert_eq!(shown["reason"], "missing_variable");
    assert!(shown["payload"].is_null() && shown["headers"].is_null());
    assert!(shown["outcome"].is_string());
}

#[tokio::test]
async fn without_anybody_it_counts() {
    let api = Harness::new();
    let id = made(&api, message()).await;
    *api.rooms.book.audience.lock() = Audienced {
        recipients: 400_000,
        scanned: 1_000_000,
        is_whole: false,
    };
    let counted = json!({"recipients": 400_000, "recipients_estimated": true, "devices": []});
    assert_eq!(previewed(&api, &id, json!({})).await, counted);
    assert_eq!(
        previewed(&api, &id, json!({"user_id": "nobody"})).await,
        counted
    );
}

#[tokio::test]
async fn who_cannot_be_is_a_fault() {
    let api = Harness::new();
    let id = made(&api, message()).await;
    let path = format!("{PATH}/{id}/preview");
    let ask = async |body: Value| api.call("POST", &path, SERVICE, Some(body)).await;
    let unknown = device("ada", 1).id.to_string();
    for (body, fault) in [
        (json!({"user_id": ""}), ("user_id", "malformed")),
        (json!({"user_id": 7}), ("user_id", "wrong_type")),
        (json!({"device_id": "x"}), ("device_id", "malformed")),
        (
            json!({"device_id": unknown, "user_id": "ada"}),
            ("device_id", "not_allowed"),
        ),
        (json!({"users": ["ada"]}), ("users", "unknown")),
    ] {
        assert_eq!(
            ask(body).await.problem(422, "invalid_request"),
            pairs([fault])
        );
    }
    ask(json!({"device_id": unknown}))
        .await
        .problem(404, "device_not_found");
    api.call("POST", &path, OTHER, Some(json!({})))
        .await
        .problem(404, "campaign_not_found");
    api.call("POST", &path, AGENT, Some(json!({})))
        .await
        .problem(403, "agent_forbidden");
}
