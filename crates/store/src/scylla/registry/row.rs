//! A device as its row holds it: the packed body, and the delivery facts beside it.
//!
//! Laid out as in [`crate::codec`]. The names of the row (app, user, id) are its key and not in the body.

#[cfg(test)]
mod tests;

use fanfare_types::device::Meta;
use fanfare_types::ids::Id96;
use fanfare_types::{
    Address, AddressKey, AddressKind, AppId, Channel, Device, DeviceId, DeviceRef, Environment,
    Platform, Status, Timestamp, UserId,
};

use super::super::fault::damaged;
use super::counted::Counted;
use crate::Result;
use crate::codec::{Input, VERSION, put_number, put_text};

/// A row as it is, and when it was written.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::scylla) struct Row {
    pub(in crate::scylla) device: Device,
    /// What its address is found by.
    pub(in crate::scylla) key: AddressKey,
    /// Timestamp of the body, µs; 0 where it was not asked for.
    pub(super) at: i64,
    /// Of the facts, or the body where there are none.
    pub(super) facts_at: i64,
}

impl Row {
    /// Reads a row; `None` for one without a body: facts that came after its removal.
    pub(in crate::scylla) fn read(
        app: &AppId,
        user: &UserId,
        columns: Columns,
    ) -> Result<Option<Self>> {
        let Columns {
            id,
            body,
            facts,
            times: (at, facts_at),
        } = columns;
        let Some(body) = body else { return Ok(None) };
        let id = device_id(&id)?;
        let read = unpack(&body, app, user, id);
        let (mut device, key) = read.ok_or_else(|| damaged("devices.body"))?;
        if let Some(facts) = facts {
            let facts = Counted::unpack(&facts).ok_or_else(|| damaged("devices.facts"))?;
            facts.add_to(&mut device);
        }
        let at = at.unwrap_or_default();
        Ok(Some(Row {
            device,
            key,
            at,
            facts_at: at.max(facts_at.unwrap_or_default()),
        }))
    }

    pub(super) fn is(&self, name: &DeviceRef) -> bool {
        self.device.id == name.id && self.device.user == name.user
    }
}

/// The columns of a row but for its partition key.
pub(in crate::scylla) struct Columns {
    pub(in crate::scylla) id: Vec<u8>,
    pub(in crate::scylla) body: Option<Vec<u8>>,
    pub(in crate::scylla) facts: Option<Vec<u8>>,
    /// When body and facts were written, where that was asked for.
    pub(in crate::scylla) times: (Option<i64>, Option<i64>),
}

pub(super) fn device_id(blob: &[u8]) -> Result<DeviceId> {
    let id = blob.try_into().map_err(|_| damaged("a device's id"))?;
    Ok(DeviceId(Id96(id)))
}

/// Two rows of a user with one device key come of two nodes that wrote at the very same time: the one registered
/// later counts. Says which of the user's rows count.
pub(super) fn counts(row: &Device, own: &[Row]) -> bool {
    let Some(key) = &row.device_key else {
        return true;
    };
    let rank = |device: &Device| (device.registered_at, device.id);
    let twins = own.iter().map(|other| &other.device);
    let mut twins = twins.filter(|other| other.device_key.as_ref() == Some(key));
    twins.all(|other| rank(other) <= rank(row))
}

/// Packs what is not in the row's key.
pub(in crate::scylla) fn pack(device: &Device, key: &AddressKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + device.address.expose().len());
    out.push(VERSION);
    out.extend(key.0);
    put_number(&mut out, device.revision);
    out.extend([
        device.platform as u8,
        device.status as u8,
        device.address.channel as u8,
        device.address.kind as u8,
        device.address.environment as u8,
    ]);
    put_text(&mut out, device.address.expose());
    for text in [&device.tenant, &device.device_key] {
        put_text_opt(&mut out, text.as_deref());
    }
    put_meta(&mut out, &device.meta);
    put_number(&mut out, device.tags.len() as u64);
    device.tags.iter().for_each(|tag| put_text(&mut out, tag));
    for instant in [
        device.created_at,
        device.updated_at,
        device.last_seen_at,
        device.registered_at,
    ] {
        put_number(&mut out, instant.0);
    }
    for instant in [
        device.invalidated_at,
        device.deleted_at,
        device.token_refreshed_at,
        device.last_used_at,
    ] {
        put_opt(&mut out, instant.map(Timestamp::as_millis));
    }
    put_number(&mut out, device.notification_count);
    put_number(&mut out, device.consecutive_failures.into());
    out
}

fn unpack(blob: &[u8], app: &AppId, user: &UserId, id: DeviceId) -> Option<(Device, AddressKey)> {
    let mut input = Input(blob);
    if input.byte()? != VERSION {
        return None;
    }
    let key = AddressKey(input.take(16)?.try_into().ok()?);
    let revision = input.number()?;
    let platform = input.word(Platform::ALL)?;
    let status = input.word(Status::ALL)?;
    let channel = input.word(Channel::ALL)?;
    let kind = input.word(AddressKind::ALL)?;
    let environment = input.word(Environment::ALL)?;
    let address = Address::new(channel, kind, environment, input.text()?);
    let device = Device {
        id,
        app: app.clone(),
        user: user.clone(),
        platform,
        status,
        address,
        tenant: text_opt(&mut input)?,
        device_key: text_opt(&mut input)?,
        meta: meta(&mut input)?,
        tags: tags(&mut input)?,
        created_at: Timestamp(input.number()?),
        updated_at: Timestamp(input.number()?),
        last_seen_at: Timestamp(input.number()?),
        registered_at: Timestamp(input.number()?),
        invalidated_at: opt(&mut input)?.map(Timestamp),
        deleted_at: opt(&mut input)?.map(Timestamp),
        token_refreshed_at: opt(&mut input)?.map(Timestamp),
        last_used_at: opt(&mut input)?.map(Timestamp),
        notification_count: input.number()?,
        consecutive_failures: u32::try_from(input.number()?).ok()?,
        revision,
    };
    input.0.is_empty().then_some((device, key))
}

fn put_meta(out: &mut Vec<u8>, meta: &Meta) {
    for text in [
        &meta.app_version,
        &meta.device_name,
        &meta.device_model,
        &meta.os_version,
        &meta.locale,
        &meta.time_zone,
        &meta.device_info,
    ] {
        put_text_opt(out, text.as_deref());
    }
    let order = meta.display_order.map(i32::cast_unsigned);
    put_opt(out, order.map(u64::from));
}

fn meta(input: &mut Input<'_>) -> Option<Meta> {
    Some(Meta {
        app_version: text_opt(input)?,
        device_name: text_opt(input)?,
        device_model: text_opt(input)?,
        os_version: text_opt(input)?,
        locale: text_opt(input)?,
        time_zone: text_opt(input)?,
        device_info: text_opt(input)?,
        display_order: match opt(input)? {
            None => None,
            Some(order) => Some(u32::try_from(order).ok()?.cast_signed()),
        },
    })
}

fn tags(input: &mut Input<'_>) -> Option<Vec<String>> {
    let count = usize::try_from(input.number()?).ok()?;
    let mut tags = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        tags.push(input.text()?.to_owned());
    }
    Some(tags)
}

/// A number that may be absent: whether it is there, then the number.
pub(super) fn put_opt(out: &mut Vec<u8>, number: Option<u64>) {
    out.push(u8::from(number.is_some()));
    if let Some(number) = number {
        put_number(out, number);
    }
}

pub(super) fn opt(input: &mut Input<'_>) -> Option<Option<u64>> {
    match input.byte()? {
        0 => Some(None),
        1 => Some(Some(input.number()?)),
        _ => None,
    }
}

pub(super) fn put_text_opt(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(out, text);
    }
}

pub(super) fn text_opt(input: &mut Input<'_>) -> Option<Option<String>> {
    match input.byte()? {
        0 => Some(None),
        1 => Some(Some(input.text()?.to_owned())),
        _ => None,
    }
}
