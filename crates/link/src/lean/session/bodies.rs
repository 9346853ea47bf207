//! Request bodies, as far as the peer's windows and the room before the socket allow, in turn.

use bytes::{Buf, Bytes};

use super::super::flow::SendWindow;
use super::super::frame::{flag, kind};
use super::super::out::Out;
use super::super::stream::Stream;
use super::Session;

impl<T> Session<T> {
    /// Writes the bodies that wait, a frame of each in turn.
    pub(crate) fn send_bodies(&mut self) {
        while self.send.available() > 0 && self.out.has_room() {
            let Some(id) = self.line.pop_front() else {
                return;
            };
            let Some(stream) = self.streams.get(id) else {
                continue;
            };
            if piece(stream, &mut self.send, &mut self.out, self.peer.frame) {
                self.line.push_back(id);
            }
        }
    }

    /// A stream's window has changed: it gets in line, if it has something to send.
    pub(super) fn line_up(&mut self, id: u32) {
        if let Some(stream) = self.streams.get(id)
            && stream.gets_in_line()
        {
            self.line.push_back(id);
        }
    }
}

/// Writes the next frame of a body. `true` when the stream is to be in line for another one.
pub(super) fn piece<T>(
    stream: &mut Stream<T>,
    connection: &mut SendWindow,
    out: &mut Out,
    frame_max: usize,
) -> bool {
    let own = stream.send.available();
    let length = stream.body.len().min(frame_max).min(own);
    let length = length.min(connection.available());
    stream.in_line = false;
    if length > 0 {
        let ends = length == stream.body.len();
        let flags = if ends { flag::END_STREAM } else { 0 };
        out.frame(kind::DATA, flags, stream.id, &stream.body[..length]);
        stream.send.take(length);
        connection.take(length);
        stream.ends_at = out.end();
        if ends {
            // Its memory is free from here on.
            stream.body = Bytes::new();
            return false;
        }
        stream.body.advance(length);
    }
    stream.gets_in_line()
}
