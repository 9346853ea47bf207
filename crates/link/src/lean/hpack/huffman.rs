//! The Huffman code of strings (RFC 7541, 5.2 and appendix B).
//!
//! The code is canonical: codes of one length are consecutive in the order of their symbols, and the first of a length
//! follows the last of the one before. So the lengths say all of it, and the tables here are made from them by the
//! compiler.

use super::Broken;

/// The symbol that ends a string; only a part of its code may be sent, as padding.
const EOS: usize = 256;
const SYMBOLS: usize = EOS + 1;
const LONGEST: usize = 30;
/// Most symbols of header text have codes of at most this many bits.
const SHORT: usize = 8;

/// Bits in the code of each symbol (appendix B).
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

struct Code {
    /// Symbols by length, and by value within a length.
    order: [u16; SYMBOLS],
    /// For each length: its place in `order`, and its first code, left-aligned in 32 bits; that of the next length ends it.
    place: [usize; LONGEST + 2],
    first: [u64; LONGEST + 2],
    /// By the next 8 bits: symbol and length of the code that they begin with; length 0 when it is longer.
    short: [(u8, u8); 1 << SHORT],
}

static CODE: Code = canonical();

const fn canonical() -> Code {
    let mut code = Code {
        order: [0; SYMBOLS],
        place: [0; LONGEST + 2],
        first: [0; LONGEST + 2],
        short: [(0, 0); 1 << SHORT],
    };
    let (mut place, mut next, mut length) = (0, 0, 1);
    while length <= LONGEST {
        code.place[length] = place;
        code.first[length] = next;
        let step = 1 << (32 - length);
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                code.order[place] = symbol as u16;
                place += 1;
                let mut short = (next >> (32 - SHORT)) as usize;
                next += step;
                while length <= SHORT && short < (next >> (32 - SHORT)) as usize {
                    code.short[short] = (symbol as u8, length as u8);
                    short += 1;
                }
            }
            symbol += 1;
        }
        length += 1;
    }
    code.place[length] = place;
    code.first[length] = next;
    code
}

/// Appends what `coded` stands for to `out`, which does not grow beyond `keep` bytes: what is after them is only
/// checked.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>, keep: usize) -> Result<(), Broken> {
    let mut coming = coded.iter();
    // The next `have` bits, left-aligned, with zeros behind them.
    let (mut bits, mut have) = (0_u64, 0_usize);
    loop {
        while have <= 56 {
            let Some(octet) = coming.next() else { break };
            bits |= u64::from(*octet) << (56 - have);
            have += 8;
        }
        let (symbol, length) = match CODE.short[(bits >> (64 - SHORT)) as usize] {
            (_, 0) => long(bits >> 32),
            (symbol, length) => (usize::from(symbol), usize::from(length)),
        };
        if length > have {
            return ends_well(bits, have);
        }
        if symbol == EOS {
            return Err(Broken::Huffman);
        }
        if out.len() < keep {
            out.push(symbol as u8);
        }
        bits <<= length;
        have -= length;
    }
}

/// The code that the next 32 bits begin with.
fn long(bits: u64) -> (usize, usize) {
    let mut length = SHORT + 1;
    while length < LONGEST && bits >= CODE.first[length + 1] {
        length += 1;
    }
    let nth = (bits - CODE.first[length]) >> (32 - length);
    (
        usize::from(CODE.order[CODE.place[length] + nth as usize]),
        length,
    )
}

/// Padding is the beginning of EOS, which is all ones, and shorter than an octet.
fn ends_well(bits: u64, have: usize) -> Result<(), Broken> {
    let ones = !(u64::MAX.checked_shr(have as u32).unwrap_or(0));
    match have < 8 && bits == ones {
        true => Ok(()),
        false => Err(Broken::Huffman),
    }
}

/// The code of each symbol, right-aligned, and its length.
#[cfg(any(test, feature = "codec"))]
pub(super) static CODES: [(u32, u8); SYMBOLS] = {
    let code = canonical();
    let mut codes = [(0, 0); SYMBOLS];
    let mut length = 1;
    while length <= LONGEST {
        let first = code.place[length];
        let mut place = first;
        while place < code.place[length + 1] {
            let nth = (code.first[length] >> (32 - length)) + (place - first) as u64;
            codes[code.order[place] as usize] = (nth as u32, length as u8);
            place += 1;
        }
        length += 1;
    }
    codes
};

/// Appends the code of a string, which peers send and we do not.
#[cfg(any(test, feature = "codec"))]
pub(crate) fn encode(string: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut have) = (0_u64, 0);
    for octet in string {
        let (code, length) = CODES[usize::from(*octet)];
        bits = bits << length | u64::from(code);
        have += length;
        while have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    if have > 0 {
        out.push((bits << (8 - have)) as u8 | u8::MAX >> have);
    }
}
