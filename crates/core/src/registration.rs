//! The rules of registration: one place for all contracts.
//!
//! 1. With a `device_key` the row is (app, user, device key): refreshed when it is there, made otherwise.
//! 2. Without one, the row is the one that holds the address: refreshed under its own user, moved (with its id)
//!    from another one, made when there is none.
//! 3. An address belongs to one row: whichever row held it before goes away. In an app with `address_sharing`
//!    this holds within one user only, because the user is part of the key ([`Address::key`]).
//!
//! Each decision is one atomic [`Change`], made from rows read before it; a store that finds them changed since
//! then refuses, and the caller reads and decides again.

mod cleanup;
mod patch;
#[cfg(test)]
mod tests;
mod writing;

use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AddressKey, AppId, Change, Channel, Device, DeviceId, Expect, Platform, Status,
    Timestamp, UserId,
};

pub use cleanup::{bury, deactivate, mark_stale, purge, remove, unregister};
pub use patch::patch;
use writing::{Writing, present};

/// What an app allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Two users may hold one address (`address_sharing`).
    pub address_sharing: bool,
    /// Most rows a user keeps, whatever their status, at least 1. Default 100. At it, the row seen longest ago
    /// goes when a new one comes.
    pub devices_per_user_max: usize,
    /// Failures in a row, each the address's fault, at which a row is switched off, at least 1. Default 5.
    pub deactivate_after: u32,
}

impl Policy {
    /// The key an address is found by when `user` holds it.
    pub fn key(&self, address: &Address, user: &UserId) -> AddressKey {
        address.key(self.address_sharing.then_some(user))
    }

    /// Whether so many failures in a row switch a row off.
    pub fn is_failing(&self, consecutive_failures: u32) -> bool {
        consecutive_failures >= self.deactivate_after.max(1)
    }
}

/// A registration, whichever contract it came through. `None` leaves what a found row has.
#[derive(Clone, Debug)]
pub struct Register {
    pub device_key: Option<String>,
    pub address: Address,
    pub platform: Option<Platform>,
    pub tenant: Option<String>,
    pub meta: Meta,
    pub tags: Option<Vec<String>>,
}

/// A change of a row by its owner or an administrator. Outer `None` leaves the field, inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    pub address: Option<Address>,
    /// Another device key. Like an address it belongs to one row (of the user): the row that had it goes away.
    pub device_key: Option<String>,
    pub status: Option<Status>,
    pub platform: Option<Platform>,
    pub app_version: Option<Option<String>>,
    pub device_name: Option<Option<String>>,
    pub device_model: Option<Option<String>>,
    pub os_version: Option<Option<String>>,
    pub locale: Option<Option<String>>,
    pub time_zone: Option<Option<String>>,
    pub device_info: Option<Option<String>>,
    pub display_order: Option<Option<i32>>,
    pub tags: Option<Vec<String>>,
    /// `true` deletes the row softly: it stays, gets no pushes and is in no list. `false` restores it.
    pub deleted: Option<bool>,
}

/// What was decided: the change to carry out, the row as it will be, and what else that does.
#[derive(Clone, Debug)]
pub struct Decision {
    pub change: Change,
    /// The row after the change; for a removal, the row as it was.
    pub device: Device,
    pub is_new: bool,
    /// Devices whose routed deliveries are stale once the change is durable.
    pub revoked: Vec<DeviceId>,
}

impl Decision {
    /// Whether the row comes from another user.
    pub fn is_move(&self) -> bool {
        self.change
            .put
            .as_ref()
            .is_some_and(|put| match &put.expect {
                Expect::Present { user, .. } => *user != put.device.user,
                Expect::Absent => false,
            })
    }

    /// Whether rows read later (those with this decision's id) show that the change happened: for the caller of
    /// a write whose outcome nobody knows.
    pub fn stands_in(&self, rows: &[Device]) -> bool {
        let wanted = &self.device;
        let mut rows = rows
            .iter()
            .filter(|row| row.id == wanted.id && row.user == wanted.user);
        match &self.change.put {
            // Facts of deliveries may have been added since.
            Some(_) => rows.any(|row| {
                row.revision >= wanted.revision
                    && row.address == wanted.address
                    && row.updated_at == wanted.updated_at
            }),
            None => rows.next().is_none(),
        }
    }
}

/// What a decision is made from: rows as they were read, and the time.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub app: &'a AppId,
    pub user: &'a UserId,
    /// All rows of the user, whatever their status.
    pub own: &'a [Device],
    /// The row that holds the command's address, of any user.
    pub holder: Option<&'a Device>,
    pub now: Timestamp,
}

/// Decides a registration (rules 1 to 3). `new_id` is used when a row is made.
pub fn register(
    command: Register,
    known: Known<'_>,
    new_id: DeviceId,
    policy: &Policy,
) -> Decision {
    let key = policy.key(&command.address, known.user);
    let found = match &command.device_key {
        Some(_) => known
            .own
            .iter()
            .find(|row| row.device_key == command.device_key),
        None => known.holder,
    };
    let (device, expect) = match found {
        Some(row) if row.user == *known.user => (refreshed(row, command, known.now), present(row)),
        Some(row) => (moved(row, command, known), present(row)),
        None => (created(command, known, new_id), Expect::Absent),
    };
    let mut change = Writing::new(device, expect, key);
    change.take_address(known.holder, found);
    if found.is_none_or(|row| row.user != *known.user) {
        change.make_room(known.own, policy.devices_per_user_max);
    }
    if let Some(row) = found
        && (row.user != *known.user || row.address != change.device.address)
    {
        change.revoked.push(row.id);
    }
    change.decide(found.is_none())
}

fn created(command: Register, known: Known<'_>, id: DeviceId) -> Device {
    let now = known.now;
    Device {
        id,
        app: known.app.clone(),
        user: known.user.clone(),
        tenant: command.tenant,
        device_key: command.device_key,
        platform: command
            .platform
            .unwrap_or_else(|| platform_of(command.address.channel)),
        address: command.address,
        meta: command.meta,
        tags: command.tags.unwrap_or_default(),
        status: Status::Active,
        invalidated_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        last_seen_at: now,
        registered_at: now,
        token_refreshed_at: None,
        last_used_at: None,
        notification_count: 0,
        consecutive_failures: 0,
        revision: 1,
    }
}

/// What a channel says about the platform when the caller says nothing. FCM serves Android, iOS and the web.
fn platform_of(channel: Channel) -> Platform {
    match channel {
        Channel::IosPush => Platform::Ios,
        Channel::WebPush => Platform::Web,
        Channel::Fcm => Platform::Unknown,
    }
}

/// The row as its user registers it again: what is given replaces, what is absent stays.
fn refreshed(row: &Device, command: Register, now: Timestamp) -> Device {
    let mut device = row.clone();
    device.tenant = command.tenant.or(device.tenant);
    device.device_key = command.device_key.or(device.device_key);
    device.platform = command.platform.unwrap_or(device.platform);
    device.meta = overlaid(device.meta, command.meta);
    device.tags = command.tags.unwrap_or(device.tags);
    if device.address != command.address {
        device.address = command.address;
        device.token_refreshed_at = Some(now);
    }
    revive(&mut device, now);
    device.deleted_at = None;
    device.updated_at = now;
    device.revision += 1;
    device
}

/// The row as another user takes it over: the id and the age stay, and nothing else of the former owner does
/// (no tags, no name, no key, no counts).
fn moved(row: &Device, mut command: Register, known: Known<'_>) -> Device {
    command.platform = command.platform.or(Some(row.platform));
    let token_refreshed_at = if command.address == row.address {
        row.token_refreshed_at
    } else {
        Some(known.now)
    };
    Device {
        created_at: row.created_at,
        token_refreshed_at,
        revision: row.revision + 1,
        ..created(command, known, row.id)
    }
}

/// A registration of the row's address: whatever was said against the row is over.
fn revive(device: &mut Device, now: Timestamp) {
    device.status = Status::Active;
    device.invalidated_at = None;
    device.consecutive_failures = 0;
    device.last_seen_at = now;
    device.registered_at = now;
}

fn overlaid(meta: Meta, given: Meta) -> Meta {
    Meta {
        app_version: given.app_version.or(meta.app_version),
        device_name: given.device_name.or(meta.device_name),
        device_model: given.device_model.or(meta.device_model),
        os_version: given.os_version.or(meta.os_version),
        locale: given.locale.or(meta.locale),
        time_zone: given.time_zone.or(meta.time_zone),
        device_info: given.device_info.or(meta.device_info),
        // An administrator's: the app that registers again does not know what it was set to.
        display_order: meta.display_order.or(given.display_order),
    }
}
