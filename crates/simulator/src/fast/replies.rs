//! The sending side of a connection of the fast mode: answers, as the client's windows allow, and what is booked of them.

use std::collections::VecDeque;

use super::answers::answer;
use super::connection::Fault;
use super::frames::{self, Header, number, put};
use crate::Provider;
use crate::books::{Turn as Booked, format_uuid};
use crate::rules::{Code, lot};

/// The protocol's windows before anything is announced.
pub(super) const WINDOW_AT_FIRST: u32 = 65_535;

/// A request whose body is on its way.
pub(super) struct Pending {
    pub(super) path: Vec<u8>,
    pub(super) id: Option<u128>,
}

pub(super) struct Replies {
    provider: Provider,
    /// What we may send on the connection, and on each new stream.
    window: i64,
    stream_window: i64,
    /// Bodies of answers that wait for the connection's window.
    waiting: VecDeque<(u32, Vec<u8>)>,
    pub(super) booked: Booked,
    answers: u64,
}

impl Replies {
    pub(super) fn new(provider: Provider) -> Self {
        Self {
            provider,
            window: i64::from(WINDOW_AT_FIRST),
            stream_window: i64::from(WINDOW_AT_FIRST),
            waiting: VecDeque::new(),
            booked: Booked::default(),
            answers: 0,
        }
    }

    /// Answers whose body waits.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The client has reset a stream.
    pub(super) fn forget(&mut self, stream: u32) {
        self.waiting.retain(|(waiting, _)| *waiting != stream);
    }

    pub(super) fn settings(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let settings = payload.chunks_exact(6);
        if !settings.remainder().is_empty() {
            return Err((Code::FrameSizeError, "settings"));
        }
        for setting in settings {
            let id = u16::from_be_bytes([setting[0], setting[1]]);
            let value = number(&setting[2..]).unwrap_or(0);
            if id == frames::INITIAL_WINDOW_SIZE {
                self.stream_window = i64::from(value);
            }
        }
        put(out, frames::SETTINGS, frames::ACK, 0, &[]);
        Ok(())
    }

    pub(super) fn window_update(
        &mut self,
        header: Header,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let more = number(payload).ok_or((Code::FrameSizeError, "a window update"))?;
        if header.stream == 0 {
            self.window += i64::from(more & 0x7FFF_FFFF);
            self.send_waiting(out);
        }
        Ok(())
    }

    /// A request is whole.
    pub(super) fn reply(
        &mut self,
        stream: u32,
        pending: &Pending,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.answers += 1;
        let id = pending.id.unwrap_or_else(|| {
            let half = |n| u128::from(lot(u64::from(stream), self.answers + n));
            half(0) << 64 | half(1)
        });
        let text = match self.provider {
            Provider::Apns => format_uuid(id),
            _ => String::new(),
        };
        let answer = answer(
            self.provider,
            stream,
            &pending.path,
            &text,
            self.answers,
            out,
        );
        if answer.is_accepted {
            self.booked.accepted += 1;
            self.booked.ids.extend(pending.id);
        } else {
            self.booked.not_found += 1;
        }
        if let Some(body) = answer.body {
            if self.stream_window < length(&body) {
                return Err((
                    Code::InternalError,
                    "the fast mode needs a window for an answer",
                ));
            }
            self.waiting.push_back((stream, body));
            self.send_waiting(out);
        }
        Ok(())
    }

    /// Bodies of answers, as the connection's window allows.
    fn send_waiting(&mut self, out: &mut Vec<u8>) {
        while let Some((stream, body)) = self.waiting.front()
            && self.window >= length(body)
        {
            self.window -= length(body);
            put(out, frames::DATA, frames::END_STREAM, *stream, body);
            self.waiting.pop_front();
        }
    }
}

fn length(body: &[u8]) -> i64 {
    i64::try_from(body.len()).unwrap_or(i64::MAX)
}
