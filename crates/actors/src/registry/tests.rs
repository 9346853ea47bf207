//! The registry's shells: order, races, passivation, limits, faults.

mod faults;
mod life;
mod memory;
mod races;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::fleet::FleetHandle;
use fanfare_core::registration::{Policy, Register};
use fanfare_core::revocations::{self, Revocations};
use fanfare_core::{cleanup::OnDeadToken, restart};
use fanfare_store::Store;
use fanfare_telemetry::Telemetry;
use fanfare_types::device::Meta;
use fanfare_types::{Address, AddressKind, AppId, Channel, Clock, Environment, Timestamp, UserId};
use parking_lot::Mutex;
use ractor::Actor;
use tokio::time::Instant;

use super::{Args, Registry, RegistryActor, Rules};
use crate::slot::Slot;
use crate::system::RegistryConfig;

fn app() -> AppId {
    AppId::new("shop").unwrap()
}

fn user(name: impl ToString) -> UserId {
    UserId::new(&name.to_string()).unwrap()
}

fn address(value: impl ToString) -> Address {
    let kind = AddressKind::RegistrationToken;
    Address::new(
        Channel::Fcm,
        kind,
        Environment::Production,
        &value.to_string(),
    )
}

fn plain(value: impl ToString) -> Register {
    Register {
        device_key: None,
        address: address(value),
        platform: None,
        tenant: None,
        meta: Meta::default(),
        tags: None,
    }
}

fn config() -> RegistryConfig {
    RegistryConfig {
        shards: 4,
        passivate_after: Duration::from_secs(30),
        user_queue_max: 64,
        users_max: 10_000,
        stale_after: Duration::from_secs(60 * 86_400),
        retention: None,
        sweep_every: Duration::from_secs(3600),
    }
}

/// A clock that follows tokio's, from the year 2001 on.
fn clock() -> Clock {
    let start = Instant::now();
    Clock::from_fn(move || Timestamp(1_000_000_000_000) + start.elapsed())
}

struct House {
    registry: Registry,
    revocations: Arc<Revocations>,
    telemetry: Telemetry,
    clock: Clock,
    gave_up: Arc<Mutex<Option<String>>>,
}

const CALL_TIMEOUT: Duration = Duration::from_secs(5);

async fn house(store: Arc<dyn Store>, config: RegistryConfig) -> House {
    let revocations = Arc::new(Revocations::new(revocations::Limits::default()));
    let telemetry = Telemetry::new();
    let clock = clock();
    let rules = Rules {
        registration: Policy {
            address_sharing: false,
            devices_per_user_max: 100,
            deactivate_after: 5,
        },
        on_dead_token: OnDeadToken::Invalidate,
    };
    let counter = AtomicU64::new(0);
    let gave_up = Arc::new(Mutex::new(None));
    let tell = gave_up.clone();
    let args = Args {
        store,
        revocations: revocations.clone(),
        fleet: FleetHandle::alone(),
        apps: HashMap::from([(app(), rules)]),
        config,
        call_timeout: CALL_TIMEOUT,
        restart: restart::Policy::default(),
        telemetry: telemetry.clone(),
        clock: clock.clone(),
        random: Arc::new(move || counter.fetch_add(1, Ordering::Relaxed)),
        gave_up: Arc::new(move |why| *tell.lock() = Some(why)),
    };
    let slot = Slot::empty();
    let (registry, shelter) = Registry::new(args, slot.clone());
    let (supervisor, _) = Actor::spawn(None, RegistryActor, shelter).await.unwrap();
    slot.set(supervisor);
    House {
        registry,
        gave_up,
        revocations,
        telemetry,
        clock,
    }
}
