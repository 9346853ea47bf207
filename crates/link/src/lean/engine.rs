//! The session on a stream: what the driver asks of it, and the two calls that read and write.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::fault::Code;
use super::session::{Event, Limits, Sent, Session};
use crate::owed::{Books, Expired, Fate, Owed};
use crate::protocol::{Answers, End, Farewell, Protocol, Turn};
use crate::signal::Signal;
use crate::{Config, Io, Lost, Request, goodbye};

/// Read at once: a TLS record.
const READ_BYTES: usize = 16 * 1024;

/// Reads in a round, after which answers are told and requests sent.
const READS_MAX: usize = 4;

pub(crate) struct Lean {
    signal: Arc<Signal>,
    waker: Waker,
    io: Box<dyn Io>,
    session: Session<Owed>,
    books: Books,
    farewell: Option<Farewell>,
    buffer: Box<[u8]>,
    bytes_read: u64,
    /// Something was written since the stream below was last flushed: TLS keeps what the socket does not take.
    unflushed: bool,
    /// Requests wait, and the session was not ready for them.
    held_up: bool,
    closing: bool,
}

impl Lean {
    /// HTTP/2 over `io`.
    pub(crate) fn open(io: impl Io + 'static, config: &Config, signal: &Arc<Signal>) -> Self {
        let limits = Limits {
            streams: config.streams_max,
            answer_bytes: config.answer_bytes_max,
            out_bytes: config.write_buffer_bytes.max(1),
        };
        Lean {
            waker: signal.connection_waker(),
            signal: signal.clone(),
            io: Box::new(io),
            session: Session::new(&limits),
            books: Books::new(),
            farewell: None,
            buffer: vec![0; READ_BYTES].into(),
            bytes_read: 0,
            unflushed: false,
            held_up: false,
            closing: false,
        }
    }

    /// Reads once, and takes in what has come. `Ready` with the connection's end when it has come.
    fn poll_read(&mut self, now: Instant, answers: Answers<'_>) -> Poll<Option<End>> {
        let mut read = ReadBuf::new(&mut self.buffer);
        let mut cx = Context::from_waker(&self.waker);
        if ready!(Pin::new(&mut self.io).poll_read(&mut cx, &mut read)).is_err() {
            return Poll::Ready(Some(End::Closed));
        }
        let bytes = read.filled();
        if bytes.is_empty() {
            return Poll::Ready(Some(End::Closed));
        }
        self.bytes_read += bytes.len() as u64;
        let (books, farewell) = (&mut self.books, &mut self.farewell);
        let received = self
            .session
            .receive(bytes, now.into_std(), &mut |event| match event {
                Event::Answer(owed, response) => books.settle(&owed, Ok(response), now, answers),
                Event::Lost(owed, why) => books.settle(&owed, Err(why), now, answers),
                Event::GoAway { code, debug } => *farewell = Some(said(code, &debug)),
            });
        let Err(fault) = received else {
            return Poll::Ready(None);
        };
        // Tells the peer, as far as it still takes anything.
        let _told = self.poll_shut_down();
        Poll::Ready(Some(End::Protocol(fault.to_string())))
    }

    /// Writes all that is gathered.
    fn poll_write(&mut self) -> Poll<io::Result<()>> {
        let mut cx = Context::from_waker(&self.waker);
        let out = self.session.out();
        while !out.bytes().is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(&mut cx, out.bytes())) {
                Ok(count) if count > 0 => {
                    out.advance(count);
                    self.unflushed = true;
                }
                failed => {
                    // TLS may have sent some of it before it failed, and does not say how much.
                    out.advance(out.bytes().len());
                    let error = failed
                        .err()
                        .unwrap_or_else(|| io::ErrorKind::WriteZero.into());
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether requests that were held up may go out now. Told once: those that are held up again say so.
    fn goes_on(&mut self) -> bool {
        let goes_on = self.held_up && self.session.is_ready();
        self.held_up &= !goes_on;
        goes_on
    }

    fn poll_shut_down(&mut self) -> Poll<io::Result<()>> {
        ready!(self.poll_write())?;
        let mut cx = Context::from_waker(&self.waker);
        Pin::new(&mut self.io).poll_shutdown(&mut cx)
    }
}

impl Protocol for Lean {
    fn allowed(&self) -> u32 {
        self.session.allowed()
    }

    fn open(&self) -> usize {
        self.session.open()
    }

    fn unanswered(&self) -> usize {
        self.books.unanswered()
    }

    fn poll_ready(&mut self) -> bool {
        if !self.session.out().has_room() {
            // An error comes again at the turn's end.
            let _written = self.poll_write();
        }
        self.held_up = !self.session.is_ready();
        !self.held_up
    }

    fn request(&mut self, request: Request, now: Instant, deadline: Instant, answers: Answers<'_>) {
        let owed = self.books.owe(request.key, now, deadline);
        if let Err((owed, error)) = self.session.request(request.request, owed) {
            tracing::warn!(%error, "request is not valid http/2");
            self.books.lose(&owed, Lost::NotSent, answers);
        }
    }

    fn turn(&mut self, now: Instant, answers: Answers<'_>) -> Turn {
        self.signal.clear_connection();
        if self.closing {
            let ended = self.poll_shut_down().is_ready().then_some(End::Closed);
            return Turn {
                again: false,
                ended,
            };
        }
        let before = self.session.open();
        for _ in 0..READS_MAX {
            match self.poll_read(now, answers) {
                Poll::Pending => {
                    let again = self.goes_on() || self.session.open() < before;
                    return Turn { again, ended: None };
                }
                Poll::Ready(None) => {}
                Poll::Ready(ended) => {
                    return Turn {
                        again: false,
                        ended,
                    };
                }
            }
        }
        // There may be more to read.
        Turn {
            again: true,
            ended: None,
        }
    }

    fn poll_write_out(&mut self) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_write())?;
            self.session.send_bodies();
            if self.session.out().bytes().is_empty() {
                break;
            }
        }
        if self.goes_on() {
            self.waker.wake_by_ref();
        }
        if self.unflushed {
            let mut cx = Context::from_waker(&self.waker);
            ready!(Pin::new(&mut self.io).poll_flush(&mut cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    fn poll_farewell(&mut self) -> Option<Farewell> {
        let used_up = || Farewell::Said {
            reason: "stream ids used up".to_owned(),
            calm: false,
            failed: false,
        };
        let farewell = self.farewell.take();
        farewell.or_else(|| (!self.session.has_ids()).then(used_up))
    }

    fn expire(&mut self, now: Instant, grace: Duration, answers: Answers<'_>) -> Expired {
        let mut expired = Expired::default();
        let books = &mut self.books;
        self.session.retain(|owed, sent| {
            // What is gathered can only be taken back with all that is behind it.
            let why = || match sent {
                Sent::InPart => Lost::NotSent,
                Sent::Gathered | Sent::HandedOn => Lost::Unknown,
            };
            books.expire(owed, why, (now, grace), &mut expired, answers) == Fate::Reset
        });
        expired
    }

    fn ping(&mut self) -> bool {
        self.session.ping();
        true
    }

    fn poll_pong(&mut self) -> bool {
        self.session.awaits_pong()
    }

    fn close(&mut self, answers: Answers<'_>) {
        let books = &mut self.books;
        self.session.retain(|owed, sent| {
            let why = match sent {
                Sent::InPart => Lost::NotSent,
                // It may yet be written.
                Sent::Gathered | Sent::HandedOn => Lost::Unknown,
            };
            books.lose(owed, why, answers);
            true
        });
        self.session.close();
        self.closing = true;
    }

    fn abandon(&mut self, answers: Answers<'_>) {
        let books = &mut self.books;
        self.session.retain(|owed, sent| {
            let why = match sent {
                Sent::InPart | Sent::Gathered => Lost::NotSent,
                Sent::HandedOn => Lost::Unknown,
            };
            books.lose(owed, why, answers);
            true
        });
    }
}

fn said(code: Code, debug: &[u8]) -> Farewell {
    let debug = debug.escape_ascii().to_string().replace("\\'", "'");
    Farewell::Said {
        reason: goodbye::reason(&code.to_string(), &debug),
        calm: code == Code::ENHANCE_YOUR_CALM,
        failed: code != Code::NO_ERROR,
    }
}
