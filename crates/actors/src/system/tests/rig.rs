//! What the tests are run on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanfare_core::cleanup::OnDeadToken;
use fanfare_core::registration::{self, Register};
use fanfare_core::revocations::Standing;
use fanfare_core::{admission, revocations};
use fanfare_store::embedded;
use fanfare_types::device::Meta;
use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, Channel, Delivery, Device, Environment, Finished, Lane, Message,
    NotificationId, OnUnknown, Options, Outcome, Platform, Priority, Reason, Timestamp, UserId,
    Verdict,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use ractor::{ActorCell, ActorId};
use tempfile::TempDir;

use super::super::sending::{Make, Parts, Sending};
use super::super::*;
use crate::notifications::{IdempotencyKey, NewNotification, To, View};
use crate::outcomes::Ending;
use crate::registry::Registered;
use fanfare_types::AppId;

pub(super) fn app() -> AppId {
    AppId::new("shop").unwrap()
}

pub(super) fn other_app() -> AppId {
    AppId::new("news").unwrap()
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(super) fn address(token: &str) -> Address {
    let kind = AddressKind::RegistrationToken;
    Address::new(Channel::Fcm, kind, Environment::Production, token)
}

/// What was handed over: who to, for which delivery.
pub(super) type Sent = (String, NotificationId, u32);

/// Stands in for pools and connections. Tokens that begin with `dead` or `suspect` are answered so, pushes to such
/// that begin with `throttled` expire unless [`Fake::relent`]ed, and those with `slow` are held until released.
pub(super) struct Fake {
    parts: Parts,
    hold: AtomicBool,
    released: AtomicBool,
    relents: AtomicBool,
    held: Mutex<Vec<Delivery>>,
    sent: Mutex<Vec<Sent>>,
    /// What a provider gives as the time of death; `None` gives none.
    died_at: Mutex<Option<Timestamp>>,
}

impl Fake {
    /// As a crash of the pools would.
    pub(super) fn lose(&self) {
        self.held.lock().clear();
    }

    /// As a crash of the pools would, but for the slow ones; and holds these only.
    pub(super) fn lose_the_quick(&self) {
        self.hold.store(false, Ordering::SeqCst);
        let is_slow = |delivery: &Delivery| delivery.address.expose().starts_with("slow");
        let (slow, lost) = self.held.lock().drain(..).partition(is_slow);
        *self.held.lock() = slow;
        drop::<Vec<_>>(lost);
    }

    /// From now on the provider says of the dead that they died long ago.
    pub(super) fn died_long_ago(&self) {
        *self.died_at.lock() = Some(Timestamp(1));
    }

    /// Whether pushes to the throttled go through from now on.
    pub(super) fn relent(&self, relents: bool) {
        self.relents.store(relents, Ordering::SeqCst);
    }

    pub(super) fn held(&self) -> usize {
        self.held.lock().len()
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().clone()
    }

    /// From now on nothing is held; what was is handed over.
    pub(super) fn release(&self) {
        self.hold.store(false, Ordering::SeqCst);
        self.released.store(true, Ordering::SeqCst);
        let held = std::mem::take(&mut *self.held.lock());
        self.hand_over(held);
    }

    /// Hands so many over of what is held.
    pub(super) fn hand_over_some(&self, count: usize) {
        let some = self.held.lock().drain(..count).collect();
        self.hand_over(some);
    }

    /// As a connection does: asks whether each still stands, and hands it over.
    fn hand_over(&self, batch: Vec<Delivery>) {
        let now = self.parts.ways.clock.now();
        let since = *self.died_at.lock();
        let (mut ended, mut stale) = (Vec::new(), Vec::new());
        for mut delivery in batch {
            let standing = delivery.device.as_ref().map(|(id, _)| {
                self.parts
                    .revocations
                    .standing(*id, delivery.routed_at, now)
            });
            if delivery.live.is_withdrawn() {
                drop(delivery);
            } else if delivery.live.is_cancelled() {
                ended.push(ending(delivery, Outcome::Cancelled, None, now));
            } else if standing == Some(Standing::Stale) {
                stale.push(delivery);
            } else {
                delivery.attempts += 1;
                let token = delivery.address.expose().to_owned();
                let (outcome, verdict) = if token.starts_with("dead") {
                    (Outcome::Dead, Verdict::TokenDead { since })
                } else if token.starts_with("suspect") {
                    (Outcome::Dead, Verdict::TokenSuspect)
                } else if token.starts_with("throttled") && !self.relents.load(Ordering::SeqCst) {
                    (Outcome::Expired, Verdict::ThrottleDevice { after: None })
                } else {
                    (Outcome::Delivered, Verdict::Accepted)
                };
                let sent = (token, delivery.live.id, delivery.ordinal);
                self.sent.lock().push(sent);
                ended.push(ending(delivery, outcome, Some(verdict), now));
            }
        }
        if !stale.is_empty() {
            self.parts.dispatcher.dispatch(stale);
        }
        if !ended.is_empty() {
            self.parts.outcomes.ended(ended);
        }
    }
}

fn ending(delivery: Delivery, outcome: Outcome, verdict: Option<Verdict>, at: Timestamp) -> Ending {
    let finished = Finished {
        delivery: delivery.into(),
        outcome,
        reason: Reason::NONE,
        at,
    };
    Ending { finished, verdict }
}

impl Sending for Arc<Fake> {
    fn start(&self, _: ActorCell) -> BoxFuture<'static, Result<Option<ActorId>>> {
        Box::pin(async { Ok(None) })
    }

    fn deliver(&self, batch: Vec<Delivery>) {
        let hold = self.hold.load(Ordering::SeqCst);
        let slow = !self.released.load(Ordering::SeqCst);
        let held =
            |delivery: &Delivery| hold || slow && delivery.address.expose().starts_with("slow");
        let (held, go): (Vec<_>, Vec<_>) = batch.into_iter().partition(held);
        self.held.lock().extend(held);
        self.hand_over(go);
    }

    /// Notifications it holds until released; campaigns are dropped, or end.
    fn cancelled(&self, _: &AppId) {
        let is_over = |delivery: &Delivery| {
            let run = delivery.live.run.as_ref();
            run.is_some_and(|run| run.is_cancelled() || run.is_withdrawn())
        };
        let (over, held) = self.held.lock().drain(..).partition(is_over);
        *self.held.lock() = held;
        self.hand_over(over);
    }

    fn reload<'a>(&'a self, apps: &'a [App]) -> BoxFuture<'a, Result<()>> {
        let is_served = |delivery: &Delivery| apps.iter().any(|app| app.id == delivery.live.app);
        self.held.lock().retain(is_served);
        Box::pin(async { Ok(()) })
    }

    fn stats(&self, _: Duration) -> BoxFuture<'_, Result<Vec<PoolStats>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn drain(&self, _: Duration) -> BoxFuture<'_, bool> {
        self.held.lock().clear();
        Box::pin(async { true })
    }
}

pub(super) struct Rig {
    pub(super) dir: Arc<TempDir>,
    pub(super) store: Arc<dyn Store>,
    pub(super) system: System,
    pub(super) fake: Arc<Fake>,
}

pub(super) fn config() -> Config {
    Config {
        admission: admission::Limits::default(),
        revocations: revocations::Limits::default(),
        notifications: notifications::Limits::default(),
        campaigns: crate::campaigns::Limits::default(),
        registry: RegistryConfig {
            shards: 2,
            passivate_after: Duration::from_secs(30),
            user_queue_max: 64,
            users_max: 1_000,
            stale_after: Duration::from_secs(60 * 86_400),
            retention: None,
            sweep_every: Duration::from_secs(3600),
        },
        journal: JournalConfig {
            flush_after: Duration::from_millis(5),
            flush_count: 1_024,
            facts_after: Duration::from_millis(5),
            facts_max: 10_000,
            retention: Duration::from_secs(7 * 86_400),
        },
        cleanup: fanfare_core::cleanup::Limits::default(),
        link: fanfare_link::Config::default(),
        recovery: fanfare_core::pool::Recovery::default(),
        fleet: crate::fleet::Config::default(),
        call_timeout: Duration::from_secs(5),
    }
}

pub(super) fn apps() -> Vec<App> {
    let make = |id| App {
        id,
        on_dead_token: OnDeadToken::Invalidate,
        registration: registration::Policy {
            address_sharing: false,
            devices_per_user_max: 100,
            deactivate_after: 5,
        },
        apns: None,
        fcm: None,
    };
    [app(), other_app()].map(make).into()
}

async fn spawn(config: Config, store: &Arc<dyn Store>, hold: bool) -> (System, Arc<Fake>) {
    spawn_among(config, store, hold, None).await
}

/// On a store that others share, if there is a fleet.
pub(super) async fn spawn_among(
    config: Config,
    store: &Arc<dyn Store>,
    hold: bool,
    fleet: Option<Arc<dyn Fleet>>,
) -> (System, Arc<Fake>) {
    let (tell, made) = std::sync::mpsc::channel();
    let make: Make = Box::new(move |parts| {
        let fake = Arc::new(Fake {
            parts,
            hold: hold.into(),
            released: false.into(),
            relents: false.into(),
            held: Mutex::default(),
            sent: Mutex::default(),
            died_at: Mutex::default(),
        });
        tell.send(fake.clone()).unwrap();
        Ok(Arc::new(fake))
    });
    let ways = Ways {
        store: store.clone(),
        fleet,
        telemetry: Telemetry::new(),
        clock: Clock::system(),
        restart: Policy {
            delay_max: Duration::from_millis(20),
            ..Policy::default()
        },
    };
    let system = System::spawn_with(config, apps(), ways, make)
        .await
        .unwrap();
    (system, made.recv().unwrap())
}

impl Rig {
    /// One more node on another's store.
    pub(super) async fn beside(&self, config: Config, hold: bool, fleet: Arc<dyn Fleet>) -> Self {
        let (system, fake) = spawn_among(config, &self.store, hold, Some(fleet)).await;
        Rig {
            dir: self.dir.clone(),
            store: self.store.clone(),
            system,
            fake,
        }
    }

    /// The first of several nodes.
    pub(super) async fn among(config: Config, hold: bool, fleet: Arc<dyn Fleet>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = embedded::open(&embedded::Config::at(&dir.path().join("db"))).unwrap();
        let (system, fake) = spawn_among(config, &store, hold, Some(fleet)).await;
        Rig {
            dir: Arc::new(dir),
            store,
            system,
            fake,
        }
    }

    pub(super) async fn new(config: Config, hold: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = embedded::open(&embedded::Config::at(&dir.path().join("db"))).unwrap();
        let (system, fake) = spawn(config, &store, hold).await;
        Rig {
            dir: Arc::new(dir),
            store,
            system,
            fake,
        }
    }

    /// A crash: every actor is killed where it stands, and a new tree starts on the same store.
    pub(super) async fn crash(self, config: Config) -> Self {
        self.die(config, false).await
    }

    /// The same, and the new one holds what is to be handed over.
    pub(super) async fn crash_and_hold(self, config: Config) -> Self {
        self.die(config, true).await
    }

    async fn die(self, config: Config, hold: bool) -> Self {
        self.system.root.kill();
        self.system.root.wait(None).await.unwrap();
        let Rig {
            dir, store, fake, ..
        } = self;
        fake.held.lock().clear();
        let (system, fake) = spawn(config, &store, hold).await;
        Rig {
            dir,
            store,
            system,
            fake,
        }
    }

    pub(super) async fn register(&self, app: &AppId, name: &str, token: &str) -> Device {
        self.try_register(app, name, token).await.unwrap().device
    }

    pub(super) async fn try_register(
        &self,
        app: &AppId,
        name: &str,
        token: &str,
    ) -> Result<Registered> {
        let command = Register {
            device_key: None,
            address: address(token),
            platform: Some(Platform::Android),
            tenant: None,
            meta: Meta::default(),
            tags: None,
        };
        let registry = self.system.registry();
        registry.register(app, &user(name), command).await
    }

    /// This many devices of one user, with tokens `<prefix>0`, `<prefix>1` …
    pub(super) async fn crowd(&self, app: &AppId, name: &str, prefix: &str, count: usize) {
        for n in 0..count {
            self.register(app, name, &format!("{prefix}{n}")).await;
        }
    }

    pub(super) async fn send(&self, app: &AppId, to: To) -> NotificationId {
        let new = new(app, to);
        self.system.notifications().accept(new).await.unwrap().id
    }

    pub(super) async fn view(&self, app: &AppId, id: NotificationId) -> View {
        let view = self.system.notifications().view(app, id).await.unwrap();
        view.unwrap()
    }

    /// Until every delivery has ended and is journaled.
    pub(super) async fn settled(&self, app: &AppId, id: NotificationId) -> View {
        eventually("every delivery ends", async || {
            let counts = self.view(app, id).await.counts;
            counts.waiting + counts.in_flight == 0
        })
        .await;
        self.view(app, id).await
    }

    pub(super) async fn no_permits_taken(&self) {
        let free = async || self.system.stats().await.unwrap().permits_taken == 0;
        eventually("permits come back", free).await;
    }

    /// What was handed over, each delivery once however often it was sent.
    pub(super) fn sent_once(&self) -> BTreeSet<Sent> {
        self.fake.sent().into_iter().collect()
    }
}

pub(super) fn new(app: &AppId, to: To) -> NewNotification {
    NewNotification {
        app: app.clone(),
        to,
        message: Message::default(),
        variables: Variables::new(),
        options: Options {
            priority: Priority::High,
            collapse_key: None,
            lane: Lane::Urgent,
            on_unknown: OnUnknown::Retry,
            expires_at: Clock::system().now() + Duration::from_secs(3600),
            send_at: None,
        },
        idempotency: None,
    }
}

pub(super) fn key(key: u8, body: u8) -> Option<IdempotencyKey> {
    Some(IdempotencyKey {
        key: [key; 32],
        body: [body; 32],
    })
}

/// Waits for a condition; fails after 10 s.
pub(super) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
