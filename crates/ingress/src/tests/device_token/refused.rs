//! What is refused, and that it is refused in the envelope, whichever room refuses.

use std::time::Duration;

use fanfare_core::admission::{Refused, Scope};
use http::Request;

use super::*;

#[tokio::test]
async fn each_endpoint_asks_for_its_own_permission() {
    let api = api();
    let all = ENDPOINTS.map(|(.., permission)| permission);
    for (method, endpoint, permission) in ENDPOINTS {
        let call = async |credential: &str| {
            let path = path(endpoint);
            api.call(method, &path, credential, body(endpoint)).await
        };
        call("").await.failed(401);
        let others: Vec<_> = all
            .into_iter()
            .filter(|other| *other != permission)
            .collect();
        let cased = permission.to_lowercase();
        for lacking in [
            json!(others),
            json!(null),
            json!(7),
            json!([cased]),
            json!(""),
            json!({permission: true}),
        ] {
            let message = call(&may(lacking)).await.failed(403);
            assert_eq!(message, format!("the permission {permission} is needed"));
        }
        for having in [
            json!([permission]),
            json!(permission),
            json!(format!("a {permission} b")),
        ] {
            let answer = call(&may(having)).await;
            assert_eq!(answer.status, 200, "{method} {endpoint}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_api_key_is_no_user_and_a_foreign_app_has_no_such_contract() {
    let api = api();
    let exp = NOW.as_seconds() + 600;
    let all = ENDPOINTS.map(|(.., permission)| permission).join(" ");
    let foreign =
        json!({"sub": "ada", "exp": exp, "iss": "https://id.news.example", "permissions": all});
    let foreign = jwt("news-secret", &foreign);
    for (method, endpoint, _) in ENDPOINTS {
        for key in [SERVICE, AGENT] {
            let answer = api.call(method, &path(endpoint), key, body(endpoint)).await;
            answer.failed(401);
            assert!(answer.headers.contains_key("www-authenticate"));
        }
        let answer = api
            .call(method, &path(endpoint), &foreign, body(endpoint))
            .await;
        answer.failed(404);
        api.call(method, &path(endpoint), "not.a.jwt", body(endpoint))
            .await
            .failed(401);
    }
    assert!(api.rooms.registered.lock().is_empty() && api.rooms.patches.lock().is_empty());
}

#[tokio::test]
async fn what_shared_rooms_refuse_comes_in_the_envelope() {
    let api = api();
    for nowhere in ["", "/", "/Nothing", "/GetDetails", "/Update/a/b"] {
        let answer = api
            .call("GET", &format!("{ROOT}{nowhere}"), &admin(), None)
            .await;
        answer.failed(404);
    }
    let answer = api.call("GET", &path("Register"), &admin(), None).await;
    answer.failed(405);
    assert_eq!(answer.headers["allow"], "POST");
    let answer = api.call("GET", &path("GetDataTable"), &admin(), None).await;
    answer.failed(405);

    for (method, endpoint, _) in ENDPOINTS {
        let Some(body) = body(endpoint) else { continue };
        let raw = |credential: (&str, String), media_type: &str, body: String| {
            let request = Request::builder().method(method).uri(path(endpoint));
            let request = request.header(credential.0, credential.1);
            let request = request.header("content-type", media_type);
            api.send(request.body(Body::from(body)).unwrap())
        };
        let bearer = || ("authorization", format!("Bearer {}", admin()));
        let cookie = || ("cookie", format!("session={}", admin()));
        let json = "application/json";
        raw(cookie(), "text/plain", body.to_string())
            .await
            .failed(415);
        assert_eq!(raw(cookie(), json, body.to_string()).await.status, 200);
        raw(bearer(), json, " ".repeat(80 << 10)).await.failed(413);
        for broken in [
            "",
            "{",
            "[1",
            "nonsense",
            "{\"draw\": NaN}",
            "{\"id\": 1, \"id\": 2}",
        ] {
            raw(bearer(), json, broken.to_owned()).await.failed(400);
        }
        let bomb = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        raw(bearer(), json, bomb).await.failed(400);
        for other in [
            json!(null),
            json!("x"),
            json!(7),
            json!([[]]),
            json!([null]),
        ] {
            raw(bearer(), json, other.to_string()).await.failed(400);
        }
    }
}

#[tokio::test]
async fn a_form_is_taken_by_the_table_alone() {
    let api = api();
    let send = async |method: &str, endpoint: &str, credential: (&str, String), body: &str| {
        let request = Request::builder().method(method).uri(path(endpoint));
        let request = request.header(credential.0, credential.1);
        let request = request.header(
            "content-type",
            "application/x-www-form-urlencoded; charset=UTF-8",
        );
        api.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    };
    let cookie = || ("cookie", format!("session={}", admin()));
    let answer = send("POST", "GetDataTable", cookie(), "draw=7&length=5").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["draw"]),
        (200, &json!(7))
    );
    assert_eq!(api.rooms.queries.lock()[0].length, 5);
    send("POST", "Register", cookie(), "deviceId=d")
        .await
        .failed(415);
    send("PUT", "Active", cookie(), "draw=7").await.failed(415);
    // What curl says of any body.
    let bearer = ("authorization", format!("Bearer {}", admin()));
    let answer = send("POST", "GetDataTable", bearer, " {\"draw\": 8}").await;
    assert_eq!(answer.json()["draw"], 8);
}

#[tokio::test]
async fn what_cannot_be_done_now_says_when_in_the_envelope() {
    let api = api();
    for (method, endpoint, _) in ENDPOINTS {
        *api.rooms.failure.lock() = Some(fanfare_actors::Error::Timeout(Duration::from_secs(5)));
        let answer = api
            .call(method, &path(endpoint), &admin(), body(endpoint))
            .await;
        answer.failed(503);
        assert_eq!(answer.headers["retry-after"], "1");
    }
    for (scope, status) in [(Scope::App, 429), (Scope::Gateway, 503)] {
        let refused = Refused {
            scope,
            retry_after: Duration::from_secs(2),
        };
        *api.rooms.failure.lock() = Some(fanfare_actors::Error::Refused(refused));
        let answer = api
            .call("POST", &path("Register"), &admin(), body("Register"))
            .await;
        let message = answer.failed(status);
        assert!(message.contains("devices"), "{message}");
        assert_eq!(answer.headers["retry-after"], "2");
    }
    *api.rooms.panics.lock() = true;
    for (method, endpoint, _) in ENDPOINTS {
        let answer = api
            .call(method, &path(endpoint), &admin(), body(endpoint))
            .await;
        answer.failed(500);
    }
}

#[tokio::test]
async fn an_id_that_is_no_guid_is_400_and_a_foreign_one_404() {
    let api = api();
    let mut elsewhere = row(2);
    elsewhere.tenant = Some("other".to_owned());
    let mut nowhere = row(3);
    nowhere.tenant = None;
    let foreign = [elsewhere.id.to_string(), nowhere.id.to_string()];
    api.rooms.devices.lock().extend([elsewhere, nowhere]);
    let hex = row(1).id.0.to_hex();
    for (method, endpoint) in [("GET", "GetDetails"), ("GET", "GetEdit"), ("PUT", "Update")] {
        let call = async |id: &str| {
            let body = (method == "PUT").then(|| json!({"displayOrder": 1}));
            let path = format!("{ROOT}/{endpoint}/{id}");
            api.call(method, &path, &admin(), body).await
        };
        for id in [
            "x",
            "7",
            &hex,
            "%ff",
            "%7B0190c42f-0d6a-8000-8000-0123456789ab%7D",
            &"a".repeat(5000),
        ] {
            let message = call(id).await.failed(400);
            assert!(message.starts_with("id: "), "{message}");
        }
        let unknown = [
            "00000000-0000-0000-0000-000000000000",
            "9c2d3e50-0000-0000-0000-000000000001",
        ];
        for id in foreign.iter().map(String::as_str).chain(unknown) {
            assert_eq!(call(id).await.failed(404), "there is no such DeviceToken");
        }
        let upper = row(1).id.to_string().to_uppercase();
        assert_eq!(call(&upper).await.status, 200);
    }
    assert_eq!(api.rooms.patches.lock().len(), 1);
    for user in ["%ff", "%0a", &"u".repeat(129)] {
        let path = format!("{ROOT}/GetUserDevices/{user}");
        let message = api.call("GET", &path, &admin(), None).await.failed(400);
        assert!(message.starts_with("userId: "), "{message}");
    }
}

#[tokio::test]
async fn a_list_with_one_foreign_id_changes_nothing() {
    let api = api();
    let mut elsewhere = row(2);
    elsewhere.tenant = Some("other".to_owned());
    let mut deleted = row(3);
    deleted.deleted_at = Some(NOW);
    let ids = [row(1).id, elsewhere.id, deleted.id].map(|id| json!({"id": id.to_string()}));
    api.rooms.devices.lock().extend([elsewhere, deleted]);
    for (method, endpoint, foreign) in [
        ("DELETE", "Delete", "[1].id: there is no such DeviceToken"),
        (
            "DELETE",
            "Delete?restore=true",
            "[1].id: there is no such DeviceToken",
        ),
        (
            "PUT",
            "Active",
            "[1].id: there is no such DeviceToken; [2].id: there is no such DeviceToken",
        ),
        (
            "PUT",
            "Deactive",
            "[1].id: there is no such DeviceToken; [2].id: there is no such DeviceToken",
        ),
    ] {
        let answer = api
            .call(method, &path(endpoint), &admin(), Some(json!(ids)))
            .await;
        assert_eq!(answer.failed(404), foreign);
    }
    assert!(api.rooms.patches.lock().is_empty());
}

#[tokio::test]
async fn lists_are_bounded_and_their_query_is_plain() {
    let api = api();
    let entry = json!({"id": row(1).id.to_string()});
    for (method, endpoint) in [("DELETE", "Delete"), ("PUT", "Active"), ("PUT", "Deactive")] {
        let call = async |count: usize| {
            let list = json!(vec![entry.clone(); count]);
            api.call(method, &path(endpoint), &admin(), Some(list))
                .await
        };
        assert_eq!(call(1_000).await.status, 200);
        let message = call(1_001).await.failed(400);
        assert_eq!(message, "body: may have 1000 entries at most");
        assert_eq!(api.rooms.patches.lock().len(), 1, "each row once");
        api.rooms.patches.lock().clear();
    }
    for query in [
        "restore=1",
        "restore=yes",
        "restore=true&restore=false",
        "restore=%ff",
    ] {
        let path = path(&format!("Delete?{query}"));
        let answer = api.call("DELETE", &path, &admin(), body("Delete")).await;
        assert!(answer.failed(400).starts_with("restore: "));
    }
    assert!(api.rooms.patches.lock().is_empty());
}

#[tokio::test]
async fn no_answer_repeats_what_it_refuses() {
    let api = api();
    let hostile = "<script>alert('x')</script>";
    let register = json!({"deviceId": hostile, "platform": hostile, "token": format!("{hostile} "), "id": hostile});
    let table = json!({"draw": hostile, "order": [{"column": 0, "dir": hostile}], "columns": [{"data": hostile}]});
    for (method, path, body) in [
        ("POST", path("Register"), Some(register)),
        ("POST", path("GetDataTable"), Some(table)),
        ("PUT", path("Active"), Some(json!([{ "id": hostile }]))),
        ("GET", path("GetDetails/%3Cscript%3E"), None),
    ] {
        let answer = api.call(method, &path, &admin(), body).await;
        assert!(!answer.failed(400).contains("script"), "{}", answer.text);
    }
}
