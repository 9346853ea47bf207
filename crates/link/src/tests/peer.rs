//! A server written by hand, frame by frame (RFC 9113), for what a well-behaved one would not do.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;

pub(super) const END_STREAM: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

pub(super) const NO_ERROR: u32 = 0;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// Error code of RST_STREAM, last stream of GOAWAY.
    pub(super) fn word(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }
}

pub(super) struct Peer {
    io: DuplexStream,
    /// It has said SETTINGS, which come before anything else.
    begun: bool,
}

impl Peer {
    pub(super) async fn start(io: DuplexStream, streams: u32) -> Peer {
        let mut peer = Peer::mute(io).await;
        peer.begin(streams).await;
        peer
    }

    /// One that has read the client's preface and said nothing.
    pub(super) async fn mute(mut io: DuplexStream) -> Peer {
        let mut preface = [0; 24];
        io.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Peer { io, begun: false }
    }

    pub(super) async fn begin(&mut self, streams: u32) {
        self.settings(streams).await;
        self.begun = true;
        // No test has to think of the connection's window.
        self.write(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())
            .await;
    }

    pub(super) async fn settings(&mut self, streams: u32) {
        self.setting(3, streams).await;
    }

    /// The window that later streams begin with (and earlier ones are changed by the difference).
    pub(super) async fn initial_window(&mut self, bytes: u32) {
        self.setting(4, bytes).await;
    }

    async fn setting(&mut self, id: u8, value: u32) {
        let mut payload = vec![0, id];
        payload.extend(value.to_be_bytes());
        self.write(SETTINGS, 0, 0, &payload).await;
    }

    pub(super) async fn window(&mut self, stream: u32, bytes: u32) {
        self.write(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
            .await;
    }

    pub(super) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let written = self.try_write(kind, flags, stream, payload).await;
        written.unwrap();
    }

    /// The link may have gone meanwhile.
    async fn try_write(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.io.write_all(&frame).await
    }

    /// The next frame; SETTINGS are acknowledged on the way, by a peer that has said its own. `None` at the end of the stream.
    pub(super) async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = timeout(super::PATIENCE, self.io.read_exact(&mut head)).await;
        read.expect("a frame or the end in time").ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.io.read_exact(&mut payload).await.ok()?;
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes(head[5..].try_into().unwrap()),
            payload,
        };
        if self.begun && frame.kind == SETTINGS && frame.flags & ACK == 0 {
            // The link may have gone meanwhile.
            self.io
                .write_all(&[0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0])
                .await
                .ok();
        }
        Some(frame)
    }

    /// The next frame of this kind.
    pub(super) async fn expect(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.read().await.expect("a frame before the end");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Whether none of this kind comes for a while.
    pub(super) async fn silent(&mut self, kind: u8, time: Duration) -> bool {
        timeout(time, self.expect(kind)).await.is_err()
    }

    /// The next whole request's stream.
    pub(super) async fn request(&mut self) -> u32 {
        loop {
            let frame = self.read().await.expect("a request before the end");
            if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
                return frame.stream;
            }
        }
    }

    pub(super) async fn requests(&mut self, count: usize) -> Vec<u32> {
        let mut streams = Vec::new();
        for _ in 0..count {
            streams.push(self.request().await);
        }
        streams
    }

    pub(super) async fn head(&mut self, stream: u32, status: u16, ends: bool) {
        // HPACK: `:status` by its name in the static table (8), the value as a literal that is not indexed.
        let mut block = vec![0x08, 3];
        block.extend(status.to_string().bytes());
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.write(HEADERS, flags, stream, &block).await;
    }

    /// An answer with a header of so many bytes, in as many frames as it takes.
    pub(super) async fn padded(&mut self, stream: u32, status: u16, bytes: usize) {
        let mut block = vec![0x08, 3];
        block.extend(status.to_string().bytes());
        // A literal with a new name; the value's length as an integer with a prefix of 7 bits (RFC 7541, 5.1).
        block.extend([0x00, 1, b'x', 0x7f]);
        let mut rest = bytes - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 0x80);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
        block.resize(block.len() + bytes, b'a');
        let pieces: Vec<_> = block.chunks(16 * 1024).collect();
        for (index, piece) in pieces.iter().enumerate() {
            let first = index == 0;
            let last = index + 1 == pieces.len();
            let kind = if first { HEADERS } else { CONTINUATION };
            let flags = if last { END_HEADERS } else { 0 } | if first { END_STREAM } else { 0 };
            self.try_write(kind, flags, stream, piece).await.ok();
        }
    }

    pub(super) async fn ok(&mut self, stream: u32) {
        self.head(stream, 200, true).await;
    }

    pub(super) async fn answer(&mut self, stream: u32, status: u16, body: &[u8]) {
        self.head(stream, status, false).await;
        self.write(DATA, END_STREAM, stream, body).await;
    }

    pub(super) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(super) async fn goaway(&mut self, last: u32, code: u32, data: &str) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(code.to_be_bytes());
        payload.extend(data.bytes());
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    pub(super) async fn pong(&mut self, ping: &Frame) {
        self.write(PING, ACK, 0, &ping.payload).await;
    }

    /// Reads to the end of the stream; the frames seen.
    pub(super) async fn drain(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.read().await {
            frames.push(frame);
        }
        frames
    }
}
