//! What is answered: names of members, their order, their values.

use fanfare_types::{Status, Timestamp};

use super::*;

/// The text of an answer up to its data, which comes in the contract's order of members.
fn data<'t>(answer: &'t Answer, message: &str) -> &'t str {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let head = format!("{{\"succeeded\":true,\"message\":{message},\"data\":");
    let data = answer
        .text
        .strip_prefix(&head)
        .unwrap_or_else(|| panic!("{}", answer.text));
    data.strip_suffix('}').unwrap()
}

#[tokio::test]
async fn registering_answers_with_the_id_and_what_happened() {
    let api = api();
    let answer = api
        .call("POST", &path("Register"), &admin(), body("Register"))
        .await;
    let id = api.rooms.devices.lock()[1].id;
    assert_eq!(
        data(&answer, "\"DeviceToken is created successfully\""),
        format!("\"{id}\"")
    );
    let registered = api.rooms.registered.lock();
    assert_eq!(registered[0].device_key.as_deref(), Some("d"));
    assert_eq!(
        registered[0].tenant.as_deref(),
        Some("acme"),
        "the credential's"
    );
    assert_eq!(
        api.rooms.devices.lock()[1].user.as_str(),
        "ada",
        "the credential's"
    );
}

#[tokio::test]
async fn a_users_devices_have_five_members() {
    let api = api();
    let answer = api
        .call("GET", &path("GetUserDevices/ada"), &admin(), None)
        .await;
    let id = row(1).id;
    let expected = format!(
        "[{{\"id\":\"{id}\",\"deviceId\":\"install-1\",\"platform\":1,\"platformName\":\"Android\",\"token\":\"fcm-token-1\"}}]"
    );
    assert_eq!(data(&answer, "null"), expected);
    let answer = api
        .call("GET", &path("GetUserDevices/nobody"), &admin(), None)
        .await;
    assert_eq!(data(&answer, "null"), "[]");
}

#[tokio::test]
async fn a_users_devices_are_the_active_ones_of_the_callers_tenant() {
    let api = api();
    let mut others = Vec::new();
    for status in [Status::Inactive, Status::Stale, Status::Invalid] {
        let mut row = row(2);
        row.status = status;
        others.push(row);
    }
    let mut deleted = row(3);
    deleted.deleted_at = Some(NOW);
    let mut foreign = row(4);
    foreign.tenant = Some("other".to_owned());
    let mut free = row(5);
    free.tenant = None;
    others.extend([deleted, foreign, free]);
    api.rooms.devices.lock().extend(others);
    let answer = api
        .call("GET", &path("GetUserDevices/ada"), &admin(), None)
        .await;
    let listed = answer.succeeded(Value::Null);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], row(1).id.to_string());
}

#[tokio::test]
async fn the_form_has_the_members_of_the_request() {
    let api = api();
    let answer = api.call("GET", &path("GetEdit/{id}"), &admin(), None).await;
    let id = row(1).id;
    let expected = format!(
        "{{\"id\":\"{id}\",\"isActive\":true,\"displayOrder\":0,\"deviceId\":\"install-1\",\"platform\":1,\"token\":\"fcm-token-1\"}}"
    );
    assert_eq!(data(&answer, "null"), expected);
    // What it gives, `Update` takes.
    let form = answer.json()["data"].clone();
    let answer = api
        .call("PUT", &path("Update/{id}"), &admin(), Some(form))
        .await;
    assert_eq!(
        data(&answer, "\"DeviceToken is updated successfully\""),
        format!("\"{id}\"")
    );
    assert_eq!(api.rooms.patches.lock()[0].status, None);
}

#[tokio::test]
async fn details_and_rows_of_the_table() {
    let api = api();
    let mut deleted = row(2);
    deleted.deleted_at = Some(Timestamp(NOW.0 + 1));
    deleted.meta.display_order = Some(-4);
    deleted.device_key = None;
    deleted.platform = Platform::Unknown;
    deleted.status = Status::Invalid;
    let (first, second, now) = (row(1).id, deleted.id, NOW.to_rfc3339());
    api.rooms.devices.lock().push(deleted);
    let of_table = format!(
        "{{\"id\":\"{first}\",\"userId\":\"ada\",\"deviceId\":\"install-1\",\"platform\":1,\"platformName\":\"Android\",\
         \"isActive\":true,\"displayOrder\":0,\"lastSeenOn\":\"{now}\",\"createdOn\":\"{now}\""
    );
    let answer = api
        .call("GET", &path("GetDetails/{id}"), &admin(), None)
        .await;
    let expected = format!(
        "{of_table},\"token\":\"fcm-token-1\",\"updatedOn\":\"{now}\",\"isDeleted\":false,\"deletedOn\":null}}"
    );
    assert_eq!(data(&answer, "null"), expected);

    let answer = api
        .call(
            "GET",
            &path(&format!("GetDetails/{second}")),
            &admin(),
            None,
        )
        .await;
    let details = answer.succeeded(Value::Null);
    assert_eq!(
        (&details["deviceId"], &details["displayOrder"]),
        (&json!(""), &json!(-4))
    );
    assert_eq!(
        (&details["platform"], &details["platformName"]),
        (&json!(0), &json!("Unknown"))
    );
    assert_eq!(
        (&details["isActive"], &details["isDeleted"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(details["deletedOn"], Timestamp(NOW.0 + 1).to_rfc3339());
    let edit = path(&format!("GetEdit/{second}"));
    api.call("GET", &edit, &admin(), None).await.failed(404);

    api.rooms.devices.lock().truncate(1);
    let answer = api
        .call(
            "POST",
            &path("GetDataTable"),
            &admin(),
            Some(json!({"draw": 5})),
        )
        .await;
    let expected =
        format!("{{\"draw\":5,\"recordsTotal\":1,\"recordsFiltered\":1,\"data\":[{of_table}}}]}}");
    assert_eq!(
        answer.text, expected,
        "without an envelope and without a token"
    );
}

#[tokio::test]
async fn the_table_asks_for_the_callers_tenant() {
    let api = api();
    api.call(
        "POST",
        &path("GetDataTable"),
        &admin(),
        Some(json!({"length": -1})),
    )
    .await;
    let exp = NOW.as_seconds() + 600;
    let claims = json!({"sub": "ada", "exp": exp, "iss": "https://id.shop.example", "permissions": "DeviceTokens.ViewAll"});
    let free = jwt("shop-secret", &claims);
    api.call("POST", &path("GetDataTable"), &free, Some(json!({})))
        .await;
    let queries = api.rooms.queries.lock();
    assert_eq!(queries[0].tenant.as_deref(), Some("acme"));
    assert_eq!((queries[0].app.as_str(), queries[0].length), ("shop", 1000));
    assert_eq!((&queries[1].tenant, queries[1].length), (&None, 10));
}

#[tokio::test]
async fn lists_answer_with_the_last_id() {
    let api = api();
    api.rooms.devices.lock().extend([row(2), row(3)]);
    let ids = [3, 1, 2, 1].map(|number| json!({"id": row(number).id.to_string()}));
    let said = |what: &str| json!(format!("DeviceToken is {what} successfully"));
    for (method, endpoint, message) in [
        ("DELETE", "Delete", said("deleted")),
        ("DELETE", "Delete?restore=", said("deleted")),
        ("DELETE", "Delete?restore=false", said("deleted")),
        ("DELETE", "Delete?restore=True", said("restored")),
        ("PUT", "Active", said("activated")),
        ("PUT", "Deactive", said("deactivated")),
    ] {
        let answer = api
            .call(method, &path(endpoint), &admin(), Some(json!(ids)))
            .await;
        assert_eq!(
            answer.succeeded(message.clone()),
            json!(row(1).id.to_string())
        );
        let empty = api
            .call(method, &path(endpoint), &admin(), Some(json!([])))
            .await;
        assert_eq!(empty.succeeded(message), Value::Null);
    }
    let patches = api.rooms.patches.lock();
    let told: Vec<_> = patches
        .iter()
        .map(|patch| (patch.deleted, patch.status))
        .collect();
    assert_eq!(told[0], (Some(true), None));
    assert_eq!(told[9], (Some(false), None));
    assert_eq!(told[12], (None, Some(Status::Active)));
    assert_eq!(told[15], (None, Some(Status::Inactive)));
    assert_eq!(told.len(), 18, "three rows a list, each once");
}
