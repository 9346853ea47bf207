//! The session by itself, against frames written by hand. Tests begin with the section of RFC 9113 whose requirement
//! of a client they show.

mod connection;
mod cuts;
mod floods;
mod flow;
mod frames;
mod messages;
mod streams;

use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare_types::Head;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue};

use super::fault::{Code, Fault};
use super::frame::{self, flag, kind};
use super::session::{Event, Limits, Sent, Session};
use crate::{Lost, Response};

const LIMITS: Limits = Limits {
    streams: 100,
    answer_bytes: 16 * 1024,
    out_bytes: 32 * 1024,
};

/// HPACK: `:status` 200, by the static table.
const OK: &[u8] = &[0x88];

/// A session, and what it has told.
struct Rig {
    session: Session<u32>,
    now: Instant,
    answers: Vec<(u32, Response)>,
    lost: Vec<(u32, Lost)>,
    goaways: Vec<(Code, Vec<u8>)>,
}

/// A frame that has gone out.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Rig {
    /// One that has heard nothing.
    fn fresh() -> Rig {
        Rig::with(&LIMITS)
    }

    fn with(limits: &Limits) -> Rig {
        Rig {
            session: Session::new(limits),
            now: Instant::now(),
            answers: Vec::new(),
            lost: Vec::new(),
            goaways: Vec::new(),
        }
    }

    /// One that has had empty SETTINGS, and whose own first frames are out.
    fn new() -> Rig {
        let mut rig = Rig::fresh();
        rig.takes(kind::SETTINGS, 0, 0, &[]);
        rig.written();
        rig
    }

    /// One with requests of so many bytes, keys 1, 2, …, on streams 1, 3, …, all of it out.
    fn with_requests(count: u32, body: usize) -> Rig {
        let mut rig = Rig::new();
        for key in 1..=count {
            rig.request(key, body);
        }
        rig.frames();
        rig
    }

    fn request(&mut self, key: u32, body: usize) {
        let taken = self.session.request(request(key, body), key);
        assert!(taken.is_ok());
    }

    /// Feeds a frame.
    fn gets(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), Fault> {
        self.bytes(&frame(kind, flags, stream, payload))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Rig {
            session,
            answers,
            lost,
            goaways,
            ..
        } = self;
        session.receive(bytes, self.now, &mut |event| match event {
            Event::Answer(key, response) => answers.push((key, response)),
            Event::Lost(key, why) => lost.push((key, why)),
            Event::GoAway { code, debug } => goaways.push((code, debug)),
        })
    }

    /// Feeds a frame that is no connection error.
    fn takes(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.gets(kind, flags, stream, payload).expect("no fault");
    }

    /// Feeds a frame that is one; GOAWAY says so, and nothing goes on.
    fn fails(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8], code: Code) {
        let fault = self
            .gets(kind, flags, stream, payload)
            .expect_err("a fault");
        assert_eq!(fault.code, code, "{fault}");
        self.has_failed(code);
    }

    fn has_failed(&mut self, code: Code) {
        let frames = self.frames();
        let goaway = frames.last().expect("a frame");
        assert_eq!(goaway.kind, kind::GOAWAY);
        assert_eq!(goaway.payload[..4], [0; 4]);
        assert_eq!(goaway.payload[4..8], code.0.to_be_bytes());
        assert!(self.gets(kind::PING, 0, 0, &[0; 8]).is_err());
        assert!(self.frames().is_empty(), "goes on after its end");
        assert!(!self.session.is_ready());
    }

    /// The answer with a status alone.
    fn ok(&mut self, stream: u32) {
        self.takes(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            stream,
            OK,
        );
    }

    /// All bytes that have to go out, as if they did.
    fn written(&mut self) -> Vec<u8> {
        let out = self.session.out();
        let bytes = out.bytes().to_vec();
        out.advance(bytes.len());
        bytes
    }

    /// The same as frames, as far as the socket goes.
    fn frames(&mut self) -> Vec<Frame> {
        let bytes = self.written();
        parse(&bytes)
    }

    /// The one frame that has to go out.
    fn frame(&mut self) -> Frame {
        let mut frames = self.frames();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// A stream error: the stream is reset with this code, and its request lost.
    fn has_reset(&mut self, stream: u32, code: Code) {
        let reset = self.frame();
        assert_eq!((reset.kind, reset.stream), (kind::RST_STREAM, stream));
        assert_eq!(reset.payload, code.0.to_be_bytes());
        assert_eq!(self.lost.last(), Some(&(stream.div_ceil(2), Lost::Unknown)));
        assert!(self.session.is_ready());
    }

    fn status(&self, key: u32) -> u16 {
        let answer = self.answers.iter().find(|(of, _)| *of == key);
        answer.expect("an answer").1.status.as_u16()
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let head = frame::Head {
        length: payload.len(),
        kind,
        flags,
        stream,
    };
    [&head.to_bytes(), payload].concat()
}

fn parse(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk() {
        let head = frame::Head::read(head);
        let (payload, rest) = rest.split_at(head.length);
        frames.push(Frame {
            kind: head.kind,
            flags: head.flags,
            stream: head.stream,
            payload: payload.to_vec(),
        });
        bytes = rest;
    }
    assert!(bytes.is_empty());
    frames
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A header block of literals that are not indexed.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("short"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn request(key: u32, body: usize) -> fanfare_types::Request {
    request_with(key, body, None)
}

fn request_with(
    key: u32,
    body: usize,
    own: Option<(HeaderName, HeaderValue)>,
) -> fanfare_types::Request {
    let head = Head::new(
        Authority::from_static("push.test"),
        PathAndQuery::from_static("/3/device/"),
        Vec::new(),
        None,
    );
    fanfare_types::Request {
        head: head.into(),
        rest: key.to_string().into(),
        own,
        body: Bytes::from(vec![b'x'; body]),
    }
}
