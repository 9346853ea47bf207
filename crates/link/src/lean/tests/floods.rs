//! What a peer may not do without end (RFC 9113, section 10.5).

use super::*;

/// So many more frames than any peer has use for.
const FLOOD: u32 = 100_000;

/// Feeds frames until it is too much, with everything that goes out written. How many were taken.
fn flood(rig: &mut Rig, frame: &[u8]) -> u32 {
    for taken in 0..FLOOD {
        if let Err(fault) = rig.bytes(frame) {
            assert_eq!(fault.code, Code::ENHANCE_YOUR_CALM, "{fault}");
            return taken;
        }
        rig.written();
    }
    FLOOD
}

#[test]
fn frames_that_bring_nothing_forward_have_an_end() {
    for frame in [
        frame(kind::PING, 0, 0, &[0; 8]),
        frame(kind::PING, flag::ACK, 0, &[0; 8]),
        frame(kind::SETTINGS, 0, 0, &[]),
        frame(kind::SETTINGS, flag::ACK, 0, &[]),
        frame(kind::PRIORITY, 0, 1, &[0; 5]),
        frame(kind::DATA, 0, 1, &[]),
        frame(kind::DATA, flag::PADDED, 1, &[0]),
        frame(0x99, 0, 0, b"x"),
        frame(kind::RST_STREAM, 0, 5, &[0; 4]),
        frame(kind::WINDOW_UPDATE, 0, 5, &[0, 0, 0, 1]),
        frame(
            kind::HEADERS,
            flag::END_HEADERS,
            3,
            &block(&[(":status", "103")]),
        ),
        frame(kind::HEADERS, flag::END_HEADERS, 7, OK),
        frame(kind::DATA, 0, 7, b"x"),
        frame(kind::HEADERS, flag::END_HEADERS, 9, OK),
        frame(kind::DATA, 0, 9, b"x"),
        frame(kind::GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    ] {
        // 1: its head has come; 3: nothing yet; 5: answered; 7: reset by us; 9: reset by the peer.
        let mut rig = Rig::with_requests(5, 10);
        rig.takes(kind::HEADERS, flag::END_HEADERS, 1, OK);
        rig.ok(5);
        rig.session.retain(|key, _| *key == 4);
        rig.takes(kind::RST_STREAM, 0, 9, &[0; 4]);
        rig.frames();
        let taken = flood(&mut rig, &frame);
        assert!((1_000..2_000).contains(&taken), "{taken} of {frame:?}");
    }
}

#[test]
fn the_same_over_time_or_with_answers_is_no_flood() {
    let mut rig = Rig::new();
    let ping = frame(kind::PING, 0, 0, &[0; 8]);
    for _ in 0..20_000 {
        rig.now += Duration::from_millis(20);
        rig.bytes(&ping).expect("one now and then");
        rig.written();
    }
    let mut rig = Rig::new();
    for key in 1..=20_000 {
        rig.request(key, 1);
        rig.ok(2 * key - 1);
        for _ in 0..3 {
            rig.takes(kind::WINDOW_UPDATE, 0, 2 * key - 1, &1_u32.to_be_bytes());
        }
        rig.bytes(&ping).expect("one with each answer");
        rig.written();
    }
}

#[test]
fn a_peer_that_reads_nothing_gets_no_endless_replies() {
    for frame in [
        frame(kind::PING, 0, 0, &[0; 8]),
        frame(kind::SETTINGS, 0, 0, &[]),
    ] {
        let mut rig = Rig::new();
        let fault = (0..FLOOD).find_map(|_| {
            rig.now += Duration::from_secs(1);
            rig.bytes(&frame).err()
        });
        assert_eq!(fault.expect("a fault").code, Code::ENHANCE_YOUR_CALM);
        assert!(rig.session.out().bytes().len() < 20_000);
    }
}

/// In one frame and in many, as it is and packed.
#[test]
fn a_header_block_has_an_end() {
    for piece in [&[0_u8; 16_384][..], b"x"] {
        let mut rig = Rig::with_requests(1, 10);
        rig.takes(kind::HEADERS, 0, 1, &[]);
        let frame = frame(kind::CONTINUATION, 0, 1, piece);
        let mut taken = 0;
        let fault = loop {
            match rig.bytes(&frame) {
                Ok(()) => taken += piece.len(),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault.code, Code::ENHANCE_YOUR_CALM);
        assert!(taken <= 64 * 1024, "{taken}");
    }
}

/// A small block that stands for a large list: one entry of the table, a thousand times.
#[test]
fn a_header_bomb_costs_its_stream_and_little_work() {
    let mut rig = Rig::with_requests(2, 10);
    let mut bomb = block(&[(":status", "200")]);
    bomb.extend([0x40, 1, b'x', 0x7f, 0x81, 0x1e]);
    bomb.extend([b'a'; 4_000]);
    bomb.extend([0x80 | 62; 10_000]);
    rig.takes(kind::HEADERS, flag::END_HEADERS, 1, &bomb);
    rig.has_reset(1, Code::CANCEL);
    rig.ok(3);
    assert_eq!(rig.status(2), 200);
}

/// Each frame lowers or raises every open stream's window, but no more often than the credit allows; and of many
/// values in one frame the last counts.
#[test]
fn settings_cost_no_more_than_a_look_at_each_stream() {
    let mut rig = Rig::with_requests(100, 10);
    let many: Vec<u8> = (0..2_700).flat_map(|n| setting(4, n % 2 * 1_000)).collect();
    rig.takes(kind::SETTINGS, 0, 0, &many);
    let ack = rig.frame();
    assert_eq!(ack.flags, flag::ACK);
}

#[test]
fn a_window_that_stays_shut_holds_no_more_than_its_requests() {
    let mut rig = Rig::new();
    rig.takes(kind::SETTINGS, 0, 0, &setting(4, 0));
    rig.frames();
    for key in 1..=100 {
        rig.request(key, 100);
    }
    rig.session.retain(|_, sent| {
        assert_eq!(sent, Sent::InPart);
        true
    });
    assert_eq!(rig.session.open(), 0);
    assert!(rig.frames().iter().all(|frame| frame.kind != kind::DATA));
}
