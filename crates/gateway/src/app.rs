//! The application: built from a checked configuration, run, and drained from source to sink.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fanfare_actors::system::Drained;
use fanfare_actors::{App as ActorsApp, System, system};
use fanfare_core::{admission, cleanup, pool, ramp, revocations};
use fanfare_ingress::{AppDoor, Handles, InForce};
use fanfare_store::Store;
use fanfare_telemetry::Telemetry;
use fanfare_types::Clock;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::clock;
use crate::config::{self, Config, Settings};
use crate::senders::Senders;
use crate::storage;
use crate::vitals::Vitals;

/// How long answers may be on their way to their callers, and connections may take to close, when all else has
/// ended. A request that is not whole by then was not accepted.
const SERVERS_END: Duration = Duration::from_secs(1);

/// Longest drain of a gateway that cannot go on: what can still be finished is, and the process is not held up.
const FAILED_DRAIN: Duration = Duration::from_secs(3);

/// A gateway that serves.
pub struct App {
    pub api: SocketAddr,
    pub admin: Option<SocketAddr>,
    /// Held while another configuration takes over.
    pub(crate) in_force: Mutex<Config>,
    pub(crate) entrance: InForce,
    pub(crate) system: Arc<System>,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
    store: Arc<dyn Store>,
    shutdown: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    vitals: Vitals,
    /// Ended last: connections live on these threads.
    _senders: Senders,
}

impl App {
    /// Binds the listeners, opens the store, starts everything; until a cluster can be reached, it answers that it is
    /// not ready. Nothing is left running on an error.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        App::start_at(config, clock::system()).await
    }

    /// As [`App::start`], by another clock than the machine's.
    pub async fn start_at(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let settings = &config.settings;
        let api = bind(settings.listen, "listen").await?;
        let admin = match settings.admin {
            Some(address) => Some(bind(address, "admin").await?),
            None => None,
        };
        let telemetry = Telemetry::new();
        let store = Box::pin(store(settings, &telemetry, &api, admin.as_ref())).await?;
        let vitals = Vitals::default();
        let senders = Senders::start(settings.sender_threads, &vitals)?;
        let (doors, apps): (Vec<AppDoor>, Vec<ActorsApp>) = config.apps.iter().cloned().unzip();
        let entrance = InForce::new(ingress_config(settings, doors)).context("making the doors")?;
        let system = System::spawn(
            system_config(settings),
            apps,
            store.clone(),
            telemetry.clone(),
            clock.clone(),
            senders.runtimes(),
        );
        let system = Arc::new(system.await.context("starting the actors")?);
        let handles = Handles {
            system: system.clone(),
            telemetry: telemetry.clone(),
            clock: clock.clone(),
        };
        let (shutdown, _) = watch::channel(false);
        let addresses = (
            api.local_addr()?,
            admin.as_ref().map(TcpListener::local_addr).transpose()?,
        );
        let servers = serve(api, admin, &entrance, &handles, &shutdown, &vitals);
        telemetry.config_loaded(clock.wall(), 0);
        let (api, admin) = addresses;
        Ok(App {
            api,
            admin,
            in_force: Mutex::new(config),
            entrance,
            system,
            telemetry,
            clock,
            store,
            shutdown,
            servers,
            vitals,
            _senders: senders,
        })
    }

    /// Resolves when the gateway cannot go on, with the reason: an actor died too often, a server or a sender thread
    /// is gone.
    pub async fn failed(&self) -> String {
        tokio::select! {
            why = self.system.failed() => why,
            why = self.vitals.wait() => why,
        }
    }

    /// Drains from source to sink, within `drain_timeout` (and a moment): the API refuses what is new and finishes
    /// its requests, what was handed over gets its answer, outcomes are journaled, connections close, the store
    /// closes. Until then health and readiness are answered.
    ///
    /// # Errors
    /// When the store cannot be closed.
    pub async fn drain(self) -> anyhow::Result<Drained> {
        let timeout = self.drain_timeout().await;
        self.drain_within(timeout).await
    }

    /// Ends a gateway that cannot go on.
    ///
    /// # Errors
    /// As [`App::drain`].
    pub async fn abandon(self) -> anyhow::Result<()> {
        let timeout = self.drain_timeout().await.min(FAILED_DRAIN);
        self.drain_within(timeout).await.map(drop)
    }

    async fn drain_timeout(&self) -> Duration {
        self.in_force.lock().await.settings.drain_timeout
    }

    async fn drain_within(mut self, timeout: Duration) -> anyhow::Result<Drained> {
        let drained = self.system.drain(timeout).await;
        self.shutdown.send_replace(true);
        let ended = join_all(&mut self.servers);
        if tokio::time::timeout(SERVERS_END, ended).await.is_err() {
            tracing::warn!("connections of the API cut off");
        }
        self.servers.iter().for_each(JoinHandle::abort);
        self.store.close().await.context("closing the store")?;
        Ok(drained)
    }
}

async fn bind(address: SocketAddr, name: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (`{name}`)"))
}

/// The store; callers are answered while it is waited for.
async fn store(
    settings: &Settings,
    telemetry: &Telemetry,
    api: &TcpListener,
    admin: Option<&TcpListener>,
) -> anyhow::Result<Arc<dyn Store>> {
    let config = ingress_config(settings, Vec::new());
    let (stop, _) = watch::channel(false);
    let mut servers = Vec::new();
    let mut answer = |listener: &TcpListener, operations: bool| {
        let (listener, config) = (again(listener)?, config.clone());
        let mut stopped = stop.subscribe();
        servers.push(tokio::spawn(async move {
            let stopped = async { drop(stopped.wait_for(|stopped| *stopped).await) };
            fanfare_ingress::serve_waiting(listener, &config, operations, stopped).await;
        }));
        anyhow::Ok(())
    };
    if settings.store.kind == config::store::Kind::Scylla {
        answer(api, admin.is_none())?;
        admin.map_or(Ok(()), |admin| answer(admin, true))?;
    }
    let opened = storage::wait(settings, telemetry).await;
    stop.send_replace(true);
    join_all(servers).await;
    opened
}

/// The same socket once more.
fn again(listener: &TcpListener) -> anyhow::Result<TcpListener> {
    use std::os::fd::AsFd;
    let copy = listener.as_fd().try_clone_to_owned()?;
    Ok(TcpListener::from_std(copy.into())?)
}

fn serve(
    api: TcpListener,
    admin: Option<TcpListener>,
    entrance: &InForce,
    handles: &Handles,
    shutdown: &watch::Sender<bool>,
    vitals: &Vitals,
) -> Vec<JoinHandle<()>> {
    let stopped = || {
        let mut stop = shutdown.subscribe();
        async move {
            // A sender that is gone means the same.
            drop(stop.wait_for(|stop| *stop).await);
        }
    };
    let shared = || (entrance.clone(), handles.clone());
    let (api_entrance, api_handles) = shared();
    let operations = admin.is_none();
    let server = fanfare_ingress::serve(api, api_entrance, api_handles, operations, stopped());
    let mut servers = vec![spawn_server("API", server, shutdown, vitals)];
    if let Some(admin) = admin {
        let (entrance, handles) = shared();
        let server = fanfare_ingress::serve_operations(admin, entrance, handles, stopped());
        servers.push(spawn_server("admin", server, shutdown, vitals));
    }
    servers
}

/// A server that ends without being told to, however it ends, is a fault.
fn spawn_server(
    name: &'static str,
    server: impl Future<Output = ()> + Send + 'static,
    shutdown: &watch::Sender<bool>,
    vitals: &Vitals,
) -> JoinHandle<()> {
    let (shutdown, vitals) = (shutdown.clone(), vitals.clone());
    let watched = vitals.watch(format!("the {name} server"));
    tokio::spawn(async move {
        server.await;
        if *shutdown.borrow() {
            watched.over();
        }
    })
}

pub(crate) fn ingress_config(settings: &Settings, doors: Vec<AppDoor>) -> fanfare_ingress::Config {
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
        campaigns: fanfare_ingress::config::Campaigns {
            watchers_max: settings.campaigns.watchers_max,
            upload_idle: settings.campaigns.upload_idle,
            upload_rows_max: settings.campaigns.upload_rows_max as u64,
            upload_row_bytes_max: settings.campaigns.upload_row_bytes_max,
        },
    }
}

pub(crate) fn admission_limits(settings: &Settings) -> admission::Limits {
    let limits = &settings.limits;
    admission::Limits {
        deliveries_max: limits.deliveries_max,
        deliveries_per_app_max: limits.deliveries_per_app_max,
        bulk_share: limits.bulk_share,
    }
}

fn system_config(settings: &Settings) -> system::Config {
    let (limits, registry, journal) = (&settings.limits, &settings.registry, &settings.journal);
    system::Config {
        admission: admission_limits(settings),
        revocations: revocations::Limits {
            fresh_for: limits.fresh_for,
            entries_max: limits.revocations_max,
        },
        campaigns: fanfare_actors::campaigns::Limits {
            unfinished_max: settings.campaigns.unfinished_max as u64,
            window: settings.campaigns.window,
            upload_rows_max: settings.campaigns.upload_rows_max as u64,
            facts: settings.campaigns.facts,
            idempotency_ttl: limits.idempotency_ttl,
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
            engine: settings.link.codec,
            ..fanfare_link::Config::default()
        },
        recovery: pool::Recovery {
            reconnect_min: settings.link.reconnect_min,
            reconnect_max: settings.link.reconnect_max,
            ramp: ramp::Limits {
                start: u32::try_from(settings.link.ramp_start).unwrap_or(u32::MAX),
                ..ramp::Limits::default()
            },
            ..pool::Recovery::default()
        },
        fleet: fleet_config(settings),
        call_timeout: limits.call_timeout,
    }
}

fn fleet_config(settings: &Settings) -> fanfare_actors::fleet::Config {
    let fleet = &settings.fleet;
    fanfare_actors::fleet::Config {
        name: fleet.name.clone().unwrap_or_else(host_name),
        limits: fanfare_core::fleet::Limits {
            lease: fleet.lease,
            settle: fleet.settle,
            poll: fleet.poll,
            ..fanfare_core::fleet::Limits::default()
        },
    }
}

/// As the system has it (`proc(5)`); in a container, its own.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name.unwrap_or_default().trim().to_owned();
    match name.is_empty() {
        true => "fanfare".to_owned(),
        false => name,
    }
}
