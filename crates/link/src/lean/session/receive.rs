//! What each frame of the peer does (RFC 9113, section 6), as far as it is about the connection.

use std::time::Instant;

use super::super::fault::{Code, Fault};
use super::super::frame::{self, Head, flag, kind};
use super::super::streams::Found;
use super::{Event, Session};
use crate::Lost;

const OVERFLOW: Fault = Fault::new(Code::FLOW_CONTROL_ERROR, "a window beyond 2^31-1");

impl<T> Session<T> {
    /// Takes bytes that have come, cut anywhere, and tells what they bring. `now` is only for what a peer does without
    /// end.
    ///
    /// # Errors
    /// A connection error: its GOAWAY is in [`Session::out`], and nothing else will come of this connection.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut cutter = std::mem::take(&mut self.cutter);
        let cut = cutter.cut(bytes, |head, payload| self.frame(head, payload, now, sink));
        self.cutter = cutter;
        if let Err(fault) = cut {
            self.fault = Some(fault);
            self.say_goaway(fault.code, fault.why);
            return Err(fault);
        }
        if let Some(increment) = self.receive.give_back() {
            self.out.window(0, increment);
        }
        self.send_bodies();
        Ok(())
    }

    fn frame(
        &mut self,
        head: Head,
        payload: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        let goes_on =
            |block: super::Block| head.kind == kind::CONTINUATION && head.stream == block.stream;
        if self.block.is_some_and(|block| !goes_on(block)) {
            return Err(Fault::protocol("a header block that does not go on"));
        }
        if !self.greeted && (head.kind != kind::SETTINGS || head.has(flag::ACK)) {
            return Err(Fault::protocol("the first frame is not SETTINGS"));
        }
        match head.kind {
            kind::HEADERS => self.headers(head, payload, now, sink),
            kind::CONTINUATION => self.continuation(head, payload, now, sink),
            kind::DATA => self.data(head, payload, now, sink),
            kind::RST_STREAM => self.reset_by_peer(head, payload, now, sink),
            kind::WINDOW_UPDATE => self.window_update(head, payload, now, sink),
            kind::PRIORITY => self.priority(head, payload, now, sink),
            kind::PUSH_PROMISE => Err(Fault::protocol("PUSH_PROMISE, which we do not enable")),
            kind::SETTINGS => self.settings(head, payload, now),
            kind::PING => self.ping_by_peer(head, payload, now),
            kind::GOAWAY => self.goaway(head, payload, now, sink),
            // Section 4.1: of an unknown type.
            _ => self.patience.tried(now),
        }
    }

    /// Section 6.5.
    fn settings(&mut self, head: Head, payload: &[u8], now: Instant) -> Result<(), Fault> {
        of_connection(head, "SETTINGS on a stream")?;
        if head.has(flag::ACK) {
            if !payload.is_empty() {
                return Err(Fault::size("SETTINGS acknowledged with a payload"));
            }
            return match std::mem::take(&mut self.unacknowledged) {
                true => Ok(()),
                false => self.patience.tried(now),
            };
        }
        if self.greeted {
            self.patience.tried(now)?;
        }
        let before = self.peer.window;
        self.peer = self.peer.told(payload)?;
        self.greeted = true;
        if let Some((least, last)) = self.peer.table {
            self.encoder.resize(least);
            self.encoder.resize(last);
        }
        if self.peer.window != before {
            self.change_windows(i64::from(self.peer.window) - i64::from(before))?;
        }
        self.acknowledge(kind::SETTINGS, &[])
    }

    /// SETTINGS_INITIAL_WINDOW_SIZE changes the windows of open streams, too (section 6.9.2).
    fn change_windows(&mut self, by: i64) -> Result<(), Fault> {
        for place in 0..self.streams.places() {
            if let Some(stream) = self.streams.at(place) {
                stream.send.change(by).map_err(|_| OVERFLOW)?;
                let id = stream.id;
                self.line_up(id);
            }
        }
        Ok(())
    }

    /// Section 6.7.
    fn ping_by_peer(&mut self, head: Head, payload: &[u8], now: Instant) -> Result<(), Fault> {
        of_connection(head, "PING on a stream")?;
        if payload.len() != 8 {
            return Err(Fault::size("PING of another length than 8"));
        }
        if !head.has(flag::ACK) {
            self.patience.tried(now)?;
            return self.acknowledge(kind::PING, payload);
        }
        if self.awaits_pong && payload == self.pings.to_be_bytes() {
            self.awaits_pong = false;
            return Ok(());
        }
        self.patience.tried(now)
    }

    /// Section 6.8. A second one may lower the last stream, never raise it.
    fn goaway(
        &mut self,
        head: Head,
        payload: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        of_connection(head, "GOAWAY on a stream")?;
        let Some((last, rest)) = payload.split_first_chunk() else {
            return Err(Fault::size("GOAWAY of less than 8 bytes"));
        };
        let Some((code, debug)) = rest.split_first_chunk() else {
            return Err(Fault::size("GOAWAY of less than 8 bytes"));
        };
        let last = frame::stream_id(*last);
        if self.goaway.is_some_and(|before| last > before) {
            return Err(Fault::protocol("a GOAWAY that raises the last stream"));
        }
        if self.goaway.replace(last).is_some() {
            self.patience.tried(now)?;
        } else {
            let code = Code(u32::from_be_bytes(*code));
            let debug = debug.to_vec();
            sink(Event::GoAway { code, debug });
        }
        for place in 0..self.streams.places() {
            let above = self.streams.at(place).map(|stream| stream.id);
            if let Some(id) = above.filter(|id| *id > last)
                && let Some(stream) = self.remove(id)
            {
                self.streams.remember_reset(id);
                sink(Event::Lost(stream.tag, Lost::NotSent));
            }
        }
        Ok(())
    }

    /// Section 6.9.
    fn window_update(
        &mut self,
        head: Head,
        payload: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        let increment = frame::increment(payload)?;
        if head.stream == 0 {
            if increment == 0 {
                return Err(Fault::protocol("a window that grows by nothing"));
            }
            return self.send.change(increment.into()).map_err(|_| OVERFLOW);
        }
        match self.streams.find(head.stream) {
            Found::Open(stream) => {
                let code = match stream.send.change(increment.into()) {
                    Ok(()) if increment > 0 => {
                        self.line_up(head.stream);
                        return Ok(());
                    }
                    Ok(()) => Code::PROTOCOL_ERROR,
                    Err(_) => Code::FLOW_CONTROL_ERROR,
                };
                self.stream_error(head.stream, code, sink);
                Ok(())
            }
            Found::Reset | Found::Closed => self.patience.tried(now),
            Found::Idle => Err(Fault::protocol("WINDOW_UPDATE on an idle stream")),
        }
    }

    /// Section 6.3: of no meaning to a client.
    fn priority(
        &mut self,
        head: Head,
        payload: &[u8],
        now: Instant,
        sink: &mut impl FnMut(Event<T>),
    ) -> Result<(), Fault> {
        if head.stream == 0 {
            return Err(Fault::protocol("PRIORITY on the connection"));
        }
        self.patience.tried(now)?;
        if payload.len() != 5 {
            self.stream_error(head.stream, Code::FRAME_SIZE_ERROR, sink);
        }
        Ok(())
    }
}

fn of_connection(head: Head, why: &'static str) -> Result<(), Fault> {
    match head.stream {
        0 => Ok(()),
        _ => Err(Fault::protocol(why)),
    }
}
