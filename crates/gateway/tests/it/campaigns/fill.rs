//! Many devices, put straight into the store that no gateway has open.

use fanfare_store::{Applied, Change, Claim, Expect, Put};
use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AddressKind, AppId, Channel, Device, DeviceId, Environment, Platform, Status,
    Timestamp, UserId,
};
use futures_util::future::join_all;

use crate::harness::{World, apns_token, fcm_token};
use crate::store::Place;

/// Writes that share a commit.
const GROUP: u32 = 4_096;

/// Registrations under way at a time on a cluster, where each is a compare-and-set of its own.
const CONDITIONAL: u32 = 128;

/// Writes `count` devices of the app `demo`, as [`device`] makes them.
pub(crate) async fn fill(world: &World, count: u32) {
    let (directory, place) = (world.directory.path(), &world.place);
    let store = place.open(directory, GROUP as usize).await;
    let group = match place {
        Place::Embedded => GROUP,
        Place::Scylla(_) => CONDITIONAL,
    };
    for first in (0..count).step_by(group as usize) {
        let numbers = first..count.min(first + group);
        let applied = join_all(numbers.map(|n| store.apply(registration(device(n))))).await;
        let done = |applied: &Result<Applied, _>| matches!(applied, Ok(Applied::Done));
        assert!(applied.iter().all(done), "a registry without room");
    }
    store.close().await.expect("a close");
}

fn registration(device: Device) -> Change {
    let key = device.address.key(None);
    Change {
        app: device.app.clone(),
        claim: Some(Claim { key, holder: None }),
        remove: Vec::new(),
        put: Some(Put {
            device,
            key,
            expect: Expect::Absent,
        }),
    }
}

/// The n-th device: even ones iOS, odd ones Android; one user each.
pub(crate) fn device(n: u32) -> Device {
    let (channel, platform) = match n % 2 {
        0 => (Channel::IosPush, Platform::Ios),
        _ => (Channel::Fcm, Platform::Android),
    };
    let (kind, environment) = (AddressKind::RegistrationToken, Environment::Production);
    let now = Timestamp(fanfare_types::Clock::system().now().0 - 60_000);
    Device {
        id: DeviceId::new(now, n.into()),
        app: AppId::new("demo").expect("an app"),
        user: UserId::new(&user(n)).expect("a user"),
        tenant: None,
        device_key: None,
        platform,
        address: Address::new(channel, kind, environment, &address(n)),
        meta: Meta {
            app_version: Some(format!("2.{}.0", n % 20)),
            locale: Some(
                if n.is_multiple_of(3) {
                    "de-AT"
                } else {
                    "en-GB"
                }
                .to_owned(),
            ),
            ..Meta::default()
        },
        tags: if n.is_multiple_of(10) {
            vec!["news".to_owned()]
        } else {
            Vec::new()
        },
        status: Status::Active,
        invalidated_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        last_seen_at: now,
        registered_at: now,
        token_refreshed_at: None,
        last_used_at: None,
        notification_count: 0,
        consecutive_failures: 0,
        revision: 1,
    }
}

pub(crate) fn user(n: u32) -> String {
    format!("user-{n}")
}

pub(crate) fn address(n: u32) -> String {
    match n % 2 {
        0 => apns_token(n),
        _ => fcm_token(n),
    }
}
