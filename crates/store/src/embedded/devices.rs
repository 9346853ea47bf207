//! The registry half: who has which devices, who holds an address, and the one step that changes both.

mod row;

use fanfare_types::ids::Id96;
use fanfare_types::{AddressKey, AppId, Device, DeviceId, DeviceRef, UserId};
use rusqlite::{Connection, OptionalExtension};

use self::row::{SQL, collect, write};
use super::fault::corrupt;
use super::values::{integer, unsigned};
use crate::{Applied, Change, Claim, DevicePage, Expect, Put, Result};

/// Rows of these users; a user named twice counts once.
pub(super) fn of_users(
    db: &Connection,
    app: &AppId,
    mut users: Vec<UserId>,
) -> Result<Vec<Device>> {
    users.sort_unstable();
    users.dedup();
    let mut found = Vec::new();
    let mut select = db.prepare_cached(&SQL.by_user)?;
    for user in &users {
        collect(&mut select, (app.as_str(), user.as_str()), &mut found)?;
    }
    Ok(found)
}

/// Rows with these ids; an id named twice counts once.
pub(super) fn by_id(db: &Connection, app: &AppId, mut ids: Vec<DeviceId>) -> Result<Vec<Device>> {
    ids.sort_unstable();
    ids.dedup();
    let mut found = Vec::new();
    let mut select = db.prepare_cached(&SQL.by_id)?;
    for id in &ids {
        collect(&mut select, (app.as_str(), &id.0.0[..]), &mut found)?;
    }
    Ok(found)
}

pub(super) fn holder(db: &Connection, app: &AppId, key: AddressKey) -> Result<Option<Device>> {
    let mut found = Vec::new();
    let mut select = db.prepare_cached(&SQL.by_key)?;
    collect(&mut select, (app.as_str(), &key.0[..]), &mut found)?;
    Ok(found.pop())
}

pub(super) fn scan(
    db: &Connection,
    after: Option<&(AppId, DeviceId)>,
    limit: usize,
) -> Result<DevicePage> {
    let limit = limit.max(1);
    let asked = integer(limit as u64 + 1);
    let mut devices = Vec::new();
    match after {
        None => collect(
            &mut db.prepare_cached(&SQL.first_page)?,
            [asked],
            &mut devices,
        )?,
        Some((app, id)) => collect(
            &mut db.prepare_cached(&SQL.next_page)?,
            (app.as_str(), &id.0.0[..], asked),
            &mut devices,
        )?,
    }
    let more = devices.len() > limit;
    devices.truncate(limit);
    let last = devices.last().filter(|_| more);
    let next = last.map(|device| (device.app.clone(), device.id));
    Ok(DevicePage { devices, next })
}

/// Rows that cannot be read, or are not found by their address.
pub(super) fn unreadable(db: &Connection) -> Result<u64> {
    let mut select = db.prepare(&SQL.all)?;
    let mut rows = select.query([])?;
    let mut unreadable = 0;
    while let Some(row) = rows.next()? {
        let found_by: Option<[u8; 16]> = row.get(3).ok();
        let sound = row::device(row, None).is_ok_and(|device| {
            let keys = [None, Some(&device.user)].map(|user| device.address.key(user).0);
            found_by.is_some_and(|key| keys.contains(&key))
        });
        unreadable += u64::from(!sound);
    }
    Ok(unreadable)
}

/// One step: everything is checked before anything is written, so that a conflict leaves no trace in the
/// transaction it shares with others.
pub(super) fn apply(db: &Connection, change: &Change) -> Result<Applied> {
    if let Some(Claim { key, holder }) = &change.claim
        && holder_ref(db, &change.app, key)? != *holder
    {
        return Ok(Applied::Conflict);
    }
    let update = match &change.put {
        None => None,
        Some(put) => match check(db, change, put)? {
            None => return Ok(Applied::Conflict),
            update => update,
        },
    };
    for gone in &change.remove {
        db.prepare_cached("DELETE FROM devices WHERE app = ?1 AND id = ?2 AND user = ?3")?
            .execute((change.app.as_str(), &gone.id.0.0[..], gone.user.as_str()))?;
    }
    if let (Some(put), Some(sql)) = (&change.put, update) {
        write(db, &change.app, put, sql)?;
    }
    Ok(Applied::Done)
}

/// The statement that writes the row, when what the put expects is so and nobody else keeps its address.
fn check(db: &Connection, change: &Change, put: &Put) -> Result<Option<&'static str>> {
    let row = db
        .prepare_cached(
            "SELECT user, revision, address_key FROM devices WHERE app = ?1 AND id = ?2",
        )?
        .query_row((change.app.as_str(), &put.device.id.0.0[..]), |row| {
            let key: [u8; 16] = row.get(2)?;
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, key))
        })
        .optional()?;
    let removed = |name: &DeviceRef| change.remove.contains(name);
    let sql = match (&put.expect, row) {
        (Expect::Absent, None) => &SQL.insert,
        (Expect::Present { user, revision }, Some((is_user, is_revision, is_key))) => {
            if is_user != user.as_str() || unsigned(is_revision) != *revision {
                return Ok(None);
            }
            let name = DeviceRef {
                user: user.clone(),
                id: put.device.id,
            };
            match (
                removed(&name),
                is_key == put.key.0 && *user == put.device.user,
            ) {
                (true, _) => &SQL.insert,
                (false, true) => return Ok(Some(&SQL.refresh)),
                (false, false) => &SQL.rewrite,
            }
        }
        _ => return Ok(None),
    };
    let holder = holder_ref(db, &change.app, &put.key)?;
    let stays = holder.is_some_and(|holder| holder.id != put.device.id && !removed(&holder));
    Ok((!stays).then_some(sql.as_str()))
}

fn holder_ref(db: &Connection, app: &AppId, key: &AddressKey) -> Result<Option<DeviceRef>> {
    let row: Option<(String, [u8; 12])> = db
        .prepare_cached("SELECT user, id FROM devices WHERE app = ?1 AND address_key = ?2")?
        .query_row((app.as_str(), &key.0[..]), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((user, id)) = row else {
        return Ok(None);
    };
    Ok(Some(DeviceRef {
        user: UserId::new(&user).map_err(|_| corrupt("devices.user"))?,
        id: DeviceId(Id96(id)),
    }))
}
