//! Each reaction of a rule, as a client sees it.

#![allow(clippy::unwrap_used, reason = "this is a test")]

mod common;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use common::{Client, PATIENCE, Stage, ask, stage, token};
use fanfare_simulator::Provider;
use fanfare_simulator::books::Query;
use h2::Reason;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn ready(rules: Value) -> (Stage, Client) {
    let stage = stage(|_| {}).await;
    let client = stage.apns_with_certificate().await;
    client.ask(stage.push(&token('a'))).await.unwrap();
    stage.rules(rules);
    (stage, client)
}

fn only(stage: &Stage, status: u16, reason: &str) {
    assert_eq!(
        stage.totals().apns.answered(status, Some(reason)),
        1,
        "{:?}",
        stage.totals().apns
    );
}

#[tokio::test]
async fn made_up_answers() {
    let (stage, client) = ready(json!([
        { "times": 1, "then": { "answer": { "status": 503, "reason": "ServiceUnavailable", "headers": { "retry-after": "7" } } } },
        { "times": 1, "then": { "answer": { "status": 410, "reason": "Unregistered", "timestamp": { "at_ms": 5 } } } },
        { "times": 1, "then": { "answer": { "status": 502, "body": "<html>" } } },
        { "times": 1, "then": { "answer": { "status": 500, "reason": "Big", "body_bytes": 10_000_000 } } },
        { "times": 1, "then": { "answer": { "status": 500, "reason": "Wide", "header_bytes": 8000 } } },
    ]))
    .await;
    let push = || client.ask(stage.push(&token('a')));
    let throttled = push().await.unwrap();
    assert_eq!(
        (throttled.reason(), &throttled.headers["retry-after"] == "7"),
        ((503, "ServiceUnavailable".into()), true)
    );
    assert_eq!(
        push().await.unwrap().json(),
        json!({ "reason": "Unregistered", "timestamp": 5 })
    );
    assert_eq!(push().await.unwrap().body, "<html>");
    assert!(push().await.unwrap().body.len() > 10_000_000);
    assert_eq!(push().await.unwrap().headers["x-padding"].len(), 8000);
    assert_eq!(push().await.unwrap().status, 200);
    only(&stage, 500, "Big");
}

#[tokio::test]
async fn fcm_answers_carry_google_details() {
    let stage = stage(|_| {}).await;
    stage.rules(json!([{ "when": { "provider": "fcm" }, "then": { "answer": { "status": 429, "reason": "QUOTA_EXCEEDED" } } }]));
    let body = json!({ "message": { "token": "t" } });
    let answer = stage
        .fcm()
        .await
        .ask(stage.message("", &body))
        .await
        .unwrap()
        .json();
    assert_eq!(answer["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(answer["error"]["details"][0]["errorCode"], "QUOTA_EXCEEDED");
}

#[tokio::test]
async fn resets_refusals_and_lost_answers() {
    let (stage, client) = ready(json!([
        { "times": 1, "then": { "reset": { "code": "INTERNAL_ERROR" } } },
        { "times": 1, "then": { "reset": { "code": "CANCEL", "processed": true } } },
        { "times": 1, "then": "refuse" },
    ]))
    .await;
    for reason in [
        Reason::INTERNAL_ERROR,
        Reason::CANCEL,
        Reason::REFUSED_STREAM,
    ] {
        let error = client.ask(stage.push(&token('b'))).await.err().unwrap();
        assert_eq!((error.is_reset(), error.reason()), (true, Some(reason)));
    }
    only(&stage, 0, "reset");
    only(&stage, 0, "refused");
    let apns = stage.totals().apns;
    assert_eq!((apns.requests, apns.accepted, apns.lost), (4, 2, 1));
    let lost = stage.simulator.books().requests(&Query {
        address: Some(token('b')),
        status: Some(200),
        ..Query::default()
    });
    assert!(lost.len() == 1 && lost[0].lost);
}

#[tokio::test]
async fn silence_lasts_until_the_client_gives_up() {
    let (stage, client) =
        ready(json!([{ "when": { "address_prefix": "bb" }, "then": { "silence": {} } }])).await;
    let silent = tokio::spawn(ask(client.send.clone(), stage.push(&token('b'))));
    stage
        .until("silence is booked", |totals| {
            totals.apns.answered(0, Some("silence")) == 1
        })
        .await;
    assert_eq!(
        client.ask(stage.push(&token('c'))).await.unwrap().status,
        200
    );
    assert!(!silent.is_finished());
    silent.abort();
    assert_eq!(
        client.ask(stage.push(&token('c'))).await.unwrap().status,
        200
    );
}

#[tokio::test]
async fn delays_take_their_time_and_a_client_that_leaves_is_booked() {
    let (stage, client) = ready(json!([
        { "when": { "address": token('b') }, "delay_ms": 80 },
        { "when": { "address": token('c') }, "delay_ms": 3_600_000 },
    ]))
    .await;
    let start = Instant::now();
    assert_eq!(
        client.ask(stage.push(&token('b'))).await.unwrap().status,
        200
    );
    assert!(start.elapsed() >= Duration::from_millis(80));
    let late = tokio::spawn(ask(client.send.clone(), stage.push(&token('c'))));
    let wait = async {
        while stage.simulator.rules()[1].fired == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
    late.abort();
    stage
        .until("gone is booked", |totals| {
            totals.apns.answered(0, Some("gone")) == 1
        })
        .await;
}

#[tokio::test]
async fn goaway_answers_up_to_its_last_id() {
    let (stage, client) = ready(json!([
        { "when": { "address": token('b') }, "delay_ms": 100 },
        { "when": { "address": token('c') },
          "then": { "goaway": { "code": "ENHANCE_YOUR_CALM", "debug": "{\"reason\":\"Shutdown\"}", "last": "before" } } },
    ]))
    .await;
    let below = tokio::spawn(ask(client.send.clone(), stage.push(&token('b'))));
    stage
        .until("the first is there", |_| {
            stage.simulator.rules()[0].fired == 1
        })
        .await;
    let above = client.ask(stage.push(&token('c'))).await.err().unwrap();
    assert!(above.is_go_away() && above.is_remote(), "{above}");
    assert_eq!(above.reason(), Some(Reason::ENHANCE_YOUR_CALM));
    assert!(format!("{above:?}").contains("Shutdown"), "{above:?}");
    assert_eq!(below.await.unwrap().unwrap().status, 200);
    drop(client.ended().await);
    only(&stage, 0, "goaway");
    stage
        .until("it is closed", |totals| totals.apns.connections.open == 0)
        .await;
    stage.simulator.clear_rules();
    assert_eq!(
        stage
            .apns()
            .await
            .ask(stage.push(&token('c')))
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn a_goaway_behind_this_request_answers_it() {
    let (stage, client) = ready(json!([{ "then": { "goaway": {} } }])).await;
    assert_eq!(
        client.ask(stage.push(&token('b'))).await.unwrap().status,
        200
    );
    drop(client.ended().await);
    assert_eq!(stage.totals().apns.accepted, 2);
}

#[tokio::test]
async fn the_stream_limit_moves_both_ways() {
    let (stage, client) = ready(json!([
        { "times": 1, "then": { "streams": 1 } },
        { "times": 1, "then": { "streams": 0 } },
    ]))
    .await;
    for limit in [1, 0] {
        assert_eq!(
            client.ask(stage.push(&token('b'))).await.unwrap().status,
            200
        );
        client.until_limit(limit).await;
    }
    let fresh = stage.apns_with_certificate().await;
    stage.rules(json!([{ "then": { "streams": 5 } }]));
    assert_eq!(
        fresh.ask(stage.push(&token('b'))).await.unwrap().status,
        200
    );
    fresh.until_limit(5).await;
    assert_eq!(stage.totals().apns.connections.violations, 0);
}

#[tokio::test]
async fn a_shut_window_holds_bodies_back() {
    let (stage, client) =
        ready(json!([{ "times": 1, "then": { "window": 0 } }, { "then": { "window": 65535 } }]))
            .await;
    client.ask(stage.push(&token('b'))).await.unwrap();
    let (parts, body) = stage.push(&token('c')).into_parts();
    let mut send = client.send.clone().ready().await.unwrap();
    let (_, mut stream) = send
        .send_request(http::Request::from_parts(parts, ()), false)
        .unwrap();
    stream.reserve_capacity(body.len());
    let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx));
    assert!(
        tokio::time::timeout(Duration::from_millis(200), capacity)
            .await
            .is_err(),
        "the window is open"
    );
    assert_eq!(stage.totals().apns.requests, 2);
}

#[tokio::test]
async fn sockets_close_before_and_in_the_middle_of_an_answer() {
    let (stage, client) = ready(json!([
        { "times": 1, "then": { "close": { "after": "headers" } } },
        { "times": 1, "then": { "close": {} } },
    ]))
    .await;
    let (response, _) = {
        let mut send = client.send.clone().ready().await.unwrap();
        let (parts, body) = stage.push(&token('b')).into_parts();
        let (response, mut stream) = send
            .send_request(http::Request::from_parts(parts, ()), false)
            .unwrap();
        stream.send_data(body, true).unwrap();
        (response, stream)
    };
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "{");
    assert!(body.data().await.unwrap().is_err(), "the body ended whole");
    drop(client.ended().await);
    assert!(
        stage
            .apns_with_certificate()
            .await
            .ask(stage.push(&token('b')))
            .await
            .is_err()
    );
    only(&stage, 0, "close");
    assert_eq!(stage.totals().apns.lost, 1);
}

#[tokio::test]
async fn a_frozen_connection_stays_open_and_mute() {
    let (stage, mut client) = ready(json!([{ "times": 1, "then": "freeze" }])).await;
    let frozen = tokio::spawn(ask(client.send.clone(), stage.push(&token('b'))));
    stage
        .until("it froze", |totals| {
            totals.apns.answered(0, Some("freeze")) == 1
        })
        .await;
    let mut ping = client.ping.take().unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(200), ping.ping(h2::Ping::opaque()))
            .await
            .is_err()
    );
    assert!(!frozen.is_finished() && stage.totals().apns.connections.open == 1);
    stage
        .simulator
        .close_connections(Provider::Apns)
        .await
        .unwrap();
    assert!(frozen.await.unwrap().is_err());
}

#[tokio::test]
async fn wrong_certificates_are_refused_by_the_client() {
    let stage = stage(|_| {}).await;
    for fault in ["expired", "wrong_name", "untrusted"] {
        stage.rules(json!([{ "on": "connection", "times": 1, "then": { "certificate": fault } }]));
        assert!(
            stage
                .tls(stage.simulator.addresses().apns, false)
                .await
                .is_err(),
            "{fault}"
        );
        assert!(
            stage
                .tls(stage.simulator.addresses().apns, false)
                .await
                .is_ok(),
            "after {fault}"
        );
    }
    stage
        .until("they are counted", |totals| {
            totals.apns.connections.handshakes_failed >= 3
        })
        .await;
}

#[tokio::test]
async fn connections_close_hang_and_end_at_once() {
    let stage = stage(|_| {}).await;
    let apns = stage.simulator.addresses().apns;
    stage.rules(json!([
        { "on": "connection", "when": { "provider": "apns" }, "times": 1, "then": { "close": {} } },
        { "on": "connection", "when": { "provider": "apns" }, "times": 1, "then": "hang" },
        { "on": "connection", "when": { "provider": "apns" }, "times": 1, "then": { "goaway": { "debug": "no" } } },
        { "on": "connection", "when": { "provider": "apns" }, "times": 1, "then": { "streams": 0 } },
    ]));
    assert!(stage.tls(apns, false).await.is_err());
    assert!(
        tokio::time::timeout(Duration::from_millis(200), stage.tls(apns, false))
            .await
            .is_err()
    );
    drop(stage.apns().await.ended().await);
    stage.apns().await.until_limit(0).await;
}

#[tokio::test]
async fn connections_end_or_fall_silent_after_the_handshake() {
    let stage = stage(|_| {}).await;
    let apns = stage.simulator.addresses().apns;
    stage.rules(json!([
        { "on": "connection", "when": { "provider": "apns" }, "times": 1, "then": { "close": { "after": "handshake" } } },
        { "on": "connection", "when": { "provider": "apns" }, "times": 1, "then": { "silence": {} } },
    ]));
    let mut closed = stage.tls(apns, false).await.unwrap();
    // Nothing comes, and then the end (without a close-notify).
    assert_eq!(
        closed.read_u8().await.unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
    let mut silent = stage.tls(apns, false).await.unwrap();
    silent.write_all(b"PRI * HTTP/2.0").await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(200), silent.read_u8());
    assert!(heard.await.is_err());
    assert_eq!(stage.totals().apns.connections.open, 1);
}

#[tokio::test]
async fn connections_wait_while_none_are_accepted() {
    let (stage, client) = ready(json!([])).await;
    let (simulator, apns) = (&stage.simulator, stage.simulator.addresses().apns);
    simulator
        .set_accepting(Provider::Apns, false)
        .await
        .unwrap();
    let opened = stage.totals().apns.connections.opened;
    let waiting = stage.tls(apns, false);
    tokio::pin!(waiting);
    let taken = tokio::time::timeout(Duration::from_millis(200), &mut waiting);
    assert!(taken.await.is_err());
    assert_eq!(stage.totals().apns.connections.opened, opened);
    let answer = client.ask(stage.push(&token('a'))).await.unwrap();
    assert_eq!(answer.status, 200, "open ones go on");
    simulator.set_accepting(Provider::Apns, true).await.unwrap();
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_provider_goes_away_and_comes_back() {
    let (stage, client) = ready(json!([])).await;
    let apns = stage.simulator.addresses().apns;
    stage
        .simulator
        .set_listening(Provider::Apns, false)
        .await
        .unwrap();
    drop(client.ended().await);
    assert!(tokio::net::TcpStream::connect(apns).await.is_err());
    assert_eq!(stage.totals().apns.connections.open, 0);
    stage
        .simulator
        .set_listening(Provider::Apns, true)
        .await
        .unwrap();
    assert_eq!(
        stage
            .apns()
            .await
            .ask(stage.push(&token('a')))
            .await
            .unwrap()
            .status,
        200
    );
}
