//! Cursors of lists: opaque to callers, and good for the list they came from only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::json::sha256;

const CHECK_BYTES: usize = 8;

/// The cursor of a place in the list that `list` names.
pub(crate) fn write(list: &[&[u8]], place: &[u8]) -> String {
    let mut bytes = place.to_vec();
    bytes.extend_from_slice(&checked(list, place));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place; `None` for a text that is not a cursor of this list.
pub(crate) fn read<const PLACE_BYTES: usize>(
    list: &[&[u8]],
    text: &str,
) -> Option<[u8; PLACE_BYTES]> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (place, check) = bytes.split_at_checked(PLACE_BYTES)?;
    let place: [u8; PLACE_BYTES] = place.try_into().ok()?;
    (check == checked(list, &place)).then_some(place)
}

/// Against mistakes, not against forgery: any page of the list may be read anyway.
fn checked(list: &[&[u8]], place: &[u8]) -> [u8; CHECK_BYTES] {
    let parts: Vec<_> = list.iter().copied().chain([place]).collect();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&sha256(&parts)[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_was_written(place: [u8; 4], text in "\\PC{0,24}|[A-Za-z0-9_-]{15,17}") {
            let list: &[&[u8]] = &[b"list"];
            prop_assert_eq!(read(list, &write(list, &place)), Some(place));
            if let Some(place) = read::<4>(list, &text) {
                prop_assert_eq!(write(list, &place), text);
            }
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let place = 4711_u32.to_be_bytes();
        let cursor = write(&[b"one", b"dead"], &place);
        assert_eq!(read(&[b"one", b"dead"], &cursor), Some(place));
        assert_eq!(read::<4>(&[b"two", b"dead"], &cursor), None);
        assert_eq!(read::<4>(&[b"one", b""], &cursor), None);
        assert_eq!(read::<12>(&[b"one", b"dead"], &cursor), None);
        for text in ["", "AAAA", "4711", &cursor[1..], "ü"] {
            assert_eq!(read::<4>(&[b"one", b"dead"], text), None);
        }
    }
}
