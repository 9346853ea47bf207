//! What a push costs on its connection: request, frames, answer, events. No TLS and no socket: a pipe, and behind it a
//! peer that does no more than look at heads of frames, on the same thread.
//!
//! Floors: the bare `h2` client with a future a request, driven by one task; and the pipe with that peer, fed with
//! requests that were encoded before.
//!
//! `cargo bench -p fanfare-benches --bench engines`

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fanfare_link::{Config, Engine, Event, Request};
use fanfare_types::Head;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

const DEVICE: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
const PIPE: usize = 1 << 20;
/// Requests on their way at once.
const WINDOW: u64 = 256;
const BATCH: u64 = 64;
const HEAD: usize = 9;
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ENDS: u8 = 1;

/// Looks at the heads of all whole frames; how many bytes these are.
fn frames(bytes: &[u8], mut look: impl FnMut(&[u8; HEAD])) -> usize {
    let mut at = 0;
    while let Some(head) = bytes[at..].first_chunk() {
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        if bytes.len() - at < HEAD + length {
            break;
        }
        look(head);
        at += HEAD + length;
    }
    at
}

/// Says SETTINGS with 1,000 streams and large windows, and answers every request with a bare 200.
async fn peer(mut io: DuplexStream) {
    let mut out = vec![0, 0, 12, SETTINGS, 0, 0, 0, 0, 0];
    out.extend([0, 3, 0, 0, 3, 0xe8, 0, 4, 0x40, 0, 0, 0]);
    out.extend([0, 0, 4, WINDOW_UPDATE, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0]);
    // SETTINGS acknowledged.
    out.extend([0, 0, 0, SETTINGS, 1, 0, 0, 0, 0]);
    let mut read = vec![0; PIPE];
    let mut begun = 0;
    let mut skip = PREFACE;
    loop {
        if io.write_all(&out).await.is_err() {
            return;
        }
        out.clear();
        let Ok(count @ 1..) = io.read(&mut read[begun..]).await else {
            return;
        };
        let end = begun + count;
        let mut at = skip.min(end);
        skip -= at;
        let mut taken = 0_u32;
        at += frames(&read[at..end], |head| {
            let [_, high, low, kind, flags, id @ ..] = head;
            if *kind == DATA {
                taken += u32::from(u16::from_be_bytes([*high, *low]));
            }
            if *kind <= HEADERS && flags & ENDS != 0 {
                out.extend([0, 0, 1, HEADERS, 5]);
                out.extend(id);
                out.push(0x88);
            }
        });
        if taken > 0 {
            out.extend([0, 0, 4, WINDOW_UPDATE, 0, 0, 0, 0, 0]);
            out.extend(taken.to_be_bytes());
        }
        read.copy_within(at..end, 0);
        begun = end - at;
    }
}

fn requests() -> (std::sync::Arc<Head>, Bytes) {
    let fields = [
        ("apns-topic", "com.example.shop"),
        ("apns-push-type", "alert"),
        ("apns-priority", "10"),
    ];
    let fields = fields.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    let head = Head::new(
        Authority::from_static("api.push.apple.com"),
        PathAndQuery::from_static("/3/device/"),
        fields.into(),
        Some(HeaderValue::from_static(
            "bearer eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl",
        )),
    );
    (head.into(), Bytes::from(vec![b'x'; 200]))
}

fn request(head: &std::sync::Arc<Head>, body: &Bytes) -> fanfare_types::Request {
    let mut id = HeaderValue::from_static("0190f0d0-0000-7000-8000-0000000004d2");
    id.set_sensitive(true);
    fanfare_types::Request {
        head: head.clone(),
        rest: Bytes::from_static(DEVICE.as_bytes()),
        own: Some((HeaderName::from_static("apns-id"), id)),
        body: body.clone(),
    }
}

/// Sends so many on one of our engines, in batches, with at most [`WINDOW`] unanswered.
async fn ours(engine: Engine, count: u64) -> Duration {
    let (io, theirs) = tokio::io::duplex(PIPE);
    let serving = tokio::spawn(peer(theirs));
    let config = Config {
        engine,
        ..Config::default()
    };
    let (sender, driver) = fanfare_link::over(io, &config).await.expect("a connection");
    let (told, mut events) = mpsc::channel(1_000);
    let run = tokio::spawn(driver.run(move |event| told.try_send(event).expect("room")));
    while !matches!(events.recv().await, Some(Event::Streams(1..))) {}
    let (head, body) = requests();
    let start = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        while sent < count && sent - answered + BATCH <= WINDOW {
            let size = BATCH.min(count - sent);
            let one = |key| Request {
                key: u32::try_from(key).unwrap_or(0),
                request: request(&head, &body),
            };
            if sender.send((sent..sent + size).map(one).collect()).is_err() {
                panic!("a batch given back: {:?}", run.await);
            }
            sent += size;
        }
        if let Some(Event::Answers(answers)) = events.recv().await {
            assert!(answers.iter().all(|answer| answer.result.is_ok()));
            answered += answers.len() as u64;
        }
    }
    let took = start.elapsed();
    sender.close();
    run.await.expect("no panic").expect("an orderly end");
    serving.abort();
    took
}

/// The same by `h2`'s client.
async fn bare(count: u64) -> Duration {
    let (io, theirs) = tokio::io::duplex(PIPE);
    let serving = tokio::spawn(peer(theirs));
    let (mut send, connection) = h2::client::handshake(io).await.expect("a connection");
    let driving = tokio::spawn(connection);
    let (head, body) = requests();
    let start = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    let mut open = FuturesUnordered::new();
    while answered < count {
        while sent < count && sent - answered < WINDOW {
            send = send.ready().await.expect("a connection");
            let whole = request(&head, &body).into_http().expect("a request");
            let (parts, body) = whole.into_parts();
            let head = http::Request::from_parts(parts, ());
            let (response, mut stream) = send.send_request(head, false).expect("a stream");
            stream.send_data(body, true).expect("a stream");
            open.push(response);
            sent += 1;
        }
        let response = open.next().await.expect("one that is open");
        assert!(response.expect("an answer").status().is_success());
        answered += 1;
    }
    let took = start.elapsed();
    drop((send, open));
    driving.abort();
    serving.abort();
    took
}

/// The pipe and the peer alone.
async fn pipe(count: u64) -> Duration {
    let (mut io, theirs) = tokio::io::duplex(PIPE);
    let serving = tokio::spawn(peer(theirs));
    let one = [
        &[0, 0, 120, HEADERS, 4, 0, 0, 0, 1][..],
        &[0; 120],
        &[0, 0, 200, 0, 1, 0, 0, 0, 1],
        &[0; 200],
    ];
    let batch = one.concat().repeat(usize::try_from(BATCH).unwrap_or(1));
    io.write_all(&[0; PREFACE]).await.expect("room");
    let mut read = vec![0; PIPE];
    let (mut begun, mut sent, mut answered) = (0, 0, 0);
    let start = Instant::now();
    while answered < count {
        while sent < count && sent - answered + BATCH <= WINDOW {
            io.write_all(&batch).await.expect("room");
            sent += BATCH;
        }
        let more = io.read(&mut read[begun..]).await.expect("answers");
        let end = begun + more;
        let seen = frames(&read[..end], |head| {
            answered += u64::from(head[3] == HEADERS);
        });
        read.copy_within(seen..end, 0);
        begun = end - seen;
    }
    let took = start.elapsed();
    serving.abort();
    took
}

fn engines(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut group = c.benchmark_group("a push on its connection");
    group.throughput(Throughput::Elements(1));
    group.bench_function("lean", |b| {
        b.iter_custom(|count| runtime.block_on(ours(Engine::Lean, count)));
    });
    group.bench_function("h2", |b| {
        b.iter_custom(|count| runtime.block_on(ours(Engine::H2, count)));
    });
    group.bench_function("floor: the h2 client by itself", |b| {
        b.iter_custom(|count| runtime.block_on(bare(count)));
    });
    group.bench_function("floor: the pipe and the peer", |b| {
        b.iter_custom(|count| runtime.block_on(pipe(count)));
    });
    group.finish();
}

criterion_group!(benches, engines);
criterion_main!(benches);
