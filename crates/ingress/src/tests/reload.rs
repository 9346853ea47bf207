//! Another configuration while requests come.

use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use tokio::sync::oneshot;

use super::*;

const NEW: &str = "ffk_shop_newnewnewnewabcdefghijklmnopqrstuvwxyzAB";

impl Harness {
    fn reload(&self, config: Config) {
        let next = self.in_force.prepare(config).unwrap();
        self.in_force.replace(next);
    }
}

/// As [`config`], and the first app takes this key alone.
fn with_key(key: &str) -> Config {
    let config = config();
    let mut apps = config.apps.to_vec();
    apps[0].api_keys = app("shop", &[(key, KeyKind::Service)], jwt_door("", None)).api_keys;
    Config {
        apps: apps.into(),
        ..config
    }
}

async fn status(api: &Harness, credential: &str) -> u16 {
    let answer = api.call("GET", "/v1/stats", credential, None).await;
    answer.status.as_u16()
}

#[tokio::test]
async fn a_revoked_key_is_refused_from_the_next_request_on() {
    let api = Harness::new();
    assert_eq!(
        (status(&api, SERVICE).await, status(&api, NEW).await),
        (200, 401)
    );
    let next = api.in_force.prepare(with_key(NEW)).unwrap();
    assert_eq!(
        status(&api, SERVICE).await,
        200,
        "not before it takes effect"
    );
    api.in_force.replace(next);
    assert_eq!(
        (status(&api, SERVICE).await, status(&api, NEW).await),
        (401, 200)
    );
    assert_eq!(status(&api, OTHER).await, 200, "the other app is as before");
    api.reload(config());
    assert_eq!(
        (status(&api, SERVICE).await, status(&api, NEW).await),
        (200, 401)
    );
}

#[tokio::test]
async fn jwts_contracts_apps_and_limits_change_with_it() {
    let api = Harness::new();
    let devices = async |credential: &str| {
        let answer = api.call("GET", "/v1/devices", credential, None).await;
        answer.status.as_u16()
    };
    let ada = user("ada");
    assert_eq!(devices(&ada).await, 200);
    let mut apps = config().apps.to_vec();
    apps[0].contracts.clear();
    apps.pop();
    api.reload(Config {
        apps: apps.clone().into(),
        body_bytes_max: 10,
        ..config()
    });
    assert_eq!(devices(&ada).await, 404, "the contract is not served");
    assert_eq!(status(&api, OTHER).await, 401, "its app is gone");
    let body = json!({"to": {"users": ["ada"]}, "message": {"title": "hi"}});
    let long = api.call("POST", "/v1/notifications", SERVICE, Some(body));
    long.await.problem(413, "body_too_large");

    apps[0].jwt = Some(jwt_door("another-secret", Some("https://id.shop.example")));
    apps[0].contracts.push(Contract::Native);
    api.reload(Config {
        apps: apps.into(),
        ..config()
    });
    assert_eq!(devices(&ada).await, 401, "signed with the old secret");
}

#[tokio::test]
async fn who_was_let_in_goes_on() {
    let api = Harness::new();
    let (reading, is_reading) = oneshot::channel();
    let (go, may_go) = oneshot::channel();
    let body = json!({"to": {"users": ["ada"]}, "message": {"title": "hi"}}).to_string();
    let body = stream::once(async move {
        reading.send(()).unwrap();
        may_go.await.unwrap();
        Ok::<_, std::io::Error>(Bytes::from(body))
    });
    let request = Request::post("/v1/notifications")
        .header("authorization", format!("Bearer {SERVICE}"))
        .header("content-type", "application/json")
        .body(Body::from_stream(body))
        .unwrap();
    let under_way = api.send(request);
    let meanwhile = async {
        is_reading.await.unwrap();
        api.reload(with_key(NEW));
        assert_eq!(status(&api, SERVICE).await, 401);
        go.send(()).unwrap();
    };
    let (answer, ()) = tokio::join!(under_way, meanwhile);
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
}
