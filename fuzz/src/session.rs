//! A peer that sends anything: a session ends in the right error or goes on, tells of each request once, and writes
//! nothing but what such a peer may be sent. How its bytes are cut makes no difference.
//!
//! An input is a script, a step a line:
//!
//! | line | step |
//! |---|---|
//! | `SETTINGS 0 0 000300000064` | the peer sends a frame: kind (a name or a number), flags, stream, payload |
//! | `raw 00 00 04 …` | it sends these bytes |
//! | `cut 7` | what it sends comes in pieces of so many bytes |
//! | `ask 3000` | a request with a body of so many bytes |
//! | `write 100` | so many bytes are written to it |
//! | `reset 3` | the request with this number, from 0, is given up |
//! | `ping` | a PING of ours |
//! | `wait 10` | so many milliseconds pass |
//!
//! Numbers are decimal, bytes hexadecimal. A line `4 * DATA …` is done four times.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare_link::codec::{Conversation, Told};
use fanfare_types::{Head, Request};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue};

use crate::frames::{Frame, KINDS, frames};
use crate::written::Written;

const STREAMS: u32 = 100;
const ANSWER_BYTES: usize = 1_000;
const OUT_BYTES: usize = 20_000;

/// Replies that may wait (1,000 of 17 bytes), the last frames of a body and of a header block, WINDOW_UPDATEs and resets
/// of every stream.
const BESIDE: usize = 100_000;

/// Most bytes that one script makes a peer send.
const SENT_MAX: usize = 128 << 10;

/// Pieces that each frame comes in, the second time: a short one byte by byte.
const PIECES: usize = 32;

const TIMES_MAX: usize = 2_000;

/// See the module.
pub fn run(input: &[u8]) {
    outcome(input);
}

/// How a script ended, for the test that the corpus reaches what it is for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub fault: Option<u32>,
    pub answered: usize,
    pub lost: usize,
}

/// As [`run`].
pub fn outcome(input: &[u8]) -> Outcome {
    let (steps, is_ragged) = steps(input);
    let (first, told) = play(&steps, false);
    let (second, again) = play(&steps, true);
    // Bodies are written whenever something came, so where frames end may decide whether there is room to ask.
    if !is_ragged {
        assert_eq!(first, second, "cut small it ends otherwise");
        assert_eq!(told, again, "cut small it tells something else");
    }
    first
}

enum Step {
    Send(Vec<u8>),
    Cut(usize),
    Ask(usize),
    Write(usize),
    Reset(u32),
    Ping,
    Wait(u64),
}

/// The steps of a script, and whether it sends a frame in parts, with other steps between them.
fn steps(input: &[u8]) -> (Vec<Step>, bool) {
    let mut steps = Vec::new();
    let (mut sent, mut tail, mut is_ragged) = (0, false, false);
    for line in input.split(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let (times, line) = match text.split_once('*') {
            Some((times, line)) => (times.trim().parse().unwrap_or(1), line),
            None => (1, &*text),
        };
        for _ in 0..times.min(TIMES_MAX) {
            let Some(step) = step(line.trim()) else { break };
            if let Step::Send(bytes) = &step {
                sent += bytes.len();
                is_ragged |= tail;
                tail |= frames(bytes).iter().map(Frame::length).sum::<usize>() < bytes.len();
            }
            if sent > SENT_MAX || steps.len() > 2 * TIMES_MAX {
                return (steps, is_ragged);
            }
            steps.push(step);
        }
    }
    (steps, is_ragged)
}

fn step(line: &str) -> Option<Step> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let number = || rest.trim().parse::<u32>().ok();
    let size = || number().map(|number| number as usize);
    Some(match word {
        "raw" => Step::Send(crate::bytes_in(rest.as_bytes())),
        "cut" => Step::Cut(size()?.max(1)),
        "ask" => Step::Ask(size()?.min(100_000)),
        "write" => Step::Write(size()?),
        "reset" => Step::Reset(number()?),
        "ping" => Step::Ping,
        "wait" => Step::Wait(u64::from(number()?)),
        kind => {
            let named = KINDS.iter().position(|name| *name == kind);
            let kind = named.map(|kind| kind as u8).or_else(|| kind.parse().ok())?;
            let mut words = rest.splitn(3, ' ');
            let flags = words.next()?.parse().ok()?;
            let stream = words.next()?.parse().ok()?;
            let payload = crate::bytes_in(words.next().unwrap_or_default().as_bytes());
            Step::Send(Frame::new(kind, flags, stream, payload).to_bytes())
        }
    })
}

/// Goes through a script; `cut_small`: all the peer's bytes come in small pieces, whatever it says.
fn play(steps: &[Step], cut_small: bool) -> (Outcome, Vec<Told>) {
    let mut game = Game {
        session: Conversation::new(STREAMS, ANSWER_BYTES, OUT_BYTES),
        now: Instant::now(),
        head: head(),
        cut: usize::MAX,
        asked: 0,
        told: Vec::new(),
        open: BTreeSet::new(),
        outcome: Outcome::default(),
        sent: Vec::new(),
        written: Vec::new(),
    };
    for step in steps {
        game.step(step, cut_small);
        assert_eq!(
            game.session.open(),
            game.open.len(),
            "told of each at most once"
        );
        assert!(game.session.unwritten() <= OUT_BYTES + BESIDE);
        if game.outcome.fault.is_some() {
            break;
        }
    }
    game.end();
    (game.outcome, game.told)
}

struct Game {
    session: Conversation,
    now: Instant,
    head: Arc<Head>,
    cut: usize,
    asked: u32,
    told: Vec<Told>,
    /// Requests that nothing was told of.
    open: BTreeSet<u32>,
    outcome: Outcome,
    /// All the peer's bytes, and all that it was written.
    sent: Vec<u8>,
    written: Vec<u8>,
}

impl Game {
    fn step(&mut self, step: &Step, cut_small: bool) {
        match step {
            Step::Send(bytes) => {
                self.sent.extend_from_slice(bytes);
                let mut rest = &bytes[..];
                while !rest.is_empty() && self.outcome.fault.is_none() {
                    let first = frames(rest).first().map_or(rest.len(), Frame::length);
                    let (frame, after) = rest.split_at(first);
                    rest = after;
                    self.send(frame, cut_small);
                }
            }
            Step::Cut(bytes) => self.cut = *bytes,
            Step::Ask(bytes) => {
                let request = request(&self.head, self.asked, *bytes);
                if self.session.ask(request, self.asked) {
                    self.open.insert(self.asked);
                    self.asked += 1;
                }
            }
            Step::Write(bytes) => self.written.extend(self.session.write(*bytes)),
            Step::Reset(key) => {
                self.session.reset(*key);
                self.open.remove(key);
            }
            Step::Ping => self.session.ping(),
            Step::Wait(time) => self.now += Duration::from_millis(*time),
        }
    }

    fn send(&mut self, frame: &[u8], cut_small: bool) {
        // Whatever bodies can be written now are, so that it is not the cut that decides.
        self.session.write(0);
        let cut = match cut_small {
            true => frame.len().div_ceil(PIECES),
            false => self.cut,
        };
        for piece in frame.chunks(cut) {
            self.receive(piece);
            if self.outcome.fault.is_some() {
                break;
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let (told, open, outcome) = (&mut self.told, &mut self.open, &mut self.outcome);
        let received = self.session.receive(bytes, self.now, |event| {
            told.push(event);
            match event {
                Told::Answer {
                    key, body_bytes, ..
                } => {
                    assert!(body_bytes <= ANSWER_BYTES);
                    assert!(open.remove(&key), "told of a request twice");
                    outcome.answered += 1;
                }
                Told::Lost { key, .. } => {
                    assert!(open.remove(&key), "told of a request twice");
                    outcome.lost += 1;
                }
                Told::GoAway(_) => {}
            }
        });
        self.outcome.fault = received.err();
    }

    /// After a fault nothing more comes of it. All that it wrote is held against what the peer had allowed.
    fn end(&mut self) {
        if let Some(code) = self.outcome.fault {
            let again = self
                .session
                .receive(&[0; 9], self.now, |event| panic!("{event:?}"));
            assert_eq!(again, Err(code));
        }
        self.written.extend(self.session.write(usize::MAX));
        let mut written = Written::default();
        written.allow(&frames(&self.sent));
        written.read(&self.written);
        assert_eq!(
            written.goaway, self.outcome.fault,
            "a fault is told by its code"
        );
    }
}

fn head() -> Arc<Head> {
    let mut token = HeaderValue::from_static("bearer token");
    token.set_sensitive(true);
    let topic = HeaderName::from_static("apns-topic");
    Arc::new(Head::new(
        Authority::from_static("push.test"),
        PathAndQuery::from_static("/3/device/"),
        vec![(topic, HeaderValue::from_static("com.example.shop"))],
        Some(token),
    ))
}

fn request(head: &Arc<Head>, key: u32, bytes: usize) -> Request {
    Request {
        head: head.clone(),
        rest: key.to_string().into(),
        own: None,
        body: Bytes::from(vec![b'x'; bytes]),
    }
}
