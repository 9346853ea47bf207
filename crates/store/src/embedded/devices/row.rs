//! A row of the table `devices`: its columns, the statements that name them, writing and reading one.

use std::sync::LazyLock;

use fanfare_types::device::Meta;
use fanfare_types::ids::Id96;
use fanfare_types::{
    Address, AddressKind, AppId, Channel, Device, DeviceId, Environment, Platform, Status, UserId,
};
use rusqlite::{Connection, Params, Row, Statement, params};

use super::super::fault::corrupt;
use super::super::values::{instant, instant_opt, integer, millis, millis_opt, unsigned};
use crate::{Put, Result};

/// In the order they are bound; the first two name the row, the next five are indexed.
pub(super) const COLUMNS: [&str; 32] = [
    "app",
    "id",
    "user",
    "address_key",
    "tenant",
    "device_key",
    "deleted_at",
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

pub(super) struct Statements {
    pub(super) insert: String,
    /// Leaves alone what is indexed.
    pub(super) refresh: String,
    pub(super) rewrite: String,
    pub(super) by_user: String,
    pub(super) by_id: String,
    pub(super) by_key: String,
    pub(super) first_page: String,
    pub(super) next_page: String,
    pub(super) all: String,
}

pub(super) static SQL: LazyLock<Statements> = LazyLock::new(|| {
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
        refresh: assign(7),
        rewrite: assign(2),
        by_user: select("WHERE app = ?1 AND user = ?2"),
        by_id: select("WHERE app = ?1 AND id = ?2"),
        by_key: select("WHERE app = ?1 AND address_key = ?2"),
        first_page: select("ORDER BY app, id LIMIT ?1"),
        next_page: select("WHERE (app, id) > (?1, ?2) ORDER BY app, id LIMIT ?3"),
        all: select(""),
    }
});

pub(super) fn write(db: &Connection, app: &AppId, put: &Put, sql: &str) -> Result<()> {
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
        millis_opt(device.deleted_at),
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

/// Adds the rows a statement finds.
pub(super) fn collect(
    select: &mut Statement<'_>,
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
pub(super) fn device(row: &Row<'_>, app: Option<AppId>) -> Result<Device> {
    let text = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_str()?);
    let app = match app {
        Some(app) if app.as_str() == text(0)? => app,
        _ => AppId::new(text(0)?).map_err(|_| corrupt("devices.app"))?,
    };
    let tags = match row
        .get_ref(20)?
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
        platform: Platform::parse(text(7)?).ok_or_else(|| corrupt("devices.platform"))?,
        address: Address::new(
            Channel::parse(text(8)?).ok_or_else(|| corrupt("devices.channel"))?,
            AddressKind::parse(text(9)?).ok_or_else(|| corrupt("devices.address_kind"))?,
            Environment::parse(text(10)?).ok_or_else(|| corrupt("devices.environment"))?,
            text(11)?,
        ),
        meta: meta(row)?,
        tags,
        status: Status::parse(text(21)?).ok_or_else(|| corrupt("devices.status"))?,
        invalidated_at: instant_opt(row, 22)?,
        deleted_at: instant_opt(row, 6)?,
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
        app_version: row.get(12)?,
        device_name: row.get(13)?,
        device_model: row.get(14)?,
        os_version: row.get(15)?,
        locale: row.get(16)?,
        time_zone: row.get(17)?,
        device_info: row.get(18)?,
        display_order: row.get(19)?,
    })
}
