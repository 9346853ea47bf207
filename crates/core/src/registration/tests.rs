//! The rules by name, each with what it does to every row it touches.

mod cleanup;
mod patch;
mod property;
mod rules;

use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AddressKind, AppId, Channel, Device, DeviceId, Environment, Timestamp, UserId,
};

use super::{Decision, Known, Policy, Register, register};

const NOW: Timestamp = Timestamp(5_000);

fn app() -> AppId {
    AppId::new("shop").unwrap()
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn id(n: u64) -> DeviceId {
    DeviceId::new(Timestamp(n), n)
}

fn address(value: &str) -> Address {
    let kind = AddressKind::RegistrationToken;
    Address::new(Channel::Fcm, kind, Environment::Production, value)
}

fn policy() -> Policy {
    Policy {
        address_sharing: false,
        devices_per_user_max: 3,
        deactivate_after: 5,
    }
}

/// A registration of this address that says nothing else.
fn plain(value: &str) -> Register {
    Register {
        device_key: None,
        address: address(value),
        platform: None,
        tenant: None,
        meta: Meta::default(),
        tags: None,
    }
}

fn keyed(value: &str, key: &str) -> Register {
    Register {
        device_key: Some(key.to_owned()),
        ..plain(value)
    }
}

fn decide(
    command: Register,
    name: &str,
    own: &[Device],
    holder: Option<&Device>,
    new_id: u64,
) -> Decision {
    let (app, user) = (app(), user(name));
    let known = Known {
        app: &app,
        user: &user,
        own,
        holder,
        now: NOW,
    };
    register(command, known, id(new_id), &policy())
}

/// A row as registering it at millisecond `n` leaves it; its id is `n`, too.
fn row(name: &str, command: Register, n: u64) -> Device {
    let (app, user) = (app(), user(name));
    let known = Known {
        app: &app,
        user: &user,
        own: &[],
        holder: None,
        now: Timestamp(n),
    };
    register(command, known, id(n), &policy()).device
}
