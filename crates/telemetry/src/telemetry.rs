//! The events of the gateway, and their text for a scrape.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_types::{AppId, Channel, Lane, Outcome, Timestamp, Verdict};
use parking_lot::RwLock;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::metrics;
use crate::sender::Sender;
use crate::series::{Counters, Gauges, Histogram, Histograms, register, single};
use crate::words::{Cleanup, Registration, Reload};

/// The gateway's metrics. Cheap to clone; counting is an atomic addition, and where it happens for every push
/// (see [`Telemetry::sender`]) without a look-up.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: Families,
    store_writes: Counter,
    store_commits: Counter,
    store_commit_seconds: Histogram,
    permits_taken: Gauge,
    permits_max: Gauge,
    campaigns_running: Gauge,
    users_active: Gauge,
    config_loaded: Gauge,
    config_restart_needed: Gauge,
    clock_ahead: Gauge,
    answered: [Histogram; 2],
    senders: RwLock<HashMap<(AppId, Channel), Arc<Sender>>>,
    accepted: RwLock<HashMap<(AppId, Lane), (Counter, Counter)>>,
}

/// The metrics that have labels.
pub(crate) struct Families {
    notifications_accepted: Counters,
    deliveries_accepted: Counters,
    refused: Counters,
    pub(crate) deliveries_ended: Counters,
    pub(crate) verdicts: Counters,
    pub(crate) provider_seconds: Histograms,
    pub(crate) connections_open: Gauges,
    pub(crate) connections_opened: Counters,
    connections_closed: Counters,
    token_renewals: Counters,
    registrations: Counters,
    devices_cleaned: Counters,
    suspects_guard: Gauges,
    campaign_recipients: Counters,
    actor_restarts: Counters,
    config_reloads: Counters,
    http_requests: Counters,
    http_seconds: Histograms,
}

impl Families {
    fn new(registry: &mut Registry) -> Self {
        Families {
            notifications_accepted: Counters::new(registry, metrics::NOTIFICATIONS_ACCEPTED),
            deliveries_accepted: Counters::new(registry, metrics::DELIVERIES_ACCEPTED),
            refused: Counters::new(registry, metrics::REFUSED),
            deliveries_ended: Counters::new(registry, metrics::DELIVERIES_ENDED),
            verdicts: Counters::new(registry, metrics::VERDICTS),
            provider_seconds: Histograms::new(registry, metrics::PROVIDER_SECONDS),
            connections_open: Gauges::new(registry, metrics::CONNECTIONS_OPEN),
            connections_opened: Counters::new(registry, metrics::CONNECTIONS_OPENED),
            connections_closed: Counters::new(registry, metrics::CONNECTIONS_CLOSED),
            token_renewals: Counters::new(registry, metrics::TOKEN_RENEWALS),
            registrations: Counters::new(registry, metrics::REGISTRATIONS),
            devices_cleaned: Counters::new(registry, metrics::DEVICES_CLEANED),
            suspects_guard: Gauges::new(registry, metrics::SUSPECTS_GUARD),
            campaign_recipients: Counters::new(registry, metrics::CAMPAIGN_RECIPIENTS),
            actor_restarts: Counters::new(registry, metrics::ACTOR_RESTARTS),
            config_reloads: Counters::new(registry, metrics::CONFIG_RELOADS),
            http_requests: Counters::new(registry, metrics::HTTP_REQUESTS),
            http_seconds: Histograms::new(registry, metrics::HTTP_SECONDS),
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Telemetry::new()
    }
}

impl Telemetry {
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let families = Families::new(&mut registry);
        let version = vec![(metrics::BUILD.labels[0], env!("CARGO_PKG_VERSION"))];
        register(&mut registry, metrics::BUILD, Info::new(version));
        let answered = Histograms::new(&mut registry, metrics::ANSWERED_SECONDS);
        Telemetry(Arc::new(Inner {
            store_writes: single(&mut registry, metrics::STORE_WRITES),
            store_commits: single(&mut registry, metrics::STORE_COMMITS),
            store_commit_seconds: single(&mut registry, metrics::STORE_COMMIT_SECONDS),
            permits_taken: single(&mut registry, metrics::PERMITS_TAKEN),
            permits_max: single(&mut registry, metrics::PERMITS_MAX),
            campaigns_running: single(&mut registry, metrics::CAMPAIGNS_RUNNING),
            users_active: single(&mut registry, metrics::USERS_ACTIVE),
            config_loaded: single(&mut registry, metrics::CONFIG_LOADED),
            config_restart_needed: single(&mut registry, metrics::CONFIG_RESTART_NEEDED),
            clock_ahead: single(&mut registry, metrics::CLOCK_AHEAD),
            answered: [Lane::Urgent, Lane::Bulk].map(|lane| answered.with(&[lane.as_str()])),
            senders: RwLock::default(),
            accepted: RwLock::default(),
            families,
            registry,
        }))
    }

    /// Everything in the OpenMetrics 1.0 text format; [`crate::CONTENT_TYPE`] goes with it.
    pub fn encode(&self) -> String {
        let mut out = String::with_capacity(16 << 10);
        text::encode(&mut out, &self.0.registry).expect("writing to a String cannot fail");
        out
    }

    /// The events of one app on one channel, for whoever tells them often.
    pub fn sender(&self, app: &AppId, channel: Channel) -> Arc<Sender> {
        let key = (app.clone(), channel);
        if let Some(sender) = self.0.senders.read().get(&key) {
            return sender.clone();
        }
        let mut senders = self.0.senders.write();
        let made = || {
            Arc::new(Sender::new(
                &self.0.families,
                app.as_str(),
                channel.as_str(),
            ))
        };
        senders.entry(key).or_insert_with(made).clone()
    }

    /// A notification became durable, with this many deliveries.
    pub fn accepted(&self, app: &AppId, lane: Lane, deliveries: usize) {
        let key = (app.clone(), lane);
        let known = self.0.accepted.read().get(&key).cloned();
        let (notifications, of_them) = known.unwrap_or_else(|| {
            let labels = [app.as_str(), lane.as_str()];
            let families = &self.0.families;
            let series = (
                families.notifications_accepted.with(&labels),
                families.deliveries_accepted.with(&labels),
            );
            self.0.accepted.write().insert(key, series.clone());
            series
        });
        notifications.inc();
        of_them.inc_by(deliveries as u64);
    }

    /// A request found no room. `scope` is the word of the limit that was reached.
    pub fn refused(&self, app: &AppId, scope: &'static str) {
        self.0.families.refused.with(&[app.as_str(), scope]).inc();
    }

    /// An attempt came back, with this meaning.
    pub fn verdict(&self, app: &AppId, channel: Channel, verdict: Verdict) {
        self.sender(app, channel).verdict(verdict, 1);
    }

    /// A delivery has its outcome.
    pub fn ended(&self, app: &AppId, channel: Channel, outcome: Outcome) {
        self.sender(app, channel).ended(outcome, 1);
    }

    /// So many deliveries were ended by the provider's answers this long after they were accepted.
    pub fn answered(&self, lane: Lane, time: Duration, count: u64) {
        let series = match lane {
            Lane::Urgent => &self.0.answered[0],
            Lane::Bulk => &self.0.answered[1],
        };
        series.observe(time, count);
    }

    /// A connection to a provider is up.
    pub fn connection_opened(&self, app: &AppId, channel: Channel) {
        let sender = self.sender(app, channel);
        sender.opened.inc();
        sender.open.inc();
    }

    /// A connection that was up is gone. `cause` is one of a few words of the code.
    pub fn connection_closed(&self, app: &AppId, channel: Channel, cause: &'static str) {
        self.sender(app, channel).open.dec();
        let labels = [app.as_str(), channel.as_str(), cause];
        self.0.families.connections_closed.with(&labels).inc();
    }

    /// A provider token was renewed, or could not be.
    pub fn provider_token(&self, app: &AppId, channel: Channel, renewed: bool) {
        let result = if renewed { "renewed" } else { "failed" };
        let labels = [app.as_str(), channel.as_str(), result];
        self.0.families.token_renewals.with(&labels).inc();
    }

    /// A registration is durable.
    pub fn registered(&self, app: &AppId, kind: Registration) {
        let labels = [app.as_str(), kind.as_str()];
        self.0.families.registrations.with(&labels).inc();
    }

    /// A device was marked or removed without its owner asking.
    pub fn device_cleaned(&self, app: &AppId, cause: Cleanup) {
        let labels = [app.as_str(), cause.as_str()];
        self.0.families.devices_cleaned.with(&labels).inc();
    }

    /// The guard against a wrong key stops cleaning (`true`), or lets it go on.
    pub fn suspects_guard(&self, app: &AppId, channel: Channel, tripped: bool) {
        let labels = [app.as_str(), channel.as_str()];
        let gauge = self.0.families.suspects_guard.with(&labels);
        gauge.set(i64::from(tripped));
    }

    /// One commit made this many writes durable.
    pub fn store_committed(&self, writes: usize, time: Duration) {
        self.0.store_commits.inc();
        self.0.store_writes.inc_by(writes as u64);
        self.0.store_commit_seconds.observe(time, 1);
    }

    /// How much room for deliveries is taken, of how much. Told before a scrape.
    pub fn permits(&self, taken: usize, max: usize) {
        self.0.permits_taken.set(saturated(taken));
        self.0.permits_max.set(saturated(max));
    }

    /// The gateway's time and the machine's, of one moment. Told before a scrape.
    pub fn clock(&self, now: Timestamp, wall: Timestamp) {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let ahead = seconds(wall.since(now)) - seconds(now.since(wall));
        self.0.clock_ahead.set(ahead);
    }

    /// So many campaigns have a run.
    pub fn campaigns_running(&self, count: usize) {
        self.0.campaigns_running.set(saturated(count));
    }

    /// A chunk of a campaign was opened, with so many recipients.
    pub fn campaign_opened(&self, app: &AppId, recipients: usize) {
        let series = self.0.families.campaign_recipients.with(&[app.as_str()]);
        series.inc_by(recipients as u64);
    }

    /// A user's actor came to life.
    pub fn user_started(&self) {
        self.0.users_active.inc();
    }

    /// A user's actor went away.
    pub fn user_stopped(&self) {
        self.0.users_active.dec();
    }

    /// An actor died and is started again. `actor` is its file's name.
    pub fn actor_restarted(&self, actor: &'static str) {
        self.0.families.actor_restarts.with(&[actor]).inc();
    }

    /// The configuration was read and taken, and so many of its settings wait for a restart.
    pub fn config_loaded(&self, at: Timestamp, waiting: usize) {
        let seconds = i64::try_from(at.as_seconds()).unwrap_or(i64::MAX);
        self.0.config_loaded.set(seconds);
        self.0.config_restart_needed.set(saturated(waiting));
    }

    /// The configuration was read again.
    pub fn config_reloaded(&self, reload: Reload) {
        let result = [reload.as_str()];
        self.0.families.config_reloads.with(&result).inc();
    }

    /// A request was answered. `route` is the route's template, never the path asked for; a method that HTTP
    /// does not define counts as `other`.
    pub fn http(&self, route: &str, method: &str, status: u16, time: Duration) {
        const METHODS: [&str; 9] = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
        ];
        let method = METHODS.iter().find(|known| **known == method);
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let labels = [route, method.copied().unwrap_or("other"), class];
        self.0.families.http_requests.with(&labels).inc();
        self.0.families.http_seconds.with(&[route]).observe(time, 1);
    }
}

fn saturated(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}
