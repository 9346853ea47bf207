//! Every metric of Fanfare: name, kind, labels and help, in one place. `docs/metrics.md` is this list in print.
//!
//! No label ever holds a user, an address, a device or a message: `app` is a configured app, and every other
//! label takes one of a few words of the code (or, for `route`, a template of the API).

/// What kind of series a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    /// A distribution of seconds.
    Histogram,
    Info,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        }
    }
}

/// One metric as it is exposed.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name in a query; for a histogram, without `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(crate) const $id: Metric = Metric {
            name: concat!("fanfare_", $name),
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)+

        /// All metrics, in the order of `docs/metrics.md`.
        pub const ALL: &[Metric] = &[$($id),+];
    };
}

metrics! {
    NOTIFICATIONS_ACCEPTED = Counter "notifications_accepted_total" ["app", "lane"]
        "Notifications accepted: durable in the journal and answered with 202";
    DELIVERIES_ACCEPTED = Counter "deliveries_accepted_total" ["app", "lane"]
        "Deliveries of accepted notifications, one for each endpoint";
    REFUSED = Counter "refused_total" ["app", "scope"]
        "Requests refused for want of room, by the limit that was reached";
    DELIVERIES_ENDED = Counter "deliveries_ended_total" ["app", "channel", "outcome"]
        "Deliveries that have their one terminal outcome";
    VERDICTS = Counter "verdicts_total" ["app", "channel", "verdict"]
        "Attempts by what the provider's answer (or its absence) meant";
    PROVIDER_SECONDS = Histogram "provider_answer_seconds" ["channel"]
        "From handing a push to a connection until the provider's answer";
    ANSWERED_SECONDS = Histogram "accepted_to_answer_seconds" ["lane"]
        "From accepting a notification until the provider's answer that ended the delivery";
    CONNECTIONS_OPEN = Gauge "connections_open" ["app", "channel"]
        "Connections to providers that are open now";
    CONNECTIONS_OPENED = Counter "connections_opened_total" ["app", "channel"]
        "Connections to providers that were opened";
    CONNECTIONS_CLOSED = Counter "connections_closed_total" ["app", "channel", "cause"]
        "Connections to providers that were closed, by cause";
    TOKEN_RENEWALS = Counter "provider_token_renewals_total" ["app", "channel", "result"]
        "Renewals of the short-lived provider token";
    REGISTRATIONS = Counter "registrations_total" ["app", "kind"]
        "Registrations of devices that became durable";
    DEVICES_CLEANED = Counter "devices_cleaned_total" ["app", "cause"]
        "Devices marked or removed without their owner asking, by cause";
    SUSPECTS_GUARD = Gauge "suspects_guard_tripped" ["app", "channel"]
        "1 while so many addresses are suspect that the credential is taken to be wrong and no device is cleaned";
    STORE_WRITES = Counter "store_writes_total" []
        "Writes that the store made durable";
    STORE_COMMITS = Counter "store_commits_total" []
        "Commits of the store; one commit makes many writes durable";
    STORE_COMMIT_SECONDS = Histogram "store_commit_seconds" []
        "How long a commit of the store took";
    PERMITS_TAKEN = Gauge "permits_taken" []
        "Deliveries in memory now";
    PERMITS_MAX = Gauge "permits_max" []
        "Most deliveries that may be in memory";
    CAMPAIGNS_RUNNING = Gauge "campaigns_running" []
        "Campaigns that have a run now";
    CAMPAIGN_RECIPIENTS = Counter "campaign_recipients_opened_total" ["app"]
        "Recipients of campaigns opened: written down, and sent whatever happens next";
    USERS_ACTIVE = Gauge "users_active" []
        "User actors alive now";
    CLOCK_AHEAD = Gauge "clock_ahead_seconds" []
        "How far the machine's clock is ahead of the gateway's (negative: behind it), which follows slowly when it is set";
    ACTOR_RESTARTS = Counter "actor_restarts_total" ["actor"]
        "Actors that died and were started again by their supervisor";
    CONFIG_RELOADS = Counter "config_reloads_total" ["result"]
        "Times the configuration was read again, by what came of it: applied, deferred to a restart, unchanged or refused";
    CONFIG_LOADED = Gauge "config_loaded_timestamp_seconds" []
        "When the configuration was last read and taken, in seconds since 1970";
    CONFIG_RESTART_NEEDED = Gauge "config_restart_needed" []
        "Settings of the file that only a restart will put into force";
    HTTP_REQUESTS = Counter "http_requests_total" ["route", "method", "status"]
        "HTTP requests answered, by route template, method and status class";
    HTTP_SECONDS = Histogram "http_request_seconds" ["route"]
        "From the request's head to the answer's, by route template";
    BUILD = Info "build_info" ["version"]
        "The version that is running";
}

/// The table of `docs/metrics.md`.
pub fn to_markdown() -> String {
    let row = |metric: &Metric| {
        let labels: Vec<_> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        format!(
            "| `{}` | {} | {} | {} |\n",
            metric.name,
            metric.kind.as_str(),
            labels.join(", "),
            metric.help
        )
    };
    let head = "| metric | kind | labels | meaning |\n|---|---|---|---|\n";
    head.to_owned() + &ALL.iter().map(row).collect::<String>()
}
