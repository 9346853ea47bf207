//! The listener's loop, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::server::{self, Limits};

/// Nothing here takes longer, unless it is broken.
const DEADLINE: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    rooms: Arc<StandIn>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits::of(&config);
        let harness = Harness::with(config);
        let (stop, stopped) = oneshot::channel::<()>();
        let router = harness.router;
        let task = tokio::spawn(async move {
            server::run(listener, router, limits, async { drop(stopped.await) }).await;
        });
        Server {
            address,
            rooms: harness.rooms,
            stop: Some(stop),
            task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        within(self.task).await.unwrap();
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("in time")
}

/// Reads until the answer's JSON body is there.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    within(async {
        while !text.ends_with(b"}") {
            if stream.read_buf(&mut text).await.unwrap() == 0 {
                break;
            }
        }
    })
    .await;
    String::from_utf8(text).unwrap()
}

/// Reads until the peer closes.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset closes as well.
    drop(within(stream.read_to_end(&mut rest)).await);
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn http1_connections_are_kept_and_http2_is_spoken_in_clear() {
    let server = Server::start(config()).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(HEALTH).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    let client = crate::auth::http2_client();
    let url = format!("http://{}/healthz", server.address);
    let answer = within(client.get(url).send()).await.unwrap();
    assert_eq!(
        (answer.version(), answer.status().as_u16()),
        (http::Version::HTTP_2, 200)
    );
    drop((stream, client));
    server.stop().await;
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_a_place() {
    let server = Server::start(Config {
        connections_max: 1,
        ..config()
    })
    .await;
    let mut first = server.connect().await;
    first.write_all(HEALTH).await.unwrap();
    assert!(answer(&mut first).await.contains("200"));
    let mut second = server.connect().await;
    second.write_all(HEALTH).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), second.readable()).await;
    assert!(early.is_err(), "the second connection has no place yet");
    drop(first);
    assert!(answer(&mut second).await.contains("200"));
}

#[tokio::test]
async fn a_silent_and_an_idle_connection_are_closed() {
    let server = Server::start(Config {
        idle_timeout: Duration::from_millis(50),
        ..config()
    })
    .await;
    let mut silent = server.connect().await;
    closed(&mut silent).await;
    let mut idle = server.connect().await;
    idle.write_all(HEALTH).await.unwrap();
    assert!(answer(&mut idle).await.contains("200"));
    closed(&mut idle).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /healthz HTT").await.unwrap();
    closed(&mut slow).await;
    server.stop().await;
}

#[tokio::test]
async fn five_megabytes_get_their_413() {
    let server = Server::start(config()).await;
    let mut stream = server.connect().await;
    let size = 5 << 20;
    let head = format!(
        "POST /v1/notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE}\r\n\
         Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    within(stream.write_all(&vec![b' '; size])).await.unwrap();
    let answer = answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("body_too_large"));
    server.stop().await;
}

#[tokio::test]
async fn shutdown_finishes_what_is_under_way_and_takes_nothing_new() {
    let server = Server::start(Config {
        request_timeout: Duration::from_millis(300),
        ..config()
    })
    .await;
    *server.rooms.hangs.lock() = true;
    let mut busy = server.connect().await;
    let request =
        format!("GET /v1/stats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE}\r\n\r\n");
    busy.write_all(request.as_bytes()).await.unwrap();
    within(server.rooms.asked.notified()).await;
    let address = server.address;
    let mut idle = server.connect().await;
    idle.write_all(HEALTH).await.unwrap();
    assert!(answer(&mut idle).await.contains("200"));
    let stopping = tokio::spawn(server.stop());
    closed(&mut idle).await;
    let text = answer(&mut busy).await;
    assert!(
        text.starts_with("HTTP/1.1 503") && text.contains("timeout"),
        "{text}"
    );
    within(stopping).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn while_it_drains_health_is_answered_and_all_else_refused() {
    let server = Server::start(config()).await;
    *server.rooms.draining.lock() = true;
    *server.rooms.unready.lock() = vec!["draining".to_owned()];
    let ask = async |path: &str| {
        let mut stream = server.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        (answer(&mut stream).await.to_ascii_lowercase(), stream)
    };
    let (refused, mut stream) = ask("/v1/stats").await;
    assert!(refused.starts_with("http/1.1 503"), "{refused}");
    for part in ["connection: close", "retry-after: 1", "shutting_down"] {
        assert!(refused.contains(part), "{refused}");
    }
    let mut rest = Vec::new();
    within(stream.read_to_end(&mut rest)).await.unwrap();
    let (health, _) = ask("/healthz").await;
    assert!(health.starts_with("http/1.1 200"), "{health}");
    let (ready, _) = ask("/readyz").await;
    assert!(
        ready.starts_with("http/1.1 503") && ready.contains("draining"),
        "{ready}"
    );
    server.stop().await;
}

/// A campaign in the stand-in's book; gives its path.
async fn campaign(server: &Server, audience: Value) -> String {
    let body = super::campaigns::with(json!({"audience": audience})).to_string();
    let mut stream = server.connect().await;
    let request = format!(
        "POST /v1/campaigns HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let made = answer(&mut stream).await;
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
    let id = server.rooms.book.views.lock()[0].record.id;
    format!("/v1/campaigns/{id}")
}

#[tokio::test]
async fn a_stream_of_events_is_not_taken_for_idle_and_ends_when_the_gateway_drains() {
    let server = Server::start(Config {
        idle_timeout: Duration::from_millis(50),
        request_timeout: Duration::from_millis(50),
        ..config()
    })
    .await;
    let path = campaign(&server, json!({"all": true})).await;
    let mut stream = server.connect().await;
    let request =
        format!("GET {path}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let beats = |text: &[u8]| text.windows(4).filter(|part| part == b":\n\n\r").count();
    within(async {
        // Many times as long as an idle connection is kept.
        while beats(&text) < 20 {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0, "cut off");
        }
    })
    .await;
    *server.rooms.draining.lock() = true;
    within(stream.read_to_end(&mut text)).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("event: state"), "{text}");
    assert!(text.ends_with("\r\n0\r\n\r\n"), "ended, and not cut off");
    server.stop().await;
}

#[tokio::test]
async fn an_upload_whose_client_is_gone_keeps_its_blocks_and_gives_its_turn_back() {
    let server = Server::start(config()).await;
    let path = campaign(&server, json!({"recipients": "upload"})).await;
    let put = |head: &str, body: &str| {
        format!(
            "PUT {path}/recipients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE}\r\n\
             Content-Type: application/x-ndjson\r\nContent-Length: {head}\r\n\r\n{body}"
        )
    };
    let row = "{\"user_id\": \"ada\"}\n";
    let mut gone = server.connect().await;
    let rows = row.repeat(1_001);
    let request = put("1000000", &rows);
    within(gone.write_all(request.as_bytes())).await.unwrap();
    within(server.rooms.book.appended.notified()).await;
    let mut second = server.connect().await;
    second.write_all(put("0", "").as_bytes()).await.unwrap();
    let busy = answer(&mut second).await;
    assert!(busy.contains("upload_under_way"), "{busy}");
    drop(gone);
    let again = async {
        loop {
            let bytes = server.rooms.book.views.lock()[0].upload.bytes;
            assert!(bytes >= (row.len() * 1_000) as u64);
            let mut stream = server.connect().await;
            let head = format!("{}\r\nUpload-Offset: {bytes}", row.len());
            stream.write_all(put(&head, row).as_bytes()).await.unwrap();
            let text = answer(&mut stream).await;
            if text.starts_with("HTTP/1.1 200") {
                return text;
            }
            assert!(text.contains("HTTP/1.1 409"), "{text}");
        }
    };
    let text = within(again).await;
    assert!(text.contains("\"state\":\"complete\""), "{text}");
    server.stop().await;
}
