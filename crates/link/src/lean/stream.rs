//! One stream: what of its request has still to be sent, and what of its answer has come.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::flow::{Overflow, ReceiveWindow, SendWindow};
use crate::{Response, terms};

pub(super) struct Stream<T> {
    pub(super) id: u32,
    /// What the caller keeps with it.
    pub(super) tag: T,
    /// What has not been written of the request's body.
    pub(super) body: Bytes,
    pub(super) send: SendWindow,
    /// It waits in the line of bodies.
    pub(super) in_line: bool,
    /// Where the request ends in all that is written, once it is written whole.
    pub(super) ends_at: u64,
    receive: ReceiveWindow,
    answer: Option<Answering>,
}

/// An answer whose head has come.
pub(super) struct Answering {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// What `content-length` says.
    pub(super) declared: Option<u64>,
    received: u64,
    body: Vec<u8>,
}

/// What an answer has come to.
pub(super) enum Came {
    /// More has to come.
    Part,
    Whole(Response),
    /// Longer than is kept, and cut there; more may come.
    Cut(Response),
    /// RFC 9113, section 8.1.1.
    Malformed,
}

impl<T> Stream<T> {
    pub(super) fn new(id: u32, tag: T, body: Bytes, window: u32) -> Self {
        Stream {
            id,
            tag,
            body,
            send: SendWindow::new(window),
            in_line: false,
            ends_at: 0,
            receive: ReceiveWindow::new(terms::STREAM_WINDOW),
            answer: None,
        }
    }

    /// Whether the head of the answer has come.
    pub(super) fn has_head(&self) -> bool {
        self.answer.is_some()
    }

    /// Whether the request is written whole.
    pub(super) fn is_written(&self) -> bool {
        self.body.is_empty()
    }

    /// Puts it in line if it is not, and has something that its own window allows. `true` when it was put there.
    pub(super) fn gets_in_line(&mut self) -> bool {
        let gets = !self.in_line && !self.body.is_empty() && self.send.available() > 0;
        self.in_line |= gets;
        gets
    }

    /// The final head of the answer.
    pub(super) fn head(&mut self, answer: Answering, ends: bool) -> Came {
        if ends {
            return answer.finish();
        }
        self.answer = Some(answer);
        Came::Part
    }

    pub(super) fn trailers(&mut self) -> Came {
        self.answer
            .take()
            .map_or(Came::Malformed, Answering::finish)
    }

    /// A DATA frame of so many bytes, padding included.
    pub(super) fn counts(&mut self, bytes: usize) -> Result<(), Overflow> {
        self.receive.take(bytes)
    }

    /// The window's increment that is due, if one is.
    pub(super) fn give_back(&mut self) -> Option<u32> {
        self.receive.give_back()
    }

    /// What is in a DATA frame; of the whole body at most `keep` bytes are kept.
    pub(super) fn data(&mut self, data: &[u8], ends: bool, keep: usize) -> Came {
        let Some(answer) = &mut self.answer else {
            return Came::Malformed;
        };
        answer.received += data.len() as u64;
        if answer.declared.is_some_and(|all| answer.received > all) {
            return Came::Malformed;
        }
        let room = keep.saturating_sub(answer.body.len());
        let fits = data.len() <= room;
        answer.body.extend_from_slice(&data[..data.len().min(room)]);
        match (fits, ends) {
            (true, false) => Came::Part,
            (_, true) => self.trailers(),
            (false, false) => match self.answer.take() {
                Some(answer) => Came::Cut(answer.response()),
                None => Came::Malformed,
            },
        }
    }
}

impl Answering {
    pub(super) fn new(status: StatusCode, headers: HeaderMap, declared: Option<u64>) -> Self {
        Answering {
            status,
            headers,
            declared,
            received: 0,
            body: Vec::new(),
        }
    }

    /// All of it has come.
    fn finish(self) -> Came {
        // To a 304 it says what another status would have had.
        let is_free = self.status == StatusCode::NOT_MODIFIED;
        match self.declared {
            Some(declared) if declared != self.received && !is_free => Came::Malformed,
            _ => Came::Whole(self.response()),
        }
    }

    fn response(self) -> Response {
        Response {
            status: self.status,
            headers: self.headers,
            body: self.body.into(),
        }
    }
}
