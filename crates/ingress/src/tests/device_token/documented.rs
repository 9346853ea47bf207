//! The OpenAPI document's part of this contract, compared with what is answered and read.

use std::collections::BTreeSet;

use super::super::documents::{conforms, document, members, resolved};
use super::*;

#[tokio::test]
async fn answers_are_as_documented() {
    let api = api();
    let document = document();
    for (method, endpoint, _) in ENDPOINTS {
        let documented = endpoint.replace("/ada", "/{userId}");
        let operation = &document["paths"][format!("{ROOT}/{documented}")][method.to_lowercase()];
        let bad = body(endpoint).map(|_| json!(7));
        let unknown = path(endpoint).replace(
            &row(1).id.to_string(),
            "00000000-0000-0000-0000-000000000000",
        );
        for (path, credential, body) in [
            (path(endpoint), admin(), body(endpoint)),
            (path(endpoint), admin(), bad),
            (unknown, admin(), body(endpoint)),
            (path(endpoint), may("nothing"), body(endpoint)),
            (path(endpoint), String::new(), body(endpoint)),
        ] {
            let answer = api.call(method, &path, &credential, body).await;
            let response = &operation["responses"][answer.status.as_str()];
            let response = resolved(&document, response);
            let schema = &response["content"]["application/json"]["schema"];
            assert!(
                !schema.is_null(),
                "{method} {endpoint}: {} in {operation}",
                answer.status
            );
            conforms(&document, schema, &answer.json(), endpoint);
        }
        let statuses = operation["responses"].as_object().unwrap().keys();
        let statuses: BTreeSet<_> = statuses.map(String::as_str).collect();
        let mut expected = BTreeSet::from(["200", "400", "401", "403", "404", "500", "503"]);
        if body(endpoint).is_some() {
            expected.extend(["413", "415"]);
        }
        if body(endpoint).is_some() && endpoint != "GetDataTable" {
            expected.insert("429");
        }
        assert_eq!(statuses, expected, "{endpoint}");
    }
}

/// Every documented member has a fault when its value is wrong, so it is read.
#[tokio::test]
async fn readers_know_what_is_documented() {
    let api = api();
    let document = document();
    let faults = async |method: &str, path: &str, body: Value| {
        api.call(method, path, &admin(), Some(body))
            .await
            .failed(400)
    };
    let check = async |schema: &str,
                       method: &str,
                       path: &str,
                       wrap: &dyn Fn(Value) -> Value,
                       prefix: &str,
                       exempt: &[&str]| {
        let (names, _) = members(&document, schema);
        assert!(!names.is_empty());
        for name in names.iter().filter(|name| !exempt.contains(&name.as_str())) {
            let body = wrap(json!({ name: [["wrong"]] }));
            let message = faults(method, path, body).await;
            assert!(
                message.contains(&format!("{prefix}{name}")),
                "{schema}.{name}: {message}"
            );
        }
    };
    let bare = |body: Value| body;
    let (register, update, table) = (path("Register"), path("Update/{id}"), path("GetDataTable"));
    check("DeviceTokenEditDto", "POST", &register, &bare, "", &[]).await;
    check("DeviceTokenEditDto", "PUT", &update, &bare, "", &[]).await;
    check(
        "DeleteDto",
        "PUT",
        &path("Active"),
        &|body| json!([body]),
        "[0].",
        &[],
    )
    .await;
    check("DtParameters", "POST", &table, &bare, "", &[]).await;
    check(
        "DtSearch",
        "POST",
        &table,
        &|body| json!({ "search": body }),
        "search.",
        &[],
    )
    .await;
    // The names of columns are anything that an application shows there.
    let columns = |body| json!({ "columns": [body] });
    check(
        "DtColumn",
        "POST",
        &table,
        &columns,
        "columns[0].",
        &["data", "name"],
    )
    .await;
    let order = |body| json!({"order": [body], "columns": []});
    check("DtOrder", "POST", &table, &order, "order[0].", &[]).await;
}
