//! The form of frames, whatever they are about.

use super::*;

#[test]
fn s4_1_frames_of_unknown_types_are_ignored() {
    let mut rig = Rig::with_requests(1, 10);
    for stream in [0, 1, 2, 77] {
        rig.takes(0xfa, 0xff, stream, b"whatever");
    }
    assert!(rig.frames().is_empty());
    rig.ok(1);
    assert_eq!(rig.status(1), 200);
}

#[test]
fn s4_1_reserved_bits_and_undefined_flags_are_ignored() {
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(kind::PING, 0xfe, 1 << 31, &[0; 8]);
    let pong = rig.frame();
    assert_eq!((pong.flags, pong.stream), (flag::ACK, 0));
    let flags = flag::END_HEADERS | flag::END_STREAM | 0xc2;
    rig.takes(kind::HEADERS, flags, 1 | 1 << 31, OK);
    assert_eq!(rig.status(1), 200);
}

#[test]
fn s4_2_a_longer_frame_than_we_allow_is_a_fault_before_it_has_come() {
    let mut rig = Rig::with_requests(1, 10);
    let head = frame::Head {
        length: 16_385,
        kind: kind::DATA,
        flags: 0,
        stream: 1,
    };
    let fault = rig.bytes(&head.to_bytes()).expect_err("a fault");
    assert_eq!(fault.code, Code::FRAME_SIZE_ERROR);
    rig.has_failed(Code::FRAME_SIZE_ERROR);
}

#[test]
fn s4_2_the_longest_frame_we_allow_is_taken() {
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(kind::HEADERS, flag::END_HEADERS, 1, OK);
    rig.takes(kind::DATA, flag::END_STREAM, 1, &[b'x'; 16_384]);
    assert_eq!(rig.answers[0].1.body.len(), 16_384);
}

#[test]
fn s4_2_our_frames_are_as_long_as_the_peer_allows() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 1 << 20));
    rig.takes(kind::WINDOW_UPDATE, 0, 0, &(1_u32 << 20).to_be_bytes());
    rig.frames();
    let lengths = |rig: &mut Rig| -> Vec<_> {
        let mut frames = rig.frames();
        rig.session.send_bodies();
        frames.extend(rig.frames());
        let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
        data.map(|frame| frame.payload.len()).collect()
    };
    rig.request(1, 40_000);
    rig.session.send_bodies();
    assert_eq!(lengths(&mut rig), [16_384, 16_384, 7_232]);
    rig.takes(kind::SETTINGS, 0, 0, &setting(5, 30_000));
    rig.frames();
    rig.request(2, 40_000);
    rig.session.send_bodies();
    assert_eq!(lengths(&mut rig), [30_000, 10_000]);
}

#[test]
fn s4_3_a_block_that_cannot_be_read_ends_the_connection() {
    let mut rig = Rig::with_requests(1, 10);
    // An index beyond both tables.
    rig.fails(
        kind::HEADERS,
        flag::END_HEADERS,
        1,
        &[0xff, 0xff, 0x03],
        Code::COMPRESSION_ERROR,
    );
}

#[test]
fn s4_3_blocks_of_streams_we_have_reset_still_fill_the_table() {
    let mut rig = Rig::with_requests(2, 10);
    rig.session.retain(|key, _| *key == 1);
    rig.frames();
    // `:status` 418, indexed, on the stream that was reset; then by its index.
    let indexed = [&[0x48, 3][..], b"418"].concat();
    rig.takes(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        1,
        &indexed,
    );
    rig.takes(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        3,
        &[0x80 | 62],
    );
    assert_eq!(rig.status(2), 418);
    assert_eq!(rig.answers.len(), 1);
}

#[test]
fn s6_1_data_is_on_a_stream_with_no_more_padding_than_payload() {
    Rig::with_requests(1, 10).fails(kind::DATA, 0, 0, b"x", Code::PROTOCOL_ERROR);
    Rig::with_requests(1, 10).fails(kind::DATA, flag::PADDED, 1, &[1], Code::PROTOCOL_ERROR);
    Rig::with_requests(1, 10).fails(kind::DATA, flag::PADDED, 1, &[], Code::FRAME_SIZE_ERROR);
}

#[test]
fn s6_1_padding_is_taken_off() {
    let mut rig = Rig::with_requests(2, 10);
    for stream in [1, 3] {
        rig.takes(kind::HEADERS, flag::END_HEADERS, stream, OK);
    }
    rig.takes(
        kind::DATA,
        flag::PADDED | flag::END_STREAM,
        1,
        b"\x03abc\0\0\0",
    );
    rig.takes(
        kind::DATA,
        flag::PADDED | flag::END_STREAM,
        3,
        b"\x03\0\0\0",
    );
    assert_eq!(rig.answers[0].1.body, "abc");
    assert_eq!(rig.answers[1].1.body, "");
}

#[test]
fn s6_2_padding_and_priority_of_headers_are_taken_off() {
    let mut rig = Rig::with_requests(1, 10);
    let flags = flag::END_HEADERS | flag::END_STREAM | flag::PADDED | flag::PRIORITY;
    rig.takes(kind::HEADERS, flags, 1, b"\x02\0\0\0\x03\x10\x88\0\0");
    assert_eq!(rig.status(1), 200);
}

#[test]
fn s6_2_headers_are_on_a_stream_and_long_enough() {
    let ends = flag::END_HEADERS;
    Rig::with_requests(1, 1).fails(kind::HEADERS, ends, 0, OK, Code::PROTOCOL_ERROR);
    let padded = ends | flag::PADDED;
    Rig::with_requests(1, 1).fails(kind::HEADERS, padded, 1, &[2, 0x88], Code::PROTOCOL_ERROR);
    let priority = ends | flag::PRIORITY;
    Rig::with_requests(1, 1).fails(kind::HEADERS, priority, 1, &[0; 4], Code::FRAME_SIZE_ERROR);
}

#[test]
fn s6_3_priority_says_nothing_on_any_stream() {
    let mut rig = Rig::with_requests(1, 10);
    for stream in [1, 2, 99] {
        rig.takes(kind::PRIORITY, 0, stream, &[0; 5]);
    }
    assert!(rig.frames().is_empty());
    rig.fails(kind::PRIORITY, 0, 0, &[0; 5], Code::PROTOCOL_ERROR);
}

#[test]
fn s6_3_priority_of_another_length_is_a_stream_error() {
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(kind::PRIORITY, 0, 1, &[0; 4]);
    rig.has_reset(1, Code::FRAME_SIZE_ERROR);
    // On a stream nobody has opened there is nothing to reset.
    rig.takes(kind::PRIORITY, 0, 99, &[0; 4]);
    assert!(rig.frames().is_empty());
}

#[test]
fn s6_4_rst_stream_is_four_bytes_on_a_stream_that_was_opened() {
    let code = Code::CANCEL.0.to_be_bytes();
    Rig::with_requests(1, 1).fails(kind::RST_STREAM, 0, 0, &code, Code::PROTOCOL_ERROR);
    Rig::with_requests(1, 1).fails(kind::RST_STREAM, 0, 3, &code, Code::PROTOCOL_ERROR);
    Rig::with_requests(1, 1).fails(kind::RST_STREAM, 0, 1, &[0; 5], Code::FRAME_SIZE_ERROR);
}

#[test]
fn s6_6_a_push_promise_is_a_fault() {
    let promise = [&2_u32.to_be_bytes()[..], OK].concat();
    let mut rig = Rig::with_requests(1, 1);
    rig.fails(
        kind::PUSH_PROMISE,
        flag::END_HEADERS,
        1,
        &promise,
        Code::PROTOCOL_ERROR,
    );
}

#[test]
fn s6_10_a_block_goes_on_in_continuations() {
    let mut rig = Rig::with_requests(1, 10);
    let whole = block(&[(":status", "410"), ("content-length", "0")]);
    rig.takes(kind::HEADERS, flag::END_STREAM, 1, &whole[..5]);
    rig.takes(kind::CONTINUATION, 0, 1, &whole[5..6]);
    rig.takes(kind::CONTINUATION, 0, 1, &[]);
    rig.takes(kind::CONTINUATION, flag::END_HEADERS, 1, &whole[6..]);
    assert_eq!(rig.status(1), 410);
}

#[test]
fn s6_10_nothing_comes_between_the_parts_of_a_block() {
    for (kind, stream, payload) in [
        (kind::PING, 0, &[0; 8][..]),
        (kind::CONTINUATION, 3, &[]),
        (kind::DATA, 1, b"x"),
        (kind::HEADERS, 1, OK),
        (0x99, 1, &[]),
    ] {
        let mut rig = Rig::with_requests(2, 10);
        rig.takes(kind::HEADERS, 0, 1, OK);
        rig.fails(kind, 0, stream, payload, Code::PROTOCOL_ERROR);
    }
    let mut rig = Rig::with_requests(1, 10);
    rig.fails(
        kind::CONTINUATION,
        flag::END_HEADERS,
        1,
        OK,
        Code::PROTOCOL_ERROR,
    );
}

#[test]
fn s6_10_our_blocks_go_on_where_they_are_longer_than_a_frame() {
    let mut rig = Rig::new();
    let long = HeaderValue::from_bytes(&[b'a'; 40_000]).expect("a value");
    let own = (HeaderName::from_static("x-long"), long);
    let taken = rig.session.request(request_with(1, 5, Some(own)), 1);
    assert!(taken.is_ok());
    let frames = rig.frames();
    let shape: Vec<_> = frames.iter().map(|f| (f.kind, f.flags)).collect();
    let expected = [
        (kind::HEADERS, 0),
        (kind::CONTINUATION, 0),
        (kind::CONTINUATION, flag::END_HEADERS),
        (kind::DATA, flag::END_STREAM),
    ];
    assert_eq!(shape, expected);
    assert!(
        frames
            .iter()
            .all(|frame| frame.payload.len() <= 16_384 && frame.stream == 1)
    );
    let block: Vec<u8> = frames[..3].iter().flat_map(|f| f.payload.clone()).collect();
    let mut fields = Vec::new();
    let mut decoder = super::super::hpack::Decoder::new(4_096, 100_000);
    let read = decoder.decode(&block, |name, value| {
        fields.push((name.to_vec(), value.len()))
    });
    assert!(read.is_ok());
    assert_eq!(fields.last(), Some(&(b"x-long".to_vec(), 40_000)));
}
