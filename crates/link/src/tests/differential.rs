//! Each engine against a server by `h2`, under seeded traffic: limits, windows and pieces of any size, bodies, trailers,
//! interim answers, resets, GOAWAY, and ends. The server writes down what it did; answers must say so.
//!
//! `TEST_LINK_SEEDS=1000` runs more; a failure names its seed, and `TEST_LINK_SEED` replays one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response as HttpResponse, StatusCode};
use parking_lot::Mutex;

use super::choppy::{Choppy, Dice, Written};
use super::*;

on_each_engine! {
    #[tokio::test(start_paused = true)]
    every_key_has_its_one_right_answer;
}

/// Seeds in every test run.
const SEEDS: u64 = 40;

/// How the server's connection ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    WhenAsked,
    /// A GOAWAY in two steps after so many requests.
    Graceful(usize),
    /// A GOAWAY with an error, and gone.
    Abrupt(usize),
    /// Gone.
    Dropped(usize),
}

/// What the server did with a request.
#[derive(Clone, Debug, PartialEq)]
enum Done {
    /// It has read the whole request, and not answered yet.
    Read,
    Answered(StatusCode, usize),
    /// An answer before it had read the request, which may cost the answer.
    Early(StatusCode, usize),
    Reset(Reason),
}

type Log = Arc<Mutex<HashMap<u32, Done>>>;

async fn serve(io: Choppy, mut dice: Dice, ending: Ending, log: Log) {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(dice.of(&[2_000, 10_000, 65_535, 1 << 20]))
        .initial_connection_window_size(dice.of(&[65_535, 100_000, 1 << 20]))
        .max_frame_size(dice.of(&[16_384, 20_000, 1 << 20]))
        .header_table_size(dice.of(&[0, 100, 4_096, 65_536]))
        .max_concurrent_streams(dice.of(&[1, 7, 100, 1_000]));
    let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else {
        return;
    };
    let mut count = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        let key = request.uri().path().rsplit('/').next().unwrap();
        let key: u32 = key.parse().unwrap();
        let dice = Dice::new(dice.0 ^ u64::from(key));
        tokio::spawn(answer(request.into_body(), respond, dice, key, log.clone()));
        count += 1;
        match ending {
            Ending::Graceful(after) if after == count => connection.graceful_shutdown(),
            Ending::Abrupt(after) if after == count => {
                connection.abrupt_shutdown(Reason::INTERNAL_ERROR);
            }
            Ending::Dropped(after) if after == count => return,
            _ => {}
        }
    }
}

async fn answer(
    mut body: h2::RecvStream,
    mut respond: SendResponse<Bytes>,
    mut dice: Dice,
    key: u32,
    log: Log,
) {
    let conduct = dice.roll(12);
    let early = conduct == 0;
    if conduct == 1 {
        log.lock().insert(key, Done::Reset(Reason::REFUSED_STREAM));
        return respond.send_reset(Reason::REFUSED_STREAM);
    }
    while !early && let Some(chunk) = body.data().await {
        let Ok(chunk) = chunk else { return };
        body.flow_control().release_capacity(chunk.len()).ok();
    }
    if !early {
        log.lock().insert(key, Done::Read);
    }
    for _ in 0..dice.roll(4) {
        tokio::task::yield_now().await;
    }
    if conduct == 2 {
        let reason = dice.of(&[Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::NO_ERROR]);
        log.lock().insert(key, Done::Reset(reason));
        return respond.send_reset(reason);
    }
    if conduct == 3 {
        let mut interim = HttpResponse::new(());
        *interim.status_mut() = StatusCode::from_u16(103).unwrap();
        respond.send_informational(interim).ok();
    }
    let status = StatusCode::from_u16(dice.of(&[200, 200, 200, 400, 410, 503])).unwrap();
    let length = dice.of(&[0, 0, 1, 30, 500, 20_000]);
    let done = match early {
        true => Done::Early(status, length),
        false => Done::Answered(status, length),
    };
    log.lock().insert(key, done);
    let mut response = HttpResponse::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("retry-after", HeaderValue::from(key));
    headers.insert("apns-id", HeaderValue::from_static("5f0c7a1e"));
    let trailers = dice.roll(4) == 0;
    let Ok(mut stream) = respond.send_response(response, length == 0 && !trailers) else {
        return;
    };
    if length > 0 {
        stream.send_data(vec![b'y'; length].into(), !trailers).ok();
    }
    if trailers {
        let mut fields = HeaderMap::new();
        fields.insert("x-checksum", HeaderValue::from_static("1"));
        stream.send_trailers(fields).ok();
    }
}

async fn every_key_has_its_one_right_answer(config: Config) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let only: Option<u64> = number("TEST_LINK_SEED");
    let seeds = number("TEST_LINK_SEEDS").unwrap_or(SEEDS);
    let mut answered = 0;
    for seed in only.map_or(1..seeds + 1, |seed| seed..seed + 1) {
        answered += round(seed, &config).await;
    }
    assert!(
        only.is_some() || answered > seeds * 30,
        "{answered} answers in all"
    );
}

/// How many requests were answered.
async fn round(seed: u64, config: &Config) -> u64 {
    let mut dice = Dice::new(seed);
    let config = Config {
        streams_max: dice.of(&[1, 20, 500]),
        write_buffer_bytes: dice.of(&[16, 1_000, 32 * 1024]),
        answer_bytes_max: dice.of(&[100, 64 * 1024]),
        ..config.clone()
    };
    let after = 1 + dice.roll(100);
    let ending = match dice.roll(8) {
        0 => Ending::Graceful(after),
        1 => Ending::Abrupt(after),
        2 => Ending::Dropped(after),
        _ => Ending::WhenAsked,
    };
    let (ours, theirs) = tokio::io::duplex(dice.of(&[500, 4_000, 1 << 20]));
    let log = Log::default();
    let theirs = Choppy::new(theirs, dice.clone());
    let written = theirs.written();
    let server = tokio::spawn(serve(theirs, dice.clone(), ending, log.clone()));
    let mut link = Link::over(Choppy::new(ours, dice.clone()), &config).await;
    let count = 150;
    for start in (0..count).step_by(30) {
        let batch: Vec<_> = (start..start + 30)
            .map(|key| request(key, dice.of(&[0, 1, 200, 200, 200, 3_000, 30_000])))
            .collect();
        match link.sender.as_ref().unwrap().send(batch) {
            Ok(()) => link.sent.extend(start..start + 30),
            Err(_) => break,
        }
        if dice.roll(2) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    link.close();
    let ended = link.end().await;
    server.await.unwrap();
    let log = log.lock();
    let refused = refused(&written);
    let keep = config.answer_bytes_max;
    for (key, result) in &ended.answers {
        let done = log.get(key);
        // Streams are opened in the order of keys.
        let is_refused = refused.contains(&(2 * key + 1));
        assert!(
            is_right(result, done, keep, ending, is_refused),
            "seed {seed}, key {key}: {result:?}, and the server {done:?}, {ending:?}"
        );
    }
    let answered = ended.answers.values().filter(|result| result.is_ok());
    answered.count() as u64
}

/// The streams that the server has refused on the wire: in [`answer`], and `h2` by itself, which the log knows nothing of.
fn refused(written: &Written) -> HashSet<u32> {
    const RST_STREAM: u8 = 3;
    let written = written.lock();
    let mut rest = &written[..];
    let mut streams = HashSet::new();
    while let Some(([a, b, c, kind, _, stream @ ..], after)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, after)) = after.split_at_checked(length) else {
            break;
        };
        if *kind == RST_STREAM && payload == u32::from(Reason::REFUSED_STREAM).to_be_bytes() {
            streams.insert(u32::from_be_bytes(*stream));
        }
        rest = after;
    }
    streams
}

fn is_right(
    result: &Result<Response, Lost>,
    done: Option<&Done>,
    keep: usize,
    ending: Ending,
    is_refused: bool,
) -> bool {
    let goes_early = matches!(ending, Ending::Abrupt(_) | Ending::Dropped(_));
    match (result, done) {
        (Ok(response), Some(Done::Answered(status, length) | Done::Early(status, length))) => {
            response.status == *status
                && response.body == vec![b'y'; (*length).min(keep)]
                && (response.status.is_success() || response.headers.contains_key("retry-after"))
        }
        // The server has not seen all of it, and there is a reason.
        (Err(Lost::NotSent), None) => is_refused || ending != Ending::WhenAsked,
        (Err(_), Some(Done::Early(..))) => true,
        (Err(lost), Some(Done::Reset(reason))) => {
            let refused = *reason == Reason::REFUSED_STREAM && *lost == Lost::NotSent;
            refused || *lost == Lost::Unknown
        }
        (Err(Lost::Unknown), _) => goes_early,
        _ => false,
    }
}
