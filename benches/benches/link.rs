//! What a push's header block costs the lean engine, and what its answer's.
//!
//! Floors: a copy of the finished block; for answers a look at every byte of it.
//!
//! `cargo bench -p fanfare-benches --bench link`

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use fanfare_link::codec::{BlockReader, BlockWriter, huffman};
use fanfare_types::{Head, Request};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue};

const DEVICE: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
const ID: &str = "0190f0d0-0000-7000-8000-0000000004d2";

fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).expect("a value");
    value.set_sensitive(true);
    value
}

/// A message to APNs, with an expiry of its own.
fn apns(n: usize) -> Request {
    let of = |name, value| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let expiration = sensitive(&(1_700_000_000 + n).to_string());
    let head = Head::new(
        Authority::from_static("api.push.apple.com"),
        PathAndQuery::from_static("/3/device/"),
        vec![
            of("apns-topic", "com.example.shop"),
            of("apns-push-type", "alert"),
            of("apns-priority", "5"),
            (HeaderName::from_static("apns-expiration"), expiration),
        ],
        Some(sensitive(&format!("bearer {}", "x".repeat(220)))),
    );
    Request {
        head: Arc::new(head),
        rest: DEVICE.into(),
        own: Some((
            HeaderName::from_static("apns-id"),
            HeaderValue::from_static(ID),
        )),
        body: Bytes::new(),
    }
}

fn fcm() -> Request {
    let json = HeaderValue::from_static("application/json");
    let head = Head::new(
        Authority::from_static("fcm.googleapis.com"),
        PathAndQuery::from_static("/v1/projects/shop-1234/messages:send"),
        vec![(HeaderName::from_static("content-type"), json)],
        Some(sensitive(&format!("Bearer {}", "x".repeat(180)))),
    );
    Request {
        head: Arc::new(head),
        rest: Bytes::new(),
        own: None,
        body: Bytes::new(),
    }
}

/// A block of each request in turn, over and over.
fn writes(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, requests: &[Request]) -> Vec<u8> {
    let mut writer = BlockWriter::default();
    let mut block = Vec::with_capacity(1_024);
    for request in requests.iter().chain(requests) {
        block.clear();
        assert!(writer.write(request, &mut block));
    }
    let last = block.clone();
    let mut turn = requests.iter().cycle();
    group.bench_function(name, |b| {
        b.iter(|| {
            block.clear();
            let request = turn.next().expect("one");
            writer.write(black_box(request), &mut block)
        });
    });
    last
}

fn blocks(c: &mut Criterion) {
    let mut group = c.benchmark_group("header block of a push");
    group.throughput(Throughput::Elements(1));
    let of_apns = writes(&mut group, "apns", &[apns(0)]);
    let hundred: Vec<_> = (0..100).map(apns).collect();
    writes(&mut group, "apns, 100 messages in turn", &hundred);
    let thousand: Vec<_> = (0..1_000).map(apns).collect();
    writes(
        &mut group,
        "apns, more messages in turn than are kept",
        &thousand,
    );
    let of_fcm = writes(&mut group, "fcm", &[fcm()]);
    for (name, block) in [("apns", of_apns), ("fcm", of_fcm)] {
        let mut copy = Vec::with_capacity(1_024);
        group.bench_function(
            format!("floor: {name}'s is copied ({} bytes)", block.len()),
            |b| {
                b.iter(|| {
                    copy.clear();
                    copy.extend_from_slice(black_box(&block));
                });
            },
        );
    }
    group.finish();
}

/// What it would cost to write a push's two literals in the Huffman code, and how many bytes it would save.
fn literals(c: &mut Criterion) {
    let mut group = c.benchmark_group("two literals of a push");
    let path = format!("/3/device/{DEVICE}");
    let plain = path.len() + ID.len();
    let mut out = Vec::with_capacity(1_024);
    huffman(path.as_bytes(), &mut out);
    huffman(ID.as_bytes(), &mut out);
    let coded = out.len();
    group.bench_function(format!("as they are ({plain} bytes)"), |b| {
        b.iter(|| {
            out.clear();
            out.extend_from_slice(black_box(path.as_bytes()));
            out.extend_from_slice(black_box(ID.as_bytes()));
        });
    });
    group.bench_function(format!("Huffman-coded ({coded} bytes)"), |b| {
        b.iter(|| {
            out.clear();
            huffman(black_box(path.as_bytes()), &mut out);
            huffman(black_box(ID.as_bytes()), &mut out);
        });
    });
    group.finish();
}

fn literal(name: &str, value: &[u8], is_coded: bool) -> Vec<u8> {
    let mut block = vec![0x00, name.len() as u8];
    block.extend_from_slice(name.as_bytes());
    let mut coded = Vec::new();
    huffman(value, &mut coded);
    let (flag, string) = match is_coded {
        true => (0x80, &coded[..]),
        false => (0, value),
    };
    // Shorter than 127 bytes.
    block.push(flag | string.len() as u8);
    block.extend_from_slice(string);
    block
}

fn answers(c: &mut Criterion) {
    let mut group = c.benchmark_group("header block of an answer");
    group.throughput(Throughput::Elements(1));
    let mut reads = |name: &str, block: &[u8]| {
        let mut reader = BlockReader::new(4_096, 16_384);
        group.bench_function(format!("{name} ({} bytes)", block.len()), |b| {
            b.iter(|| {
                let mut bytes = 0;
                let read = reader.read(black_box(block), |name, value| {
                    bytes += name.len() + value.len();
                });
                (read, bytes)
            });
        });
    };
    reads("status", &[0x88]);
    let with_id = |is_coded| [vec![0x88], literal("apns-id", ID.as_bytes(), is_coded)].concat();
    reads("status and id", &with_id(false));
    reads("status and Huffman-coded id", &with_id(true));
    group.bench_function("floor: each byte is looked at", |b| {
        let block = with_id(true);
        b.iter(|| {
            black_box(&block)
                .iter()
                .map(|byte| u32::from(*byte))
                .sum::<u32>()
        });
    });
    group.finish();
}

criterion_group!(benches, blocks, literals, answers);
criterion_main!(benches);
