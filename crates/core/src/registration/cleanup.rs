//! Rows that go away or fall out of use: asked for, called dead by the provider, or not seen for long.

use fanfare_types::{Change, Device, Status, Timestamp};

use super::{Decision, Policy, Writing, present};
use crate::cleanup::{OnDeadToken, is_same_registration};

/// Removes the row for good.
pub fn remove(device: &Device) -> Decision {
    Decision {
        change: Change {
            app: device.app.clone(),
            put: None,
            remove: vec![device.as_ref()],
            claim: None,
        },
        device: device.clone(),
        is_new: false,
        revoked: vec![device.id],
    }
}

/// The user unregistered the install: its row becomes `invalid` and stays for the record. `None` when there is no
/// such row, or it is invalid already: asking twice changes nothing.
pub fn unregister(
    own: &[Device],
    device_key: &str,
    now: Timestamp,
    policy: &Policy,
) -> Option<Decision> {
    let device = own
        .iter()
        .find(|row| row.device_key.as_deref() == Some(device_key))?;
    invalidated(device, now, policy)
}

/// Switches off an active row that failed too often in a row, through the fault of its address; `None` for any
/// other. Registering again, a new token or switching it on lets it begin anew.
pub fn deactivate(device: &Device, now: Timestamp, policy: &Policy) -> Option<Decision> {
    let is_failing = policy.is_failing(device.consecutive_failures);
    (device.status == Status::Active && is_failing)
        .then(|| marked(device, device.clone(), Status::Inactive, now, policy))
}

/// The provider called the row's address dead at `dead_since`. `None` when that meant an older registration, or
/// the row is invalid already and stays for the record.
pub fn bury(
    device: &Device,
    dead_since: Timestamp,
    on_dead: OnDeadToken,
    now: Timestamp,
    policy: &Policy,
) -> Option<Decision> {
    if !is_same_registration(device, dead_since) {
        return None;
    }
    match on_dead {
        OnDeadToken::Delete => Some(remove(device)),
        OnDeadToken::Invalidate => invalidated(device, now, policy),
    }
}

/// `None` for a row that is invalid already: the first time counts.
fn invalidated(device: &Device, now: Timestamp, policy: &Policy) -> Option<Decision> {
    (device.status != Status::Invalid).then(|| {
        let mut row = device.clone();
        row.invalidated_at = Some(now);
        marked(device, row, Status::Invalid, now, policy)
    })
}

/// Marks an active row that was last seen before `unseen_since`; `None` for any other.
pub fn mark_stale(
    device: &Device,
    unseen_since: Timestamp,
    now: Timestamp,
    policy: &Policy,
) -> Option<Decision> {
    let unseen = device.is_deliverable() && device.last_seen_at < unseen_since;
    unseen.then(|| marked(device, device.clone(), Status::Stale, now, policy))
}

/// Removes a row that has been stale or invalid since before `before`; `None` for any other.
pub fn purge(device: &Device, before: Timestamp) -> Option<Decision> {
    let since = match device.status {
        Status::Stale => device.updated_at,
        Status::Invalid => device.invalidated_at.unwrap_or(device.updated_at),
        Status::Active | Status::Inactive => return None,
    };
    (since < before).then(|| remove(device))
}

fn marked(
    before: &Device,
    mut row: Device,
    status: Status,
    now: Timestamp,
    policy: &Policy,
) -> Decision {
    row.status = status;
    row.updated_at = now;
    row.revision += 1;
    let key = policy.key(&row.address, &row.user);
    let mut change = Writing::new(row, present(before), key);
    change.revoked.push(before.id);
    change.decide(false)
}
