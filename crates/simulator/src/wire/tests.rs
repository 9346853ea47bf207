use super::frames::{FRAME_HEADER, Inbound, Outbound, PING, SETTINGS, Sifted, header};
use super::*;

fn inbound() -> Vec<u8> {
    let mut bytes = vec![b'P'; 24];
    for (kind, flags, payload) in [
        (SETTINGS, 0, 6),
        (SETTINGS, 1, 0),
        (0, 0, 300),
        (SETTINGS, 1, 0),
        (PING, 0, 8),
        (PING, 1, 8),
    ] {
        bytes.extend(header(payload, kind, flags));
        bytes.extend(vec![kind; payload]);
    }
    bytes
}

#[test]
fn our_acknowledgement_is_taken_out_however_reads_are_cut() {
    let bytes = inbound();
    let second_ack = 24 + FRAME_HEADER + 6 + FRAME_HEADER + FRAME_HEADER + 300;
    let mut expected = bytes.clone();
    expected.drain(second_ack..second_ack + FRAME_HEADER);
    for cut in 1..60 {
        let mut sieve = Inbound::default();
        let mut acks = [Sifted::Pass, Sifted::Drop].into_iter();
        let mut passed = Vec::new();
        for piece in bytes.chunks(cut) {
            let mut store = [0_u8; 128];
            let mut buf = ReadBuf::new(&mut store);
            sieve.give_back(&mut buf);
            buf.put_slice(piece);
            let kept = sieve.sift(buf.filled_mut(), || acks.next().unwrap());
            passed.extend_from_slice(&buf.filled()[..kept]);
        }
        assert_eq!(passed, expected, "cut every {cut}");
        assert_eq!(sieve.pings, 1);
    }
}

#[test]
fn first_settings_are_patched_and_borders_are_known() {
    let mut bytes = header(12, SETTINGS, 0);
    bytes.extend_from_slice(&[0, 3, 0, 0, 0, 100, 0, 4, 0, 0, 255, 255]);
    let first = bytes.len();
    bytes.extend(header(40, 0, 0));
    bytes.extend([7; 40]);
    for cut in 1..bytes.len() {
        let (mut follower, mut out) = (Outbound::default(), BytesMut::new());
        let patched: Vec<u32> = bytes
            .chunks(cut)
            .filter_map(|piece| follower.follow(piece, &mut out, 1))
            .collect();
        assert_eq!(patched, [1]);
        assert_eq!(
            out[FRAME_HEADER..first],
            [0, 4, 0, 0, 255, 255, 0, 3, 0, 0, 0, 1]
        );
        assert_eq!(out[first..], bytes[first..]);
        assert!(follower.at_border());
        follower.follow(&header(1, 0, 0), &mut out, 1);
        assert!(!follower.at_border());
    }
}
