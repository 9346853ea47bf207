//! Peers that say nothing: late answers, and PING.

use super::peer::{CANCEL, DATA, END_STREAM, HEADERS, PING, RST_STREAM};
use super::*;

on_each_engine! {
    #[tokio::test(start_paused = true)]
    no_answer_in_time_is_unknown_and_the_stream_is_reset_later
    a_peer_that_answers_others_is_not_silent
    a_peer_without_settings_is_given_up_and_was_sent_nothing
    late_answers_are_dropped_without_a_reset
    a_connection_outlives_many_lost_answers
    a_silent_peer_is_pinged_and_lives_by_its_answers
    an_unanswered_ping_ends_the_connection
    without_ping_after_there_is_none;
}

async fn no_answer_in_time_is_unknown_and_the_stream_is_reset_later(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 100).await;
    let start = tokio::time::Instant::now();
    link.send([1, 2]);
    let streams = peer.requests(2).await;
    peer.head(streams[1], 200, false).await;
    link.answers(2).await;
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(peer.silent(RST_STREAM, seconds(29)).await);
    for stream in streams {
        let reset = peer.expect(RST_STREAM).await;
        assert_eq!((reset.stream, reset.word()), (stream, CANCEL));
    }
    assert_eq!(start.elapsed().as_secs(), 60);
    link.close();
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert_eq!(ended.lost(1), Lost::Unknown);
    assert_eq!(ended.lost(2), Lost::Unknown);
    assert_eq!(ended.silent, [0]);
}

/// One stream of many is the push's trouble, not the connection's.
async fn a_peer_that_answers_others_is_not_silent(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 100).await;
    link.send([1, 2]);
    let streams = peer.requests(2).await;
    tokio::time::sleep(seconds(1)).await;
    peer.ok(streams[1]).await;
    link.answers(2).await;
    // A late answer tells as well that the peer lives.
    link.send([3]);
    peer.request().await;
    tokio::time::sleep(seconds(1)).await;
    peer.ok(streams[0]).await;
    link.answers(3).await;
    assert!(link.silent.is_empty());
    link.send([4]);
    link.answers(4).await;
    link.close();
    let ended = link.end().await;
    assert_eq!(ended.silent, [3]);
    assert_eq!(ended.lost(3), Lost::Unknown);
}

async fn a_peer_without_settings_is_given_up_and_was_sent_nothing(config: Config) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let mut link = Link::over(ours, &config).await;
    let start = tokio::time::Instant::now();
    link.send(0..3);
    let mut peer = Peer::mute(theirs).await;
    let ended = link.end().await;
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(ended.label(), "connect_timeout");
    for key in 0..3 {
        assert_eq!(ended.lost(key), Lost::NotSent);
    }
    assert!(peer.drain().await.iter().all(|frame| frame.kind != HEADERS));
}

async fn late_answers_are_dropped_without_a_reset(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 100).await;
    link.send(0..100);
    let streams = peer.requests(100).await;
    link.answers(100).await;
    for stream in streams {
        peer.head(stream, 400, false).await;
        peer.write(DATA, END_STREAM, stream, b"too late").await;
    }
    assert!(peer.silent(RST_STREAM, seconds(100)).await);
    // All their slots are free again.
    link.send(100..200);
    for stream in peer.requests(100).await {
        peer.ok(stream).await;
    }
    link.answers(200).await;
    link.close();
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    for key in 0..100 {
        assert_eq!(ended.lost(key), Lost::Unknown);
        assert_eq!(ended.status(key + 100), 200);
    }
}

/// More resets and forgotten streams than `h2` would take by default.
async fn a_connection_outlives_many_lost_answers(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 500).await;
    for round in 0..4 {
        link.send(round * 500..round * 500 + 500);
        let streams = peer.requests(500).await;
        link.answers((round as usize + 1) * 500).await;
        for _ in 0..500 {
            peer.expect(RST_STREAM).await;
        }
        tokio::time::sleep(seconds(5)).await;
        for stream in streams {
            peer.ok(stream).await;
        }
    }
    link.send([9_000]);
    let stream = peer.request().await;
    peer.ok(stream).await;
    link.answers(2_001).await;
    link.close();
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert_eq!(ended.status(9_000), 200);
}

fn pinging(config: Config) -> Config {
    Config {
        ping_after: Some(seconds(60)),
        ..config
    }
}

async fn a_silent_peer_is_pinged_and_lives_by_its_answers(config: Config) {
    let (link, mut peer) = Link::with_peer(&pinging(config), 100).await;
    let start = tokio::time::Instant::now();
    for minute in 1..=5 {
        let ping = peer.expect(PING).await;
        assert_eq!(start.elapsed().as_secs(), minute * 60);
        peer.pong(&ping).await;
    }
    // Any frame from the peer puts the next one off.
    tokio::time::sleep(seconds(40)).await;
    peer.settings(50).await;
    let ping = peer.expect(PING).await;
    assert_eq!(start.elapsed().as_secs(), 5 * 60 + 100);
    peer.pong(&ping).await;
    link.close();
    link.end().await.result.unwrap();
}

async fn an_unanswered_ping_ends_the_connection(config: Config) {
    let config = Config {
        request_timeout: seconds(1000),
        ..pinging(config)
    };
    let (mut link, mut peer) = Link::with_peer(&config, 2).await;
    let start = tokio::time::Instant::now();
    link.send(0..3);
    peer.requests(2).await;
    let ended = link.end().await;
    assert_eq!(start.elapsed().as_secs(), 80);
    assert_eq!(ended.label(), "ping_timeout");
    assert_eq!(ended.lost(0), Lost::Unknown);
    assert_eq!(ended.lost(1), Lost::Unknown);
    assert_eq!(ended.lost(2), Lost::NotSent);
    // The connection is gone.
    assert!(peer.drain().await.iter().any(|frame| frame.kind == PING));
}

async fn without_ping_after_there_is_none(config: Config) {
    let (link, mut peer) = Link::with_peer(&config, 100).await;
    assert!(peer.silent(PING, seconds(100)).await);
    link.close();
    link.end().await.result.unwrap();
}
