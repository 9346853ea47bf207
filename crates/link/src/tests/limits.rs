//! Streams within the peer's limit and ours, and the bounded queue before them.

use super::peer::{CANCEL, DATA, END_STREAM, HEADERS, RST_STREAM};
use super::*;

on_each_engine! {
    #[tokio::test(start_paused = true)]
    a_batch_beyond_the_limit_waits_in_order
    the_limit_follows_settings_up_and_down
    before_settings_no_stream_is_opened
    waiting_too_long_for_a_stream_is_not_sent
    a_body_goes_out_in_pieces_as_the_peers_window_allows
    a_window_that_stays_shut_sends_nothing;
    #[tokio::test]
    a_full_queue_gives_batches_back;
}

async fn a_batch_beyond_the_limit_waits_in_order(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 3).await;
    link.send(0..10);
    let mut streams = peer.requests(3).await;
    assert!(peer.silent(HEADERS, seconds(1)).await);
    for answered in 0..10 {
        let stream = streams.remove(0);
        peer.ok(stream).await;
        link.answers(answered + 1).await;
        if answered < 7 {
            streams.push(peer.request().await);
        }
    }
    let order: Vec<_> = link.answers.iter().map(|answer| answer.key).collect();
    assert_eq!(order, (0..10).collect::<Vec<_>>());
    link.close();
    link.end().await.result.unwrap();
}

async fn the_limit_follows_settings_up_and_down(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 1).await;
    link.send(0..3);
    let first = peer.request().await;
    assert!(peer.silent(HEADERS, seconds(1)).await);
    peer.settings(500).await;
    link.limit(500).await;
    let rest = peer.requests(2).await;
    peer.settings(1).await;
    link.limit(1).await;
    link.send(3..5);
    peer.ok(first).await;
    peer.ok(rest[0]).await;
    // One is still open, and one is allowed.
    assert!(peer.silent(HEADERS, seconds(1)).await);
    peer.ok(rest[1]).await;
    let fourth = peer.request().await;
    assert!(peer.silent(HEADERS, seconds(1)).await);
    peer.settings(0).await;
    link.limit(0).await;
    peer.ok(fourth).await;
    assert!(peer.silent(HEADERS, seconds(1)).await);
    peer.settings(1000).await;
    let fifth = peer.request().await;
    peer.ok(fifth).await;
    link.answers(5).await;
    link.close();
    let ended = link.end().await;
    ended.result.unwrap();
    assert_eq!(ended.limits, [1, 500, 1, 0, 500]);
}

async fn before_settings_no_stream_is_opened(config: Config) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let mut link = Link::over(ours, &config).await;
    link.send(0..3);
    let mut peer = Peer::mute(theirs).await;
    assert!(peer.silent(HEADERS, seconds(5)).await);
    peer.begin(2).await;
    let first = peer.request().await;
    let second = peer.request().await;
    assert!(peer.silent(HEADERS, seconds(1)).await);
    peer.ok(first).await;
    peer.ok(second).await;
    let third = peer.request().await;
    peer.ok(third).await;
    link.answers(3).await;
    link.close();
    assert_eq!(link.end().await.limits, [2]);
}

async fn a_full_queue_gives_batches_back(config: Config) {
    let config = Config {
        queue_max: 4,
        ..config
    };
    let (mut link, mut peer) = Link::with_peer(&config, 1).await;
    link.send([0]);
    let mut stream = peer.request().await;
    link.send(1..4);
    let sender = link.sender.clone().unwrap();
    let batch = sender.send(vec![request(4, 1), request(5, 1)]).unwrap_err();
    assert_eq!(batch.iter().map(|r| r.key).collect::<Vec<_>>(), [4, 5]);
    link.send([4]);
    assert!(link.refused());
    sender.send(Vec::new()).unwrap();
    for _ in 0..4 {
        peer.ok(stream).await;
        stream = peer.request().await;
    }
    // All have left the queue.
    link.send(5..9);
    peer.ok(stream).await;
    for _ in 0..4 {
        let stream = peer.request().await;
        peer.ok(stream).await;
    }
    link.answers(9).await;
    drop(sender);
    link.sender = None;
    link.end().await.result.unwrap();
}

async fn waiting_too_long_for_a_stream_is_not_sent(config: Config) {
    let config = Config {
        request_timeout: seconds(10),
        ..config
    };
    let (mut link, mut peer) = Link::with_peer(&config, 1).await;
    let start = tokio::time::Instant::now();
    link.send(0..3);
    let stream = peer.request().await;
    link.answers(3).await;
    assert_eq!(start.elapsed().as_secs(), 10);
    // The stream is still open, so it still counts.
    link.send([3]);
    assert!(peer.silent(HEADERS, seconds(5)).await);
    peer.ok(stream).await;
    let stream = peer.request().await;
    peer.ok(stream).await;
    link.answers(4).await;
    link.close();
    let ended = link.end().await;
    ended.result.as_ref().unwrap();
    assert_eq!(ended.lost(0), Lost::Unknown);
    assert_eq!(ended.lost(1), Lost::NotSent);
    assert_eq!(ended.lost(2), Lost::NotSent);
    assert_eq!(ended.status(3), 200);
}

async fn a_body_goes_out_in_pieces_as_the_peers_window_allows(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 10).await;
    peer.initial_window(0).await;
    // The next limit comes behind it.
    peer.settings(9).await;
    link.limit(9).await;
    link.send([1]);
    let stream = peer.expect(HEADERS).await.stream;
    assert!(peer.silent(DATA, seconds(1)).await);
    peer.window(stream, 60).await;
    let piece = peer.expect(DATA).await;
    assert_eq!((piece.payload.len(), piece.flags & END_STREAM), (60, 0));
    assert!(peer.silent(DATA, seconds(1)).await);
    peer.window(stream, 60).await;
    let rest = peer.expect(DATA).await;
    assert_eq!((rest.payload.len(), rest.flags & END_STREAM), (40, 1));
    peer.ok(stream).await;
    link.answers(1).await;
    link.close();
    let ended = link.end().await;
    assert_eq!(ended.status(1), 200);
    assert!(ended.silent.is_empty());
}

/// Not sent whole is not processed: it may go elsewhere, and must not go out here any more.
async fn a_window_that_stays_shut_sends_nothing(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 10).await;
    peer.initial_window(50).await;
    peer.settings(9).await;
    link.limit(9).await;
    let start = tokio::time::Instant::now();
    link.send(0..3);
    link.answers(3).await;
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(link.silent, [0], "told before the answers");
    for _ in 0..3 {
        assert_eq!(peer.expect(RST_STREAM).await.word(), CANCEL);
    }
    link.close();
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    for key in 0..3 {
        assert_eq!(ended.lost(key), Lost::NotSent);
    }
    assert!(peer.drain().await.iter().all(|frame| frame.kind != DATA));
}
