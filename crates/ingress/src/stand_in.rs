//! A stand-in for the rest of the house: a registry without rules, and books of what was asked.

use std::collections::HashMap;

use fanfare_actors::notifications::{Acceptance, NewNotification, To, View};
use fanfare_actors::registry::Registered;
use fanfare_actors::system::{PoolStats, Stats};
use fanfare_actors::{Error, Result};
use fanfare_core::registration::{Patch, Register};
use fanfare_store::{DeliveryPage, DeliveryRow, DeviceQuery, Ended, Listing};
use fanfare_types::device::Meta;
use fanfare_types::notification::State;
use fanfare_types::{
    Address, AddressKind, AppId, Channel, Counts, Device, DeviceId, Environment, NotificationId,
    Outcome, Platform, Reason, Status, Timestamp, UserId,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use crate::campaigns::stand_in::Book;
use crate::rooms::Rooms;

/// The clock of everything that stands on this.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Digest of a body, and the answer it got.
type FirstAnswer = ([u8; 32], Acceptance);

#[derive(Default)]
pub(crate) struct StandIn {
    pub(crate) devices: Mutex<Vec<Device>>,
    pub(crate) accepted: Mutex<Vec<NewNotification>>,
    pub(crate) registered: Mutex<Vec<Register>>,
    pub(crate) patches: Mutex<Vec<Patch>>,
    pub(crate) queries: Mutex<Vec<DeviceQuery>>,
    /// What the next call fails with.
    pub(crate) failure: Mutex<Option<Error>>,
    pub(crate) unready: Mutex<Vec<String>>,
    /// Whether every call hangs, or panics.
    pub(crate) hangs: Mutex<bool>,
    pub(crate) panics: Mutex<bool>,
    pub(crate) draining: Mutex<bool>,
    /// Told of each call that hangs.
    pub(crate) asked: tokio::sync::Notify,
    keys: Mutex<HashMap<[u8; 32], FirstAnswer>>,
    pub(crate) book: Book,
}

/// A device as the registry might hold it.
pub(crate) fn device(user: &str, number: u64) -> Device {
    let token = format!("{number:064x}");
    Device {
        id: DeviceId::new(NOW, number),
        app: AppId::new("shop").expect("an id"),
        user: UserId::new(user).expect("an id"),
        tenant: None,
        device_key: None,
        platform: Platform::Ios,
        address: Address::new(
            Channel::IosPush,
            AddressKind::RegistrationToken,
            Environment::Production,
            &token,
        ),
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

pub(crate) fn notification() -> NotificationId {
    NotificationId::new(NOW, 7)
}

impl StandIn {
    /// Empties the books; gives the notifications that were in them.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn forget(&self) -> Vec<NewNotification> {
        self.devices.lock().clear();
        self.registered.lock().clear();
        self.patches.lock().clear();
        self.queries.lock().clear();
        self.keys.lock().clear();
        self.book.forget();
        std::mem::take(&mut self.accepted.lock())
    }

    fn find(&self, app: &AppId, user: &UserId, id: DeviceId) -> Option<Device> {
        let devices = self.devices.lock();
        let mine = |d: &&Device| d.app == *app && d.user == *user && d.id == id;
        devices.iter().find(mine).cloned()
    }

    pub(crate) fn answer<T: Send + 'static>(
        &self,
        answer: impl FnOnce() -> T,
    ) -> BoxFuture<'_, Result<T>> {
        assert!(!*self.panics.lock(), "as the test asked for");
        if *self.hangs.lock() {
            self.asked.notify_one();
            return std::future::pending().boxed();
        }
        let answer = match self.failure.lock().take() {
            Some(error) => Err(error),
            None => Ok(answer()),
        };
        std::future::ready(answer).boxed()
    }
}

impl Rooms for StandIn {
    fn is_draining(&self) -> bool {
        *self.draining.lock()
    }

    fn register<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        command: Register,
    ) -> BoxFuture<'a, Result<Registered>> {
        self.answer(|| {
            self.registered.lock().push(command.clone());
            let mut devices = self.devices.lock();
            let mut row = device(user.as_str(), devices.len() as u64);
            row.app = app.clone();
            row.platform = command.platform.unwrap_or(Platform::Unknown);
            row.device_key = command.device_key;
            row.address = command.address;
            row.meta = command.meta;
            row.tags = command.tags.unwrap_or_default();
            devices.push(row.clone());
            Registered {
                device: row,
                is_new: true,
            }
        })
    }

    fn devices<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
    ) -> BoxFuture<'a, Result<Vec<Device>>> {
        self.answer(|| {
            let devices = self.devices.lock();
            let mine = |d: &&Device| d.app == *app && d.user == *user;
            devices.iter().filter(mine).cloned().collect()
        })
    }

    fn device<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        id: DeviceId,
    ) -> BoxFuture<'a, Result<Option<Device>>> {
        self.answer(|| self.find(app, user, id))
    }

    fn patch<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        id: DeviceId,
        patch: Patch,
    ) -> BoxFuture<'a, Result<Option<Device>>> {
        self.answer(|| {
            let mut row = self.find(app, user, id)?;
            row.status = patch.status.unwrap_or(row.status);
            row.meta.app_version = patch.app_version.clone().flatten();
            self.patches.lock().push(patch);
            Some(row)
        })
    }

    fn delete<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        id: DeviceId,
    ) -> BoxFuture<'a, Result<bool>> {
        self.answer(|| {
            let found = self.find(app, user, id).is_some();
            self.devices.lock().retain(|d| !found || d.id != id);
            found
        })
    }

    fn unregister<'a>(
        &'a self,
        app: &'a AppId,
        user: &'a UserId,
        device_key: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        self.answer(|| {
            let mut devices = self.devices.lock();
            let of_key = |d: &&mut Device| {
                d.app == *app && d.user == *user && d.device_key.as_deref() == Some(device_key)
            };
            let found = devices.iter_mut().find(of_key);
            found.map(|row| row.status = Status::Invalid).is_some()
        })
    }

    fn find<'a>(
        &'a self,
        app: &'a AppId,
        ids: Vec<DeviceId>,
    ) -> BoxFuture<'a, Result<Vec<Device>>> {
        self.answer(|| {
            let devices = self.devices.lock();
            let wanted = |d: &&Device| d.app == *app && ids.contains(&d.id);
            devices.iter().filter(wanted).cloned().collect()
        })
    }

    fn listing(&self, query: DeviceQuery) -> BoxFuture<'_, Result<Listing>> {
        self.answer(|| {
            let devices = self.devices.lock();
            let of_tenant = |d: &&Device| d.app == query.app && d.tenant == query.tenant;
            let rows: Vec<_> = devices.iter().filter(of_tenant).cloned().collect();
            let total = rows.len() as u64;
            self.queries.lock().push(query);
            Listing {
                rows,
                total,
                filtered: total,
            }
        })
    }

    fn accept(&self, new: NewNotification) -> BoxFuture<'_, Result<Acceptance>> {
        self.answer(|| {
            let recipients = match &new.to {
                To::Users(users) => users.len(),
                To::Devices(devices) => devices.len(),
                To::Addresses(addresses) => addresses.len(),
            };
            let acceptance = Acceptance {
                id: NotificationId::new(NOW, self.accepted.lock().len() as u64),
                recipients: recipients as u64,
            };
            if let Some(key) = &new.idempotency {
                let mut keys = self.keys.lock();
                if let Some((body, first)) = keys.get(&key.key) {
                    return match *body == key.body {
                        true => Ok(first.clone()),
                        false => Err(Error::IdempotencyConflict),
                    };
                }
                keys.insert(key.key, (key.body, acceptance.clone()));
            }
            self.accepted.lock().push(new);
            Ok(acceptance)
        })
        .map(|answer| answer.and_then(|inner| inner))
        .boxed()
    }

    fn view<'a>(
        &'a self,
        app: &'a AppId,
        id: NotificationId,
    ) -> BoxFuture<'a, Result<Option<View>>> {
        self.answer(|| {
            (app.as_str() == "shop" && id == notification()).then(|| View {
                id,
                state: State::Sending,
                created_at: NOW,
                recipients: 3,
                counts: Counts {
                    waiting: 1,
                    delivered: 2,
                    ..Counts::default()
                },
            })
        })
    }

    fn deliveries<'a>(
        &'a self,
        app: &'a AppId,
        id: NotificationId,
        outcome: Option<Outcome>,
        start: u32,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<DeliveryPage>>> {
        self.answer(|| {
            (app.as_str() == "shop" && id == notification()).then(|| {
                let rows = (start..5).map(row);
                let wanted = |row: &DeliveryRow| {
                    outcome.is_none() || row.ended.as_ref().map(|ended| ended.outcome) == outcome
                };
                let rows: Vec<_> = rows.filter(wanted).take(limit).collect();
                let next = rows.last().map(|row| row.ordinal + 1);
                DeliveryPage {
                    next: next.filter(|next| *next < 5),
                    rows,
                }
            })
        })
    }

    fn cancel<'a>(
        &'a self,
        app: &'a AppId,
        id: NotificationId,
    ) -> BoxFuture<'a, Result<Option<View>>> {
        let cancelled = |view: View| View {
            state: State::Cancelled,
            ..view
        };
        self.view(app, id)
            .map(move |view| view.map(|view| view.map(cancelled)))
            .boxed()
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats>> {
        let pool = |app: &str| PoolStats {
            app: app.to_owned(),
            provider: "apns",
            environment: "production",
            breaker: "closed",
            ..PoolStats::default()
        };
        self.answer(|| Stats {
            permits_taken: 3,
            permits_max: 9,
            users_active: 1,
            misconfigured: ["shop/ios_push/sandbox", "news/fcm/production"]
                .map(str::to_owned)
                .into(),
            pools: vec![pool("shop"), pool("news")],
        })
    }

    fn unready(&self) -> BoxFuture<'_, Vec<String>> {
        std::future::ready(self.unready.lock().clone()).boxed()
    }
}

/// The first has ended, the others have not; the last is a bare address.
fn row(ordinal: u32) -> DeliveryRow {
    let user = UserId::new("ada").expect("an id");
    DeliveryRow {
        ordinal,
        device: (ordinal < 4).then(|| (DeviceId::new(NOW, ordinal.into()), user)),
        channel: Channel::IosPush,
        ended: (ordinal == 0).then_some(Ended {
            ordinal,
            outcome: Outcome::Delivered,
            reason: Reason::NONE,
            attempts: 2,
            at: NOW,
        }),
    }
}
