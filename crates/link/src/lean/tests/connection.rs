//! What is about the connection: preface, SETTINGS, PING, GOAWAY, errors.

use super::*;

#[test]
fn s3_4_the_preface_comes_first_and_our_settings_behind_it() {
    let mut rig = Rig::fresh();
    let bytes = rig.written();
    let frames = bytes
        .strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .expect("the preface");
    let frames = parse(frames);
    let kinds: Vec<_> = frames.iter().map(|f| (f.kind, f.stream)).collect();
    assert_eq!(kinds, [(kind::SETTINGS, 0), (kind::WINDOW_UPDATE, 0)]);
    let settings = [setting(2, 0), setting(4, 65_536), setting(6, 16_384)];
    assert_eq!(frames[0].payload, settings.concat());
    assert_eq!(
        frames[1].payload,
        (4 * 1024 * 1024 - 65_535_u32).to_be_bytes()
    );
}

#[test]
fn s3_4_the_peers_first_frame_is_settings() {
    for (kind, flags, payload) in [
        (kind::PING, 0, &[0; 8][..]),
        (kind::SETTINGS, flag::ACK, &[]),
        (kind::GOAWAY, 0, &[0; 8]),
        (0x77, 0, &[]),
    ] {
        let mut rig = Rig::fresh();
        rig.written();
        rig.fails(kind, flags, 0, payload, Code::PROTOCOL_ERROR);
    }
    let mut rig = Rig::fresh();
    rig.written();
    assert!(rig.bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n").is_err());
}

#[test]
fn s3_4_nothing_is_sent_before_the_peers_settings() {
    let rig = Rig::fresh();
    assert!(!rig.session.is_ready());
    assert_eq!(rig.session.allowed(), 0);
    let rig = Rig::new();
    assert!(rig.session.is_ready());
    assert_eq!(rig.session.allowed(), u32::MAX);
}

#[test]
fn s6_5_settings_are_of_the_connection_and_of_whole_entries() {
    Rig::new().fails(kind::SETTINGS, 0, 1, &[], Code::PROTOCOL_ERROR);
    Rig::new().fails(kind::SETTINGS, 0, 0, &[0; 7], Code::FRAME_SIZE_ERROR);
    Rig::new().fails(
        kind::SETTINGS,
        flag::ACK,
        0,
        &[0; 6],
        Code::FRAME_SIZE_ERROR,
    );
}

#[test]
fn s6_5_2_values_out_of_range_are_faults() {
    for (id, value, code) in [
        (2, 1, Code::PROTOCOL_ERROR),
        (4, 1 << 31, Code::FLOW_CONTROL_ERROR),
        (5, 16_383, Code::PROTOCOL_ERROR),
        (5, 1 << 24, Code::PROTOCOL_ERROR),
    ] {
        Rig::new().fails(kind::SETTINGS, 0, 0, &setting(id, value), code);
    }
    for (id, value) in [
        (2, 0),
        (4, (1 << 31) - 1),
        (5, 16_384),
        (5, (1 << 24) - 1),
        (6, 0),
    ] {
        Rig::new().takes(kind::SETTINGS, 0, 0, &setting(id, value));
    }
}

#[test]
fn s6_5_2_unknown_settings_are_ignored() {
    let mut rig = Rig::new();
    rig.takes(
        kind::SETTINGS,
        0,
        0,
        &[setting(0x99, 7), setting(3, 5)].concat(),
    );
    assert_eq!(rig.session.allowed(), 5);
}

#[test]
fn s6_5_3_settings_hold_in_order_and_are_acknowledged() {
    let mut rig = Rig::new();
    rig.takes(
        kind::SETTINGS,
        0,
        0,
        &[setting(3, 5), setting(3, 7)].concat(),
    );
    assert_eq!(rig.session.allowed(), 7);
    let ack = rig.frame();
    assert_eq!(
        (ack.kind, ack.flags, ack.stream),
        (kind::SETTINGS, flag::ACK, 0)
    );
    assert!(ack.payload.is_empty());
    // The peer's acknowledgement is answered by nothing.
    rig.takes(kind::SETTINGS, flag::ACK, 0, &[]);
    assert!(rig.frames().is_empty());
}

#[test]
fn s6_5_2_what_a_frame_does_not_name_stays() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(3, 5));
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 10));
    assert_eq!(rig.session.allowed(), 5);
}

/// RFC 7541, 4.2: the smallest size in between is told, then the last.
#[test]
fn s6_5_2_the_peers_table_size_is_told_in_the_next_block() {
    let mut rig = Rig::new();
    rig.takes(
        kind::SETTINGS,
        0,
        0,
        &[setting(1, 0), setting(1, 100)].concat(),
    );
    rig.frames();
    rig.request(1, 0);
    let head = rig.frame();
    assert_eq!(head.payload[..3], [0x20, 0x3f, 100 - 31]);
}

#[test]
fn s6_7_a_ping_is_answered_with_its_payload() {
    let mut rig = Rig::new();
    rig.takes(kind::PING, 0, 0, b"12345678");
    let pong = rig.frame();
    assert_eq!(
        (pong.kind, pong.flags, pong.stream),
        (kind::PING, flag::ACK, 0)
    );
    assert_eq!(pong.payload, b"12345678");
}

#[test]
fn s6_7_a_ping_is_of_the_connection_and_eight_bytes() {
    Rig::new().fails(kind::PING, 0, 1, &[0; 8], Code::PROTOCOL_ERROR);
    Rig::new().fails(kind::PING, 0, 0, &[0; 7], Code::FRAME_SIZE_ERROR);
    Rig::new().fails(kind::PING, flag::ACK, 0, &[0; 9], Code::FRAME_SIZE_ERROR);
}

#[test]
fn s6_7_ours_is_answered_by_its_own_payload_only() {
    let mut rig = Rig::new();
    rig.session.ping();
    let ping = rig.frame();
    assert_eq!((ping.kind, ping.flags), (kind::PING, 0));
    rig.takes(kind::PING, flag::ACK, 0, &[9; 8]);
    assert!(rig.session.awaits_pong());
    rig.takes(kind::PING, flag::ACK, 0, &ping.payload);
    assert!(!rig.session.awaits_pong());
    assert!(rig.frames().is_empty());
}

fn goaway(last: u32, code: Code, debug: &[u8]) -> Vec<u8> {
    [&last.to_be_bytes()[..], &code.0.to_be_bytes(), debug].concat()
}

#[test]
fn s6_8_streams_above_the_last_were_not_processed() {
    let mut rig = Rig::with_requests(3, 10);
    rig.takes(
        kind::GOAWAY,
        0,
        0,
        &goaway(3, Code::ENHANCE_YOUR_CALM, b"calm"),
    );
    assert_eq!(rig.lost, [(3, Lost::NotSent)]);
    assert_eq!(rig.goaways, [(Code::ENHANCE_YOUR_CALM, b"calm".to_vec())]);
    assert!(!rig.session.is_ready(), "no more requests");
    assert_eq!(rig.session.open(), 2);
    // Answers of the others still come; a frame on the one that is gone was on its way.
    rig.ok(5);
    rig.ok(1);
    rig.ok(3);
    assert_eq!(rig.answers.len(), 2);
    assert_eq!(rig.lost.len(), 1);
}

#[test]
fn s6_8_a_second_one_lowers_the_last_and_never_raises_it() {
    let mut rig = Rig::with_requests(3, 10);
    let all = (1 << 31) - 1;
    rig.takes(kind::GOAWAY, 0, 0, &goaway(all, Code::NO_ERROR, b""));
    assert!(rig.lost.is_empty());
    rig.takes(kind::GOAWAY, 0, 0, &goaway(1, Code::NO_ERROR, b""));
    assert_eq!(rig.lost, [(2, Lost::NotSent), (3, Lost::NotSent)]);
    assert_eq!(rig.goaways.len(), 1, "told once");
    let raised = goaway(3, Code::NO_ERROR, b"");
    rig.fails(kind::GOAWAY, 0, 0, &raised, Code::PROTOCOL_ERROR);
}

#[test]
fn s6_8_a_goaway_is_of_the_connection_and_eight_bytes_at_least() {
    let whole = goaway(0, Code::NO_ERROR, b"");
    Rig::new().fails(kind::GOAWAY, 0, 1, &whole, Code::PROTOCOL_ERROR);
    Rig::new().fails(kind::GOAWAY, 0, 0, &whole[..7], Code::FRAME_SIZE_ERROR);
    Rig::new().fails(kind::GOAWAY, 0, 0, &whole[..3], Code::FRAME_SIZE_ERROR);
}

#[test]
fn s6_8_closing_says_goaway_with_no_stream_of_the_peers() {
    let mut rig = Rig::new();
    rig.session.close();
    let frame = rig.frame();
    assert_eq!(frame.kind, kind::GOAWAY);
    assert_eq!(frame.payload, goaway(0, Code::NO_ERROR, b""));
}

#[test]
fn s5_4_1_a_fault_ends_the_connection_once() {
    let mut rig = Rig::with_requests(1, 10);
    let twice = [
        frame(kind::PING, 0, 1, &[0; 8]),
        frame(kind::PING, 0, 1, &[0; 8]),
    ]
    .concat();
    assert!(rig.bytes(&twice).is_err());
    rig.has_failed(Code::PROTOCOL_ERROR);
    assert!(rig.bytes(&twice).is_err());
}
