//! Flow control, both ways.

use super::*;

fn data(frames: &[Frame]) -> Vec<(u32, usize, bool)> {
    let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
    data.map(|f| (f.stream, f.payload.len(), f.flags & flag::END_STREAM != 0))
        .collect()
}

fn windows(frames: &[Frame]) -> Vec<(u32, u32)> {
    let windows = frames
        .iter()
        .filter(|frame| frame.kind == kind::WINDOW_UPDATE);
    let increment = |f: &Frame| u32::from_be_bytes(f.payload[..].try_into().expect("a word"));
    windows.map(|f| (f.stream, increment(f))).collect()
}

impl Rig {
    fn grow(&mut self, stream: u32, bytes: u32) {
        self.takes(kind::WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    }
}

#[test]
fn s5_2_a_body_waits_for_its_streams_window() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 10));
    rig.frames();
    rig.request(1, 25);
    assert_eq!(data(&rig.frames()), [(1, 10, false)]);
    assert!(rig.session.is_ready(), "others may go on");
    rig.grow(1, 10);
    assert_eq!(data(&rig.frames()), [(1, 10, false)]);
    rig.grow(1, 10);
    assert_eq!(data(&rig.frames()), [(1, 5, true)]);
}

#[test]
fn s5_2_bodies_wait_for_the_connections_window_in_turn() {
    let mut rig = Rig::new();
    rig.request(1, 65_530);
    rig.frames();
    rig.session.send_bodies();
    rig.written();
    rig.session.send_bodies();
    rig.written();
    rig.request(2, 20_000);
    assert_eq!(data(&rig.frames()), [(3, 5, false)]);
    assert!(!rig.session.is_ready(), "another one would wait behind it");
    rig.grow(0, 10);
    assert_eq!(data(&rig.frames()), [(3, 10, false)]);
    rig.grow(0, 100_000);
    assert_eq!(data(&rig.frames()), [(3, 16_384, false), (3, 3_601, true)]);
    assert!(rig.session.is_ready());
}

#[test]
fn s5_2_bodies_that_wait_get_a_frame_each_in_turn() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 0));
    rig.frames();
    for key in 1..=3 {
        rig.request(key, 20_000);
    }
    rig.frames();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 30_000));
    let mut sent = data(&rig.frames());
    while !rig.session.out().bytes().is_empty() || sent.len() < 6 {
        rig.session.send_bodies();
        sent.extend(data(&rig.frames()));
    }
    let streams: Vec<_> = sent.iter().map(|(stream, ..)| *stream).collect();
    assert_eq!(streams, [1, 3, 5, 1, 3, 5]);
}

/// What the socket does not take is not gathered without end.
#[test]
fn s5_2_no_more_is_gathered_than_there_is_room_for() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 1 << 24));
    rig.grow(0, 1 << 24);
    rig.frames();
    rig.request(1, 1 << 20);
    rig.session.send_bodies();
    assert!(!rig.session.is_ready());
    let gathered = rig.session.out().bytes().len();
    assert!((32 * 1024..50 * 1024).contains(&gathered), "{gathered}");
    let mut total = 0;
    while rig.session.out().bytes().len() > 1_000 {
        total += data(&rig.frames())
            .iter()
            .map(|(_, length, _)| length)
            .sum::<usize>();
        rig.session.send_bodies();
    }
    total += data(&rig.frames())
        .iter()
        .map(|(_, length, _)| length)
        .sum::<usize>();
    assert_eq!(total, 1 << 20);
}

#[test]
fn s6_9_an_empty_body_needs_no_window() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 0));
    rig.frames();
    rig.request(1, 0);
    let head = rig.frame();
    assert_eq!(head.flags, flag::END_HEADERS | flag::END_STREAM);
}

#[test]
fn s6_9_window_update_is_four_bytes_and_more_than_nothing() {
    let four = |value: u32| value.to_be_bytes();
    Rig::new().fails(kind::WINDOW_UPDATE, 0, 0, &[0; 3], Code::FRAME_SIZE_ERROR);
    Rig::new().fails(kind::WINDOW_UPDATE, 0, 0, &four(0), Code::PROTOCOL_ERROR);
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(kind::WINDOW_UPDATE, 0, 1, &four(0));
    rig.has_reset(1, Code::PROTOCOL_ERROR);
    rig.fails(kind::WINDOW_UPDATE, 0, 3, &four(1), Code::PROTOCOL_ERROR);
}

#[test]
fn s6_9_1_a_window_has_its_largest_size() {
    let most = (1_u32 << 31) - 1;
    let rest = (most - 65_535).to_be_bytes();
    let mut rig = Rig::with_requests(2, 10);
    // Ten bytes each have gone out.
    rig.takes(kind::WINDOW_UPDATE, 0, 1, &rest);
    rig.grow(1, 10);
    rig.takes(kind::WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
    rig.has_reset(1, Code::FLOW_CONTROL_ERROR);
    rig.takes(kind::WINDOW_UPDATE, 0, 0, &rest);
    rig.grow(0, 20);
    let one = 1_u32.to_be_bytes();
    rig.fails(kind::WINDOW_UPDATE, 0, 0, &one, Code::FLOW_CONTROL_ERROR);
}

#[test]
fn s6_9_2_a_new_initial_window_changes_open_streams_also_below_zero() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 100));
    rig.frames();
    rig.request(1, 200);
    assert_eq!(data(&rig.frames()), [(1, 100, false)]);
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 50));
    rig.grow(1, 50);
    assert_eq!(data(&rig.frames()), []);
    rig.grow(1, 1);
    assert_eq!(data(&rig.frames()), [(1, 1, false)]);
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 150));
    assert_eq!(data(&rig.frames()), [(1, 99, true)]);
}

#[test]
fn s6_9_2_an_initial_window_that_overflows_an_open_stream_is_a_fault() {
    let mut rig = Rig::with_requests(1, 10);
    let most = (1_u32 << 31) - 1;
    rig.grow(1, most - 65_535 + 10);
    let more = setting(4, 65_536);
    rig.fails(kind::SETTINGS, 0, 0, &more, Code::FLOW_CONTROL_ERROR);
}

#[test]
fn s6_9_what_has_come_is_given_back_by_half_windows() {
    let mut rig = Rig::with(&Limits {
        answer_bytes: 1 << 20,
        ..LIMITS
    });
    rig.takes(kind::SETTINGS, 0, 0, &[]);
    rig.written();
    rig.request(1, 10);
    rig.frames();
    rig.takes(kind::HEADERS, flag::END_HEADERS, 1, OK);
    rig.takes(kind::DATA, 0, 1, &[0; 16_384]);
    assert!(rig.frames().is_empty());
    rig.takes(kind::DATA, 0, 1, &[0; 16_384]);
    assert_eq!(windows(&rig.frames()), [(1, 32_768)]);
    // Padding counts.
    let padded = [&[255][..], &[0; 16_383]].concat();
    rig.takes(kind::DATA, flag::PADDED, 1, &padded);
    rig.takes(kind::DATA, flag::PADDED, 1, &padded);
    assert_eq!(windows(&rig.frames()), [(1, 32_768)]);
    rig.takes(kind::DATA, flag::END_STREAM, 1, &[0; 16_384]);
    assert!(
        rig.frames().is_empty(),
        "a stream that has ended needs no window"
    );
    assert_eq!(rig.answers[0].1.body.len(), 3 * 16_384 + 2 * (16_383 - 255));
}

#[test]
fn s6_9_the_connections_window_comes_back_whatever_becomes_of_streams() {
    let mut rig = Rig::new();
    let mut given = 0;
    let mut came = 0_u32;
    for key in 1..=300 {
        let stream = 2 * key - 1;
        rig.request(key, 1);
        if key % 3 == 0 {
            // Reset before the rest of the answer comes.
            rig.session.retain(|of, _| *of == key);
        } else {
            rig.takes(kind::HEADERS, flag::END_HEADERS, stream, OK);
        }
        rig.takes(kind::DATA, flag::END_STREAM, stream, &[0; 16_384]);
        came += 16_384;
        given += windows(&rig.frames()).iter().map(|(_, by)| by).sum::<u32>();
    }
    assert!(came - given < 2 * 1024 * 1024 + 16_384, "{came} {given}");
}

#[test]
fn s6_9_1_more_than_the_windows_allow_is_an_error() {
    let mut rig = Rig::with(&Limits {
        answer_bytes: 1 << 20,
        ..LIMITS
    });
    rig.takes(kind::SETTINGS, 0, 0, &[]);
    rig.written();
    // Beyond a stream's window, before any of it has been given back: impossible in frames of 16 KiB, since half of
    // it is given back at once. Beyond the connection's: by streams of which none has half of its own.
    for key in 1..=300 {
        rig.request(key, 1);
        rig.frames();
        rig.takes(kind::HEADERS, flag::END_HEADERS, 2 * key - 1, OK);
    }
    let mut faults = Vec::new();
    let frames: Vec<u8> = (1..=300)
        .flat_map(|key| frame(kind::DATA, 0, 2 * key - 1, &[0; 16_000]))
        .collect();
    faults.extend(rig.bytes(&frames).err());
    assert_eq!(faults[0].code, Code::FLOW_CONTROL_ERROR);
    rig.has_failed(Code::FLOW_CONTROL_ERROR);
}
