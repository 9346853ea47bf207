//! Made-up devices: the n-th one is the same in every run.

use anyhow::{Context, ensure};
use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AddressKind, AppId, Channel, Device, DeviceId, Environment, Platform, Status,
    Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

/// Everybody in a crowd has this tag.
pub(crate) const TAG: &str = "crowd";

/// Addresses that begin so are dead; the simulators are told.
pub(crate) const DEAD: &str = "dead";

/// When everybody was registered.
const REGISTERED_AT: Timestamp = Timestamp(1_750_000_000_000);

/// Never so long ago that they are stale: 2100.
const SEEN_AT: Timestamp = Timestamp(4_102_444_800_000);

/// A word and how many of a hundred have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) word: String,
    pub(crate) percent: f64,
}

impl Share {
    fn new(word: &str, percent: f64) -> Self {
        Share {
            word: word.to_owned(),
            percent,
        }
    }

    /// Reads `de=40,en=60`.
    pub(crate) fn list(text: &str) -> Result<Vec<Share>, String> {
        let one = |part: &str| {
            let (word, percent) = part.split_once('=')?;
            let percent: f64 = percent.trim().parse().ok()?;
            let is_sane = !word.is_empty() && (0.0..=100.0).contains(&percent);
            is_sane.then(|| Share::new(word.trim(), percent))
        };
        let list: Option<Vec<Share>> = text.split(',').map(one).collect();
        list.ok_or_else(|| "write shares in percent, such as de=40,en=60".to_owned())
    }
}

/// What a crowd is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) devices: usize,
    /// Of a hundred devices, so many are on iOS; the others are on Android.
    pub(crate) ios_percent: f64,
    pub(crate) dead_percent: f64,
    /// Each device has one of them, or none.
    pub(crate) locales: Vec<Share>,
    /// Each device has any of them.
    pub(crate) tags: Vec<Share>,
}

impl Spec {
    pub(crate) fn new(devices: usize, ios: f64) -> Self {
        let locales = [("de-AT", 34.0), ("en-GB", 33.0), ("pt-BR", 33.0)];
        Spec {
            devices,
            ios_percent: ios * 100.0,
            dead_percent: 0.0,
            locales: locales
                .map(|(word, share)| Share::new(word, share))
                .to_vec(),
            tags: Vec::new(),
        }
    }

    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let locales: f64 = self.locales.iter().map(|share| share.percent).sum();
        ensure!(
            locales <= 100.001,
            "the locales' shares add up to {locales} %"
        );
        for percent in [self.ios_percent, self.dead_percent] {
            ensure!((0.0..=100.0).contains(&percent), "{percent} % is no share");
        }
        Ok(())
    }

    pub(crate) fn has_ios(&self) -> bool {
        self.ios_percent > 0.0
    }

    pub(crate) fn has_android(&self) -> bool {
        self.ios_percent < 100.0
    }

    /// Percent, 0 to 100, that the lot of this question gives the n-th device.
    fn lot(n: usize, question: u64) -> f64 {
        let mixed = mix(n as u64 ^ question << 56);
        (mixed >> 11) as f64 / (1_u64 << 53) as f64 * 100.0
    }

    pub(crate) fn is_ios(&self, n: usize) -> bool {
        Self::lot(n, 1) < self.ios_percent
    }

    fn is_dead(&self, n: usize) -> bool {
        Self::lot(n, 2) < self.dead_percent
    }

    /// As providers know it, and as long as theirs are.
    pub(crate) fn address(&self, n: usize) -> String {
        let dead = self.is_dead(n);
        match (self.is_ios(n), dead) {
            (true, false) => format!("{n:064x}"),
            (true, true) => format!("{DEAD}{n:060x}"),
            (false, false) => format!("f{n:021x}:APA91b{n:0>134}"),
            (false, true) => format!("{DEAD}{n:018x}:APA91b{n:0>134}"),
        }
    }

    /// The word of the registration API.
    pub(crate) fn channel(&self, n: usize) -> &'static str {
        if self.is_ios(n) { "ios_push" } else { "fcm" }
    }

    fn locale(&self, n: usize) -> Option<String> {
        let mut lot = Self::lot(n, 3);
        let mut here = |share: &&Share| {
            lot -= share.percent;
            lot < 0.0
        };
        let found = self.locales.iter().find(|share| here(share));
        found.map(|share| share.word.clone())
    }

    fn tags(&self, n: usize) -> Vec<String> {
        let has = |(question, _): &(u64, &Share)| Self::lot(n, *question);
        let own = (16..).zip(&self.tags);
        let own = own.filter(|pair| has(pair) < pair.1.percent);
        let own = own.map(|(_, share)| share.word.clone());
        std::iter::once(TAG.to_owned()).chain(own).collect()
    }

    /// The n-th device, of the n-th user.
    pub(crate) fn device(&self, app: &AppId, n: usize) -> anyhow::Result<Device> {
        let at = REGISTERED_AT;
        let (platform, channel) = match self.is_ios(n) {
            true => (Platform::Ios, Channel::IosPush),
            false => (Platform::Android, Channel::Fcm),
        };
        let kind = AddressKind::RegistrationToken;
        Ok(Device {
            id: DeviceId::new(at, n as u64),
            app: app.clone(),
            user: UserId::new(&user(n)).context("a user id")?,
            tenant: None,
            device_key: None,
            platform,
            address: Address::new(channel, kind, Environment::Production, &self.address(n)),
            meta: Meta {
                app_version: Some(format!("2.{}.0", n % 20)),
                locale: self.locale(n),
                ..Meta::default()
            },
            tags: self.tags(n),
            status: Status::Active,
            invalidated_at: None,
            deleted_at: None,
            created_at: at,
            updated_at: at,
            last_seen_at: SEEN_AT,
            registered_at: at,
            token_refreshed_at: None,
            last_used_at: None,
            notification_count: 0,
            consecutive_failures: 0,
            revision: 1,
        })
    }
}

pub(crate) fn user(n: usize) -> String {
    format!("user-{n}")
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept() {
        let mut spec = Spec::new(20_000, 0.7);
        spec.dead_percent = 5.0;
        spec.tags = Share::list("vip=10, news=60").unwrap();
        let app = AppId::new("shop").unwrap();
        let all: Vec<Device> = (0..20_000).map(|n| spec.device(&app, n).unwrap()).collect();
        let percent = |is: &dyn Fn(&Device) -> bool| {
            all.iter().filter(|device| is(device)).count() as f64 / 200.0
        };
        let tagged =
            |tag: &'static str| move |device: &Device| device.tags.iter().any(|found| found == tag);
        for (wanted, found) in [
            (70.0, percent(&|device| device.platform == Platform::Ios)),
            (
                5.0,
                percent(&|device| device.address.expose().starts_with(DEAD)),
            ),
            (
                34.0,
                percent(&|device| device.meta.locale.as_deref() == Some("de-AT")),
            ),
            (10.0, percent(&tagged("vip"))),
            (60.0, percent(&tagged("news"))),
            (100.0, percent(&tagged(TAG))),
        ] {
            assert!((wanted - found).abs() < 1.5, "{found} of {wanted} %");
        }
    }

    #[test]
    fn addresses_are_ones_that_the_door_takes() {
        let mut spec = Spec::new(1000, 0.5);
        spec.dead_percent = 50.0;
        let app = AppId::new("shop").unwrap();
        let mut seen = std::collections::HashSet::new();
        for n in 0..1000 {
            let device = spec.device(&app, n).unwrap();
            let address = &device.address;
            let fault = fanfare_providers::check_address(
                address.channel,
                AddressKind::RegistrationToken,
                address.expose(),
            );
            assert_eq!(fault, None);
            assert!(seen.insert(address.expose().to_owned()));
        }
    }

    #[test]
    fn nonsense_is_no_share() {
        for text in ["", "de", "de=", "de=101", "=5", "de=5,,"] {
            assert!(Share::list(text).is_err(), "{text}");
        }
    }
}
