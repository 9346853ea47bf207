//! Ends: GOAWAY, close, and peers that just go.

use super::peer::{ENHANCE_YOUR_CALM, GOAWAY, HEADERS, NO_ERROR};
use super::*;

on_each_engine! {
    #[tokio::test]
    goaway_splits_streams_at_the_last_one
    goaway_in_two_steps
    goaway_with_an_error_gives_its_reason
    what_could_be_an_address_or_a_token_is_left_out_of_a_reason
    goaway_on_an_idle_connection_ends_it
    a_peer_that_goes_leaves_what_was_written_unknown
    a_peer_that_goes_while_idle
    a_violation_of_the_protocol_ends_the_connection
    close_finishes_what_was_taken_and_says_goaway
    dropping_the_last_sender_closes;
    #[tokio::test(start_paused = true)]
    streams_open_at_a_goaway_still_time_out
    close_waits_no_longer_than_a_request_may_take
    a_peer_that_reads_nothing_does_not_hold_the_end_up;
}

async fn goaway_splits_streams_at_the_last_one(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 4).await;
    link.send(0..6);
    let streams = peer.requests(4).await;
    peer.goaway(streams[1], NO_ERROR, "").await;
    link.goaway().await;
    // Above the last one, and those that wait.
    link.answers(4).await;
    assert!(link.refused());
    peer.ok(streams[0]).await;
    peer.answer(streams[1], 410, b"{}").await;
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert_eq!((ended.status(0), ended.status(1)), (200, 410));
    for key in 2..6 {
        assert_eq!(ended.lost(key), Lost::NotSent);
    }
    assert_eq!(ended.going_away, ["NO_ERROR"]);
    assert!(!ended.calm);
    peer.drain().await;
}

async fn goaway_in_two_steps(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 4).await;
    link.send(0..2);
    let streams = peer.requests(2).await;
    peer.goaway(u32::MAX >> 1, NO_ERROR, "").await;
    link.goaway().await;
    assert!(link.refused());
    peer.goaway(streams[0], NO_ERROR, "").await;
    peer.ok(streams[0]).await;
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert_eq!(ended.status(0), 200);
    assert_eq!(ended.lost(1), Lost::NotSent);
    assert_eq!(ended.going_away.len(), 1);
}

async fn goaway_with_an_error_gives_its_reason(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 4).await;
    link.send(0..2);
    let streams = peer.requests(2).await;
    let data = format!("{{\"reason\":\"TooManyBad\"}}\u{7}{}", "x ".repeat(300));
    peer.goaway(streams[0], ENHANCE_YOUR_CALM, &data).await;
    drop(peer);
    let ended = link.end().await;
    assert_eq!(ended.label(), "protocol");
    assert_eq!(ended.lost(0), Lost::Unknown);
    assert_eq!(ended.lost(1), Lost::NotSent);
    let reason = &ended.going_away[0];
    let start = "ENHANCE_YOUR_CALM: {\"reason\":\"TooManyBad\"}\\x07x x x ";
    assert!(reason.starts_with(start), "{reason}");
    assert_eq!(reason.len(), 200);
    assert!(ended.calm);
}

async fn what_could_be_an_address_or_a_token_is_left_out_of_a_reason(config: Config) {
    let (link, mut peer) = Link::with_peer(&config, 4).await;
    let (fid, jwt) = (
        "cLzT1_abcdefghijklmnop",
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJURUFNIn0.c2ln",
    );
    let data = format!(
        "TooManyProviderTokenUpdates for /3/device/{} {fid} {jwt}",
        "0a".repeat(32)
    );
    peer.goaway(0, NO_ERROR, &data).await;
    let ended = link.end().await;
    let reason = "NO_ERROR: TooManyProviderTokenUpdates for /3/device/… … …";
    assert_eq!(ended.going_away, [reason]);
    peer.drain().await;
}

async fn goaway_on_an_idle_connection_ends_it(config: Config) {
    let (link, mut peer) = Link::with_peer(&config, 4).await;
    peer.goaway(0, NO_ERROR, "{\"reason\":\"IdleTimeout\"}")
        .await;
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert_eq!(ended.going_away, ["NO_ERROR: {\"reason\":\"IdleTimeout\"}"]);
    peer.drain().await;
}

async fn streams_open_at_a_goaway_still_time_out(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 4).await;
    link.send([0]);
    let stream = peer.request().await;
    peer.goaway(stream, NO_ERROR, "").await;
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert_eq!(ended.lost(0), Lost::Unknown);
    peer.drain().await;
}

async fn a_peer_that_goes_leaves_what_was_written_unknown(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 3).await;
    link.send(0..5);
    let streams = peer.requests(3).await;
    peer.ok(streams[0]).await;
    peer.requests(1).await;
    peer.head(streams[1], 200, false).await;
    drop(peer);
    let ended = link.end().await;
    assert_eq!(ended.label(), "peer_closed");
    assert!(ended.going_away.is_empty());
    assert_eq!(ended.status(0), 200);
    for key in 1..4 {
        assert_eq!(ended.lost(key), Lost::Unknown);
    }
    assert_eq!(ended.lost(4), Lost::NotSent);
}

async fn a_peer_that_goes_while_idle(config: Config) {
    let (link, peer) = Link::with_peer(&config, 3).await;
    drop(peer);
    assert_eq!(link.end().await.label(), "peer_closed");
}

async fn a_violation_of_the_protocol_ends_the_connection(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 1).await;
    link.send(0..2);
    peer.request().await;
    // HEADERS on a stream nobody opened.
    peer.ok(1001).await;
    let goaway = peer.expect(GOAWAY).await;
    assert_eq!(goaway.payload[4..8], 1_u32.to_be_bytes());
    let ended = link.end().await;
    assert_eq!(ended.label(), "protocol");
    assert!(ended.going_away.is_empty());
    assert_eq!(ended.lost(0), Lost::Unknown);
    assert_eq!(ended.lost(1), Lost::NotSent);
}

async fn close_finishes_what_was_taken_and_says_goaway(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 2).await;
    link.send(0..3);
    let streams = peer.requests(2).await;
    link.close();
    assert!(link.refused());
    peer.ok(streams[0]).await;
    peer.ok(streams[1]).await;
    let last = peer.request().await;
    peer.ok(last).await;
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert!((0..3).all(|key| ended.status(key) == 200));
    let frames = peer.drain().await;
    let goaway = frames.iter().find(|frame| frame.kind == GOAWAY).unwrap();
    assert_eq!(goaway.payload[4..8], NO_ERROR.to_be_bytes());
}

async fn dropping_the_last_sender_closes(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 2).await;
    link.send([0]);
    link.sender = None;
    let stream = peer.request().await;
    peer.ok(stream).await;
    let ended = link.end().await;
    assert_eq!(ended.label(), "ok");
    assert_eq!(ended.status(0), 200);
}

async fn close_waits_no_longer_than_a_request_may_take(config: Config) {
    let (mut link, mut peer) = Link::with_peer(&config, 1).await;
    let start = tokio::time::Instant::now();
    link.send(0..2);
    peer.request().await;
    link.close();
    let ended = link.end().await;
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(ended.label(), "ok");
    assert_eq!(ended.lost(0), Lost::Unknown);
    assert_eq!(ended.lost(1), Lost::NotSent);
    assert!(peer.drain().await.iter().all(|frame| frame.kind != HEADERS));
}

async fn a_peer_that_reads_nothing_does_not_hold_the_end_up(config: Config) {
    let (ours, theirs) = tokio::io::duplex(256);
    let mut link = Link::over(ours, &config).await;
    let peer = Peer::start(theirs, 100).await;
    link.limit(100).await;
    link.send(0..20);
    let start = tokio::time::Instant::now();
    link.close();
    let ended = link.end().await;
    assert!(start.elapsed() < seconds(40));
    assert!((0..20).all(|key| ended.lost(key) == Lost::Unknown));
    drop(peer);
}
