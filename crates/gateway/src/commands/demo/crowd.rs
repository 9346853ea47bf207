//! The crowd: users and devices drawn from a seed, and what must become of each device.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Every so many devices one is dead.
const DEAD_EVERY: u64 = 30;
/// Every so many devices one moves to another user.
const MOVE_EVERY: u64 = 50;

/// One device as the demo knows it.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) channel: &'static str,
    pub(super) address: String,
    pub(super) is_dead: bool,
    pub(super) first_owner: u32,
    /// Who holds the address in the end.
    pub(super) owner: u32,
}

#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) users: u32,
    pub(super) devices: Vec<Device>,
    /// Indexes of devices that move.
    pub(super) moves: Vec<usize>,
    pub(super) receipt_user: u32,
}

impl Crowd {
    pub(super) fn new(seed: u64, users: u32) -> Self {
        let mut random = Random(seed);
        let mut devices = Vec::new();
        for user in 0..users {
            for _ in 0..1 + random.below(3) {
                devices.push(device(&mut random, user, users));
            }
        }
        let moves = (0..devices.len())
            .filter(|index| devices[*index].owner != devices[*index].first_owner)
            .collect();
        let mut crowd = Crowd {
            users,
            devices,
            moves,
            receipt_user: 0,
        };
        crowd.receipt_user = crowd.someone_with_one_living_device();
        crowd
    }

    /// The receipt goes to a user with one device, which lives: so its story is short enough to tell.
    fn someone_with_one_living_device(&self) -> u32 {
        let mut owned: HashMap<u32, (u32, bool)> = HashMap::new();
        for device in &self.devices {
            let entry = owned.entry(device.owner).or_default();
            entry.0 += 1;
            entry.1 |= device.is_dead;
        }
        (0..self.users)
            .find(|user| owned.get(user) == Some(&(1, false)))
            .unwrap_or(0)
    }

    pub(super) fn receipt_address(&self) -> Option<&Device> {
        self.devices
            .iter()
            .find(|device| device.owner == self.receipt_user)
    }

    pub(super) fn dead(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(|device| device.is_dead)
    }
}

fn device(random: &mut Random, user: u32, users: u32) -> Device {
    let is_dead = random.below(DEAD_EVERY) == 0;
    let prefix = if is_dead { "dead" } else { "beef" };
    let words = [random.next(), random.next(), random.next(), random.next()];
    let hex: String = words.iter().map(|word| format!("{word:016x}")).collect();
    let is_ios = random.below(2) == 0;
    let moves = random.below(MOVE_EVERY) == 0;
    let other = u32::try_from(random.below(u64::from(users))).unwrap_or(0);
    let owner = if moves { other } else { user };
    if is_ios {
        Device {
            channel: "ios_push",
            address: format!("{prefix}{}", &hex[..60]),
            is_dead,
            first_owner: user,
            owner,
        }
    } else {
        Device {
            channel: "fcm",
            address: format!("{prefix}-{hex}:APA91b{hex}"),
            is_dead,
            first_owner: user,
            owner,
        }
    }
}

impl Device {
    /// The body that registers it.
    pub(super) fn registration(&self) -> Value {
        json!({ "channel": self.channel, "token": self.address, "app_version": "2.1.0", "locale": "en-GB" })
    }
}

pub(super) fn user_name(user: u32) -> String {
    format!("user-{user}")
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_the_same_again_and_has_some_of_everything() {
        let crowd = Crowd::new(7, 1000);
        let again = Crowd::new(7, 1000);
        let addresses = |crowd: &Crowd| {
            crowd
                .devices
                .iter()
                .map(|device| device.address.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(addresses(&crowd), addresses(&again));
        assert!((1000..=3000).contains(&crowd.devices.len()));
        assert!(crowd.dead().count() > 20 && crowd.moves.len() > 10);
        let receipt: Vec<_> = crowd
            .devices
            .iter()
            .filter(|device| device.owner == crowd.receipt_user)
            .collect();
        assert!(receipt.len() == 1 && !receipt[0].is_dead);
    }
}
