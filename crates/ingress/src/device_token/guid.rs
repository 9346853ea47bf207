//! Ids as .NET writes them by default: 32 hex digits in five groups (format `D`), in either case. Braces and bare digits
//! are other formats, and Reserva's 24 digits another contract's spelling.

use fanfare_types::DeviceId;
use fanfare_types::ids::{Id96, Uuid};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guid(Uuid);

impl Guid {
    /// `Guid.Empty`: no id yet.
    pub(super) const EMPTY: Guid = Guid(Uuid(0));

    pub(super) const FORM: &'static str =
        "must be a GUID, 32 hex digits in groups of 8-4-4-4-12 joined by hyphens";

    pub(super) fn parse(text: &str) -> Option<Self> {
        Uuid::parse(text).ok().map(Guid)
    }

    /// The device it names; `None` for a GUID that is none of ours.
    pub(super) fn device(self) -> Option<DeviceId> {
        match Id96::from_uuid(self.0) {
            Ok((id, 0)) => Some(DeviceId(id)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use fanfare_types::Timestamp;

    use super::*;

    #[test]
    fn the_d_format_in_either_case_and_no_other() {
        let id = DeviceId::new(Timestamp(1_700_000_000_000), 7);
        let text = id.to_string();
        let upper = text.to_ascii_uppercase();
        for spelling in [text.as_str(), &upper] {
            assert_eq!(Guid::parse(spelling).and_then(Guid::device), Some(id));
        }
        let bare = text.replace('-', "");
        for other in [
            "",
            "1",
            &bare,
            &id.0.to_hex(),
            &format!("{{{text}}}"),
            &format!("({text})"),
            &format!(" {text}"),
            &text[1..],
            &text.replace('0', "٠"),
        ] {
            assert_eq!(Guid::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_foreign_guid_names_nothing() {
        for foreign in [
            "00000000-0000-0000-0000-000000000000",
            "9c2d3e50-0000-0000-0000-000000000001",
            "9f1c0f5e-7a50-4b07-9d5a-0a3f0b6c1d2e",
        ] {
            assert_eq!(Guid::parse(foreign).and_then(Guid::device), None);
        }
        assert_eq!(
            Guid::parse("00000000-0000-0000-0000-000000000000"),
            Some(Guid::EMPTY)
        );
    }
}
