//! Ids: 96 bits, time-ordered, with two lossless spellings (UUID version 8 and 24 hex digits).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// 96 bits: 48 of milliseconds, then 48 of randomness, so that new ids sort after old ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id96(pub [u8; 12]);

/// The text was neither a UUID of version 8 as Fanfare writes them nor 24 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

/// Bits of a UUID version 8 (RFC 9562 section 5.8) left over beside the 96 of the id.
const TAIL_BITS: u32 = 26;

impl Id96 {
    /// A new id; `random` gives its low 48 bits.
    pub fn new(now: Timestamp, random: u64) -> Self {
        let mut bytes = [0; 12];
        bytes[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random.to_be_bytes()[2..]);
        Id96(bytes)
    }

    /// When the id was made.
    pub fn created_at(self) -> Timestamp {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.0[..6]);
        Timestamp(u64::from_be_bytes(millis))
    }

    fn bits(self) -> u128 {
        let mut wide = [0; 16];
        wide[4..].copy_from_slice(&self.0);
        u128::from_be_bytes(wide)
    }

    /// A UUID version 8 whose 122 free bits are the id and then `tail`, of which 26 bits count.
    pub fn to_uuid(self, tail: u32) -> Uuid {
        let payload = (self.bits() << TAIL_BITS) | u128::from(tail & ((1 << TAIL_BITS) - 1));
        let a = payload >> 74;
        let b = (payload >> 62) & 0xfff;
        let c = payload & ((1 << 62) - 1);
        Uuid((a << 80) | (8 << 76) | (b << 64) | (0b10 << 62) | c)
    }

    /// The id and tail that [`Id96::to_uuid`] packed.
    pub fn from_uuid(uuid: Uuid) -> Result<(Self, u32), NotAnId> {
        let bits = uuid.0;
        if (bits >> 76) & 0xf != 8 || (bits >> 62) & 0b11 != 0b10 {
            return Err(NotAnId);
        }
        let payload =
            ((bits >> 80) << 74) | (((bits >> 64) & 0xfff) << 62) | (bits & ((1 << 62) - 1));
        let mut id = [0; 12];
        id.copy_from_slice(&(payload >> TAIL_BITS).to_be_bytes()[4..]);
        let tail = u32::try_from(payload & ((1 << TAIL_BITS) - 1)).map_err(|_| NotAnId)?;
        Ok((Id96(id), tail))
    }

    /// 24 lower-case hex digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn from_hex(text: &str) -> Result<Self, NotAnId> {
        if text.len() != 24 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAnId);
        }
        let mut id = [0; 12];
        for (index, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| NotAnId)?;
        }
        Ok(Id96(id))
    }
}

/// A UUID, kept as its 128 bits; `Display` is the canonical lower-case form (RFC 9562 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(pub u128);

impl Uuid {
    /// The canonical 36 characters, without allocating.
    pub fn encode(self) -> [u8; 36] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.to_be_bytes().into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 0xf)];
            at += 2;
        }
        text
    }

    /// Reads 8-4-4-4-12 hex digits in either case.
    pub fn parse(text: &str) -> Result<Self, NotAnId> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return Err(NotAnId);
        }
        let mut bits: u128 = 0;
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return Err(NotAnId);
                }
                continue;
            }
            let digit = char::from(*byte).to_digit(16).ok_or(NotAnId)?;
            bits = (bits << 4) | u128::from(digit);
        }
        Ok(Uuid(bits))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.encode() {
            fmt::Write::write_char(f, char::from(byte))?;
        }
        Ok(())
    }
}

macro_rules! id96 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Id96);

        impl $name {
            pub fn new(now: Timestamp, random: u64) -> Self {
                $name(Id96::new(now, random))
            }

            /// Reads the UUID spelling.
            pub fn parse_uuid(text: &str) -> Result<Self, NotAnId> {
                match Id96::from_uuid(Uuid::parse(text)?)? {
                    (id, 0) => Ok($name(id)),
                    _ => Err(NotAnId),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.to_uuid(0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

id96!(
    /// One device row. A UUID by the native contract, 24 hex digits by Reserva; one id, two spellings.
    DeviceId
);
id96!(
    /// One accepted notification, or one chunk of a campaign.
    NotificationId
);
id96!(
    /// One campaign.
    CampaignId
);

impl NotificationId {
    /// The `apns-id` of the delivery with this ordinal: the same at every attempt and after every
    /// restart, because it is nothing but the two numbers.
    pub fn delivery_uuid(self, ordinal: u32) -> Uuid {
        self.0.to_uuid(ordinal)
    }
}

impl fmt::Debug for Id96 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Longest text allowed, in bytes.
            pub const BYTES_MAX: usize = $max;

            pub fn new(text: &str) -> Result<Self, NotAnId> {
                let allowed: fn(u8) -> bool = $allowed;
                if text.is_empty() || text.len() > Self::BYTES_MAX || !text.bytes().all(allowed) {
                    return Err(NotAnId);
                }
                Ok($name(text.into()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                $name::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// One mobile app with its own provider credentials: the tenant nothing ever crosses. 1–32 of `[a-z0-9-]`
    /// (no `_`, which separates the parts of an API key).
    AppId,
    32,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
);
text_id!(
    /// One user of an app: opaque, 1–128 bytes, no control characters.
    UserId,
    128,
    |b| !b.is_ascii_control()
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_comes_back_from_each_spelling(bytes: [u8; 12], tail in 0..1_u32 << TAIL_BITS) {
            let id = Id96(bytes);
            prop_assert_eq!(Id96::from_hex(&id.to_hex()), Ok(id));
            let text = id.to_uuid(tail).to_string();
            let back = Uuid::parse(&text).and_then(Id96::from_uuid);
            prop_assert_eq!(back, Ok((id, tail)));
        }

        #[test]
        fn what_is_read_as_an_id_is_written_as_it_was(text in "[0-9a-fA-F-]{22,38}|\\PC{0,40}") {
            if let Ok(uuid) = Uuid::parse(&text) {
                prop_assert_eq!(uuid.to_string(), text.to_ascii_lowercase());
            }
            if let Ok(id) = Id96::from_hex(&text) {
                prop_assert_eq!(id.to_hex(), text.to_ascii_lowercase());
            }
        }
    }

    #[test]
    fn both_spellings_are_lossless() {
        let id = Id96::new(Timestamp(1_700_000_000_123), 0xdead_beef_cafe);
        assert_eq!(Id96::from_hex(&id.to_hex()), Ok(id));
        for tail in [0, 1, 9_999, (1 << TAIL_BITS) - 1] {
            let uuid = id.to_uuid(tail);
            let text = uuid.to_string();
            assert_eq!(&text[14..15], "8");
            assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"));
            assert_eq!(Id96::from_uuid(Uuid::parse(&text).unwrap()), Ok((id, tail)));
        }
        assert_eq!(id.created_at(), Timestamp(1_700_000_000_123));
    }

    #[test]
    fn ids_sort_by_time() {
        assert!(DeviceId::new(Timestamp(1), u64::MAX) < DeviceId::new(Timestamp(2), 0));
    }

    #[test]
    fn foreign_spellings_are_refused() {
        assert!(DeviceId::parse_uuid("9f1c0f5e-7a50-4b07-9d5a-0a3f0b6c1d2e").is_err());
        assert!(Id96::from_hex("0123456789abcdef0123456").is_err());
        assert!(Id96::from_hex("+123456789abcdef01234567").is_err());
        assert!(AppId::new("Shop").is_err());
        assert!(UserId::new("").is_err());
        assert!(UserId::new(&"u".repeat(129)).is_err());
    }
}
