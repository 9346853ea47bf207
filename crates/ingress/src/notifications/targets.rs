//! Reading `to`: users, devices or addresses.

use std::collections::HashSet;
use std::hash::Hash;

use fanfare_actors::notifications::To;
use fanfare_types::{Address, AddressKind, Channel, DeviceId, Environment, UserId};
use serde_json::Value;

use crate::endpoint;
use crate::fields::{Faults, Fields, text};
use crate::path;

const FORMS: [&str; 3] = ["users", "devices", "addresses"];

/// The recipients, each once, in the order they came.
pub(super) fn read(fields: &mut Fields<'_>, targets_max: usize) -> Option<To> {
    fields.require("to");
    let mut to = fields.nested("to")?;
    let is_given = |form: &&str| !to.take_null(form) && to.has(form);
    let given: Vec<_> = FORMS.into_iter().filter(is_given).collect();
    let [form] = given[..] else {
        let path = "to";
        let detail = "must have exactly one of users, devices and addresses";
        to.faults.add(path, "malformed", detail);
        return None;
    };
    let entries = to.list(form, targets_max);
    if entries.as_ref().is_some_and(Vec::is_empty) {
        to.fault(form, "empty", "must have at least one entry");
    }
    let entries = entries.unwrap_or_default();
    let read = match form {
        "users" => To::Users(each(entries, "to.users", to.faults, user)),
        "devices" => To::Devices(each(entries, "to.devices", to.faults, device)),
        _ => To::Addresses(each(entries, "to.addresses", to.faults, address)),
    };
    to.finish();
    Some(read)
}

fn each<T: Hash + Eq + Clone>(
    entries: Vec<Value>,
    path: &str,
    faults: &mut Faults,
    read: impl Fn(Value, &str, &mut Faults) -> Option<T>,
) -> Vec<T> {
    let mut seen = HashSet::with_capacity(entries.len());
    let mut list = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        if let Some(target) = read(entry, &format!("{path}[{index}]"), faults)
            && seen.insert(target.clone())
        {
            list.push(target);
        }
    }
    list
}

fn user(entry: Value, path: &str, faults: &mut Faults) -> Option<UserId> {
    let text = text(entry, path, usize::MAX, faults)?;
    let user = UserId::new(&text).ok();
    if user.is_none() {
        let detail = "a user id has 1 to 128 bytes and no control characters";
        faults.add(path, "malformed", detail);
    }
    user
}

/// A well-formed id that cannot be one of ours is no device's: no fault, and no recipient, as with one of a
/// device that is gone.
fn device(entry: Value, field: &str, faults: &mut Faults) -> Option<DeviceId> {
    let text = text(entry, field, usize::MAX, faults)?;
    match path::device_id(&text) {
        Ok(device) => device,
        Err(_) => {
            let detail = "must be a device id, as the registry gave it";
            faults.add(field, "malformed", detail);
            None
        }
    }
}

fn address(entry: Value, path: &str, faults: &mut Faults) -> Option<Address> {
    let mut fields = Fields::of(entry, path, faults)?;
    fields.require("channel");
    fields.require("address");
    let channel = fields.word("channel", Channel::parse, endpoint::CHANNELS);
    let kind = endpoint::kind(&mut fields, "kind").unwrap_or(AddressKind::RegistrationToken);
    let environment = endpoint::environment(&mut fields).unwrap_or(Environment::Production);
    let token = fields.take("address");
    let token = match (channel, token) {
        (Some(channel), Some(token)) => {
            let path = fields.path("address");
            endpoint::token(token, &path, channel, kind, fields.faults)
        }
        _ => None,
    };
    fields.finish();
    Some(Address::new(channel?, kind, environment, &token?))
}
