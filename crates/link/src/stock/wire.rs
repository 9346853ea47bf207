//! The byte stream below HTTP/2, with a write buffer that the driver flushes once a turn.
//!
//! `h2` flushes whenever its own small buffer is full or a large DATA frame passes, which would make a TLS record
//! and a system call of each. Here its flushes do nothing: bytes gather until the buffer is full, or until
//! [`Wire::poll_write_out`], which the driver calls when the turn has nothing more to write.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Io;

/// One of two handles, `h2`'s and the driver's. Both are used by one task only, so the lock is never contended.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Mutex<Buffered>>);

struct Buffered {
    io: Box<dyn Io>,
    /// `pending[written..]` still has to be written; never longer than `limit`.
    pending: Vec<u8>,
    written: usize,
    /// Something was written since the stream below was last flushed: TLS keeps what the socket does not take.
    unflushed: bool,
    limit: usize,
    bytes_read: u64,
}

impl Wire {
    /// `limit` in bytes; at it, writes go through to `io`.
    pub(crate) fn new(io: impl Io + 'static, limit: usize) -> Self {
        let limit = limit.max(1);
        Wire(Arc::new(Mutex::new(Buffered {
            io: Box::new(io),
            pending: Vec::with_capacity(limit),
            written: 0,
            unflushed: false,
            limit,
            bytes_read: 0,
        })))
    }

    /// Writes out what has gathered, and flushes the stream below.
    pub(crate) fn poll_write_out(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        ready!(inner.poll_empty(cx))?;
        if inner.unflushed {
            ready!(Pin::new(&mut inner.io).poll_flush(cx))?;
            inner.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes the peer has sent so far: whether it lives.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.0.lock().bytes_read
    }
}

impl Buffered {
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.pending.len() {
            let rest = &self.pending[self.written..];
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            self.unflushed = true;
        }
        self.pending.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        let before = buf.filled().len();
        ready!(Pin::new(&mut inner.io).poll_read(cx, buf))?;
        inner.bytes_read += (buf.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock();
        if inner.pending.len() == inner.limit {
            ready!(inner.poll_empty(cx))?;
        }
        let count = data.len().min(inner.limit - inner.pending.len());
        inner.pending.extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    /// Nothing: see the module's description.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        ready!(inner.poll_empty(cx))?;
        Pin::new(&mut inner.io).poll_shutdown(cx)
    }

    /// `h2` then copies payloads of up to 1 KiB behind their headers, and passes larger ones on by themselves.
    fn is_write_vectored(&self) -> bool {
        false
    }
}
