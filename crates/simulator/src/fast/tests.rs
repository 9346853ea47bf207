//! Bytes in, bytes out, and a real client over memory.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;

use super::connection::{Connection, Ended};
use super::frames::{self, Header, put};
use crate::Provider;
use crate::books::Books;
use crate::rules::Rules;
use crate::simulator::Shared;

fn shared() -> Arc<Shared> {
    Arc::new(Shared {
        books: Books::new(1000),
        rules: Rules::new(1, false, true),
    })
}

/// A client of the `h2` library, which uses Huffman's code and the dynamic table as it likes.
async fn client(shared: &Arc<Shared>, provider: Provider) -> SendRequest<Bytes> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(super::serve(Arc::clone(shared), provider, 1000, theirs));
    let (sender, connection) = h2::client::handshake(ours).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

async fn push(
    sender: &SendRequest<Bytes>,
    path: &str,
    id: Option<&str>,
) -> (u16, Option<String>, Bytes) {
    let mut request =
        Request::post(format!("https://localhost{path}")).header("apns-topic", "com.example.app");
    if let Some(id) = id {
        request = request.header("apns-id", id);
    }
    let mut sender = sender.clone().ready().await.unwrap();
    let (answer, mut body) = sender
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    body.send_data(Bytes::from_static(b"{\"aps\":{}}"), true)
        .unwrap();
    let (head, mut body) = answer.await.unwrap().into_parts();
    let id = head
        .headers
        .get("apns-id")
        .map(|id| id.to_str().unwrap().to_owned());
    let mut whole = Vec::new();
    while let Some(part) = body.data().await {
        whole.extend_from_slice(&part.unwrap());
    }
    (head.status.as_u16(), id, whole.into())
}

#[tokio::test]
async fn pushes_to_apns_are_accepted_with_their_ids_and_counted_once_each() {
    let shared = shared();
    let sender = client(&shared, Provider::Apns).await;
    for n in 0..50_u8 {
        let path = format!("/3/device/{n:064x}");
        let id = format!("00000000-0000-4000-8000-0000000000{n:02x}");
        let (status, answered, body) = push(&sender, &path, Some(&id)).await;
        assert_eq!((status, answered, body.len()), (200, Some(id), 0));
    }
    let again = "00000000-0000-4000-8000-000000000007";
    push(&sender, "/3/device/aa", Some(again)).await;
    let (status, own, _) = push(&sender, "/3/device/aa", None).await;
    assert_eq!((status, own.map(|id| id.len())), (200, Some(36)));
    assert_eq!(push(&sender, "/nowhere", None).await.0, 404);
    let totals = shared.books.totals().apns;
    assert_eq!(
        (totals.requests, totals.accepted, totals.duplicates),
        (53, 52, 1)
    );
    assert_eq!(
        (totals.answered(200, None), totals.answered(404, None)),
        (52, 1)
    );
}

#[tokio::test]
async fn pushes_to_fcm_have_names_for_answers() {
    let shared = shared();
    let sender = client(&shared, Provider::Fcm).await;
    // More bodies than the first window of the connection holds.
    for _ in 0..2000 {
        let (status, _, body) = push(&sender, "/v1/projects/shop/messages:send", None).await;
        assert_eq!(status, 200);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(
            body["name"]
                .as_str()
                .unwrap()
                .starts_with("projects/shop/messages/")
        );
    }
    assert_eq!(shared.books.totals().fcm.accepted, 2000);
}

fn begun() -> Connection {
    let mut connection = Connection::new(Provider::Apns, 2);
    let turn = connection.take(frames::PREFACE, &mut Vec::new());
    assert!(turn.ended.is_none() && turn.taken == frames::PREFACE.len());
    connection
}

/// HEADERS of a POST to `/3/device/aa`, plain.
const BLOCK: &[u8] = b"\x83\x87\x04\x0c/3/device/aa";

fn kinds(mut out: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some(header) = Header::read(out) {
        kinds.push(header.kind);
        out = &out[Header::BYTES + header.length..];
    }
    kinds
}

#[test]
fn a_request_may_come_in_any_pieces() {
    let mut bytes = Vec::new();
    // A header block in two frames; a body in two, the first of them padded.
    put(&mut bytes, frames::HEADERS, 0, 1, &BLOCK[..5]);
    put(
        &mut bytes,
        frames::CONTINUATION,
        frames::END_HEADERS,
        1,
        &BLOCK[5..],
    );
    put(&mut bytes, frames::DATA, 8, 1, b"\x02{ab");
    put(&mut bytes, frames::DATA, frames::END_STREAM, 1, b"}");
    let mut connection = begun();
    let (mut buffer, mut out) = (Vec::new(), Vec::new());
    for byte in bytes {
        buffer.push(byte);
        let turn = connection.take(&buffer, &mut out);
        assert!(turn.ended.is_none());
        buffer.drain(..turn.taken);
    }
    assert_eq!(kinds(&out), [frames::HEADERS]);
    assert_eq!(connection.booked().accepted, 1);
}

#[test]
fn pings_and_settings_are_acknowledged_and_a_goodbye_ends_it() {
    let mut bytes = Vec::new();
    put(&mut bytes, frames::SETTINGS, 0, 0, &[0, 4, 0, 0, 0x10, 0]);
    put(&mut bytes, frames::PING, 0, 0, b"12345678");
    put(&mut bytes, 0xEE, 0, 0, b"whatever");
    put(&mut bytes, frames::GOAWAY, 0, 0, &[0; 8]);
    let mut out = Vec::new();
    let turn = begun().take(&bytes, &mut out);
    assert!(matches!(turn.ended, Some(Ended::Goodbye)));
    assert_eq!(kinds(&out), [frames::SETTINGS, frames::PING]);
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    type Frame<'a> = (u8, u8, u32, &'a [u8]);
    let head = frames::END_HEADERS;
    let cases: [&[Frame<'_>]; 9] = [
        &[(frames::HEADERS, head, 2, BLOCK)],
        &[(frames::HEADERS, head, 1, &[0xBE])],
        &[(frames::HEADERS, head | 8, 1, &[200, 1])],
        &[
            (frames::HEADERS, 0, 1, BLOCK),
            (frames::PING, 0, 0, b"12345678"),
        ],
        &[(frames::CONTINUATION, head, 1, BLOCK)],
        &[(frames::DATA, 1, 5, b"")],
        &[(frames::SETTINGS, 0, 0, &[1, 2, 3])],
        &[(frames::PUSH_PROMISE, 0, 1, b"")],
        // Three streams where, as the client knows, two may be.
        &[
            (frames::SETTINGS, frames::ACK, 0, b""),
            (frames::HEADERS, head, 1, BLOCK),
            (frames::HEADERS, head, 3, BLOCK),
            (frames::HEADERS, head, 5, BLOCK),
        ],
    ];
    for case in cases {
        let mut bytes = Vec::new();
        for (kind, flags, stream, payload) in case {
            put(&mut bytes, *kind, *flags, *stream, payload);
        }
        let mut out = Vec::new();
        let turn = begun().take(&bytes, &mut out);
        assert!(matches!(turn.ended, Some(Ended::Violation)), "{case:?}");
        assert_eq!(kinds(&out).last(), Some(&frames::GOAWAY), "{case:?}");
    }
}
