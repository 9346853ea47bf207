//! Where a push goes: a provider's token, which channel carries it, and the key it is found by.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word of the API, the store and the metrics.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words!(
    /// The transport of a push, not the platform of the device.
    Channel {
        /// APNs.
        IosPush = "ios_push",
        /// FCM HTTP v1.
        Fcm = "fcm",
        /// RFC 8030.
        WebPush = "web_push",
    }
);

words!(
    /// What the device runs.
    Platform {
        Android = "android",
        Ios = "ios",
        Web = "web",
        Unknown = "unknown",
    }
);

words!(
    /// The APNs environment an address belongs to. Anything but `sandbox` is production.
    Environment {
        Production = "production",
        Sandbox = "sandbox",
    }
);

words!(
    /// What an FCM address is: a registration token, or a Firebase Installation ID. APNs and Web Push
    /// addresses are always plain tokens.
    AddressKind {
        RegistrationToken = "registration_token",
        Fid = "fid",
    }
);

/// A provider's token for one endpoint, with the channel it belongs to. `Debug` shows the channel only.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    pub channel: Channel,
    pub kind: AddressKind,
    pub environment: Environment,
    value: Arc<str>,
}

impl Address {
    /// Longest address any channel takes, in bytes.
    pub const BYTES_MAX: usize = 4096;

    /// An address whose shape the caller has checked for its channel.
    pub fn new(channel: Channel, kind: AddressKind, environment: Environment, value: &str) -> Self {
        Address {
            channel,
            kind,
            environment,
            value: value.into(),
        }
    }

    /// The token itself, for the provider request and the store only.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// The key this address is found by within one app. With `sharing_within` (an app with
    /// `address_sharing = true`) the user is part of the key, so that two users may hold one address.
    pub fn key(&self, sharing_within: Option<&crate::UserId>) -> AddressKey {
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in [
            self.channel.as_str(),
            self.kind.as_str(),
            sharing_within.map_or("", |user| user.as_str()),
        ] {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        }
        digest.update(self.value.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&digest.finish().as_ref()[..16]);
        AddressKey(key)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}, …)", self.channel)
    }
}

/// The first 128 bits of SHA-256 over channel, kind and address (and user, where addresses may be shared).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey(pub [u8; 16]);

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserId;

    #[test]
    fn an_address_never_shows_itself() {
        let address = Address::new(
            Channel::Fcm,
            AddressKind::Fid,
            Environment::Production,
            "hush",
        );
        assert!(!format!("{address:?}").contains("hush"));
    }

    #[test]
    fn keys_tell_channels_kinds_and_sharing_users_apart() {
        let address = |channel, kind| Address::new(channel, kind, Environment::Production, "t");
        let token = address(Channel::Fcm, AddressKind::RegistrationToken);
        let user = UserId::new("ada").unwrap();
        let keys = [
            token.key(None),
            token.key(Some(&user)),
            address(Channel::Fcm, AddressKind::Fid).key(None),
            address(Channel::IosPush, AddressKind::RegistrationToken).key(None),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key));
        }
    }
}
