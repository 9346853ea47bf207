//! How the real binary ends: SIGTERM and SIGINT while it works, a second one, and actors that cannot be kept alive.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fanfare_types::{Clock, Timestamp};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Options, World, apns_token, eventually, fcm_token, json_of};
use crate::process::{Serving, log_of};

const DEVICES: u32 = 40;
const USERS: u32 = 10;

async fn serve(world: &mut World, environment: &[(&str, &str)]) -> Serving {
    let config = world.sandbox.config.to_str().expect("UTF-8");
    let arguments = ["serve", "--config", config];
    let serving = Serving::start(world.directory.path(), &arguments, environment).await;
    world.ask_at(serving.url());
    serving
}

/// A world with devices whose gateway is to run as a process.
async fn world(options: Options) -> World {
    let mut world = World::with(options).await;
    for n in 0..DEVICES {
        let (channel, token) = match n % 2 {
            0 => ("ios_push", apns_token(n)),
            _ => ("fcm", fcm_token(n)),
        };
        let user = format!("user-{}", n % USERS);
        world.register(&user, channel, &token).await;
    }
    assert!(world.drain().await);
    world
}

fn body(send_at: Option<Timestamp>) -> Value {
    let users: Vec<_> = (0..USERS).map(|n| format!("user-{n}")).collect();
    let mut body = json!({ "to": { "users": users }, "message": { "title": "hi" } });
    if let Some(at) = send_at {
        body["send_at"] = json!(at.to_rfc3339());
    }
    body
}

/// Sends again and again until the gateway refuses; gives the ids that were accepted, and the refusal's status.
async fn client(world: &World) -> (Vec<String>, Option<StatusCode>) {
    let mut accepted = Vec::new();
    loop {
        let request = world.service(Method::POST, "/v1/notifications");
        let Ok(response) = request.json(&body(None)).send().await else {
            return (accepted, None);
        };
        let status = response.status();
        if status != StatusCode::ACCEPTED {
            return (accepted, Some(status));
        }
        let answer = json_of(response).await;
        accepted.push(answer["id"].as_str().expect("an id").to_owned());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A connection that has sent this much and waits.
async fn half_open(world: &Serving, text: &str) -> TcpStream {
    let address: SocketAddr = world.url()["http://".len()..].parse().expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(text.as_bytes()).await.expect("sent");
    stream
}

/// One that nobody listens at now.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

async fn is_draining(world: &World) -> bool {
    is_draining_at(world.request(Method::GET, "/readyz")).await
}

async fn is_draining_at(readiness: RequestBuilder) -> bool {
    let Ok(response) = readiness.send().await else {
        return false;
    };
    response.status() == StatusCode::SERVICE_UNAVAILABLE
        && json_of(response).await["reasons"] == json!(["draining"])
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_sigint_lose_nothing_and_double_nothing() {
    let mut world = world(Options::default()).await;
    world.rules(&json!([{ "delay_ms": { "min": 200, "max": 800 } }]));
    let mut ids = Vec::new();
    for signal in ["TERM", "INT"] {
        let mut serving = serve(&mut world, &[]).await;
        let _idle = half_open(&serving, "").await;
        let _torn_head = half_open(&serving, "POST /v1/notifications HTTP/1.1\r\nho").await;
        let torn = "POST /v1/notifications HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{";
        let _torn_body = half_open(&serving, torn).await;
        let soon = Clock::system().now() + Duration::from_secs(1);
        ids.push(world.send(&body(Some(soon))).await);
        let ending = async {
            eventually(|| async {
                let totals = world.simulator.books().totals();
                (totals.apns.connections.open > 0 && totals.fcm.connections.open > 0).then_some(())
            })
            .await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            serving.signal(signal).await;
            let begun = Instant::now();
            eventually(|| async { is_draining(&world).await.then_some(()) }).await;
            let status = serving.ended().await;
            assert_eq!(status.code(), Some(0), "{}", log_of(world.directory.path()));
            assert!(
                begun.elapsed() < Duration::from_secs(8),
                "{:?}",
                begun.elapsed()
            );
        };
        let (first, second, ()) = tokio::join!(client(&world), client(&world), ending);
        for (accepted, refused) in [first, second] {
            assert!(!accepted.is_empty());
            // Or the process was gone already.
            assert!([None, Some(StatusCode::SERVICE_UNAVAILABLE)].contains(&refused));
            ids.extend(accepted);
        }
        for totals in [world.simulator.books().totals()] {
            for connections in [totals.apns.connections, totals.fcm.connections] {
                assert_eq!(connections.open, 0);
                assert_eq!(connections.goodbyes, connections.opened, "GOAWAY for each");
            }
        }
    }
    world.rules(&json!([]));
    world.start().await;
    for id in &ids {
        assert_eq!(world.ended(id).await["delivered"], DEVICES);
    }
    let totals = world.simulator.books().totals();
    let sent = u64::try_from(ids.len()).expect("few") * u64::from(DEVICES);
    assert_eq!(totals.apns.duplicates, 0);
    assert_eq!(
        totals.apns.accepted + totals.fcm.accepted,
        sent,
        "each once"
    );
    assert_eq!(totals.apns.requests + totals.fcm.requests, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_never_answers_holds_a_drain_up_for_drain_timeout() {
    let mut world = world(Options {
        top: "drain_timeout = \"1s\"",
        ..Options::default()
    })
    .await;
    let silent =
        json!([{ "when": { "provider": "apns" }, "then": { "silence": { "processed": true } } }]);
    world.rules(&silent);
    let mut serving = serve(&mut world, &[]).await;
    let id = world.send(&body(None)).await;
    eventually(|| async { (world.simulator.books().totals().apns.requests > 0).then_some(()) })
        .await;
    serving.signal("TERM").await;
    let begun = Instant::now();
    let status = serving.ended().await;
    let taken = begun.elapsed();
    let log = log_of(world.directory.path());
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(
        taken > Duration::from_millis(500) && taken < Duration::from_secs(4),
        "{taken:?}"
    );
    assert!(
        log.contains("drain_timeout passed") && log.contains("had no answer"),
        "{log}"
    );
    world.rules(&json!([]));
    world.start().await;
    assert_eq!(world.ended(&id).await["delivered"], DEVICES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_and_loses_nothing() {
    let mut world = world(Options {
        edit: Some(|text| format!("admin = \"{}\"\n{text}", free_address())),
        ..Options::default()
    })
    .await;
    let config = std::fs::read_to_string(&world.sandbox.config).expect("the configuration");
    let admin = config.split('"').nth(1).expect("an address").to_owned();
    let readiness = || reqwest::Client::new().get(format!("http://{admin}/readyz"));
    world.rules(&json!([{ "then": { "silence": { "processed": false } } }]));
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let mut serving = serve(&mut world, &[]).await;
        let mut idle = half_open(&serving, "").await;
        let requests = || world.simulator.books().totals().apns.requests;
        let before = requests();
        let id = world.send(&body(None)).await;
        // Now there is something to drain.
        eventually(|| async { (requests() > before).then_some(()) }).await;
        serving.signal(first).await;
        eventually(|| async { is_draining_at(readiness()).await.then_some(()) }).await;
        let refused = world
            .service(Method::POST, "/v1/notifications")
            .json(&body(None))
            .send()
            .await;
        let refused = refused.expect("an answer");
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(refused.headers()["connection"], "close");
        serving.signal(second).await;
        let begun = Instant::now();
        let status = serving.ended().await;
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        let log = log_of(world.directory.path());
        assert_eq!(status.code(), Some(3), "{log}");
        assert!(log.contains("second signal"), "{log}");
        let mut rest = Vec::new();
        // The peer is gone, however the system tells it.
        idle.read_to_end(&mut rest).await.ok();
        world.rules(&json!([]));
        world.start().await;
        assert_eq!(world.ended(&id).await["delivered"], DEVICES);
        assert!(world.drain().await);
        world.rules(&json!([{ "then": { "silence": { "processed": false } } }]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_cannot_be_kept_alive_ends_the_process_with_its_name() {
    let mut world = world(Options::default()).await;
    let mut serving = serve(&mut world, &[("TEST_PANIC_AT", "dispatcher/Deliveries")]).await;
    let id = world.send(&body(None)).await;
    // Ten restarts take some ten seconds.
    let ended = tokio::time::timeout(Duration::from_secs(60), serving.child.wait());
    let status = ended.await.expect("an end").expect("a status");
    let log = log_of(world.directory.path());
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("cannot go on: dispatcher died too often"),
        "{log}"
    );
    world.start().await;
    assert_eq!(world.ended(&id).await["delivered"], DEVICES);
}
