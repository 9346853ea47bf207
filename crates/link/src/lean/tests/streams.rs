//! Streams: their ids, their states, and how they end.

use super::super::stream::Stream;
use super::super::streams::{Found, Streams};
use super::*;

#[test]
fn s5_1_1_ids_are_odd_and_grow() {
    let mut rig = Rig::new();
    for key in 1..=5 {
        rig.request(key, 1);
    }
    let heads: Vec<_> = rig
        .frames()
        .iter()
        .filter(|f| f.kind == kind::HEADERS)
        .map(|f| f.stream)
        .collect();
    assert_eq!(heads, [1, 3, 5, 7, 9]);
}

#[test]
fn s5_1_1_when_ids_are_used_up_nothing_is_opened() {
    let mut streams = Streams::starting_at((1 << 31) - 3);
    assert!(streams.has_ids());
    for expected in [(1 << 31) - 3, (1 << 31) - 1] {
        let id = streams.next();
        assert_eq!(id, expected);
        streams.insert(Stream::new(id, (), Bytes::new(), 1));
    }
    assert!(!streams.has_ids());
    assert!(matches!(streams.find((1 << 31) - 1), Found::Open(_)));
}

#[test]
fn s5_1_1_a_stream_is_found_however_many_came_after_it() {
    let mut streams = Streams::new(100);
    let mut kept = Vec::new();
    for round in 0..10_000 {
        let id = streams.next();
        streams.insert(Stream::new(id, round, Bytes::new(), 1));
        match round % 500 {
            0 => kept.push((id, round)),
            _ => assert!(streams.remove(id).is_some()),
        }
        assert!(matches!(streams.find(id + 2), Found::Idle));
    }
    assert_eq!(streams.open(), kept.len());
    for (id, round) in kept {
        assert!(matches!(streams.find(id), Found::Open(stream) if stream.tag == round));
        assert!(matches!(streams.find(id + 2), Found::Closed));
        assert_eq!(streams.remove(id).map(|stream| stream.tag), Some(round));
        assert!(matches!(streams.find(id), Found::Closed));
        assert!(streams.remove(id).is_none());
    }
    assert_eq!(streams.open(), 0);
}

#[test]
fn s5_1_1_what_the_peer_would_have_to_open_is_a_fault() {
    for stream in [2, 4, 99] {
        for (kind, payload) in [(kind::HEADERS, OK), (kind::DATA, b"x")] {
            let mut rig = Rig::with_requests(2, 1);
            rig.fails(
                kind,
                flag::END_HEADERS,
                stream,
                payload,
                Code::PROTOCOL_ERROR,
            );
        }
    }
}

#[test]
fn s5_1_what_was_answered_whole_gets_no_more_than_the_standard_allows() {
    let answered = || {
        let mut rig = Rig::with_requests(1, 1);
        rig.ok(1);
        rig
    };
    let mut rig = answered();
    rig.takes(kind::WINDOW_UPDATE, 0, 1, &9_u32.to_be_bytes());
    rig.takes(kind::RST_STREAM, 0, 1, &Code::NO_ERROR.0.to_be_bytes());
    rig.takes(kind::PRIORITY, 0, 1, &[0; 5]);
    assert_eq!((rig.answers.len(), rig.lost.len()), (1, 0));
    // A reset behind the end changes nothing.
    answered().fails(kind::HEADERS, flag::END_HEADERS, 1, OK, Code::STREAM_CLOSED);
    rig.fails(kind::HEADERS, flag::END_HEADERS, 1, OK, Code::STREAM_CLOSED);
    answered().fails(kind::DATA, 0, 1, b"x", Code::STREAM_CLOSED);
}

#[test]
fn s5_1_frames_on_streams_we_have_reset_are_ignored() {
    let mut rig = Rig::with_requests(1, 10);
    rig.session.retain(|_, _| true);
    let reset = rig.frame();
    assert_eq!((reset.kind, reset.stream), (kind::RST_STREAM, 1));
    assert_eq!(reset.payload, Code::CANCEL.0.to_be_bytes());
    rig.takes(kind::HEADERS, flag::END_HEADERS, 1, OK);
    rig.takes(kind::DATA, flag::END_STREAM, 1, b"late");
    rig.takes(kind::RST_STREAM, 0, 1, &[0; 4]);
    assert!(rig.answers.is_empty() && rig.lost.is_empty());
    assert!(rig.frames().is_empty());
}

/// Their header blocks are read all the same, since both ends keep one table (RFC 7541, section 2.2).
#[test]
fn s5_1_frames_on_streams_the_peer_has_reset_cost_no_connection() {
    let mut rig = Rig::with_requests(2, 10);
    rig.takes(kind::RST_STREAM, 0, 1, &Code::CANCEL.0.to_be_bytes());
    // `:status` 299, which gets into the table.
    rig.takes(kind::HEADERS, flag::END_HEADERS, 1, b"\x48\x03299");
    rig.takes(kind::DATA, flag::END_STREAM, 1, b"late");
    rig.takes(kind::WINDOW_UPDATE, 0, 1, &9_u32.to_be_bytes());
    rig.takes(kind::RST_STREAM, 0, 1, &[0; 4]);
    assert_eq!(rig.lost, [(1, Lost::Unknown)]);
    assert!(rig.answers.is_empty() && rig.frames().is_empty());
    rig.takes(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        3,
        &[0x80 | 62],
    );
    assert_eq!(rig.status(2), 299);
}

/// As many as may be open: none of them takes the connection along.
#[test]
fn s5_1_all_streams_reset_by_the_peer_and_frames_on_each() {
    let count = LIMITS.streams;
    let mut rig = Rig::with_requests(count, 10);
    for stream in (1..2 * count).step_by(2) {
        rig.takes(kind::RST_STREAM, 0, stream, &[0; 4]);
    }
    for stream in (1..2 * count).step_by(2) {
        rig.takes(kind::HEADERS, flag::END_HEADERS, stream, OK);
        rig.takes(kind::DATA, flag::END_STREAM, stream, b"late");
    }
    assert_eq!((rig.lost.len(), rig.session.open()), (count as usize, 0));
    rig.request(1_000, 10);
    rig.ok(2 * count + 1);
    assert_eq!(rig.status(1_000), 200);
}

#[test]
fn s5_1_2_what_is_open_is_counted() {
    let mut rig = Rig::with_requests(3, 1);
    assert_eq!(rig.session.open(), 3);
    rig.ok(3);
    rig.takes(kind::RST_STREAM, 0, 1, &[0; 4]);
    assert_eq!(rig.session.open(), 1);
    rig.takes(kind::SETTINGS, 0, 0, &setting(3, 0));
    assert_eq!(rig.session.allowed(), 0);
    assert_eq!(rig.session.open(), 1, "what is open stays");
}

#[test]
fn s5_4_2_a_stream_error_costs_its_stream_only() {
    let mut rig = Rig::with_requests(2, 10);
    // DATA before any head.
    rig.takes(kind::DATA, 0, 1, b"x");
    rig.has_reset(1, Code::PROTOCOL_ERROR);
    rig.ok(3);
    assert_eq!(rig.status(2), 200);
}

#[test]
fn s6_4_a_refused_stream_was_not_processed_and_another_may_have_been() {
    let mut rig = Rig::with_requests(4, 10);
    let refused = Code::REFUSED_STREAM.0.to_be_bytes();
    rig.takes(kind::RST_STREAM, 0, 1, &refused);
    rig.takes(kind::RST_STREAM, 0, 3, &Code::CANCEL.0.to_be_bytes());
    rig.takes(kind::HEADERS, flag::END_HEADERS, 5, OK);
    rig.takes(kind::RST_STREAM, 0, 5, &refused);
    rig.takes(kind::RST_STREAM, 0, 7, &0x1234_u32.to_be_bytes());
    let expected = [
        (1, Lost::NotSent),
        (2, Lost::Unknown),
        (3, Lost::Unknown),
        (4, Lost::Unknown),
    ];
    assert_eq!(rig.lost, expected);
    assert!(rig.frames().is_empty(), "a reset is not answered by one");
}

#[test]
fn s8_1_an_early_answer_is_kept_and_the_rest_of_the_request_is_not_sent() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 10));
    rig.frames();
    rig.request(1, 100);
    rig.frames();
    rig.takes(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        1,
        &block(&[(":status", "413")]),
    );
    assert_eq!(rig.status(1), 413);
    let reset = rig.frame();
    assert_eq!((reset.kind, reset.stream), (kind::RST_STREAM, 1));
    rig.takes(kind::WINDOW_UPDATE, 0, 1, &1_000_u32.to_be_bytes());
    assert!(rig.frames().is_empty());
    assert!(rig.session.is_ready());
}

#[test]
fn what_is_known_of_a_request_without_an_answer() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 10));
    rig.frames();
    rig.request(1, 10);
    rig.frames();
    rig.request(2, 10);
    let out = rig.session.out();
    let length = out.bytes().len();
    out.advance(length - 1);
    rig.request(3, 11);
    let mut seen = Vec::new();
    rig.session.retain(|key, sent| {
        seen.push((*key, sent));
        false
    });
    assert_eq!(
        seen,
        [(1, Sent::HandedOn), (2, Sent::Gathered), (3, Sent::InPart)]
    );
    rig.session.out().advance(1);
    seen.clear();
    rig.session.retain(|key, sent| {
        seen.push((*key, sent));
        *key == 3
    });
    assert_eq!(seen[1], (2, Sent::HandedOn));
    assert_eq!(rig.session.open(), 2);
    // It goes out no more, and holds nobody up.
    let frames = rig.frames();
    assert_eq!(
        frames.last().map(|frame| frame.kind),
        Some(kind::RST_STREAM)
    );
    assert!(
        frames
            .iter()
            .all(|f| f.kind != kind::DATA || f.flags & flag::END_STREAM == 0)
    );
    rig.takes(kind::WINDOW_UPDATE, 0, 5, &1_000_u32.to_be_bytes());
    assert!(rig.frames().is_empty());
}

#[test]
fn a_forbidden_request_leaves_nothing_behind() {
    let mut rig = Rig::new();
    let own = (http::header::CONNECTION, HeaderValue::from_static("close"));
    let refused = rig.session.request(request_with(1, 5, Some(own)), 1);
    assert_eq!(refused.expect_err("forbidden").0, 1);
    assert!(rig.frames().is_empty());
    assert_eq!(rig.session.open(), 0);
    rig.request(2, 5);
    assert_eq!(rig.frames()[0].stream, 1);
    rig.ok(1);
    assert_eq!(rig.status(2), 200);
}
