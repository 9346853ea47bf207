//! A crowd: the registry of a data directory, filled before a gateway serves it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use fanfare_store::{Change, Expect, Put, Store, embedded};
use fanfare_types::device::Meta;
use fanfare_types::{
    Address, AddressKind, AppId, Channel, Device, DeviceId, Environment, Platform, Status,
    Timestamp, UserId,
};
use tokio::task::JoinSet;

use crate::world::{address, user};

/// Writes under way at once: they share their fsyncs.
const WRITES: usize = 2_000;

/// Everybody in it has this tag.
pub(crate) const TAG: &str = "crowd";

/// When everybody was registered.
const REGISTERED_AT: Timestamp = Timestamp(1_750_000_000_000);

/// Never so long ago that they are stale: 2100.
const SEEN_AT: Timestamp = Timestamp(4_102_444_800_000);

/// Gives `count` users of `app` a device each, unless the directory has them by a run before.
pub(crate) async fn register(data_dir: &Path, app: &AppId, count: usize) -> anyhow::Result<()> {
    std::fs::create_dir_all(data_dir).context("making the data directory")?;
    let done = data_dir.join(format!("{app}-{count}.crowd"));
    if done.exists() {
        return Ok(());
    }
    let path = data_dir.join(fanfare_gateway::app::STORE_FILE);
    let config = embedded::Config::at(&path);
    let store = embedded::open(&config).context("opening the store")?;
    let mut writing = JoinSet::new();
    for n in 0..count {
        if writing.len() >= WRITES {
            written(writing.join_next().await)?;
        }
        writing.spawn(write(store.clone(), device(app, n)?));
    }
    while let Some(one) = writing.join_next().await {
        written(Some(one))?;
    }
    store.close().await?;
    std::fs::write(done, "").context("noting that the crowd is there")
}

type Written = Option<Result<anyhow::Result<()>, tokio::task::JoinError>>;

fn written(one: Written) -> anyhow::Result<()> {
    one.context("nobody writes")??
}

async fn write(store: Arc<dyn Store>, device: Device) -> anyhow::Result<()> {
    let change = Change {
        app: device.app.clone(),
        put: Some(Put {
            key: device.address.key(None),
            device,
            expect: Expect::Absent,
        }),
        remove: Vec::new(),
        claim: None,
    };
    // A conflict: a run before that was broken off has it.
    let _applied = store.apply(change).await?;
    Ok(())
}

fn device(app: &AppId, n: usize) -> anyhow::Result<Device> {
    let kind = AddressKind::RegistrationToken;
    let at = REGISTERED_AT;
    Ok(Device {
        id: DeviceId::new(at, n as u64),
        app: app.clone(),
        user: UserId::new(&user(n)).context("a user id")?,
        tenant: None,
        device_key: None,
        platform: Platform::Ios,
        address: Address::new(Channel::IosPush, kind, Environment::Production, &address(n)),
        meta: Meta {
            app_version: Some(format!("2.{}.0", n % 20)),
            locale: Some(["de-AT", "en-GB", "pt-BR"][n % 3].to_owned()),
            ..Meta::default()
        },
        tags: vec![TAG.to_owned()],
        status: Status::Active,
        invalidated_at: None,
        deleted_at: None,
        created_at: at,
        updated_at: at,
        last_seen_at: SEEN_AT,
        registered_at: at,
        token_refreshed_at: None,
        last_used_at: None,
        notification_count: 0,
        consecutive_failures: 0,
        revision: 1,
    })
}
