//! A change of a row by its owner or an administrator.

use fanfare_types::{Device, Status, Timestamp};

use super::{Decision, Patch, Policy, Writing, present, revive};

/// Decides a change of `device`. `holder` is the row that holds the patch's new address, if it brings one; it
/// loses the address (rule 3). `twin` is the user's row with the patch's new device key, if it brings one; it goes
/// away, too.
pub fn patch(
    patch: Patch,
    device: &Device,
    holder: Option<&Device>,
    twin: Option<&Device>,
    now: Timestamp,
    policy: &Policy,
) -> Decision {
    let mut row = device.clone();
    let status = patch.status;
    let address = patch.address.clone();
    let deleted = patch.deleted;
    set_fields(&mut row, patch);
    let readdressed = address.filter(|address| *address != device.address);
    let takes_address = readdressed.is_some();
    if let Some(address) = readdressed {
        row.address = address;
        row.token_refreshed_at = Some(now);
        // A row that its owner switched off stays off, with a new address, too. One that its failures switched off
        // failed for the old address.
        let failed = policy.is_failing(device.consecutive_failures);
        let switched_off = device.status == Status::Inactive && !failed;
        revive(&mut row, now);
        if switched_off {
            row.status = Status::Inactive;
        }
    }
    if let Some(status) = status {
        set_status(&mut row, status, now);
    }
    if let Some(deleted) = deleted {
        row.deleted_at = deleted.then(|| row.deleted_at.unwrap_or(now));
    }
    row.updated_at = now;
    row.revision += 1;
    let stops = device.is_deliverable() && !row.is_deliverable();
    let key = policy.key(&row.address, &row.user);
    let mut change = Writing::new(row, present(device), key);
    if takes_address {
        change.take_address(holder, Some(device));
    }
    if let Some(twin) = twin.filter(|twin| twin.id != device.id) {
        change.drop_row(twin);
    }
    if takes_address || stops {
        change.revoked.push(device.id);
    }
    change.decide(false)
}

/// Switching a row on ends what was held against it; a stale one counts as seen, or the sweeper would mark it
/// again at once.
fn set_status(row: &mut Device, status: Status, now: Timestamp) {
    let before = std::mem::replace(&mut row.status, status);
    row.invalidated_at = match status {
        Status::Invalid => row.invalidated_at.or(Some(now)),
        Status::Active | Status::Inactive | Status::Stale => None,
    };
    if status == Status::Active && before != Status::Active {
        row.consecutive_failures = 0;
        row.last_seen_at = now;
    }
}

fn set_fields(row: &mut Device, patch: Patch) {
    fn set<T>(field: &mut T, given: Option<T>) {
        if let Some(value) = given {
            *field = value;
        }
    }
    if patch.device_key.is_some() {
        row.device_key = patch.device_key;
    }
    set(&mut row.platform, patch.platform);
    set(&mut row.tags, patch.tags);
    let meta = &mut row.meta;
    set(&mut meta.app_version, patch.app_version);
    set(&mut meta.device_name, patch.device_name);
    set(&mut meta.device_model, patch.device_model);
    set(&mut meta.os_version, patch.os_version);
    set(&mut meta.locale, patch.locale);
    set(&mut meta.time_zone, patch.time_zone);
    set(&mut meta.device_info, patch.device_info);
    set(&mut meta.display_order, patch.display_order);
}
