//! Uploading recipients: what a client sees.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::sleep;

use super::*;
use crate::tests::documents::{document, is_documented};

const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";

async fn uploaded_to(api: &Harness) -> String {
    made(api, with(json!({"audience": {"recipients": "upload"}}))).await
}

struct Put {
    id: String,
    media_type: &'static str,
    offset: Option<u64>,
}

impl Put {
    fn new(id: &str, media_type: &'static str) -> Self {
        Put {
            id: id.to_owned(),
            media_type,
            offset: None,
        }
    }

    fn at(self, offset: u64) -> Self {
        Put {
            offset: Some(offset),
            ..self
        }
    }

    fn with(&self, body: Body) -> Request<Body> {
        let path = format!("{PATH}/{}/recipients", self.id);
        let mut request = request("PUT", &path, SERVICE, None);
        *request.body_mut() = body;
        let headers = request.headers_mut();
        headers.insert("content-type", self.media_type.parse().unwrap());
        if let Some(offset) = self.offset {
            headers.insert("upload-offset", offset.into());
        }
        request
    }

    async fn send(&self, api: &Harness, body: impl Into<Body>) -> Answer {
        api.send(self.with(body.into())).await
    }
}

fn rows(range: std::ops::Range<u32>) -> String {
    range
        .map(|n| format!("{{\"user_id\": \"u{n}\"}}\n"))
        .collect()
}

async fn upload(api: &Harness, id: &str) -> Value {
    let campaign = api
        .call("GET", &format!("{PATH}/{id}"), SERVICE, None)
        .await;
    campaign.json()["upload"].clone()
}

fn kept(api: &Harness) -> usize {
    api.rooms.book.rows.lock().values().map(Vec::len).sum()
}

/// A body that breaks off.
fn broken(text: &str) -> Body {
    let pieces = [
        Ok(Bytes::copy_from_slice(text.as_bytes())),
        Err(std::io::Error::other("gone")),
    ];
    Body::from_stream(stream::iter(pieces))
}

fn pieces(pieces: impl Stream<Item = String> + Send + 'static) -> Body {
    Body::from_stream(pieces.map(Ok::<_, Infallible>))
}

#[tokio::test]
async fn bad_rows_are_passed_over_and_told_by_line() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let text = "{\"user_id\": \"ada\"}\n{\"user\": 1}\noops\n{\"user_id\": \"bob\"}";
    let answer = Put::new(&id, NDJSON).send(&api, text).await;
    let golden = json!({
        "state": "complete", "bytes": text.len(), "rows": 2, "bad_rows": 2, "errors": [
            {"line": 2, "code": "unknown", "field": null},
            {"line": 3, "code": "malformed_json", "field": null},
        ],
    });
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, golden.clone())
    );
    assert_eq!(upload(&api, &id).await, golden);
    is_documented(&document(), "PUT", "/v1/campaigns/{id}/recipients", &answer);
    let start = api
        .call("POST", &format!("{PATH}/{id}/start"), SERVICE, None)
        .await;
    assert_eq!(start.json()["counts"]["total"], 2);
}

#[tokio::test]
async fn an_upload_of_bad_rows_alone_has_no_audience() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let answer = Put::new(&id, NDJSON).send(&api, "{}\n").await;
    assert_eq!(answer.json()["state"], "complete");
    let start = api
        .call("POST", &format!("{PATH}/{id}/start"), SERVICE, None)
        .await;
    start.problem(409, "empty_audience");
}

#[tokio::test]
async fn rows_are_appended_in_blocks_and_in_order() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let text = rows(0..2_500);
    let body = pieces(stream::iter(
        text.as_bytes()
            .chunks(777)
            .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
            .collect::<Vec<_>>(),
    ));
    let answer = Put::new(&id, NDJSON).send(&api, body).await;
    assert_eq!(answer.json()["rows"], 2_500);
    assert_eq!(*api.rooms.book.blocks.lock(), [1_000, 1_000, 500]);
    let all = api.rooms.book.rows.lock();
    let users: Vec<_> = all
        .values()
        .flatten()
        .map(|row| format!("{:?}", row.to))
        .collect();
    let expected: Vec<_> = (0..2_500).map(|n| format!("User(u{n})")).collect();
    assert_eq!(users, expected);
}

#[tokio::test]
async fn csv_is_read_by_its_header_and_goes_on_without_it() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let text = "user_id,name\r\nada,\"Ada, the\nfirst\"\r\nbob,Bob\r\n";
    let (first, second) = text.split_at(text.len() - 9);
    Put::new(&id, CSV)
        .send(&api, broken(first))
        .await
        .problem(400, "body_unreadable");
    let there = upload(&api, &id).await;
    assert_eq!(there["state"], "incomplete");
    assert_eq!(
        (&there["rows"], &there["bytes"]),
        (&json!(1), &json!(first.len()))
    );
    let answer = Put::new(&id, CSV)
        .at(first.len() as u64)
        .send(&api, second.to_owned())
        .await;
    assert_eq!(
        (&answer.json()["rows"], &answer.json()["bytes"]),
        (&json!(2), &json!(text.len()))
    );
    let other = Put::new(&id, NDJSON)
        .at(text.len() as u64)
        .send(&api, "")
        .await;
    other.problem(415, "unsupported_media_type");
    let headless = Put::new(&id, CSV).send(&api, "ada,Ada\n").await;
    assert_eq!(
        headless.problem(422, "invalid_request"),
        pairs([("header", "missing")])
    );
}

#[tokio::test]
async fn what_breaks_off_stays_incomplete_and_goes_on_at_the_last_row() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let text = rows(0..1_200);
    let cut = text.len() / 2 + 5;
    Put::new(&id, NDJSON)
        .send(&api, broken(&text[..cut]))
        .await
        .problem(400, "body_unreadable");
    let there = upload(&api, &id).await;
    assert_eq!(there["state"], "incomplete");
    let bytes = usize::try_from(there["bytes"].as_u64().unwrap()).unwrap();
    assert!(bytes <= cut && text[..bytes].ends_with('\n'));
    assert_eq!(there["rows"], text[..bytes].lines().count());
    let start = api
        .call("POST", &format!("{PATH}/{id}/start"), SERVICE, None)
        .await;
    start.problem(409, "upload_incomplete");
    for wrong in [0, bytes as u64 + 1] {
        let answer = Put::new(&id, NDJSON).at(wrong).send(&api, rows(0..9)).await;
        answer.problem(409, "upload_offset");
        assert!(
            answer.text.contains(&format!("byte {bytes}")),
            "{}",
            answer.text
        );
    }
    let put = Put::new(&id, NDJSON).at(bytes as u64);
    let answer = put.send(&api, text[bytes..].to_owned()).await;
    assert_eq!(answer.json()["rows"], 1_200);
    assert_eq!(kept(&api), 1_200);
}

#[tokio::test]
async fn without_an_offset_it_begins_anew_and_is_incomplete_from_then_on() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    Put::new(&id, NDJSON).send(&api, rows(0..5)).await;
    Put::new(&id, NDJSON)
        .send(&api, broken("{\"user_id\""))
        .await;
    let there = upload(&api, &id).await;
    assert_eq!(
        (&there["state"], &there["rows"]),
        (&json!("none"), &json!(0))
    );
    assert_eq!(kept(&api), 0);
    let answer = Put::new(&id, NDJSON).send(&api, rows(7..9)).await;
    assert_eq!(
        (&answer.json()["state"], kept(&api)),
        (&json!("complete"), 2)
    );
    let more = Put::new(&id, NDJSON).at(answer.json()["bytes"].as_u64().unwrap());
    more.send(&api, broken("{\"user_id\"")).await;
    assert_eq!(upload(&api, &id).await["state"], "incomplete");
    more.send(&api, rows(9..10)).await;
    let there = upload(&api, &id).await;
    assert_eq!(
        (&there["state"], &there["rows"]),
        (&json!("complete"), &json!(3))
    );
}

#[tokio::test]
async fn uploads_are_taken_for_drafts_with_such_an_audience_alone() {
    let api = Harness::new();
    let all = made(&api, smallest()).await;
    Put::new(&all, NDJSON)
        .send(&api, rows(0..1))
        .await
        .problem(409, "not_an_upload");
    let id = uploaded_to(&api).await;
    for media_type in ["application/json", ""] {
        let answer = Put::new(&id, media_type).send(&api, rows(0..1)).await;
        answer.problem(415, "unsupported_media_type");
    }
    Put::new(&id, NDJSON).send(&api, rows(0..1)).await;
    api.call("POST", &format!("{PATH}/{id}/start"), SERVICE, None)
        .await;
    let late = Put::new(&id, NDJSON).send(&api, rows(0..1)).await;
    late.problem(409, "impossible_in_state");
    assert_eq!(late.json()["state"], "running");
    is_documented(&document(), "PUT", "/v1/campaigns/{id}/recipients", &late);
    let mut other = Put::new(&id, NDJSON).with(Body::empty());
    other
        .headers_mut()
        .insert("authorization", format!("Bearer {OTHER}").parse().unwrap());
    api.send(other).await.problem(404, "campaign_not_found");
    let nothing = Put::new("0190c42f-0d6a-8000-8000-000000000000", NDJSON);
    nothing
        .send(&api, rows(0..1))
        .await
        .problem(404, "campaign_not_found");
}

#[tokio::test]
async fn more_rows_than_there_may_be_leave_the_upload_incomplete() {
    let mut config = config();
    config.campaigns.upload_rows_max = 3;
    let api = Harness::with(config);
    let id = uploaded_to(&api).await;
    let answer = Put::new(&id, NDJSON).send(&api, rows(0..4)).await;
    answer.problem(413, "upload_too_large");
    assert_ne!(upload(&api, &id).await["state"], "complete");
    let answer = Put::new(&id, NDJSON).send(&api, rows(0..3)).await;
    assert_eq!(answer.json()["rows"], 3);
}

#[tokio::test(start_paused = true)]
async fn an_upload_may_take_longer_than_a_request_and_only_one_has_the_turn() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let slow = stream::unfold(0, |n| async move {
        sleep(Duration::from_secs(50)).await;
        (n < 4).then(|| (rows(n..n + 1), n + 1))
    });
    let put = Put::new(&id, NDJSON);
    let slow = put.send(&api, pieces(slow));
    let second = async {
        sleep(Duration::from_secs(75)).await;
        let answer = put.send(&api, rows(0..1)).await;
        answer.problem(409, "upload_under_way");
    };
    let (answer, ()) = futures_util::future::join(slow, second).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["rows"]),
        (200, &json!(4))
    );
    let again = put.send(&api, rows(0..1)).await;
    assert_eq!(again.status, 200, "the turn was given back");
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_cut_off_and_keeps_what_was_whole() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let text = format!("{}{{\"user_id\"", rows(0..3));
    let stalls = stream::iter([text]).chain(stream::pending());
    let began = tokio::time::Instant::now();
    let answer = Put::new(&id, NDJSON).send(&api, pieces(stalls)).await;
    answer.problem(408, "upload_idle");
    is_documented(&document(), "PUT", "/v1/campaigns/{id}/recipients", &answer);
    // As long again is given to a sender that does not stop sending.
    assert!(began.elapsed() <= config().campaigns.upload_idle + config().request_timeout);
    let there = upload(&api, &id).await;
    assert_eq!(
        (&there["state"], &there["rows"]),
        (&json!("incomplete"), &json!(3))
    );
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_drains_keeps_what_came_and_sends_the_client_on() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let stalls = stream::iter([rows(0..3)]).chain(stream::pending());
    let put = Put::new(&id, NDJSON);
    let uploading = put.send(&api, pieces(stalls));
    let drain = async {
        sleep(Duration::from_secs(1)).await;
        *api.rooms.draining.lock() = true;
    };
    let (answer, ()) = futures_util::future::join(uploading, drain).await;
    answer.problem(503, "shutting_down");
    assert_eq!(answer.headers["retry-after"], "1");
    *api.rooms.draining.lock() = false;
    assert_eq!(upload(&api, &id).await["rows"], 3);
}

#[tokio::test(start_paused = true)]
async fn more_is_read_when_a_block_is_durable_and_a_store_that_hangs_is_no_wait_without_end() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = read.clone();
    let rooms = api.rooms.clone();
    let body = stream::iter(0..10).map(move |n| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        *rooms.hangs.lock() = n == 2;
        rows(n * 1_000..(n + 1) * 1_000)
    });
    let answer = Put::new(&id, NDJSON).send(&api, pieces(body)).await;
    answer.problem(503, "timeout");
    *api.rooms.hangs.lock() = false;
    assert_eq!(upload(&api, &id).await["rows"], 2_000);
    let discarded = read.load(std::sync::atomic::Ordering::Relaxed) - 3;
    assert!(discarded <= 8, "the rest was let go of, not kept");
}

#[tokio::test]
async fn an_upload_that_fails_in_the_store_can_go_on() {
    let api = Harness::new();
    let id = uploaded_to(&api).await;
    let rooms = api.rooms.clone();
    let body = stream::iter(0..3).map(move |n| {
        if n == 2 {
            let why = fanfare_store::Error::Overloaded;
            *rooms.failure.lock() = Some(fanfare_actors::Error::Store(why));
        }
        rows(n * 1_000..(n + 1) * 1_000)
    });
    let answer = Put::new(&id, NDJSON).send(&api, pieces(body)).await;
    answer.problem(503, "store_overloaded");
    let there = upload(&api, &id).await;
    assert_eq!(
        (&there["state"], &there["rows"]),
        (&json!("incomplete"), &json!(2_000))
    );
    let put = Put::new(&id, NDJSON).at(there["bytes"].as_u64().unwrap());
    assert_eq!(
        put.send(&api, rows(2_000..3_000)).await.json()["rows"],
        3_000
    );
}
