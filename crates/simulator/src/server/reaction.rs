//! What rules do to a request or a connection.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;

use super::waiting::{delay, silence};
use super::{End, Judge, Session};
use crate::reply::{Call, Facts};
use crate::rules::{Close, Fired, Goaway, Last, Moment, Reaction, Stage};
use crate::wire::Io;

impl<J: Judge, T: Io> Session<J, T> {
    /// A rule for the connection as a whole, once HTTP/2 runs.
    pub(super) fn connected(&mut self, reaction: Option<&Reaction>) {
        match reaction {
            Some(Reaction::Window(bytes)) => self.wire.lock().send_window(*bytes),
            Some(Reaction::Goaway(goaway)) => {
                self.wire.lock().send_goaway(0, goaway.code, &goaway.debug);
                self.end = Some(if goaway.abrupt { End::Cut } else { End::Close });
            }
            Some(Reaction::Freeze) => self.end = Some(End::Frozen),
            _ => {} // Streams went into the first SETTINGS; the others came before HTTP/2.
        }
    }

    /// Looks for a rule and waits as long as it, or the configured latency, says.
    pub(super) fn scripted(&mut self, call: Call, respond: SendResponse<Bytes>) {
        let scope = Arc::clone(&self.scope);
        let facts = scope.judge.facts(&call);
        let fired = scope
            .shared
            .rules
            .find(Stage::Request, J::PROVIDER, &facts.address);
        let time = scope.latency() + fired.as_ref().map(|fired| fired.delay).unwrap_or_default();
        drop(facts);
        if time.is_zero() {
            self.react(call, respond, fired.as_ref());
        } else {
            self.waiting.push(delay(scope, call, respond, fired, time));
        }
    }

    /// Does what the rule says, now.
    pub(super) fn react(
        &mut self,
        call: Call,
        mut respond: SendResponse<Bytes>,
        fired: Option<&Fired>,
    ) {
        let scope = Arc::clone(&self.scope);
        let facts = scope.judge.facts(&call);
        if self
            .last
            .is_some_and(|last| respond.stream_id().as_u32() > last)
        {
            scope.book(&call, &facts, 0, "goaway", false);
            self.waiting.push(silence(respond));
            return;
        }
        match fired.map_or(&Reaction::Pass, Fired::reaction) {
            Reaction::Pass | Reaction::Hang | Reaction::Certificate(_) => {
                self.judge(&call, &facts, respond)
            }
            Reaction::Answer(reply) => {
                let answer = scope.judge.scripted(reply, &facts);
                scope.book(&call, &facts, answer.status.as_u16(), &answer.reason, false);
                self.send(answer, respond);
            }
            Reaction::Silence(loss) => {
                self.lose(&call, &facts, loss.processed, "silence");
                self.waiting.push(silence(respond));
            }
            Reaction::Reset(reset) => {
                self.lose(&call, &facts, reset.processed, "reset");
                respond.send_reset(Reason::from(reset.code as u32));
                self.ended();
            }
            Reaction::Refuse => {
                scope.book(&call, &facts, 0, "refused", false);
                respond.send_reset(Reason::REFUSED_STREAM);
                self.ended();
            }
            Reaction::Goaway(goaway) => self.goaway(goaway, &call, &facts, respond),
            Reaction::Streams(limit) => {
                self.wire.lock().send_streams(*limit);
                self.judge(&call, &facts, respond);
            }
            Reaction::Window(bytes) => {
                self.wire.lock().send_window(*bytes);
                self.judge(&call, &facts, respond);
            }
            Reaction::Close(close) => self.close(*close, &call, &facts, respond),
            Reaction::Freeze => {
                scope.book(&call, &facts, 0, "freeze", false);
                self.end = Some(End::Frozen);
                self.ignored.push((None, respond));
            }
        }
    }

    /// Books a request whose answer never comes.
    fn lose(&mut self, call: &Call, facts: &Facts<'_>, processed: bool, word: &str) {
        if processed {
            drop(self.judged(call, facts, true));
        } else {
            self.scope.book(call, facts, 0, word, false);
        }
    }

    fn goaway(
        &mut self,
        goaway: &Goaway,
        call: &Call,
        facts: &Facts<'_>,
        respond: SendResponse<Bytes>,
    ) {
        let id = respond.stream_id().as_u32();
        let last = match goaway.last {
            Last::This => id,
            Last::Before => id.saturating_sub(2),
            Last::None => 0,
        };
        self.wire
            .lock()
            .send_goaway(last, goaway.code, &goaway.debug);
        self.last = Some(self.last.map_or(last, |before| before.min(last)));
        if goaway.last == Last::This && !goaway.abrupt {
            self.judge(call, facts, respond);
        } else {
            self.lose(call, facts, goaway.last == Last::This, "goaway");
            self.ignored.push((None, respond));
            self.ended();
        }
        if goaway.abrupt {
            self.end = Some(End::Cut);
        } else if last == 0 {
            self.end = Some(End::Close);
        }
    }

    fn close(
        &mut self,
        close: Close,
        call: &Call,
        facts: &Facts<'_>,
        mut respond: SendResponse<Bytes>,
    ) {
        match close.after {
            Moment::Request | Moment::Handshake => self.lose(call, facts, close.processed, "close"),
            Moment::Headers => {
                let mut answer = self.judged(call, facts, true);
                // The stream is about to be cut; that it may be gone already changes nothing.
                drop(
                    respond
                        .send_response(answer.head(), false)
                        .map(|mut stream| {
                            drop(stream.send_data(Bytes::from_static(b"{"), false));
                            self.half.push(stream);
                        }),
                );
            }
        }
        self.ignored.push((None, respond));
        self.end = Some(End::Cut);
    }
}
