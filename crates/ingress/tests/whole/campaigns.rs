//! Campaigns, before they are sent.

use super::*;

fn rows(range: std::ops::Range<u32>) -> String {
    range
        .map(|n| format!("{{\"user_id\": \"u{n}\", \"variables\": {{\"name\": \"N{n}\"}}}}\n"))
        .collect()
}

async fn put(gateway: &Gateway, path: &str, offset: Option<u64>, text: String) -> (u16, Value) {
    let url = format!("http://{}{path}/recipients", gateway.address);
    let mut request = gateway.client.put(url).bearer_auth(KEY);
    request = request.header("content-type", "application/x-ndjson");
    if let Some(offset) = offset {
        request = request.header("upload-offset", offset);
    }
    let answer = request.body(text).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn an_upload_is_durable_goes_on_after_a_restart_and_is_previewed() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path()).await;
    let device = json!({"channel": "ios_push", "token": "cd".repeat(32)});
    let (status, _) = gateway
        .call("POST", "/v1/users/u4001/devices", KEY, Some(device))
        .await;
    assert_eq!(status, 201);
    let body = json!({"name": "spring", "audience": {"recipients": "upload"}, "message": {"title": "Hi {{name}}"}});
    let (status, made) = gateway.call("POST", "/v1/campaigns", KEY, Some(body)).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/v1/campaigns/{}", made["id"].as_str().unwrap());
    let (first, rest) = (rows(0..2_500), rows(2_500..5_000));
    let bad = format!("{first}oops\n");
    let (status, upload) = put(&gateway, &path, None, bad.clone()).await;
    assert_eq!((status, &upload["rows"]), (200, &json!(2_500)), "{upload}");
    assert_eq!(upload["errors"][0]["line"], 2_501);
    gateway.stop().await;

    let gateway = Gateway::start(directory.path()).await;
    let (_, campaign) = gateway.call("GET", &path, KEY, None).await;
    assert_eq!(campaign["upload"], upload);
    assert_eq!(campaign["counts"]["total"], 2_500);
    let (status, wrong) = put(&gateway, &path, Some(7), rest.clone()).await;
    assert_eq!((status, &wrong["code"]), (409, &json!("upload_offset")));
    let (status, upload) = put(&gateway, &path, Some(bad.len() as u64), rest).await;
    assert_eq!((status, &upload["rows"]), (200, &json!(5_000)), "{upload}");
    let body = Some(json!({"user_id": "u4001"}));
    let (status, preview) = gateway
        .call("POST", &format!("{path}/preview"), KEY, body)
        .await;
    assert_eq!((status, &preview["recipients"]), (200, &json!(5_000)));
    let alert = &preview["devices"][0]["payload"]["aps"]["alert"];
    assert_eq!(alert["title"], "Hi N4001", "{preview}");
    let (_, list) = gateway.call("GET", "/v1/campaigns", KEY, None).await;
    assert_eq!(list["campaigns"][0]["upload"]["rows"], 5_000);
    let (status, page) = gateway
        .call("GET", &format!("{path}/deliveries"), KEY, None)
        .await;
    assert_eq!((status, &page["deliveries"]), (200, &json!([])), "{page}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_watcher_is_told_of_each_change_of_state_to_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path()).await;
    let body = json!({"name": "spring", "audience": {"tag": "news"}, "message": {"title": "Hi"}});
    let (_, made) = gateway.call("POST", "/v1/campaigns", KEY, Some(body)).await;
    let path = format!("/v1/campaigns/{}", made["id"].as_str().unwrap());
    let (status, refused) = gateway
        .call("POST", &format!("{path}/start"), KEY, None)
        .await;
    assert_eq!((status, &refused["code"]), (409, &json!("empty_audience")));
    let url = format!("http://{}{path}/events", gateway.address);
    let watching = gateway.client.get(url).bearer_auth(KEY).send().await;
    let (status, cancelled) = gateway
        .call("POST", &format!("{path}/cancel"), KEY, None)
        .await;
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")));
    let told = watching.unwrap().text().await.unwrap();
    let data = told.lines().filter_map(|line| line.strip_prefix("data: "));
    let states: Vec<_> = data
        .map(|data| serde_json::from_str::<Value>(data).unwrap()["state"].clone())
        .collect();
    assert_eq!(states, ["draft", "cancelled"], "{told}");
    gateway.stop().await;
}
