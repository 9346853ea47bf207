//! One device as a row of a file: what a registration has, whose it is, and what a registry keeps of it.

use fanfare_core::registration::Register;
use fanfare_types::{Device, DeviceId, Status, Timestamp, UserId};
use serde_json::{Map, Value};

/// The columns, in the order in which they are written. All that a row may have.
pub(super) const FIELDS: [&str; 23] = [
    "user_id",
    "channel",
    "token",
    "address_kind",
    "environment",
    "device_key",
    "platform",
    "app_version",
    "device_name",
    "device_model",
    "os_version",
    "locale",
    "time_zone",
    "tags",
    "device_info",
    "status",
    "id",
    "tenant",
    "display_order",
    "created_at",
    "last_seen_at",
    "registered_at",
    "token_refreshed_at",
];

/// A checked row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) user: UserId,
    pub(super) register: Register,
    pub(super) kept: Kept,
    /// The body of `POST /v1/users/{user_id}/devices`.
    pub(super) body: Value,
}

/// What a registry knows of a device and a registration does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) status: Option<Status>,
    pub(super) id: Option<DeviceId>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) last_seen_at: Option<Timestamp>,
    pub(super) registered_at: Option<Timestamp>,
    pub(super) token_refreshed_at: Option<Timestamp>,
}

/// Codes and fields.
pub(super) type Faults = Vec<(String, Option<&'static str>)>;

/// The name of a field, if it is one: an unknown name is the file's content.
fn known(field: &str) -> Option<&'static str> {
    let base = field.split(['.', '[']).next()?;
    FIELDS.iter().find(|known| **known == base).copied()
}

/// Reads a row, or says all that is wrong with it.
pub(super) fn read(value: Value) -> Result<Row, Faults> {
    let Value::Object(mut members) = value else {
        return Err(vec![("wrong_type".to_owned(), None)]);
    };
    let mut faults = Faults::new();
    let user = member(&mut members, "user_id", &mut faults, |text| {
        UserId::new(text).ok()
    });
    if user.is_none() && faults.is_empty() {
        faults.push(("missing".to_owned(), Some("user_id")));
    }
    let kept = kept(&mut members, &mut faults);
    let tenant = member(&mut members, "tenant", &mut faults, |text| {
        Some(text.to_owned())
    });
    let display_order = match members.remove("display_order") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
            if number.is_none() {
                faults.push(("wrong_type".to_owned(), Some("display_order")));
            }
            number
        }
    };
    let body = Value::Object(members);
    let register = match fanfare_ingress::registration(body.clone(), tenant) {
        Ok(register) => Some(register),
        Err(found) => {
            let found = found.iter();
            faults.extend(found.map(|fault| (fault.code.to_owned(), known(&fault.field))));
            None
        }
    };
    match (user, register) {
        (Some(user), Some(mut register)) if faults.is_empty() => {
            register.meta.display_order = display_order;
            Ok(Row {
                user,
                register,
                kept,
                body,
            })
        }
        _ => Err(faults),
    }
}

fn kept(members: &mut Map<String, Value>, faults: &mut Faults) -> Kept {
    let instant = |text: &str| Timestamp::parse_rfc3339(text).ok();
    Kept {
        status: member(members, "status", faults, Status::parse),
        id: member(members, "id", faults, |text| {
            DeviceId::parse_uuid(text).ok()
        }),
        created_at: member(members, "created_at", faults, instant),
        last_seen_at: member(members, "last_seen_at", faults, instant),
        registered_at: member(members, "registered_at", faults, instant),
        token_refreshed_at: member(members, "token_refreshed_at", faults, instant),
    }
}

/// Takes a text out; one that is there and cannot be read is a fault.
fn member<T>(
    members: &mut Map<String, Value>,
    name: &'static str,
    faults: &mut Faults,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let code = match members.remove(name) {
        None | Some(Value::Null) => return None,
        Some(Value::String(text)) => match read(&text) {
            Some(value) => return Some(value),
            None => "malformed",
        },
        Some(_) => "wrong_type",
    };
    faults.push((code.to_owned(), Some(name)));
    None
}

/// A device as a row; its token only `with_token`.
pub(super) fn write(device: &Device, with_token: bool) -> Map<String, Value> {
    let meta = &device.meta;
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let at = |at: Timestamp| Some(at.to_rfc3339().into());
    let info = meta.device_info.as_ref();
    let values: [Option<Value>; FIELDS.len()] = [
        Some(device.user.as_str().into()),
        Some(device.address.channel.as_str().into()),
        with_token.then(|| device.address.expose().into()),
        Some(device.address.kind.as_str().into()),
        Some(device.address.environment.as_str().into()),
        text(&device.device_key),
        Some(device.platform.as_str().into()),
        text(&meta.app_version),
        text(&meta.device_name),
        text(&meta.device_model),
        text(&meta.os_version),
        text(&meta.locale),
        text(&meta.time_zone),
        (!device.tags.is_empty()).then(|| device.tags.clone().into()),
        info.and_then(|text| serde_json::from_str(text).ok()),
        Some(device.status.as_str().into()),
        Some(device.id.to_string().into()),
        text(&device.tenant),
        meta.display_order.map(Value::from),
        at(device.created_at),
        at(device.last_seen_at),
        at(device.registered_at),
        device.token_refreshed_at.and_then(at),
    ];
    let named = FIELDS.iter().zip(values);
    let named = named.filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_fault_is_named_and_nothing_of_the_row() {
        let faults = read(json!({
            "user_id": 7, "channel": "pigeon", "token": "secret", "status": "gone", "created_at": "yesterday",
            "tags": ["", 3], "my secret name": true, "display_order": "first",
        }))
        .unwrap_err();
        let mut found: Vec<_> = faults
            .iter()
            .map(|(code, field)| (code.as_str(), *field))
            .collect();
        found.sort_unstable();
        let expected = [
            ("empty", Some("tags")),
            ("malformed", Some("created_at")),
            ("malformed", Some("status")),
            ("unknown", None),
            ("unknown", Some("channel")),
            ("wrong_type", Some("display_order")),
            ("wrong_type", Some("tags")),
            ("wrong_type", Some("user_id")),
        ];
        assert_eq!(found, expected);
        assert_eq!(
            read(json!([])).unwrap_err(),
            [("wrong_type".to_owned(), None)]
        );
    }

    #[test]
    fn the_smallest_row_is_a_registration() {
        let row = read(json!({"user_id": "ada", "channel": "fcm", "token": "t"})).unwrap();
        assert_eq!(row.user.as_str(), "ada");
        assert_eq!(row.kept, Kept::default());
        assert_eq!(row.body, json!({"channel": "fcm", "token": "t"}));
        let faults = read(json!({"channel": "fcm", "token": "t"})).unwrap_err();
        assert_eq!(faults, [("missing".to_owned(), Some("user_id"))]);
    }
}
