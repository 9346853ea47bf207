//! The registry half: device rows, one to a row of the table `devices`.

use std::sync::LazyLock;

use fanfare_types::device::Meta;
use fanfare_types::ids::Id96;
use fanfare_types::{
    Address, AddressKey, AddressKind, AppId, Channel, Device, DeviceId, DeviceRef, Environment,
    Platform, Status, UserId,
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, params};

use super::fault::corrupt;
use super::values::{instant, instant_opt, integer, millis, millis_opt, unsigned};
use crate::{Applied, Change, Claim, DevicePage, Expect, Put, Result};

/// In the order they are bound; the first two name the row, the next two are indexed.
const COLUMNS: [&str; 32] = [
    "app",
    "id",
    "user",
    "address_key",
    "tenant",
    "device_key",
    "platform",
    "channel",
    "address_kind",
    "environment",
    "address",
    "app_version",
    "device_name",
    "device_model",
    "os_version",
    "locale",
    "time_zone",
    "device_info",
    "display_order",
    "tags",
    "status",
    "invalidated_at",
    "deleted_at",
    "created_at",
    "updated_at",
    "last_seen_at",
    "registered_at",
    "token_refreshed_at",
    "last_used_at",
    "notification_count",
    "consecutive_failures",
    "revision",
];

struct Statements {
    insert: String,
    /// Leaves user and address key alone, and so all indexes.
    refresh: String,
    rewrite: String,
    by_user: String,
    by_id: String,
    by_key: String,
    first_page: String,
    next_page: String,
}

static SQL: LazyLock<Statements> = LazyLock::new(|| {
    let all = COLUMNS.join(", ");
    let places: Vec<String> = (1..=COLUMNS.len()).map(|n| format!("?{n}")).collect();
    let assign = |from: usize| {
        let pairs = COLUMNS.iter().zip(&places).skip(from);
        let pairs: Vec<String> = pairs.map(|(name, n)| format!("{name} = {n}")).collect();
        format!(
            "UPDATE devices SET {} WHERE app = ?1 AND id = ?2",
            pairs.join(", ")
        )
    };
    let select = |rest: &str| format!("SELECT {all} FROM devices {rest}");
    Statements {
        insert: format!("INSERT INTO devices ({all}) VALUES ({})", places.join(", ")),
        refresh: assign(4),
        rewrite: assign(2),
        by_user: select("WHERE app = ?1 AND user = ?2"),
        by_id: select("WHERE app = ?1 AND id = ?2"),
        by_key: select("WHERE app = ?1 AND address_key = ?2"),
        first_page: select("ORDER BY app, id LIMIT ?1"),
        next_page: select("WHERE (app, id) > (?1, ?2) ORDER BY app, id LIMIT ?3"),
    }
});

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

fn write(db: &Connection, app: &AppId, put: &Put, sql: &str) -> Result<()> {
    let Put { device, key, .. } = put;
    let meta = &device.meta;
    let tags = match device.tags.as_slice() {
        [] => None,
        tags => Some(serde_json::to_string(tags).map_err(|_| corrupt("the tags"))?),
    };
    db.prepare_cached(sql)?.execute(params![
        app.as_str(),
        &device.id.0.0[..],
        device.user.as_str(),
        &key.0[..],
        device.tenant,
        device.device_key,
        device.platform.as_str(),
        device.address.channel.as_str(),
        device.address.kind.as_str(),
        device.address.environment.as_str(),
        device.address.expose(),
        meta.app_version,
        meta.device_name,
        meta.device_model,
        meta.os_version,
        meta.locale,
        meta.time_zone,
        meta.device_info,
        meta.display_order,
        tags,
        device.status.as_str(),
        millis_opt(device.invalidated_at),
        millis_opt(device.deleted_at),
        millis(device.created_at),
        millis(device.updated_at),
        millis(device.last_seen_at),
        millis(device.registered_at),
        millis_opt(device.token_refreshed_at),
        millis_opt(device.last_used_at),
        integer(device.notification_count),
        device.consecutive_failures,
        integer(device.revision),
    ])?;
    Ok(())
}

fn collect(
    select: &mut CachedStatement<'_>,
    params: impl Params,
    into: &mut Vec<Device>,
) -> Result<()> {
    let mut rows = select.query(params)?;
    while let Some(row) = rows.next()? {
        let app = into.last().map(|device| device.app.clone());
        into.push(device(row, app)?);
    }
    Ok(())
}

/// Reads a row in the order of [`COLUMNS`]. `app` is the app of the row before, most often the same.
fn device(row: &Row<'_>, app: Option<AppId>) -> Result<Device> {
    let text = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_str()?);
    let app = match app {
        Some(app) if app.as_str() == text(0)? => app,
        _ => AppId::new(text(0)?).map_err(|_| corrupt("devices.app"))?,
    };
    let tags = match row
        .get_ref(19)?
        .as_str_or_null()
        .map_err(rusqlite::Error::from)?
    {
        None => Vec::new(),
        Some(json) => serde_json::from_str(json).map_err(|_| corrupt("devices.tags"))?,
    };
    Ok(Device {
        id: DeviceId(Id96(row.get(1)?)),
        app,
        user: UserId::new(text(2)?).map_err(|_| corrupt("devices.user"))?,
        tenant: row.get(4)?,
        device_key: row.get(5)?,
        platform: Platform::parse(text(6)?).ok_or_else(|| corrupt("devices.platform"))?,
        address: Address::new(
            Channel::parse(text(7)?).ok_or_else(|| corrupt("devices.channel"))?,
            AddressKind::parse(text(8)?).ok_or_else(|| corrupt("devices.address_kind"))?,
            Environment::parse(text(9)?).ok_or_else(|| corrupt("devices.environment"))?,
            text(10)?,
        ),
        meta: meta(row)?,
        tags,
        status: Status::parse(text(20)?).ok_or_else(|| corrupt("devices.status"))?,
        invalidated_at: instant_opt(row, 21)?,
        deleted_at: instant_opt(row, 22)?,
        created_at: instant(row, 23)?,
        updated_at: instant(row, 24)?,
        last_seen_at: instant(row, 25)?,
        registered_at: instant(row, 26)?,
        token_refreshed_at: instant_opt(row, 27)?,
        last_used_at: instant_opt(row, 28)?,
        notification_count: unsigned(row.get(29)?),
        consecutive_failures: row.get(30)?,
        revision: unsigned(row.get(31)?),
    })
}

fn meta(row: &Row<'_>) -> Result<Meta> {
    Ok(Meta {
        app_version: row.get(11)?,
        device_name: row.get(12)?,
        device_model: row.get(13)?,
        os_version: row.get(14)?,
        locale: row.get(15)?,
        time_zone: row.get(16)?,
        device_info: row.get(17)?,
        display_order: row.get(18)?,
    })
}
