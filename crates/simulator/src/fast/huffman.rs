//! The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: codes of one length are in the order of their
//! symbols, and longer ones follow shorter ones. So the lengths tell the whole code.

use std::sync::LazyLock;

/// Bits of the code of each octet, and of the end of a string at last.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

const LONGEST: usize = 30;

/// Not an octet: the end of a string, which must not be in one.
const END: u16 = 256;

struct Code {
    /// By the next eight bits: the symbol and its length where that is at most 8, else length 0.
    short: [(u8, u8); 256],
    /// The first code of each length.
    first: [u32; LONGEST + 1],
    /// How many codes have this length.
    count: [u32; LONGEST + 1],
    /// Place of the first symbol of each length in `symbols`.
    place: [usize; LONGEST + 1],
    /// In the order of their codes.
    symbols: Vec<u16>,
}

static CODE: LazyLock<Code> = LazyLock::new(|| {
    let mut code = Code {
        short: [(0, 0); 256],
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        place: [0; LONGEST + 1],
        symbols: Vec::with_capacity(257),
    };
    let mut next = 0_u32;
    for length in 1..=LONGEST {
        next <<= 1;
        code.first[length] = next;
        code.place[length] = code.symbols.len();
        for (symbol, _) in (0_u16..)
            .zip(LENGTHS)
            .filter(|(_, of)| usize::from(*of) == length)
        {
            if length <= 8 {
                // Short codes are octets' own.
                let octet = symbol.to_be_bytes()[1];
                let from = (next as usize) << (8 - length);
                code.short[from..from + (1 << (8 - length))]
                    .fill((octet, LENGTHS[usize::from(symbol)]));
            }
            code.symbols.push(symbol);
            next += 1;
        }
        code.count[length] = next - code.first[length];
    }
    code
});

/// Appends the decoded string; `None` when it is none.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let code = &*CODE;
    let mut bytes = bytes.iter();
    // The next bits, at the top; behind them ones, as at the end of a string.
    let (mut bits, mut held) = (u64::MAX, 0_u32);
    loop {
        while held <= 56 {
            let Some(byte) = bytes.next() else { break };
            let at = 56 - held;
            bits = bits & !(0xFF << at) | u64::from(*byte) << at;
            held += 8;
        }
        let (symbol, length) = code.short[(bits >> 56) as usize];
        let (symbol, length) = match length {
            0 => long(code, bits)?,
            length => (u16::from(symbol), u32::from(length)),
        };
        if length > held {
            // Fewer than eight ones fill up the last octet.
            let is_padding = held < 8 && bits == u64::MAX;
            return is_padding.then_some(());
        }
        if symbol == END {
            return None;
        }
        out.push(symbol.to_be_bytes()[1]);
        bits = bits << length | ((1 << length) - 1);
        held -= length;
        if held == 0 && bytes.as_slice().is_empty() {
            return Some(());
        }
    }
}

/// A code of more than eight bits.
fn long(code: &Code, bits: u64) -> Option<(u16, u32)> {
    for length in 9..=LONGEST {
        let head = u32::try_from(bits >> (64 - length)).ok()?;
        let after = head.checked_sub(code.first[length]);
        if let Some(after) = after.filter(|after| *after < code.count[length]) {
            let symbol = code.symbols[code.place[length] + after as usize];
            return Some((symbol, u32::try_from(length).ok()?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(hex: &str) -> Option<String> {
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
            .collect();
        let mut out = Vec::new();
        decode(&bytes, &mut out)?;
        String::from_utf8(out).ok()
    }

    /// RFC 7541, C.4 and C.6.
    #[test]
    fn the_rfcs_examples_are_read() {
        for (hex, text) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            ("6402", "302"),
            ("aec3771a4b", "private"),
            (
                "d07abe941054d444a8200595040b8166e082a62d1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
            ("", ""),
        ] {
            assert_eq!(decoded(hex).as_deref(), Some(text), "{hex}");
        }
    }

    #[test]
    fn wrong_ends_are_refused() {
        // Eight ones too many, zeros for padding, the end of a string inside.
        for hex in ["1fff", "ff", "1800", "ffffffff", "fffffffc"] {
            assert_eq!(decoded(hex), None, "{hex}");
        }
    }
}
