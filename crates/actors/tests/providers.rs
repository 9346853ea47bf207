//! The whole tree with its real pools and connections, against the provider simulators.
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use fanfare_actors::notifications::{self, NewNotification, To, View};
use fanfare_actors::system::{Config, JournalConfig, RegistryConfig};
use fanfare_actors::{ApnsCredential, App, FcmCredential, System};
use fanfare_core::cleanup::OnDeadToken;
use fanfare_core::registration::{self, Register};
use fanfare_core::{admission, revocations};
use fanfare_link::{Endpoint, tls};
use fanfare_providers::{apns, fcm};
use fanfare_simulator::rules::{Reaction, Reply, Rule, When};
use fanfare_simulator::{Material, Provider, Simulator};
use fanfare_store::{Store, embedded};
use fanfare_telemetry::Telemetry;
use fanfare_types::device::Meta;
use fanfare_types::message::Variables;
use fanfare_types::{
    Address, AddressKind, AppId, Channel, Clock, Environment, Lane, Message, NotificationId,
    OnUnknown, Options, Platform, Priority, Status, UserId,
};
use tempfile::TempDir;

/// Half of them on each provider; of every 20 one of each is dead.
const DEVICES: usize = 100;
const DEAD: u64 = 10;
const LIVING: u64 = 90;

struct Stage {
    _dir: TempDir,
    material: Material,
    simulator: Simulator,
    store: Arc<dyn Store>,
    system: System,
}

fn app() -> AppId {
    AppId::new("shop").unwrap()
}

fn ada() -> UserId {
    UserId::new("ada").unwrap()
}

fn config() -> Config {
    Config {
        admission: admission::Limits::default(),
        revocations: revocations::Limits::default(),
        notifications: notifications::Limits::default(),
        campaigns: fanfare_actors::campaigns::Limits::default(),
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
        fleet: fanfare_actors::fleet::Config::default(),
        call_timeout: Duration::from_secs(5),
    }
}

fn shop(material: &Material, simulator: &Simulator) -> App {
    let tls = tls::Client::new(Some(material.ca_pem.as_bytes()), None).unwrap();
    let endpoint = |port| Endpoint {
        host: "localhost".to_owned(),
        port,
    };
    let addresses = simulator.addresses();
    let key = &material.apns_key;
    let account = material.service_account_json(&addresses.token_uri());
    let signer = apns::Signer::new(key.p8.as_bytes(), &key.key_id, &key.team_id);
    App {
        id: app(),
        on_dead_token: OnDeadToken::Invalidate,
        registration: registration::Policy {
            address_sharing: false,
            devices_per_user_max: 1_000,
            deactivate_after: 5,
        },
        apns: Some(Arc::new(ApnsCredential {
            signer: Some(signer.unwrap()),
            tls: tls.clone(),
            topic: material.topic.clone(),
            production: endpoint(addresses.apns.port()),
            sandbox: endpoint(addresses.apns.port()),
            connections_max: 2,
        })),
        fcm: Some(Arc::new(FcmCredential {
            account: fcm::ServiceAccount::parse(account.as_bytes()).unwrap(),
            tls,
            endpoint: endpoint(addresses.fcm.port()),
            connections_max: 2,
            rate_max: 10_000,
        })),
    }
}

async fn stage() -> Stage {
    let material = Material::generate().unwrap();
    let mut simulated = material.config();
    simulated.dead_prefix = Some("dead".to_owned());
    let simulator = Simulator::start(simulated).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = embedded::open(&embedded::Config::at(&dir.path().join("db"))).unwrap();
    Stage {
        system: spawn(&material, &simulator, &store).await,
        material,
        simulator,
        store,
        _dir: dir,
    }
}

async fn spawn(material: &Material, simulator: &Simulator, store: &Arc<dyn Store>) -> System {
    let apps = vec![shop(material, simulator)];
    let (telemetry, clock) = (Telemetry::new(), Clock::system());
    let system = System::spawn(config(), apps, store.clone(), telemetry, clock, Vec::new());
    system.await.unwrap()
}

impl Stage {
    async fn crowd(&self) {
        let registry = self.system.registry();
        for n in 0..DEVICES {
            let (channel, platform) = match n % 2 {
                0 => (Channel::IosPush, Platform::Ios),
                _ => (Channel::Fcm, Platform::Android),
            };
            let prefix = if matches!(n % 20, 0 | 11) {
                "dead"
            } else {
                "abcd"
            };
            let token = format!("{prefix}{n:060x}");
            let kind = AddressKind::RegistrationToken;
            let command = Register {
                device_key: None,
                address: Address::new(channel, kind, Environment::Production, &token),
                platform: Some(platform),
                tenant: None,
                meta: Meta::default(),
                tags: None,
            };
            registry.register(&app(), &ada(), command).await.unwrap();
        }
    }

    async fn send(&self) -> NotificationId {
        send(&self.system).await
    }

    async fn settled(&self, id: NotificationId) -> View {
        let notifications = self.system.notifications();
        eventually("every delivery ends", async || {
            let view = notifications.view(&app(), id).await.unwrap().unwrap();
            view.counts.waiting + view.counts.in_flight == 0
        })
        .await;
        notifications.view(&app(), id).await.unwrap().unwrap()
    }
}

async fn send(system: &System) -> NotificationId {
    let message = r#"{"title": "hello", "body": "world"}"#;
    let new = NewNotification {
        app: app(),
        to: To::Users(vec![ada()]),
        message: serde_json::from_str::<Message>(message).unwrap(),
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
    };
    let accepted = system.notifications().accept(new).await;
    accepted.unwrap().id
}

/// Waits for a condition; fails after 20 s.
async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn from_accept_to_both_providers_and_back() {
    let stage = stage().await;
    stage.crowd().await;
    let first = stage.send().await;
    let view = stage.settled(first).await;
    assert_eq!((view.counts.delivered, view.counts.dead), (LIVING, DEAD));
    let totals = stage.simulator.books().totals();
    assert_eq!(totals.apns.accepted + totals.fcm.accepted, LIVING);
    assert_eq!(totals.apns.duplicates, 0);

    // The dead are cleaned, so the next one goes to the living only.
    eventually("the dead are buried", async || {
        let rows = stage.store.devices_of(&app(), vec![ada()]).await.unwrap();
        let invalid = |row: &&fanfare_types::Device| row.status == Status::Invalid;
        rows.iter().filter(invalid).count() as u64 == DEAD
    })
    .await;
    let view = stage.settled(stage.send().await).await;
    assert_eq!((view.recipients, view.counts.delivered), (LIVING, LIVING));

    let stats = stage.system.stats().await.unwrap();
    assert_eq!(stats.permits_taken, 0);
    assert!(stats.pools.iter().all(|pool| pool.in_flight == 0));
    assert!(stage.system.unready().await.is_empty());
    assert!(stage.system.drain(Duration::from_secs(10)).await.in_time);
    stage.simulator.shutdown().await;
}

#[tokio::test]
async fn a_graceful_restart_loses_nothing_and_sends_nothing_twice() {
    let mut stage = stage().await;
    stage.crowd().await;
    let mut sent = Vec::new();
    for round in 0..6 {
        sent.push(stage.send().await);
        if round % 2 == 1 {
            assert!(stage.system.drain(Duration::from_secs(10)).await.in_time);
            stage.system = spawn(&stage.material, &stage.simulator, &stage.store).await;
        }
    }
    let mut delivered = 0;
    for id in sent {
        let counts = stage.settled(id).await.counts;
        assert_eq!((counts.expired, counts.rejected, counts.failed), (0, 0, 0));
        assert_eq!(counts.delivered, LIVING);
        delivered += counts.delivered;
    }
    let totals = stage.simulator.books().totals();
    assert_eq!(totals.apns.accepted + totals.fcm.accepted, delivered);
    assert_eq!(totals.apns.duplicates, 0);
    assert!(stage.system.drain(Duration::from_secs(10)).await.in_time);
    stage.simulator.shutdown().await;
}

#[tokio::test]
async fn what_is_cancelled_ends_at_once_though_the_providers_are_away() {
    let stage = stage().await;
    stage.crowd().await;
    let Stage {
        simulator, system, ..
    } = stage;
    simulator.shutdown().await;
    let id = send(&system).await;
    eventually("all of them wait", async || {
        let pools = system.stats().await.unwrap().pools;
        let waiting = pools.iter().map(|pool| pool.waiting + pool.retrying);
        waiting.sum::<usize>() == DEVICES
    })
    .await;
    // Longer than the way to the pools takes, shorter than their thorough sweep.
    let cancelled_at = Instant::now();
    let notifications = system.notifications();
    notifications.cancel(&app(), id).await.unwrap().unwrap();
    eventually("permits come back", async || {
        system.stats().await.unwrap().permits_taken == 0
    })
    .await;
    assert!(cancelled_at.elapsed() < Duration::from_secs(1));
    let view = notifications.view(&app(), id).await.unwrap().unwrap();
    assert_eq!(view.counts.cancelled, DEVICES as u64);
    assert!(system.unready().await.is_empty(), "nobody was refused");
    assert!(system.drain(Duration::from_secs(10)).await.in_time);
}

#[tokio::test]
async fn a_refused_credential_is_named_until_it_is_taken() {
    let stage = stage().await;
    stage.crowd().await;
    let refuse = Rule {
        when: When {
            provider: Some(Provider::Oauth),
            first: Some(1),
            ..When::default()
        },
        then: Reaction::Answer(Reply::new(400, "invalid_grant")),
        ..Rule::default()
    };
    stage.simulator.set_rules(vec![refuse]).unwrap();
    let id = stage.send().await;
    eventually("it is named", async || {
        stage.system.unready().await == ["credential:shop/fcm"]
    })
    .await;
    assert_eq!(stage.settled(id).await.counts.delivered, LIVING);
    assert!(stage.system.unready().await.is_empty());
}
