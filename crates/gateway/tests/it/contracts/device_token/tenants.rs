//! No tenant sees or touches another's rows.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Person, UPDATED};
use crate::harness::{World, fcm_token};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_never_sees_or_touches_anothers_rows() {
    let world = World::new().await;
    let tenants = [Some("acme"), Some("umbrella"), None];
    let mut rows = Vec::new();
    for (n, tenant) in (0..).zip(tenants) {
        let owner = Person::new(&world, &format!("owner-{n}"), tenant);
        let (id, _) = owner.register("install", 1, &fcm_token(n)).await;
        let before = owner.details(&id).await;
        rows.push((id, before));
    }
    for (n, tenant) in tenants.into_iter().enumerate() {
        let admin = Person::new(&world, "admin", tenant);
        let table = admin.table(json!({"length": -1})).await;
        assert_eq!(
            (&table["recordsTotal"], &table["recordsFiltered"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(table["data"][0]["id"], rows[n].0);
        for (m, (id, _)) in rows.iter().enumerate().filter(|(m, _)| *m != n) {
            let search = json!({"search": {"value": format!("owner-{m}")}});
            assert_eq!(admin.table(search).await["recordsFiltered"], 0);
            assert!(admin.devices_of(&format!("owner-{m}")).await.is_empty());
            let ids = Some(json!([{ "id": rows[n].0 }, { "id": id }]));
            for (method, endpoint, body) in [
                (Method::GET, format!("GetDetails/{id}"), None),
                (Method::GET, format!("GetEdit/{id}"), None),
                (
                    Method::PUT,
                    format!("Update/{id}"),
                    Some(json!({"isActive": false})),
                ),
                (Method::DELETE, "Delete".to_owned(), ids.clone()),
                (
                    Method::DELETE,
                    "Delete?restore=true".to_owned(),
                    ids.clone(),
                ),
                (Method::PUT, "Active".to_owned(), ids.clone()),
                (Method::PUT, "Deactive".to_owned(), ids.clone()),
            ] {
                let (status, answer) = admin.call(method, &endpoint, body).await;
                assert_eq!(status, StatusCode::NOT_FOUND, "{endpoint}");
                assert_eq!(
                    (&answer["succeeded"], &answer["data"]),
                    (&json!(false), &Value::Null)
                );
            }
        }
    }
    for (tenant, (id, before)) in tenants.into_iter().zip(&rows) {
        let admin = Person::new(&world, "admin", tenant);
        assert_eq!(admin.details(id).await, *before, "as it was");
    }
}

/// The look-up is by user and device id alone; the row belongs to the tenant its user registers from.
#[tokio::test(flavor = "multi_thread")]
async fn registering_finds_the_users_row_whatever_its_tenant() {
    let world = World::new().await;
    let [acme, umbrella] =
        ["acme", "umbrella"].map(|tenant| Person::new(&world, "ada", Some(tenant)));
    let (first, _) = acme.register("install", 1, &fcm_token(1)).await;
    let (again, said) = umbrella.register("install", 1, &fcm_token(1)).await;
    assert_eq!((&again, said.as_str()), (&first, UPDATED));
    assert_eq!(umbrella.devices_of("ada").await.len(), 1);
    assert!(acme.devices_of("ada").await.is_empty());
    let path = format!("GetDetails/{first}");
    let (status, _) = acme.call(Method::GET, &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
