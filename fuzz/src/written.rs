//! What a session wrote, as a strict server reads it: the preface, frames in an order and of a size that are allowed,
//! header blocks that can be read, and no more DATA than the peer's windows.

use std::collections::BTreeMap;

use fanfare_link::codec::BlockReader;

use crate::frames::{Frame, frames};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const WINDOW: u64 = 65_535;
const FRAME: usize = 16_384;

#[derive(Default)]
pub(crate) struct Written {
    /// Largest that the peer allowed at any time, and what it added to windows.
    initial_window: u64,
    frame: usize,
    added: BTreeMap<u32, u64>,
    streams: BTreeMap<u32, Stream>,
    /// DATA on all streams.
    data: u64,
    /// A header block that goes on.
    block: Option<(u32, Vec<u8>)>,
    /// The code of our last GOAWAY.
    pub(crate) goaway: Option<u32>,
}

#[derive(Default)]
struct Stream {
    data: u64,
    is_over: bool,
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

impl Written {
    /// What the peer's frames allow, were all of them taken.
    pub(crate) fn allow(&mut self, frames: &[Frame]) {
        (self.initial_window, self.frame) = (WINDOW, FRAME);
        for frame in frames {
            match frame.name() {
                "SETTINGS" => {
                    for setting in frame.payload.chunks_exact(6) {
                        let value = word(&setting[2..]).unwrap_or(0);
                        match setting[..2] {
                            [0, 4] => self.initial_window = self.initial_window.max(value.into()),
                            [0, 5] => self.frame = self.frame.max(value as usize),
                            _ => {}
                        }
                    }
                }
                "WINDOW_UPDATE" => {
                    let increment = word(&frame.payload).unwrap_or(0) & 0x7fff_ffff;
                    *self.added.entry(frame.stream).or_default() += u64::from(increment);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn read(&mut self, bytes: &[u8]) {
        let bytes = bytes
            .strip_prefix(PREFACE)
            .expect("the preface comes first");
        let all = frames(bytes);
        let length: usize = all.iter().map(Frame::length).sum();
        assert_eq!(length, bytes.len(), "the last frame is whole");
        assert_eq!(all.first().map(Frame::name), Some("SETTINGS"));
        let mut reader = BlockReader::new(4_096, 1 << 20);
        for frame in &all {
            assert!(frame.payload.len() <= self.frame, "{}", frame.payload.len());
            assert!(self.goaway.is_none(), "nothing after GOAWAY");
            assert!(self.block.is_none() || frame.name() == "CONTINUATION");
            self.frame(frame, &mut reader);
        }
        assert!(self.block.is_none(), "header blocks are whole");
    }

    fn frame(&mut self, frame: &Frame, reader: &mut BlockReader) {
        let size = frame.payload.len();
        match frame.name() {
            "HEADERS" => {
                let last = self.streams.last_key_value().map_or(0, |(id, _)| *id);
                assert!(frame.stream > last && frame.stream % 2 == 1, "ids rise");
                let is_over = frame.has(END_STREAM);
                self.streams
                    .insert(frame.stream, Stream { data: 0, is_over });
                self.block = Some((frame.stream, Vec::new()));
                self.fragment(frame, reader);
            }
            "CONTINUATION" => self.fragment(frame, reader),
            "DATA" => self.data(frame),
            "RST_STREAM" => {
                assert_eq!(size, 4);
                let stream = self.streams.get_mut(&frame.stream);
                stream.expect("a stream of ours").is_over = true;
            }
            "SETTINGS" => assert!(frame.stream == 0 && size.is_multiple_of(6)),
            "PING" => assert!(frame.stream == 0 && size == 8),
            "GOAWAY" => self.goaway = word(&frame.payload[4..]),
            "WINDOW_UPDATE" => assert!(size == 4 && word(&frame.payload) != Some(0)),
            other => panic!("a client of ours has no {other} to send"),
        }
    }

    fn fragment(&mut self, frame: &Frame, reader: &mut BlockReader) {
        let (stream, mut block) = self.block.take().expect("a block has begun");
        assert_eq!(frame.stream, stream);
        block.extend_from_slice(&frame.payload);
        if !frame.has(END_HEADERS) {
            self.block = Some((stream, block));
            return;
        }
        let mut names = Vec::new();
        let read = reader.read(&block, |name, _| names.push(name.to_vec()));
        assert_eq!(read, Ok(()));
        let pseudo = [&b":method"[..], b":scheme", b":authority", b":path"];
        assert_eq!(names[..4], pseudo);
    }

    fn data(&mut self, frame: &Frame) {
        let size = frame.payload.len() as u64;
        let added = |id: u32| self.added.get(&id).copied().unwrap_or(0);
        let (of_stream, of_all) = (added(frame.stream), added(0));
        let stream = self.streams.get_mut(&frame.stream).expect("it is open");
        assert!(!stream.is_over, "DATA on a stream that is over");
        stream.is_over = frame.has(END_STREAM);
        stream.data += size;
        self.data += size;
        assert!(stream.data <= self.initial_window + of_stream);
        assert!(self.data <= WINDOW + of_all);
    }
}
