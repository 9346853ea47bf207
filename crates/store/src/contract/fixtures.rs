//! Devices and notifications for the cases.

use std::collections::BTreeMap;

use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AddressKind, AppId, Channel, Device, DeviceId, DeviceRef, Environment, Lane, Message,
    NotificationId, NotificationRecord, OnUnknown, Options, Outcome, Platform, Priority, Reason,
    Status, Target, Timestamp, UserId,
};

use crate::{Accept, Applied, Change, Claim, Ended, Expect, OutcomeBatch, Put, Store};

/// When the cases take place, unless they say otherwise.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub fn app(name: &str) -> AppId {
    AppId::new(name).expect("a valid app id")
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).expect("a valid user id")
}

pub fn address(value: &str) -> Address {
    Address::new(
        Channel::Fcm,
        AddressKind::RegistrationToken,
        Environment::Production,
        value,
    )
}

/// An active device in app `shop` with hardly anything set.
pub fn device(number: u64, owner: &str, token: &str) -> Device {
    Device {
        id: DeviceId::new(NOW, number),
        app: app("shop"),
        user: user(owner),
        tenant: None,
        device_key: None,
        platform: Platform::Android,
        address: address(token),
        meta: Meta::default(),
        tags: Vec::new(),
        status: Status::Active,
        invalidated_at: None,
        deleted_at: None,
        created_at: NOW,
        updated_at: NOW,
        last_seen_at: NOW,
        registered_at: NOW,
        token_refreshed_at: None,
        last_used_at: None,
        notification_count: 0,
        consecutive_failures: 0,
        revision: 1,
    }
}

/// A device with every field set.
pub fn full_device() -> Device {
    Device {
        tenant: Some("north".to_owned()),
        device_key: Some("install-1".to_owned()),
        platform: Platform::Ios,
        address: Address::new(
            Channel::IosPush,
            AddressKind::RegistrationToken,
            Environment::Sandbox,
            "c0ffee",
        ),
        meta: Meta {
            app_version: Some("1.2".to_owned()),
            device_name: Some("Ada's \"phone\" ☎".to_owned()),
            device_model: Some("M1".to_owned()),
            os_version: Some("17".to_owned()),
            locale: Some("pt-BR".to_owned()),
            time_zone: Some("America/Sao_Paulo".to_owned()),
            device_info: Some("{\"a\":1}".to_owned()),
            display_order: Some(-3),
        },
        tags: vec!["beta".to_owned(), "a,b".to_owned()],
        status: Status::Invalid,
        invalidated_at: Some(Timestamp(NOW.0 + 1)),
        deleted_at: Some(Timestamp(NOW.0 + 2)),
        created_at: Timestamp(NOW.0 + 3),
        updated_at: Timestamp(NOW.0 + 4),
        last_seen_at: Timestamp(NOW.0 + 5),
        registered_at: Timestamp(NOW.0 + 6),
        token_refreshed_at: Some(Timestamp(NOW.0 + 7)),
        last_used_at: Some(Timestamp(NOW.0 + 8)),
        notification_count: 1 << 40,
        consecutive_failures: 4,
        revision: 12,
        ..device(1, "ada", "unused")
    }
}

/// The step that writes `device`, and nothing else.
pub fn put(device: &Device, expect: Expect) -> Change {
    Change {
        app: device.app.clone(),
        put: Some(Put {
            key: device.address.key(None),
            device: device.clone(),
            expect,
        }),
        remove: Vec::new(),
        claim: None,
    }
}

/// The step that writes `device` where `holder` holds its address now.
pub fn claim(device: &Device, expect: Expect, holder: Option<DeviceRef>) -> Change {
    Change {
        claim: Some(Claim {
            key: device.address.key(None),
            holder,
        }),
        ..put(device, expect)
    }
}

/// What a step expects that was decided on this row.
pub fn present(device: &Device) -> Expect {
    Expect::Present {
        user: device.user.clone(),
        revision: device.revision,
    }
}

/// Writes a new device; it must work.
pub async fn register(store: &dyn Store, device: &Device) {
    let change = claim(device, Expect::Absent, None);
    let applied = store.apply(change).await.expect("the store answers");
    assert_eq!(applied, Applied::Done, "a new device with a new address");
}

/// All rows of one user of an app, in id order.
pub async fn rows(store: &dyn Store, app: &AppId, owner: &str) -> Vec<Device> {
    let rows = store.devices_of(app, vec![user(owner)]).await;
    let mut rows = rows.expect("the store answers");
    rows.sort_by_key(|device| device.id);
    rows
}

/// Targets that are bare addresses and registered devices by turns.
pub fn targets(count: u32) -> Vec<Target> {
    (0..count)
        .map(|ordinal| Target {
            channel: Channel::Fcm,
            device: (ordinal % 2 == 1).then(|| {
                (
                    DeviceId::new(NOW, ordinal.into()),
                    user(&format!("u{ordinal}")),
                )
            }),
            address: (ordinal % 2 == 0).then(|| address(&format!("token-{ordinal}"))),
        })
        .collect()
}

/// A notification of app `shop`, accepted at `at`, without an idempotency key.
pub fn accept(at: Timestamp, number: u64, recipients: u32) -> Accept {
    Accept {
        record: NotificationRecord {
            id: NotificationId::new(at, number),
            app: app("shop"),
            created_at: at,
            options: Options {
                priority: Priority::High,
                collapse_key: Some("news".to_owned()),
                lane: Lane::Bulk,
                on_unknown: OnUnknown::Retry,
                expires_at: Timestamp(at.0 + 60_000),
                send_at: None,
            },
            message: Message {
                title: Some("Hello {{name}}".to_owned()),
                data: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
                ..Message::default()
            },
            variables: [("name".to_owned(), "Ada".to_owned())].into(),
            targets: targets(recipients),
        },
        idempotency: None,
    }
}

/// An outcome without a reason, after one attempt.
pub fn ended(ordinal: u32, outcome: Outcome) -> Ended {
    Ended {
        ordinal,
        outcome,
        reason: Reason::NONE,
        attempts: 1,
        at: NOW,
    }
}

/// Outcomes of one notification of app `shop`.
pub fn batch(id: NotificationId, ended: Vec<Ended>) -> OutcomeBatch {
    OutcomeBatch {
        app: app("shop"),
        id,
        ended,
    }
}
