//! One request and its answer on an open stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, StatusCode};

use super::body::Body;
use crate::{Lost, Response};

/// Waits for the head of the answer, then gathers its body.
pub(crate) enum Exchange {
    Head(ResponseFuture),
    Body(Box<Answering>),
}

pub(crate) struct Answering {
    status: StatusCode,
    headers: HeaderMap,
    stream: RecvStream,
    body: Gathered,
}

/// Opens a stream; the caller has seen `requests` ready. An error says what became of the request.
pub(crate) fn open(
    requests: &mut SendRequest<Body>,
    request: Request<Body>,
) -> Result<Exchange, (Lost, h2::Error)> {
    let (parts, body) = request.into_parts();
    let ends = !body.has_remaining();
    let (response, mut stream) = requests
        .send_request(Request::from_parts(parts, ()), ends)
        .map_err(|error| (Lost::NotSent, error))?;
    if !ends {
        // `h2` queues the body and sends it as the peer's windows allow. The headers are queued already, so a
        // failure here leaves open what the peer sees.
        stream
            .send_data(body, true)
            .map_err(|error| (Lost::Unknown, error))?;
    }
    Ok(Exchange::Head(response))
}

impl Exchange {
    /// Drives the exchange to its end. At most `keep` bytes of the body are kept: after a longer one the answer
    /// is ready, and dropping the exchange resets the stream.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        keep: usize,
    ) -> Poll<Result<Response, Lost>> {
        if let Exchange::Head(future) = self {
            let (head, stream) = match ready!(Pin::new(future).poll(cx)) {
                Ok(response) => response.into_parts(),
                Err(error) => return Poll::Ready(Err(why_lost(&error))),
            };
            if stream.is_end_stream() {
                return Poll::Ready(Ok(Response {
                    status: head.status,
                    headers: head.headers,
                    body: Bytes::new(),
                }));
            }
            *self = Exchange::Body(Box::new(Answering {
                status: head.status,
                headers: head.headers,
                stream,
                body: Gathered::default(),
            }));
        }
        match self {
            Exchange::Body(answering) => answering.poll(cx, keep),
            Exchange::Head(_) => Poll::Pending,
        }
    }
}

impl Answering {
    fn poll(&mut self, cx: &mut Context<'_>, keep: usize) -> Poll<Result<Response, Lost>> {
        loop {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(chunk)) => {
                    // Fails only on a stream that has ended meanwhile, whose window no longer matters.
                    let _ended = self.stream.flow_control().release_capacity(chunk.len());
                    if !self.body.push(chunk, keep) {
                        break;
                    }
                }
                Some(Err(_)) => return Poll::Ready(Err(Lost::Unknown)),
                None => break,
            }
        }
        Poll::Ready(Ok(Response {
            status: self.status,
            headers: std::mem::take(&mut self.headers),
            body: self.body.take(),
        }))
    }
}

/// What a stream that ended without an answer says about its request.
///
/// `h2` ends a stream with the peer's GOAWAY only when the stream's id is above GOAWAY's last one, which the peer
/// has not processed (RFC 9113, section 6.8); those below end with an answer, a reset or an I/O error. A refused
/// stream has not been processed either (section 8.7).
fn why_lost(error: &h2::Error) -> Lost {
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    if error.is_remote() && (error.is_go_away() || refused) {
        Lost::NotSent
    } else {
        Lost::Unknown
    }
}

/// A body of at most some bytes. Most come in one piece, which is kept as it is.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    more: BytesMut,
}

impl Gathered {
    /// `false` when the body is longer than `keep` and has been cut there.
    fn push(&mut self, mut chunk: Bytes, keep: usize) -> bool {
        let room = keep - self.first.len() - self.more.len();
        let fits = chunk.len() <= room;
        chunk.truncate(room);
        if self.first.is_empty() {
            self.first = chunk;
        } else {
            self.more.extend_from_slice(&chunk);
        }
        fits
    }

    fn take(&mut self) -> Bytes {
        let first = std::mem::take(&mut self.first);
        if self.more.is_empty() {
            return first;
        }
        let mut whole = BytesMut::with_capacity(first.len() + self.more.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&self.more);
        whole.freeze()
    }
}
