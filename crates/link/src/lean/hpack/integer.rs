//! Integers with a prefix of some bits (RFC 7541, 5.1).

use super::Broken;

/// Octets after the prefix that are read: five bring 35 bits.
const OCTETS_MAX: usize = 5;

/// Takes an integer off the start of `rest`, whose first octet has `prefix` bits (1 to 8) of it.
pub(super) fn read(rest: &mut &[u8], prefix: u32) -> Result<usize, Broken> {
    let (first, mut tail) = rest.split_first().ok_or(Broken::CutShort)?;
    let full = u64::from(u8::MAX >> (8 - prefix));
    let mut value = u64::from(*first) & full;
    if value == full {
        let mut octets = 0;
        loop {
            let (octet, after) = tail.split_first().ok_or(Broken::CutShort)?;
            if octets == OCTETS_MAX {
                return Err(Broken::Integer);
            }
            value += u64::from(octet & 0x7f) << (7 * octets);
            tail = after;
            octets += 1;
            if octet & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = tail;
    u32::try_from(value)
        .map(|value| value as usize)
        .map_err(|_| Broken::Integer)
}

/// Appends an integer; `pattern` is what the first octet has above its `prefix` bits.
pub(super) fn write(value: usize, prefix: u32, pattern: u8, out: &mut Vec<u8>) {
    let full = usize::from(u8::MAX >> (8 - prefix));
    if value < full {
        out.push(pattern | value as u8);
        return;
    }
    out.push(pattern | full as u8);
    let mut left = value - full;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}
