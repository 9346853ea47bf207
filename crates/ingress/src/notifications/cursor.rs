//! The cursor of a list of deliveries: opaque to callers, and good for the list it came from only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_types::{NotificationId, Outcome};

use crate::json::sha256;

const ORDINAL_BYTES: usize = 4;
const CHECK_BYTES: usize = 8;

/// Where the next page starts.
pub(super) fn write(id: NotificationId, outcome: Option<Outcome>, ordinal: u32) -> String {
    let mut bytes = [0; ORDINAL_BYTES + CHECK_BYTES];
    let (at, check) = bytes.split_at_mut(ORDINAL_BYTES);
    at.copy_from_slice(&ordinal.to_be_bytes());
    check.copy_from_slice(&checked(id, outcome, ordinal));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` for a text that is not a cursor of this list.
pub(super) fn read(id: NotificationId, outcome: Option<Outcome>, text: &str) -> Option<u32> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (at, check) = bytes.split_at_checked(ORDINAL_BYTES)?;
    let ordinal = u32::from_be_bytes(at.try_into().ok()?);
    (check == checked(id, outcome, ordinal)).then_some(ordinal)
}

/// Against mistakes, not against forgery: any page of the list may be read anyway.
fn checked(id: NotificationId, outcome: Option<Outcome>, ordinal: u32) -> [u8; CHECK_BYTES] {
    let outcome = outcome.map_or("", Outcome::as_str);
    let digest = sha256(&[&id.0.0, outcome.as_bytes(), &ordinal.to_be_bytes()]);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&digest[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare_types::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_was_written(ordinal: u32, text in "\\PC{0,24}|[A-Za-z0-9_-]{15,17}") {
            let id = NotificationId::new(Timestamp(1), 1);
            let cursor = write(id, None, ordinal);
            prop_assert_eq!(read(id, None, &cursor), Some(ordinal));
            if let Some(ordinal) = read(id, None, &text) {
                prop_assert_eq!(write(id, None, ordinal), text);
            }
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let id = |n| NotificationId::new(Timestamp(1), n);
        let cursor = write(id(1), None, 4711);
        assert_eq!(read(id(1), None, &cursor), Some(4711));
        assert_eq!(read(id(2), None, &cursor), None);
        assert_eq!(read(id(1), Some(Outcome::Dead), &cursor), None);
        for text in ["", "AAAA", "4711", &cursor[1..], "ü"] {
            assert_eq!(read(id(1), None, text), None);
        }
    }
}
