//! The Huffman code (RFC 7541, 5.2 and appendix B).

use super::super::{Broken, huffman};
use super::{Draw, encode, hex};

fn decode(coded: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut out = Vec::new();
    huffman::decode(coded, &mut out, usize::MAX)?;
    Ok(out)
}

/// Rows of the standard's list, from each of its corners.
#[test]
fn codes_are_those_of_appendix_b() {
    for (symbol, code, bits) in [
        (0, 0x1ff8, 13),
        (1, 0x7f_ffd8, 23),
        (2, 0xfff_ffe2, 28),
        (10, 0x3fff_fffc, 30),
        (22, 0x3fff_fffe, 30),
        (32, 0x14, 6),
        (33, 0x3f8, 10),
        (38, 0xf8, 8),
        (48, 0x0, 5),
        (57, 0x1f, 6),
        (58, 0x5c, 7),
        (90, 0xfd, 8),
        (92, 0x7_fff0, 19),
        (97, 0x3, 5),
        (122, 0x7b, 7),
        (127, 0xfff_fffc, 28),
        (128, 0xf_ffe6, 20),
        (199, 0x1ff_ffec, 25),
        (254, 0x7ff_fff0, 27),
        (249, 0xfff_fffe, 28),
        (255, 0x3ff_ffee, 26),
        (256, 0x3fff_ffff, 30),
    ] {
        assert_eq!(huffman::CODES[symbol], (code, bits), "symbol {symbol}");
    }
}

#[test]
fn each_octet_and_each_pair_come_back() {
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(decode(&encode(&all)), Ok(all.clone()));
    for first in 0..=255 {
        for second in &all {
            let pair = [first, *second];
            assert_eq!(decode(&encode(&pair)).as_deref(), Ok(&pair[..]));
        }
    }
    assert_eq!(decode(b""), Ok(Vec::new()));
}

#[test]
fn strings_of_any_octets_come_back() {
    let mut draw = Draw(1);
    for _ in 0..2_000 {
        let bytes = draw.below(80);
        let string: Vec<u8> = (0..bytes).map(|_| draw.next() as u8).collect();
        assert_eq!(decode(&encode(&string)), Ok(string));
    }
}

#[test]
fn wrong_endings_are_found() {
    for (coded, why) in [
        ("ff ff ff ff", "EOS in a string"),
        ("07 ff", "eight bits of padding behind one symbol"),
        ("ff", "eight bits of padding, and nothing else"),
        ("ff ff", "the same, longer"),
        ("00", "padding of zeros"),
        ("06", "padding that ends with a zero"),
        ("03", "padding that begins with a zero"),
        ("ff fe", "a code cut short"),
    ] {
        assert_eq!(decode(&hex(coded)), Err(Broken::Huffman), "{why}");
    }
    assert_eq!(decode(&hex("07")), Ok(b"0".to_vec()), "three ones");
    // A code of eight bits needs no padding.
    assert_eq!(decode(&hex("f8")), Ok(b"&".to_vec()));
}

/// Every string of one or two octets: what is taken is what its text is written as.
#[test]
fn only_one_coding_of_a_string_is_taken() {
    for octets in 0..1_u32 << 16 {
        let coded = octets.to_be_bytes();
        for coded in [&coded[2..], &coded[3..]] {
            if let Ok(string) = decode(coded) {
                assert_eq!(encode(&string), coded);
            }
        }
    }
}

#[test]
fn what_is_not_kept_is_still_checked() {
    let coded = encode(&[b'a'; 1_000]);
    let mut out = Vec::new();
    assert_eq!(huffman::decode(&coded, &mut out, 10), Ok(()));
    assert_eq!(out, [b'a'; 10]);
    let mut broken = coded;
    broken.extend([0xff; 4]);
    assert_eq!(huffman::decode(&broken, &mut out, 10), Err(Broken::Huffman));
}
