//! What the admin console does with devices: changing, switching, deleting, restoring.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Person, UPDATED};
use crate::harness::{Options, World, fcm_token};

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_the_form_has_and_registering_leaves_the_order() {
    let world = World::new().await;
    let (ada, root) = (
        Person::new(&world, "ada", Some("acme")),
        Person::new(&world, "root", Some("acme")),
    );
    let (id, _) = ada.register("install-1", 1, &fcm_token(1)).await;
    let mut form = root.get(&format!("GetEdit/{id}")).await;
    let expected = json!({
        "id": id, "isActive": true, "displayOrder": 0, "deviceId": "install-1", "platform": 1, "token": fcm_token(1),
    });
    assert_eq!(form, expected);
    form["isActive"] = json!(false);
    form["displayOrder"] = json!(7);
    form["deviceId"] = json!("renamed");
    form["platform"] = json!(2);
    form["token"] = json!(fcm_token(2));
    let path = format!("Update/{}", id.to_uppercase());
    let (status, answer) = root.call(Method::PUT, &path, Some(form.clone())).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer,
        json!({"succeeded": true, "message": UPDATED, "data": id})
    );
    assert_eq!(root.get(&format!("GetEdit/{id}")).await, form);
    let details = root.details(&id).await;
    assert_eq!(
        (&details["userId"], &details["platformName"]),
        (&json!("ada"), &json!("Ios"))
    );

    // The app does not know what the administrator set.
    let (again, said) = ada.register("renamed", 1, &fcm_token(2)).await;
    assert_eq!((&again, said.as_str()), (&id, UPDATED));
    let details = root.details(&id).await;
    assert_eq!(
        (&details["displayOrder"], &details["isActive"]),
        (&json!(7), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_id_or_token_that_another_row_has_is_taken_from_it() {
    let world = World::new().await;
    let ada = Person::new(&world, "ada", None);
    let (first, _) = ada.register("install-1", 1, &fcm_token(1)).await;
    let (second, _) = ada.register("install-2", 1, &fcm_token(2)).await;
    let change = json!({"deviceId": "install-2"});
    ada.done(Method::PUT, &format!("Update/{first}"), Some(change))
        .await;
    let (status, _) = ada
        .call(Method::GET, &format!("GetDetails/{second}"), None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (third, _) = ada.register("install-3", 1, &fcm_token(3)).await;
    let change = json!({"token": fcm_token(3)});
    ada.done(Method::PUT, &format!("Update/{first}"), Some(change))
        .await;
    let (status, _) = ada
        .call(Method::GET, &format!("GetDetails/{third}"), None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(ada.devices_of("ada").await.len(), 1);
}

async fn recipients(world: &World) -> Value {
    let id = world.send_to(&["ada"]).await;
    world.view(&id).await["recipients"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_gets_no_pushes() {
    let world = World::new().await;
    let ada = Person::new(&world, "ada", Some("acme"));
    let (one, _) = ada.register("install-1", 1, &fcm_token(1)).await;
    let (two, _) = ada.register("install-2", 1, &fcm_token(2)).await;
    let last = ada.list(Method::PUT, "Deactive", &[&one, &two]).await;
    assert_eq!(last, two);
    assert_eq!(recipients(&world).await, 0);
    assert!(ada.devices_of("ada").await.is_empty());
    assert_eq!(
        ada.table(json!({})).await["recordsTotal"],
        2,
        "the table shows it"
    );
    assert_eq!(ada.details(&one).await["isActive"], false);
    for _ in 0..2 {
        let last = ada.list(Method::PUT, "Active", &[&two, &one]).await;
        assert_eq!(last, one);
        assert_eq!(recipients(&world).await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_can_be_restored_as_it_was() {
    let world = World::new().await;
    let ada = Person::new(&world, "ada", Some("acme"));
    let (id, _) = ada.register("install-1", 1, &fcm_token(1)).await;
    let before = ada.details(&id).await;
    for _ in 0..2 {
        assert_eq!(
            ada.list(Method::DELETE, "Delete", &[&id]).await,
            id,
            "twice does no harm"
        );
    }
    assert_eq!(recipients(&world).await, 0);
    assert!(ada.devices_of("ada").await.is_empty());
    assert_eq!(ada.table(json!({})).await["recordsTotal"], 0);
    let details = ada.details(&id).await;
    assert_eq!(
        (&details["isDeleted"], &details["token"]),
        (&json!(true), &json!(fcm_token(1)))
    );
    assert!(details["deletedOn"].is_string());
    let (status, _) = ada.call(Method::GET, &format!("GetEdit/{id}"), None).await;
    assert_eq!(
        status,
        StatusCode::NOT_FOUND,
        "restored before it is changed"
    );
    let (status, _) = ada
        .call(Method::PUT, &format!("Update/{id}"), Some(json!({})))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let ids = json!([{ "id": id }]);
    let (status, _) = ada.call(Method::PUT, "Active", Some(ids)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    for _ in 0..2 {
        let last = ada
            .list(Method::DELETE, "Delete?restore=true", &[&id])
            .await;
        assert_eq!(last, id);
    }
    let mut after = ada.details(&id).await;
    after["updatedOn"] = before["updatedOn"].clone();
    assert_eq!(after, before);
    assert_eq!(recipients(&world).await, 1);
    assert_eq!(ada.list(Method::DELETE, "Delete", &[]).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_many_is_changed_whole() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..40 {
        let person = Person::new(&world, &format!("user-{}", n % 4), Some("acme"));
        let (id, _) = person
            .register(&format!("install-{n}"), 1, &fcm_token(n))
            .await;
        ids.push(id);
    }
    let root = Person::new(&world, "root", Some("acme"));
    let named: Vec<_> = ids.iter().map(String::as_str).collect();
    let last = root.list(Method::PUT, "Deactive", &named).await;
    assert_eq!(last, ids[39]);
    let inactive = json!({"columns": [{"data": "isActive", "search": {"value": "false"}}]});
    assert_eq!(root.table(inactive).await["recordsFiltered"], 40);
    root.list(Method::DELETE, "Delete", &named).await;
    assert_eq!(root.table(json!({})).await["recordsTotal"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn strings_of_a_megabyte_are_refused_everywhere() {
    let world = World::new().await;
    let ada = Person::new(&world, "ada", None);
    let (id, _) = ada.register("install-1", 1, &fcm_token(1)).await;
    let long = "x".repeat(1 << 20);
    let update = format!("Update/{id}");
    for (method, endpoint, body) in [
        (
            Method::POST,
            "Register",
            json!({"deviceId": long, "platform": 1, "token": "t"}),
        ),
        (
            Method::POST,
            "Register",
            json!({"deviceId": "d", "platform": 1, "token": long}),
        ),
        (
            Method::POST,
            "Register",
            json!({"deviceId": "d", "platform": long, "token": "t"}),
        ),
        (Method::PUT, update.as_str(), json!({ "token": long })),
        (Method::PUT, &update, json!({ "id": long })),
        (Method::DELETE, "Delete", json!([{ "id": long }])),
        (Method::PUT, "Active", json!([{ "id": long }])),
        (Method::PUT, "Deactive", json!([long])),
        (
            Method::POST,
            "GetDataTable",
            json!({"search": {"value": long}}),
        ),
        (
            Method::POST,
            "GetDataTable",
            json!({"columns": [{"data": "id", "search": {"value": long}}]}),
        ),
        (Method::POST, "GetDataTable", json!({ "draw": long })),
    ] {
        let (status, answer) = ada.call(method, endpoint, Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{endpoint}");
        assert_eq!(
            (&answer["succeeded"], &answer["data"]),
            (&json!(false), &Value::Null)
        );
        assert!(answer.to_string().len() < 1000, "nothing of it is repeated");
    }
    let (status, _) = ada
        .call(Method::POST, "Register", Some(json!("x".repeat(3 << 20))))
        .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_may_switch_the_contract_off() {
    let world = World::with(Options {
        edit: Some(|text| {
            text.replace(
                "id = \"demo\"\n",
                "id = \"demo\"\ncontracts = [\"native\"]\n",
            )
        }),
        ..Options::default()
    })
    .await;
    let ada = Person::new(&world, "ada", None);
    for (method, endpoint) in [
        (Method::POST, "GetDataTable"),
        (Method::GET, "GetUserDevices/ada"),
        (Method::POST, "Register"),
        (Method::DELETE, "Delete"),
    ] {
        let (status, answer) = ada.call(method, endpoint, Some(json!({}))).await;
        assert_eq!(
            (status, &answer["succeeded"]),
            (StatusCode::NOT_FOUND, &json!(false))
        );
    }
    world.register("ada", "fcm", &fcm_token(1)).await;
}
