//! What a connection waits for: bodies that come in parts, delays, clients that give up, long answers.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::request::Parts;

use super::{Judge, Scope};
use crate::reply::{BODY_MAX, Call};
use crate::rules::Fired;

/// What a wait ended with.
pub(super) enum Event {
    /// The stream is over.
    Ended,
    /// The body is whole.
    Whole(Box<Call>, SendResponse<Bytes>),
    /// The delay is over.
    Due(Box<Call>, SendResponse<Bytes>, Option<Fired>),
}

/// A body so far.
#[derive(Default)]
pub(super) struct Buffer {
    first: Bytes,
    more: BytesMut,
    size: usize,
}

impl Buffer {
    fn push(&mut self, chunk: Bytes) {
        self.size += chunk.len();
        if self.first.is_empty() {
            self.first = chunk;
        } else if self.size <= BODY_MAX {
            if self.more.is_empty() {
                self.more.extend_from_slice(&self.first);
            }
            self.more.extend_from_slice(&chunk);
        }
    }

    fn finish(self) -> (Bytes, usize) {
        (
            if self.more.is_empty() {
                self.first
            } else {
                self.more.freeze()
            },
            self.size,
        )
    }
}

pub(super) enum Collected {
    Whole(Bytes, usize),
    Part(Buffer),
    Broken,
}

/// Takes what has arrived.
pub(super) fn collect_now(cx: &mut Context<'_>, body: &mut RecvStream) -> Collected {
    let mut buffer = Buffer::default();
    match poll_body(cx, body, &mut buffer) {
        Poll::Ready(true) => {
            let (bytes, size) = buffer.finish();
            Collected::Whole(bytes, size)
        }
        Poll::Ready(false) => Collected::Broken,
        Poll::Pending => Collected::Part(buffer),
    }
}

/// `true` once the body is whole, `false` when it never will be.
fn poll_body(cx: &mut Context<'_>, body: &mut RecvStream, buffer: &mut Buffer) -> Poll<bool> {
    loop {
        match std::task::ready!(body.poll_data(cx)) {
            None => return Poll::Ready(true),
            Some(Err(_)) => return Poll::Ready(false),
            Some(Ok(chunk)) => {
                // Fails only when the stream is gone, which the next poll tells.
                drop(body.flow_control().release_capacity(chunk.len()));
                buffer.push(chunk);
            }
        }
    }
}

pub(super) fn collect(
    parts: Parts,
    mut body: RecvStream,
    respond: SendResponse<Bytes>,
    mut buffer: Buffer,
) -> BoxFuture<'static, Event> {
    Box::pin(async move {
        if poll_fn(|cx| poll_body(cx, &mut body, &mut buffer)).await {
            let (body, size) = buffer.finish();
            Event::Whole(
                Box::new(Call {
                    parts,
                    body,
                    size,
                    json: None,
                }),
                respond,
            )
        } else {
            Event::Ended
        }
    })
}

/// Books a request as `gone` if its delay does not end: the client or the connection gave up first.
struct Delayed<J: Judge> {
    scope: Arc<Scope<J>>,
    call: Option<Box<Call>>,
}

impl<J: Judge> Drop for Delayed<J> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let facts = self.scope.judge.facts(&call);
            self.scope.book(&call, &facts, 0, "gone", false);
        }
    }
}

pub(super) fn delay<J: Judge>(
    scope: Arc<Scope<J>>,
    call: Call,
    mut respond: SendResponse<Bytes>,
    fired: Option<Fired>,
    time: Duration,
) -> BoxFuture<'static, Event> {
    let mut delayed = Delayed {
        scope,
        call: Some(Box::new(call)),
    };
    Box::pin(async move {
        tokio::select! {
            biased;
            _ = poll_fn(|cx| respond.poll_reset(cx)) => return Event::Ended,
            () = tokio::time::sleep(time) => {}
        }
        match delayed.call.take() {
            Some(call) => Event::Due(call, respond, fired),
            None => Event::Ended,
        }
    })
}

/// Keeps a stream open without a word until the client gives it up.
pub(super) fn silence(mut respond: SendResponse<Bytes>) -> BoxFuture<'static, Event> {
    Box::pin(async move {
        // A reset and an error both end the stream.
        drop(poll_fn(|cx| respond.poll_reset(cx)).await);
        Event::Ended
    })
}

/// Sends a body followed by filler, as fast as the client reads.
pub(super) fn start_body(
    mut stream: SendStream<Bytes>,
    body: Bytes,
    filler: u64,
) -> BoxFuture<'static, Event> {
    const PIECE: usize = 16 * 1024;
    static SPACES: [u8; PIECE] = [b' '; PIECE];
    Box::pin(async move {
        let mut left = filler;
        if !body.is_empty() {
            drop(stream.send_data(body, false));
        }
        while left > 0 {
            let piece = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            stream.reserve_capacity(piece);
            let Some(Ok(granted)) = poll_fn(|cx| poll_capacity(cx, &mut stream)).await else {
                return Event::Ended;
            };
            let piece = piece.min(granted);
            left -= piece as u64;
            if stream
                .send_data(Bytes::from_static(&SPACES[..piece]), left == 0)
                .is_err()
            {
                return Event::Ended;
            }
        }
        Event::Ended
    })
}

/// Capacity, or `None` when the client has given the stream up.
fn poll_capacity(
    cx: &mut Context<'_>,
    stream: &mut SendStream<Bytes>,
) -> Poll<Option<Result<usize, h2::Error>>> {
    if stream.poll_reset(cx).is_ready() {
        return Poll::Ready(None);
    }
    match stream.capacity() {
        0 => stream.poll_capacity(cx),
        granted => Poll::Ready(Some(Ok(granted))),
    }
}
