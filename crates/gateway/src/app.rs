//! The application: built from a checked configuration, run, and drained from source to sink.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fanfare_actors::{App as ActorsApp, System, system};
use fanfare_core::{admission, cleanup, revocations};
use fanfare_ingress::{AppDoor, Handles};
use fanfare_store::{Store, embedded};
use fanfare_telemetry::Telemetry;
use fanfare_types::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, Settings};
use crate::senders::Senders;

/// The name of the embedded store's file in `data_dir`.
pub const STORE_FILE: &str = "fanfare.db";

/// A gateway that serves.
pub struct App {
    pub api: SocketAddr,
    pub admin: Option<SocketAddr>,
    system: Arc<System>,
    store: Arc<dyn Store>,
    shutdown: watch::Sender<bool>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
    drain_timeout: Duration,
    /// Ended last: connections live on these threads.
    _senders: Senders,
}

impl App {
    /// Binds the listeners, opens the store, starts everything. Nothing is left running on an error.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let Config { settings, apps } = config;
        let api = bind(settings.listen, "listen").await?;
        let admin = match settings.admin {
            Some(address) => Some(bind(address, "admin").await?),
            None => None,
        };
        let store = open_store(&settings)?;
        let senders = Senders::start(settings.sender_threads)?;
        let (doors, apps): (Vec<AppDoor>, Vec<ActorsApp>) = apps.into_iter().unzip();
        let telemetry = Telemetry::new();
        let clock = Clock::system();
        let system = System::spawn(
            system_config(&settings),
            apps,
            store.clone(),
            telemetry.clone(),
            clock.clone(),
            senders.runtimes(),
        );
        let system = Arc::new(system.await.context("starting the actors")?);
        let handles = Handles {
            system: system.clone(),
            telemetry,
            clock,
        };
        let ingress = ingress_config(&settings, doors);
        let (shutdown, _) = watch::channel(false);
        let addresses = (
            api.local_addr()?,
            admin.as_ref().map(TcpListener::local_addr).transpose()?,
        );
        let servers = serve(api, admin, &ingress, &handles, &shutdown);
        let drain_timeout = settings.drain_timeout;
        let (api, admin) = addresses;
        Ok(App {
            api,
            admin,
            system,
            store,
            shutdown,
            servers,
            drain_timeout,
            _senders: senders,
        })
    }

    /// Resolves when the gateway cannot go on, with the reason.
    pub async fn failed(&self) -> String {
        self.system.failed().await
    }

    /// Drains from source to sink: the API stops accepting and finishes its requests, what was handed over gets
    /// its answer, outcomes are journaled, the store closes. Returns whether all ended within `drain_timeout`.
    pub async fn drain(self) -> anyhow::Result<bool> {
        self.shutdown.send_replace(true);
        let servers = async {
            for server in self.servers {
                server
                    .await
                    .context("an API server panicked")?
                    .context("an API server failed")?;
            }
            anyhow::Ok(())
        };
        let in_time = match tokio::time::timeout(self.drain_timeout, servers).await {
            Ok(ended) => {
                ended?;
                true
            }
            Err(_) => false,
        };
        let drained = self.system.drain(self.drain_timeout).await;
        self.store.close().await.context("closing the store")?;
        Ok(in_time && drained)
    }
}

async fn bind(address: SocketAddr, name: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (`{name}`)"))
}

fn open_store(settings: &Settings) -> anyhow::Result<Arc<dyn Store>> {
    let directory = &settings.data_dir;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the data directory {}", directory.display()))?;
    let path = directory.join(STORE_FILE);
    let config = embedded::Config {
        readers: settings.store.readers,
        queue_max: settings.store.queue_max,
        group_max: settings.store.group_max,
        cache_bytes: settings.store.cache_bytes,
        ..embedded::Config::at(&path)
    };
    embedded::open(&config).with_context(|| format!("cannot open the store {}", path.display()))
}

fn serve(
    api: TcpListener,
    admin: Option<TcpListener>,
    config: &fanfare_ingress::Config,
    handles: &Handles,
    shutdown: &watch::Sender<bool>,
) -> Vec<JoinHandle<std::io::Result<()>>> {
    let stopped = || {
        let mut stop = shutdown.subscribe();
        async move {
            // A sender that is gone means the same.
            drop(stop.wait_for(|stop| *stop).await);
        }
    };
    let (api_config, api_handles, operations) = (config.clone(), handles.clone(), admin.is_none());
    let mut servers = vec![tokio::spawn(fanfare_ingress::serve(
        api,
        api_config,
        api_handles,
        operations,
        stopped(),
    ))];
    if let Some(admin) = admin {
        let server =
            fanfare_ingress::serve_operations(admin, config.clone(), handles.clone(), stopped());
        servers.push(tokio::spawn(server));
    }
    servers
}

fn ingress_config(settings: &Settings, doors: Vec<AppDoor>) -> fanfare_ingress::Config {
    let limits = &settings.limits;
    fanfare_ingress::Config {
        apps: doors.into(),
        body_bytes_max: limits.body_bytes_max,
        bodies_bytes_max: limits.bodies_bytes_max,
        requests_max: limits.requests_max,
        targets_max: limits.targets_max,
        connections_max: limits.connections_max,
        request_timeout: limits.request_timeout,
        idle_timeout: limits.idle_timeout,
        ttl_default: limits.ttl_default,
        ttl_max: limits.ttl_max,
    }
}

fn system_config(settings: &Settings) -> system::Config {
    let (limits, registry, journal) = (&settings.limits, &settings.registry, &settings.journal);
    system::Config {
        admission: admission::Limits {
            deliveries_max: limits.deliveries_max,
            deliveries_per_app_max: limits.deliveries_per_app_max,
            bulk_share: limits.bulk_share,
        },
        revocations: revocations::Limits {
            fresh_for: limits.fresh_for,
            entries_max: limits.revocations_max,
        },
        notifications: fanfare_actors::notifications::Limits {
            idempotency_ttl: limits.idempotency_ttl,
            room_wait: limits.room_wait,
            room_waiting_max: limits.room_waiting_max,
        },
        registry: system::RegistryConfig {
            shards: registry.shards,
            passivate_after: registry.passivate_after,
            user_queue_max: registry.user_queue_max,
            users_max: registry.users_max,
            stale_after: registry.stale_after,
            retention: registry.retention,
            sweep_every: registry.sweep_every,
        },
        journal: system::JournalConfig {
            flush_after: journal.flush_after,
            flush_count: journal.flush_count,
            facts_after: journal.facts_after,
            facts_max: journal.facts_max,
            retention: journal.retention,
        },
        cleanup: cleanup::Limits {
            suspect_share_max: settings.cleanup.suspect_share_max,
            window: settings.cleanup.suspect_window,
            suspect_hold: settings.cleanup.suspect_hold,
            ..cleanup::Limits::default()
        },
        link: fanfare_link::Config {
            connect_timeout: settings.link.connect_timeout,
            request_timeout: settings.link.request_timeout,
            streams_max: u32::try_from(settings.link.streams_max).unwrap_or(u32::MAX),
            queue_max: settings.link.queue_max,
            ping_after: Some(settings.link.ping_after),
            ping_timeout: settings.link.ping_timeout,
            answer_bytes_max: settings.link.answer_bytes_max,
            write_buffer_bytes: settings.link.write_buffer_bytes,
            ..fanfare_link::Config::default()
        },
        call_timeout: limits.call_timeout,
    }
}
