//! The registry half: who has which devices, who holds an address, and the one step that changes both.

mod facts;
mod listing;
mod row;

use fanfare_types::ids::Id96;
use fanfare_types::{AddressKey, AppId, Device, DeviceId, DeviceRef, UserId};
use rusqlite::{Connection, OptionalExtension};

pub(super) use self::facts::record;
pub(super) use self::listing::listing;
use self::row::{SQL, collect, write};
use super::fault::corrupt;
use super::values::{integer, millis_opt, unsigned};
use crate::{Applied, Change, Claim, DevicePage, Error, Expect, Put, Result, ScanCursor};

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

/// In the order of (app, id).
pub(super) fn scan(
    db: &Connection,
    after: Option<&ScanCursor>,
    limit: usize,
) -> Result<DevicePage> {
    let after = after.map(place).transpose()?;
    let limit = limit.max(1);
    let asked = integer(limit as u64 + 1);
    let mut devices = Vec::new();
    match after {
        None => {
            let mut select = db.prepare_cached(&SQL.first_page)?;
            collect(&mut select, [asked], &mut devices)?;
        }
        Some((app, id)) => {
            let mut select = db.prepare_cached(&SQL.next_page)?;
            let after = (app.as_str(), &id.0.0[..], asked);
            collect(&mut select, after, &mut devices)?;
        }
    }
    let more = devices.len() > limit;
    devices.truncate(limit);
    let last = devices.last().filter(|_| more);
    let next = last.map(|device| cursor(&device.app, device.id));
    Ok(DevicePage { devices, next })
}

/// Just after a row: its id, then its app.
pub(super) fn cursor(app: &AppId, id: DeviceId) -> ScanCursor {
    ScanCursor([&id.0.0[..], app.as_str().as_bytes()].concat())
}

fn place(cursor: &ScanCursor) -> Result<(AppId, DeviceId)> {
    let parts = cursor.0.split_first_chunk::<12>();
    let place = parts.and_then(|(id, app)| {
        let app = AppId::new(std::str::from_utf8(app).ok()?).ok()?;
        Some((app, DeviceId(Id96(*id))))
    });
    place.ok_or_else(|| Error::Row("a cursor of something else".to_owned()))
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

/// The statement that writes the row, when what the put expects is so and nobody else keeps its address or, among
/// the user's rows, its device key.
fn check(db: &Connection, change: &Change, put: &Put) -> Result<Option<&'static str>> {
    let removed = |name: &DeviceRef| change.remove.contains(name);
    let name = |user: &UserId| DeviceRef {
        user: user.clone(),
        id: put.device.id,
    };
    let sql = match (&put.expect, standing(db, change, put)?) {
        (Expect::Absent, None) => &SQL.insert,
        (Expect::Present { user, revision }, Some(row)) => {
            if row.user != user.as_str() || unsigned(row.revision) != *revision {
                return Ok(None);
            }
            match (removed(&name(user)), row.is_indexed_as(put)) {
                (true, _) => &SQL.insert,
                (false, true) => return Ok(Some(&SQL.refresh)),
                (false, false) => &SQL.rewrite,
            }
        }
        _ => return Ok(None),
    };
    let holder = holder_ref(db, &change.app, &put.key)?;
    let twin = twin(db, &change.app, put)?;
    let stays =
        |row: Option<DeviceRef>| row.is_some_and(|row| row.id != put.device.id && !removed(&row));
    Ok((!stays(holder) && !stays(twin)).then_some(sql.as_str()))
}

/// What is indexed of the row that a put writes, and its revision, as they are now.
struct Standing {
    user: String,
    address_key: [u8; 16],
    tenant: Option<String>,
    device_key: Option<String>,
    deleted_at: Option<i64>,
    revision: i64,
}

impl Standing {
    fn is_indexed_as(&self, put: &Put) -> bool {
        let device = &put.device;
        self.user == device.user.as_str()
            && self.address_key == put.key.0
            && self.tenant == device.tenant
            && self.device_key == device.device_key
            && self.deleted_at == millis_opt(device.deleted_at)
    }
}

fn standing(db: &Connection, change: &Change, put: &Put) -> Result<Option<Standing>> {
    let sql = "SELECT user, address_key, tenant, device_key, deleted_at, revision
        FROM devices WHERE app = ?1 AND id = ?2";
    let standing =
        db.prepare_cached(sql)?
            .query_row((change.app.as_str(), &put.device.id.0.0[..]), |row| {
                Ok(Standing {
                    user: row.get(0)?,
                    address_key: row.get(1)?,
                    tenant: row.get(2)?,
                    device_key: row.get(3)?,
                    deleted_at: row.get(4)?,
                    revision: row.get(5)?,
                })
            });
    Ok(standing.optional()?)
}

/// The user's row with the device key of a put.
fn twin(db: &Connection, app: &AppId, put: &Put) -> Result<Option<DeviceRef>> {
    let Some(key) = &put.device.device_key else {
        return Ok(None);
    };
    let user = &put.device.user;
    let sql = "SELECT id FROM devices WHERE app = ?1 AND user = ?2 AND device_key = ?3";
    let id: Option<[u8; 12]> = db
        .prepare_cached(sql)?
        .query_row((app.as_str(), user.as_str(), key), |row| row.get(0))
        .optional()?;
    Ok(id.map(|id| DeviceRef {
        user: user.clone(),
        id: DeviceId(Id96(id)),
    }))
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
