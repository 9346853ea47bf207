//! APNs: what is taken, and the documented answer to each fault.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "tests and their tables"
)]

mod common;

use bytes::Bytes;
use common::{Stage, now, stage, token};
use fanfare_simulator::books::Query;
use http::{HeaderValue, Method, Request};

const ID: &str = "123e4567-e89b-12d3-a456-426655440000";

fn set(request: &mut Request<Bytes>, name: &'static str, value: &str) {
    request
        .headers_mut()
        .insert(name, HeaderValue::from_str(value).unwrap());
}

#[tokio::test]
async fn a_good_push_is_taken_and_booked() {
    let stage = stage(|_| {}).await;
    let client = stage.apns().await;
    let mut push = stage.push(&token('a'));
    for (name, value) in [
        ("apns-id", ID),
        ("apns-priority", "5"),
        ("apns-expiration", "1700000000"),
        ("apns-collapse-id", "c"),
    ] {
        set(&mut push, name, value);
    }
    let answer = client.ask(push.clone()).await.unwrap();
    assert_eq!(answer.reason(), (200, String::new()));
    assert_eq!(answer.headers["apns-id"], ID);
    client.ask(push).await.unwrap();
    let entries = stage.simulator.books().requests(&Query {
        apns_id: Some(ID.into()),
        ..Query::default()
    });
    assert_eq!(entries.len(), 2);
    let entry = &entries[0];
    assert_eq!(
        (entry.address.as_str(), entry.collapse.as_deref()),
        (token('a').as_str(), Some("c"))
    );
    assert_eq!(
        (entry.expiration, entry.priority, entry.body_bytes),
        (Some(1_700_000_000), Some(5), 25)
    );
    assert_eq!(
        (
            entry.duplicate_of_accepted,
            entries[1].duplicate_of_accepted
        ),
        (0, 1)
    );
    assert_eq!(stage.totals().apns.duplicates, 1);
    let made = client.ask(stage.push(&token('b'))).await.unwrap();
    assert_eq!(made.headers["apns-id"].len(), 36);
    assert_ne!(made.headers["apns-id"], ID);
}

#[tokio::test]
async fn each_fault_has_its_documented_reason() {
    type Change = fn(&mut Request<Bytes>);
    let faults: [(&str, u16, Change); 19] = [
        ("MethodNotAllowed", 405, |push| {
            *push.method_mut() = Method::GET
        }),
        ("BadPath", 404, |push| {
            *push.uri_mut() = "https://localhost/4/device/aa".parse().unwrap()
        }),
        ("BadPath", 404, |push| {
            *push.uri_mut() = format!("http://localhost/3/device/{}", token('a'))
                .parse()
                .unwrap()
        }),
        ("MissingDeviceToken", 400, |push| {
            *push.uri_mut() = "https://localhost/3/device/".parse().unwrap()
        }),
        ("BadDeviceToken", 400, |push| {
            *push.uri_mut() = "https://localhost/3/device/xyz".parse().unwrap()
        }),
        ("BadDeviceToken", 400, |push| {
            *push.uri_mut() = "https://localhost/3/device/abcd".parse().unwrap()
        }),
        ("DuplicateHeaders", 400, |push| {
            push.headers_mut()
                .append("apns-topic", HeaderValue::from_static("com.example.app"));
        }),
        ("BadMessageId", 400, |push| {
            set(push, "apns-id", "not-a-uuid")
        }),
        ("InvalidPushType", 400, |push| {
            set(push, "apns-push-type", "shout")
        }),
        ("MissingTopic", 400, |push| {
            drop(push.headers_mut().remove("apns-topic"))
        }),
        ("TopicDisallowed", 400, |push| {
            set(push, "apns-topic", "com.other.app")
        }),
        ("BadTopic", 400, |push| {
            set(push, "apns-topic", "com.example.app.voip")
        }),
        ("BadPriority", 400, |push| set(push, "apns-priority", "7")),
        ("BadPriority", 400, |push| {
            set(push, "apns-push-type", "background");
            set(push, "apns-priority", "10");
        }),
        ("BadExpirationDate", 400, |push| {
            set(push, "apns-expiration", "tomorrow")
        }),
        ("BadCollapseId", 400, |push| {
            set(push, "apns-collapse-id", &"x".repeat(65))
        }),
        ("PayloadEmpty", 400, |push| *push.body_mut() = Bytes::new()),
        ("PayloadEmpty", 400, |push| {
            *push.body_mut() = Bytes::from_static(b"[1]")
        }),
        ("PayloadTooLarge", 413, |push| {
            *push.body_mut() = payload(4097)
        }),
    ];
    let stage = stage(|_| {}).await;
    let client = stage.apns().await;
    for (reason, status, change) in faults {
        let mut push = stage.push(&token('a'));
        let authorization = stage.push(&token('a')).headers()["authorization"].clone();
        push.headers_mut()
            .insert("authorization", SAME.get_or_init(|| authorization).clone());
        change(&mut push);
        assert_eq!(
            client.ask(push).await.unwrap().reason(),
            (status, reason.to_owned())
        );
    }
    let totals = stage.totals().apns;
    assert_eq!((totals.requests, totals.accepted), (19, 0));
    assert_eq!(totals.answered(400, Some("BadDeviceToken")), 2);
    assert_eq!(
        totals
            .answers
            .iter()
            .map(|answer| answer.count)
            .sum::<u64>(),
        19
    );
}

/// ES256 signatures differ each time, and one connection may not show two tokens.
static SAME: std::sync::OnceLock<HeaderValue> = std::sync::OnceLock::new();

fn payload(size: usize) -> Bytes {
    let frame = r#"{"aps":{},"x":""}"#;
    Bytes::from(frame.replace(
        r#""x":"""#,
        &format!(r#""x":"{}""#, "x".repeat(size - frame.len())),
    ))
}

#[tokio::test]
async fn sizes_and_suffixes_go_by_push_type() {
    let stage = stage(|_| {}).await;
    let client = stage.apns_with_certificate().await;
    for (push_type, suffix, size, status) in [
        ("alert", "", 4096, 200),
        ("voip", ".voip", 5120, 200),
        ("voip", ".voip", 5121, 413),
        ("liveactivity", ".push-type.liveactivity", 4096, 200),
        ("location", ".location-query", 100, 200),
        ("pushtotalk", ".voip-ptt", 100, 200),
    ] {
        let mut push = stage.push(&token('a'));
        set(&mut push, "apns-push-type", push_type);
        set(&mut push, "apns-topic", &format!("com.example.app{suffix}"));
        *push.body_mut() = payload(size);
        assert_eq!(
            client.ask(push).await.unwrap().status,
            status,
            "{push_type} {size}"
        );
    }
}

async fn refused(stage: &Stage, authorization: Option<&str>) -> (u16, String) {
    let mut push = stage.push(&token('a'));
    match authorization {
        Some(value) => set(&mut push, "authorization", value),
        None => drop(push.headers_mut().remove("authorization")),
    }
    stage.apns().await.ask(push).await.unwrap().reason()
}

#[tokio::test]
async fn tokens_must_be_whole_young_and_signed() {
    let stage = stage(|_| {}).await;
    let forbidden = |reason: &str| (403, reason.to_owned());
    assert_eq!(
        refused(&stage, None).await,
        forbidden("MissingProviderToken")
    );
    let old = stage.jwt(|_, claims| claims["iat"] = (now() - 3700).into());
    assert_eq!(
        refused(&stage, Some(&old)).await,
        forbidden("ExpiredProviderToken")
    );
    let good = stage.jwt(|_, _| {});
    let mut forged = good.clone();
    let last = forged.pop();
    forged.pop();
    forged.push_str(if last == Some('A') { "BB" } else { "AA" });
    for wrong in [
        forged,
        "bearer nonsense".into(),
        good.replace("bearer", "basic"),
        stage.jwt(|header, _| header.kid = Some("ABCDEFGHIJ".into())),
        stage.jwt(|header, _| header.kid = None),
        stage.jwt(|_, claims| claims["iss"] = "ABCDEFGHIJ".into()),
        stage.jwt(|_, claims| claims["iat"] = (now() + 600).into()),
        stage.jwt(|_, claims| drop(claims.as_object_mut().unwrap().remove("iat"))),
    ] {
        assert_eq!(
            refused(&stage, Some(&wrong)).await,
            forbidden("InvalidProviderToken")
        );
    }
    assert_eq!(refused(&stage, Some(&good)).await, (200, String::new()));
}

#[tokio::test]
async fn a_second_token_within_twenty_minutes_is_refused_on_one_connection_only() {
    let stage = stage(|_| {}).await;
    let client = stage.apns().await;
    let (first, second) = (stage.push(&token('a')), stage.push(&token('b')));
    assert_eq!(client.ask(first.clone()).await.unwrap().status, 200);
    let updates = (429, "TooManyProviderTokenUpdates".to_owned());
    assert_eq!(client.ask(second.clone()).await.unwrap().reason(), updates);
    assert_eq!(client.ask(first).await.unwrap().status, 200);
    assert_eq!(stage.apns().await.ask(second).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_new_token_is_taken_after_the_interval() {
    let stage = stage(|config| config.apns.token_update_interval = std::time::Duration::ZERO).await;
    let client = stage.apns().await;
    for letter in ['a', 'b', 'c'] {
        assert_eq!(
            client.ask(stage.push(&token(letter))).await.unwrap().status,
            200
        );
    }
}

#[tokio::test]
async fn one_stream_until_the_first_good_token() {
    let stage = stage(|config| config.apns.max_streams = 77).await;
    let client = stage.apns().await;
    client.until_limit(1).await;
    let mut bad = stage.push(&token('a'));
    bad.headers_mut().remove("authorization");
    client.ask(bad).await.unwrap();
    assert_eq!(client.limit(), 1);
    client.ask(stage.push(&token('a'))).await.unwrap();
    client.until_limit(77).await;
    // The raise was acknowledged without the codec noticing: the connection goes on.
    assert!(client.send.clone().ready().await.is_ok());
}

#[tokio::test]
async fn a_client_certificate_replaces_the_token() {
    let stage = stage(|config| config.apns.max_streams = 9).await;
    let client = stage.apns_with_certificate().await;
    let mut push = stage.push(&token('a'));
    set(&mut push, "authorization", "bearer nonsense");
    push.headers_mut().remove("apns-topic");
    assert_eq!(client.ask(push).await.unwrap().status, 200);
    assert_eq!(client.limit(), 9);
}

#[tokio::test]
async fn dead_addresses_answer_with_the_time() {
    let stage = stage(|_| {}).await;
    let answer = stage
        .apns()
        .await
        .ask(stage.push(&format!("DEAD{}", "0".repeat(60))))
        .await
        .unwrap();
    assert_eq!(answer.reason(), (410, "Unregistered".to_owned()));
    let age = now() * 1000 - answer.json()["timestamp"].as_i64().unwrap();
    assert!((-2000..20_000).contains(&age), "{age}");
}
