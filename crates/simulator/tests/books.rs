//! Books that agree with the clients, and the control API.

#![allow(clippy::unwrap_used, reason = "this is a test")]

mod common;

use bytes::Bytes;
use common::{Stage, ask, stage, token};
use fanfare_simulator::books::Totals;
use fanfare_simulator::rules::{Reaction, Rule, When};
use fanfare_simulator::{Provider, SimulatorError};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exact_under_concurrency() {
    const CONNECTIONS: usize = 4;
    const PUSHES: usize = 500;
    let stage = stage(|config| config.apns.max_streams = 50).await;
    stage.rules(json!([
        { "when": { "every": 7 }, "then": { "answer": { "status": 500, "reason": "InternalServerError" } } },
        { "when": { "every": 11 }, "then": "refuse" },
        { "when": { "probability": 0.1, "seed": 3 }, "delay_ms": { "min": 0, "max": 5 } },
    ]));
    let mut asked = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let client = stage.apns_with_certificate().await;
        for number in 0..PUSHES {
            let push = stage.push(&format!("{:064x}", connection * PUSHES + number));
            asked.spawn(ask(client.send.clone(), push));
        }
        drop(client.send);
    }
    let (mut taken, mut failed, mut refused) = (0, 0, 0);
    while let Some(answer) = asked.join_next().await {
        match answer.unwrap() {
            Ok(answer) if answer.status == 200 => taken += 1,
            Ok(_) => failed += 1,
            Err(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    let apns = stage.totals().apns;
    assert_eq!(apns.requests, (CONNECTIONS * PUSHES) as u64);
    let booked = [
        apns.accepted,
        apns.answered(500, None),
        apns.answered(0, Some("refused")),
    ];
    assert_eq!(booked, [taken, failed, refused]);
    assert_eq!(apns.accepted_addresses, taken);
    assert!(failed == 285 && refused > 100);
    assert!(
        apns.connections.streams_peak <= 50 && apns.connections.violations == 0,
        "{:?}",
        apns.connections
    );
    stage
        .until("all are closed", |totals| totals.apns.connections.open == 0)
        .await;
    assert_eq!(stage.totals().apns.connections.opened, CONNECTIONS as u64);
}

#[tokio::test]
async fn as_many_streams_as_announced_are_open_at_once() {
    let stage = stage(|config| config.fcm.max_streams = 2).await;
    stage.rules(json!([{ "then": { "silence": {} } }]));
    let client = stage.fcm().await;
    client.until_limit(2).await;
    let silent: Vec<_> = (0..2)
        .map(|_| tokio::spawn(ask(client.send.clone(), stage.message("", &json!({})))))
        .collect();
    stage
        .until("both are silent", |totals| {
            totals.fcm.answered(0, Some("silence")) == 2
        })
        .await;
    assert_eq!(stage.totals().fcm.connections.streams_peak, 2);
    for task in silent {
        task.abort();
    }
}

async fn call(stage: &Stage, method: &str, path: &str, body: &str) -> (u16, Value) {
    let url = format!(
        "{}{path}",
        stage.simulator.addresses().control_url().unwrap()
    );
    let method = method.parse::<reqwest::Method>().unwrap();
    let answer = stage
        .http()
        .request(method, url)
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (
        status,
        if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap()
        },
    )
}

#[tokio::test]
async fn the_control_api_reads_and_writes() {
    let stage = stage(|_| {}).await;
    let (status, health) = call(&stage, "GET", "/healthz", "").await;
    assert_eq!((status, &health["status"]), (200, &json!("ok")));
    let script = r#"{"rules": [{"name": "a", "then": "refuse", "times": 1}]}"#;
    let (status, rules) = call(&stage, "PUT", "/rules", script).await;
    assert_eq!(
        (
            status,
            &rules["rules"][0]["rule"]["name"],
            &rules["rules"][0]["fired"]
        ),
        (200, &json!("a"), &json!(0))
    );
    assert_eq!(
        call(&stage, "POST", "/rules", script).await.1["rules"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    for wrong in [
        "{",
        r#"{"rules": [{"colour": 1}]}"#,
        r#"{"rules": [{"then": "hang"}]}"#,
        r#"{"rules": [{"then": {"close": {"after": "handshake"}}}]}"#,
        r#"{"rules": [{"on": "connection", "then": {"close": {"after": "headers"}}}]}"#,
    ] {
        let (status, fault) = call(&stage, "PUT", "/rules", wrong).await;
        assert_eq!((status, fault["error"].is_string()), (400, true), "{wrong}");
    }
    assert_eq!(call(&stage, "DELETE", "/rules", "").await.0, 204);
    assert_eq!(
        call(&stage, "GET", "/rules", "").await.1,
        json!({ "rules": [] })
    );
    let client = stage.apns().await;
    client.ask(stage.push(&token('a'))).await.unwrap();
    let mut twice = stage.push(&token('b'));
    *twice.body_mut() = Bytes::new();
    drop(client.ask(twice).await);
    let (_, books) = call(&stage, "GET", "/books", "").await;
    assert_eq!(
        serde_json::from_value::<Totals>(books).unwrap(),
        stage.totals()
    );
    let path = format!(
        "/books/requests?provider=apns&address={}&limit=5",
        token('a')
    );
    let (_, requests) = call(&stage, "GET", &path, "").await;
    assert_eq!(requests["requests"].as_array().unwrap().len(), 1);
    assert_eq!(requests["requests"][0]["status"], 200);
    let (_, addresses) = call(&stage, "GET", "/books/addresses?after=1", "").await;
    assert_eq!(addresses["addresses"][0]["address"], token('b').as_str());
    assert_eq!(
        call(&stage, "GET", "/books/requests?limit=x", "").await.0,
        400
    );
    assert_eq!(call(&stage, "GET", "/nothing", "").await.0, 404);
    assert_eq!(call(&stage, "DELETE", "/connections/apns", "").await.0, 204);
    drop(client.ended().await);
    assert_eq!(call(&stage, "DELETE", "/listening/fcm", "").await.0, 204);
    assert_eq!(call(&stage, "PUT", "/listening/fcm", "").await.0, 204);
    assert_eq!(call(&stage, "DELETE", "/accepting/fcm", "").await.0, 204);
    assert_eq!(call(&stage, "PUT", "/accepting/fcm", "").await.0, 204);
    assert_eq!(call(&stage, "DELETE", "/books", "").await.0, 204);
    assert_eq!(stage.totals().apns.requests, 0);
}

#[tokio::test]
async fn the_examples_in_the_documentation_are_taken() {
    let stage = stage(|_| {}).await;
    let text = include_str!("../../../docs/simulator.md");
    let examples: Vec<_> = text
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(examples.len() >= 8);
    for example in examples {
        let (status, answer) = call(&stage, "PUT", "/rules", example).await;
        assert_eq!(status, 200, "{example}: {answer}");
    }
}

#[tokio::test]
async fn a_port_in_use_and_a_bad_key_are_told() {
    let stage = stage(|_| {}).await;
    let mut config = stage.material.config();
    config.listen.fcm = stage.simulator.addresses().fcm;
    let error = fanfare_simulator::Simulator::start(config)
        .await
        .unwrap_err();
    assert!(
        matches!(error, SimulatorError::Listen { what: "fcm", .. }),
        "{error}"
    );
    let mut config = stage.material.config();
    config.apns.keys[0].public_key_pem = "nonsense".into();
    let error = fanfare_simulator::Simulator::start(config)
        .await
        .unwrap_err();
    assert_eq!(error.label(), "config");
}

#[tokio::test]
async fn shutdown_closes_everything() {
    let stage = stage(|_| {}).await;
    let client = stage.apns().await;
    let apns = stage.simulator.addresses().apns;
    let rule = Rule {
        when: When {
            provider: Some(Provider::Apns),
            ..When::default()
        },
        then: Reaction::Refuse,
        ..Rule::default()
    };
    stage.simulator.add_rules(vec![rule]).unwrap();
    stage.simulator.shutdown().await;
    drop(client.ended().await);
    assert!(tokio::net::TcpStream::connect(apns).await.is_err());
}
