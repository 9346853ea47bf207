//! Answers, their bodies, and how requests reach the stream below.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::peer::{CANCEL, DATA, END_STREAM, REFUSED_STREAM, RST_STREAM};
use super::*;

on_each_engine! {
    #[tokio::test]
    answers_carry_status_headers_and_body
    bodies_larger_than_the_windows_pass
    a_long_body_is_cut_and_its_stream_reset
    many_long_bodies_leave_the_connection_its_windows
    refused_streams_were_not_sent_and_reset_ones_may_have_been
    an_invalid_request_is_answered_and_harms_no_other
    a_batch_goes_out_in_few_writes
    what_the_stream_below_keeps_goes_out_when_it_can;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    no_wake_up_is_lost_between_threads;
    #[tokio::test(start_paused = true)]
    oversized_headers_cost_their_stream_and_a_flood_the_connection;
}

/// A server by `h2` that answers each request with its body, after reading it whole.
async fn echo(io: DuplexStream) {
    let mut connection = h2::server::handshake(io).await.unwrap();
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted.unwrap();
        tokio::spawn(async move {
            let path = request.uri().path().to_owned();
            let mut body = request.into_body();
            let mut length = 0;
            while let Some(chunk) = body.data().await {
                let chunk = chunk.unwrap();
                length += chunk.len();
                body.flow_control().release_capacity(chunk.len()).unwrap();
            }
            let response = http::Response::builder()
                .status(410)
                .header("retry-after", path)
                .body(())
                .unwrap();
            let mut stream = respond.send_response(response, false).unwrap();
            stream
                .send_data(Bytes::from(length.to_string()), true)
                .unwrap();
        });
    }
}

async fn answers_carry_status_headers_and_body(config: Config) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(echo(theirs));
    let mut link = Link::over(ours, &config).await;
    for round in 0..20 {
        link.send(round * 50..round * 50 + 50);
        link.answers((round as usize + 1) * 50).await;
    }
    link.close();
    let ended = link.end().await;
    ended.result.unwrap();
    for (key, answer) in &ended.answers {
        let response = answer.as_ref().unwrap();
        assert_eq!(response.status, StatusCode::GONE);
        assert_eq!(response.headers["retry-after"], format!("/3/device/{key}"));
        assert_eq!(response.body, "100");
    }
}

async fn bodies_larger_than_the_windows_pass(config: Config) {
    let (ours, theirs) = tokio::io::duplex(1024);
    tokio::spawn(echo(theirs));
    let mut link = Link::over(ours, &config).await;
    let batch = (0..50).map(|key| request(key, 20_000)).collect();
    link.sent.extend(0..50);
    link.sender.as_ref().unwrap().send(batch).unwrap();
    link.answers(50).await;
    link.close();
    let ended = link.end().await;
    ended.result.unwrap();
    assert!(
        ended
            .answers
            .values()
            .all(|a| a.as_ref().unwrap().body == "20000")
    );
}

async fn a_long_body_is_cut_and_its_stream_reset(config: Config) {
    let config = Config {
        answer_bytes_max: 10,
        ..config
    };
    let (mut link, mut peer) = Link::with_peer(&config, 100).await;
    link.send(1..=3);
    let streams = peer.requests(3).await;
    peer.answer(streams[0], 400, b"0123456789").await;
    peer.head(streams[1], 400, false).await;
    peer.write(DATA, 0, streams[1], b"01234567").await;
    peer.write(DATA, 0, streams[1], b"89ab").await;
    peer.head(streams[2], 200, false).await;
    peer.write(DATA, 0, streams[2], b"01").await;
    peer.write(DATA, END_STREAM, streams[2], b"23").await;
    link.answers(3).await;
    let reset = peer.expect(RST_STREAM).await;
    assert_eq!((reset.stream, reset.word()), (streams[1], CANCEL));
    link.close();
    let ended = link.end().await;
    ended.result.as_ref().unwrap();
    assert_eq!(ended.status(2), 400);
    let body = |key| ended.answers[&key].as_ref().unwrap().body.clone();
    assert_eq!(body(1), "0123456789");
    assert_eq!(body(2), "0123456789");
    assert_eq!(body(3), "0123");
}

async fn many_long_bodies_leave_the_connection_its_windows(config: Config) {
    let config = Config {
        answer_bytes_max: 100,
        ..config
    };
    let (mut link, mut peer) = Link::with_peer(&config, 100).await;
    // 8 MB in all: twice the connection's window.
    for round in 0..500 {
        link.send([round]);
        let stream = peer.request().await;
        peer.answer(stream, 200, &[0; 16_000]).await;
        link.answers(round as usize + 1).await;
    }
    link.close();
    link.end().await.result.unwrap();
}

async fn refused_streams_were_not_sent_and_reset_ones_may_have_been(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 100).await;
    link.send(1..=4);
    let streams = peer.requests(4).await;
    peer.reset(streams[0], REFUSED_STREAM).await;
    peer.reset(streams[1], CANCEL).await;
    peer.head(streams[2], 200, false).await;
    peer.reset(streams[2], REFUSED_STREAM).await;
    peer.ok(streams[3]).await;
    link.answers(4).await;
    link.close();
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert_eq!(ended.lost(1), Lost::NotSent);
    assert_eq!(ended.lost(2), Lost::Unknown);
    assert_eq!(ended.lost(3), Lost::Unknown);
    assert_eq!(ended.status(4), 200);
}

async fn an_invalid_request_is_answered_and_harms_no_other(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 100).await;
    let mut bad = request(1, 10);
    bad.request.own = Some((CONNECTION, HeaderValue::from_static("close")));
    link.sent.extend([1, 2]);
    let batch = vec![bad, request(2, 10)];
    link.sender.as_ref().unwrap().send(batch).unwrap();
    let stream = peer.request().await;
    peer.ok(stream).await;
    link.answers(2).await;
    link.close();
    let ended = link.end().await;
    assert_eq!(ended.lost(1), Lost::NotSent);
    assert_eq!(ended.status(2), 200);
}

/// Counts the writes that reach the stream below the buffer.
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

async fn a_batch_goes_out_in_few_writes(config: Config) {
    // Bodies that `h2` copies, and larger ones that it passes on by themselves.
    for (body, most) in [(300, 1), (3_000, 6)] {
        let writes = Arc::new(AtomicUsize::new(0));
        let (ours, theirs) = tokio::io::duplex(1024 * 1024);
        let io = Counting(ours, writes.clone());
        let mut link = Link::over(io, &config).await;
        let mut peer = Peer::start(theirs, 100).await;
        // The preface and the acknowledged SETTINGS are out, so what is counted is the batch.
        link.send([1000]);
        let stream = peer.request().await;
        peer.ok(stream).await;
        link.answers(1).await;
        let before = writes.load(Ordering::SeqCst);
        link.sent.extend(0..50);
        let batch = (0..50).map(|key| request(key, body)).collect();
        link.sender.as_ref().unwrap().send(batch).unwrap();
        let streams = peer.requests(50).await;
        let made = writes.load(Ordering::SeqCst) - before;
        assert!(made <= most, "{made} writes for bodies of {body} bytes");
        for stream in streams {
            peer.ok(stream).await;
        }
        link.answers(51).await;
        link.close();
        link.end().await.result.unwrap();
    }
}

/// Like TLS over a full socket: it takes what is written, and the rest of it leaves only when it is flushed later.
struct Keeping {
    io: DuplexStream,
    kept: Vec<u8>,
    /// Flushes that come to nothing before one does something.
    refuses: usize,
}

impl AsyncRead for Keeping {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Keeping {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.kept.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refuses > 0 {
            self.refuses -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Keeping { io, kept, .. } = &mut *self;
        while !kept.is_empty() {
            let count = std::task::ready!(Pin::new(&mut *io).poll_write(cx, kept))?;
            kept.drain(..count);
        }
        self.refuses = 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

async fn what_the_stream_below_keeps_goes_out_when_it_can(config: Config) {
    let (io, theirs) = tokio::io::duplex(1024 * 1024);
    let keeping = Keeping {
        io,
        kept: Vec::new(),
        refuses: 1,
    };
    let mut link = Link::over(keeping, &config).await;
    let mut peer = Peer::start(theirs, 100).await;
    for key in 0..5 {
        link.send([key]);
        let stream = peer.request().await;
        peer.ok(stream).await;
        link.answers(key as usize + 1).await;
    }
    link.close();
    link.end().await.result.unwrap();
}

/// Senders, driver and peer on different threads: a wake-up lost between them would stop it.
async fn no_wake_up_is_lost_between_threads(config: Config) {
    let config = Config {
        streams_max: 10,
        queue_max: 50,
        ..config
    };
    let (ours, theirs) = tokio::io::duplex(4096);
    tokio::spawn(echo(theirs));
    let mut link = Link::over(ours, &config).await;
    link.sent.extend(0..5_000);
    let sender = link.sender.take().unwrap();
    for part in 0..2 {
        let sender = sender.clone();
        tokio::spawn(async move {
            for start in (0..2_500).step_by(5) {
                let from = part * 2_500 + start;
                let mut batch: Vec<_> = (from..from + 5).map(|key| request(key, 300)).collect();
                while let Err(refused) = sender.send(batch) {
                    batch = refused;
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    drop(sender);
    link.answers(5_000).await;
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert!(
        ended
            .answers
            .values()
            .all(|a| a.as_ref().unwrap().body == "300")
    );
}

/// A header list beyond what we take costs its own stream; one that is a flood costs the connection, and whatever it
/// had. Either way no more is held than the limit.
async fn oversized_headers_cost_their_stream_and_a_flood_the_connection(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 10).await;
    link.send(0..3);
    let streams = peer.requests(3).await;
    peer.padded(streams[0], 200, 20_000).await;
    link.answers(1).await;
    peer.ok(streams[1]).await;
    link.answers(2).await;
    peer.padded(streams[2], 200, 1_000_000).await;
    let ended = link.end().await;
    assert_eq!(ended.label(), "protocol");
    assert_eq!(ended.lost(0), Lost::Unknown);
    assert_eq!(ended.status(1), 200);
    assert_eq!(ended.lost(2), Lost::Unknown);
}
