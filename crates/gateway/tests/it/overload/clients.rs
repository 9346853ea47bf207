//! Clients that are slow, half open, or never read: they cost their own connection and nobody else's answer.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Options, World, apns_token, expect};

/// Half of the connections there may be.
const SLOW: usize = 30;

const LIMITS: &str =
    "[limits]\nconnections_max = 90\nidle_timeout = \"2s\"\nrequest_timeout = \"2s\"\n";

async fn connect(world: &World) -> TcpStream {
    let address = world.app.as_ref().expect("a gateway").api;
    TcpStream::connect(address).await.expect("a connection")
}

/// Reads until the other side closes.
async fn closed(mut stream: TcpStream) {
    let mut nothing = Vec::new();
    // A reset is an end as good as any.
    drop(stream.read_to_end(&mut nothing).await);
}

/// A head that never ends, a byte at a time.
async fn slow_head(mut stream: TcpStream) {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while stream.write_all(b"G").await.is_ok() {
        tick.tick().await;
    }
}

/// A body that never comes.
async fn slow_body(mut stream: TcpStream, key: String) {
    let head = format!(
        "POST /v1/notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 1000\r\n\r\n{{"
    );
    drop(stream.write_all(head.as_bytes()).await);
    closed(stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_half_open_clients_are_let_go_and_others_are_served() {
    let world = World::with(Options {
        tables: LIMITS,
        ..Options::default()
    })
    .await;
    world.register("ada", "ios_push", &apns_token(1)).await;
    let key = world.sandbox.api_key.expose();
    let mut slow = Vec::new();
    for n in 0..SLOW {
        let stream = connect(&world).await;
        slow.push(match n % 3 {
            0 => tokio::spawn(closed(stream)),
            1 => tokio::spawn(slow_head(stream)),
            _ => tokio::spawn(slow_body(stream, key.clone())),
        });
    }
    for _ in 0..20 {
        let id = world.send_to(&["ada"]).await;
        assert_eq!(world.ended(&id).await["delivered"], 1);
        expect(world.request(Method::GET, "/healthz"), StatusCode::OK).await;
    }
    for client in slow {
        let gone = tokio::time::timeout(crate::harness::PATIENCE, client).await;
        gone.expect("let go in time").expect("no panic");
    }
}

/// More connections than there may be wait; when the slow ones are let go, it is their turn.
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_on_every_connection_hold_up_others_no_longer_than_the_idle_timeout() {
    let world = World::with(Options {
        tables: "[limits]\nconnections_max = 10\nidle_timeout = \"1s\"\n",
        ..Options::default()
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..10 {
        slow.push(tokio::spawn(slow_head(connect(&world).await)));
    }
    world.register("ada", "ios_push", &apns_token(1)).await;
    let id = world.send_to(&["ada"]).await;
    assert_eq!(world.ended(&id).await["delivered"], 1);
    for client in slow {
        let gone = tokio::time::timeout(crate::harness::PATIENCE, client).await;
        gone.expect("let go in time").expect("no panic");
    }
}
