//! Bytes cut anywhere bring the same, and bytes of any kind break nothing.

use super::*;

/// A small generator that needs no seed from outside.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % below
    }
}

/// Traffic that has most of what a peer may send to ten requests and, if it is faulty, now and then what it may not.
fn traffic(dice: &mut Dice, faulty: bool) -> Vec<u8> {
    let mut bytes = frame(kind::SETTINGS, 0, 0, &setting(3, 50));
    let mut over = [false; 11];
    for _ in 0..60 {
        let is_wild = faulty && dice.roll(20) == 0;
        // Nobody has opened the eleventh.
        let place = dice.roll(if is_wild { 11 } else { 10 });
        let stream = u32::try_from(place * 2 + 1).unwrap_or(1);
        let what = dice.roll(if is_wild { 13 } else { 10 });
        let is_answer = what < 4;
        if is_answer && over[place] && !is_wild {
            continue;
        }
        let body = vec![b'z'; dice.roll(300)];
        let status = ["200", "400", "100", "503"][dice.roll(4)];
        let head = block(&[(":status", status), ("date", "today")]);
        let ends = [0, flag::END_STREAM][dice.roll(2)];
        over[place] |= is_answer && ends > 0;
        bytes.extend(match what {
            0 => frame(kind::HEADERS, flag::END_HEADERS | ends, stream, &head),
            1 => {
                let (first, rest) = head.split_at(dice.roll(head.len()));
                let rest = frame(kind::CONTINUATION, flag::END_HEADERS, stream, rest);
                [frame(kind::HEADERS, ends, stream, first), rest].concat()
            }
            2 => frame(kind::DATA, ends, stream, &body),
            3 => {
                let padded = [&[9][..], &body, &[0; 9]].concat();
                frame(kind::DATA, flag::PADDED | ends, stream, &padded)
            }
            4 => frame(kind::PING, 0, 0, b"pingpong"),
            5 => frame(kind::WINDOW_UPDATE, 0, stream, &7_u32.to_be_bytes()),
            6 => frame(kind::SETTINGS, 0, 0, &setting(4, 70_000)),
            7 => frame(0x42, 1, stream, &body),
            8 => frame(kind::RST_STREAM, 0, stream, &7_u32.to_be_bytes()),
            9 => frame(kind::PRIORITY, 0, stream, &[0; 5]),
            10 => frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 9, 0, 0, 0, 0, b'!']),
            11 => frame(
                u8::try_from(dice.roll(10)).unwrap_or(0),
                0xff,
                stream,
                &body,
            ),
            _ => body,
        });
    }
    bytes
}

/// Everything a session told and wrote.
fn outcome(rig: &mut Rig, pieces: &[&[u8]]) -> (String, Vec<u8>) {
    let mut fault = None;
    for piece in pieces {
        fault = rig.bytes(piece).err();
    }
    let answers: Vec<_> = rig
        .answers
        .iter()
        .map(|(key, response)| (key, response.status, &response.headers, &response.body))
        .collect();
    let told = format!("{answers:?} {:?} {:?} {fault:?}", rig.lost, rig.goaways);
    (told, rig.written())
}

fn ten_requests() -> Rig {
    let mut rig = Rig::fresh();
    rig.takes(kind::SETTINGS, 0, 0, &[]);
    for key in 1..=10 {
        rig.request(key, 50);
    }
    rig.written();
    rig
}

#[test]
fn however_bytes_are_cut_they_bring_the_same() {
    let mut answered = 0;
    for seed in 1..=400 {
        let mut dice = Dice::new(seed);
        let bytes = traffic(&mut dice, seed % 2 == 0);
        let mut rig = ten_requests();
        let whole = outcome(&mut rig, &[&bytes]);
        answered += rig.answers.len();
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(
            outcome(&mut ten_requests(), &single),
            whole,
            "seed {seed}, byte by byte"
        );
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(dice.roll(40)));
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(outcome(&mut ten_requests(), &pieces), whole, "seed {seed}");
    }
    assert!(answered > 400, "{answered} answers in all");
}

/// Each request has one answer at most, whatever comes.
#[test]
fn noise_breaks_nothing() {
    for seed in 1..=2_000 {
        let mut dice = Dice::new(seed);
        let mut bytes = traffic(&mut dice, false);
        for _ in 0..=dice.roll(8) {
            let place = dice.roll(bytes.len());
            match dice.roll(3) {
                0 => bytes[place] ^= 1 << dice.roll(8),
                1 => bytes.truncate(place.max(1)),
                _ => bytes.insert(place, u8::try_from(dice.roll(256)).unwrap_or(0)),
            }
        }
        let mut rig = ten_requests();
        outcome(&mut rig, &[&bytes]);
        let mut keys: Vec<_> = rig.answers.iter().map(|(key, _)| *key).collect();
        keys.extend(rig.lost.iter().map(|(key, _)| *key));
        let told = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), told, "seed {seed}: a key told twice");
        assert_eq!(told + rig.session.open(), 10, "seed {seed}");
    }
}
