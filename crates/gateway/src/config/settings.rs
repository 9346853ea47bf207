//! Everything but the apps: addresses, limits, times. `Default` is what an empty file means, and
//! `fanfare.example.toml` says the same with a comment on each line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use fanfare_link::Engine;
use fanfare_telemetry::logs;

use super::campaigns::{self, Campaigns};
use super::fleet::{self, Fleet};
use super::limits::{self, Limits};
use super::section::Section;
use super::store::{self, Store};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub listen: SocketAddr,
    pub admin: Option<SocketAddr>,
    pub data_dir: PathBuf,
    pub drain_timeout: Duration,
    /// Threads that send; each runs its own connections.
    pub sender_threads: usize,
    pub store: Store,
    pub fleet: Fleet,
    pub limits: Limits,
    pub campaigns: Campaigns,
    pub registry: Registry,
    pub journal: Journal,
    pub cleanup: Cleanup,
    pub link: Link,
    pub log: Log,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Registry {
    pub devices_per_user_max: usize,
    pub shards: usize,
    pub users_max: usize,
    pub user_queue_max: usize,
    pub passivate_after: Duration,
    pub stale_after: Duration,
    pub retention: Option<Duration>,
    pub sweep_every: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    pub flush_after: Duration,
    pub flush_count: usize,
    pub retention: Duration,
    pub facts_after: Duration,
    pub facts_max: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Cleanup {
    pub suspect_share_max: f64,
    pub suspect_window: Duration,
    pub suspect_hold: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// What speaks HTTP/2 to providers.
    pub codec: Engine,
    pub connect_timeout: Duration,
    pub reconnect_min: Duration,
    pub reconnect_max: Duration,
    pub ramp_start: usize,
    pub request_timeout: Duration,
    pub streams_max: usize,
    pub queue_max: usize,
    pub ping_after: Duration,
    pub ping_timeout: Duration,
    pub answer_bytes_max: usize,
    pub write_buffer_bytes: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    pub level: String,
    pub format: logs::Format,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: None,
            data_dir: PathBuf::from("fanfare-data"),
            drain_timeout: 30 * SECOND,
            sender_threads: 1,
            store: Store::default(),
            fleet: Fleet::default(),
            limits: Limits::default(),
            campaigns: Campaigns::default(),
            registry: Registry {
                devices_per_user_max: 100,
                shards: 8,
                users_max: 10_000,
                user_queue_max: 64,
                passivate_after: 30 * SECOND,
                stale_after: 60 * DAY,
                retention: None,
                sweep_every: 3600 * SECOND,
            },
            journal: Journal {
                flush_after: Duration::from_millis(20),
                flush_count: 1024,
                retention: 7 * DAY,
                facts_after: 2 * SECOND,
                facts_max: 10_000,
            },
            cleanup: Cleanup {
                suspect_share_max: 0.05,
                suspect_window: 600 * SECOND,
                suspect_hold: 2 * SECOND,
            },
            link: Link {
                codec: Engine::Lean,
                connect_timeout: 10 * SECOND,
                reconnect_min: Duration::from_millis(100),
                reconnect_max: 30 * SECOND,
                ramp_start: 1000,
                request_timeout: 30 * SECOND,
                streams_max: 500,
                queue_max: 1000,
                ping_after: 60 * SECOND,
                ping_timeout: 20 * SECOND,
                answer_bytes_max: 16 << 10,
                write_buffer_bytes: 32 << 10,
            },
            log: Log {
                level: "info".to_owned(),
                format: logs::Format::Auto,
            },
        }
    }
}

pub(super) const COUNT: std::ops::RangeInclusive<usize> = 1..=100_000_000;
/// Requests come in batches of 64; a batch that could never fit would go round for ever.
const LINK_QUEUE: std::ops::RangeInclusive<usize> = 64..=1_000_000;

pub(crate) fn read(root: &Section<'_>) -> Settings {
    let default = Settings::default();
    Settings {
        listen: root.parsed(
            "listen",
            default.listen,
            "an address such as \"127.0.0.1:8080\"",
            address,
        ),
        admin: root.optional("admin", "an address such as \"127.0.0.1:9090\"", address),
        data_dir: root
            .path("data_dir")
            .unwrap_or_else(|| root.resolve(&default.data_dir)),
        drain_timeout: root.duration("drain_timeout", default.drain_timeout),
        sender_threads: root.integer("sender_threads", default.sender_threads, 1..=256),
        store: store::read(root.section("store"), default.store),
        fleet: fleet::read(root.section("fleet"), default.fleet),
        limits: limits::read(root.section("limits"), &default.limits),
        campaigns: campaigns::read(root.section("campaigns"), &default.campaigns),
        registry: registry(root.section("registry"), default.registry),
        journal: journal(root.section("journal"), &default.journal),
        cleanup: cleanup(root.section("cleanup"), &default.cleanup),
        link: link(root.section("link"), &default.link),
        log: log(root.section("log"), default.log),
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

fn registry(section: Section<'_>, default: Registry) -> Registry {
    let registry = Registry {
        devices_per_user_max: section.integer(
            "devices_per_user_max",
            default.devices_per_user_max,
            1..=10_000,
        ),
        shards: section.integer("shards", default.shards, 1..=1024),
        users_max: section.integer("users_max", default.users_max, COUNT),
        user_queue_max: section.integer("user_queue_max", default.user_queue_max, COUNT),
        passivate_after: section.duration("passivate_after", default.passivate_after),
        stale_after: section.duration("stale_after", default.stale_after),
        retention: section.optional(
            "retention",
            super::units::DURATION_FORM,
            super::units::duration,
        ),
        sweep_every: section.duration("sweep_every", default.sweep_every),
    };
    section.finish();
    registry
}

fn journal(section: Section<'_>, default: &Journal) -> Journal {
    let journal = Journal {
        flush_after: section.duration("flush_after", default.flush_after),
        flush_count: section.integer("flush_count", default.flush_count, 1..=1_000_000),
        retention: section.duration("retention", default.retention),
        facts_after: section.duration("facts_after", default.facts_after),
        facts_max: section.integer("facts_max", default.facts_max, 0..=1_000_000),
    };
    section.finish();
    journal
}

fn cleanup(section: Section<'_>, default: &Cleanup) -> Cleanup {
    let cleanup = Cleanup {
        suspect_share_max: section.fraction("suspect_share_max", default.suspect_share_max),
        suspect_window: section.duration("suspect_window", default.suspect_window),
        suspect_hold: section.duration("suspect_hold", default.suspect_hold),
    };
    section.finish();
    cleanup
}

fn link(section: Section<'_>, default: &Link) -> Link {
    let link = Link {
        codec: section.parsed("codec", default.codec, "h2 or lean", codec),
        connect_timeout: section.duration("connect_timeout", default.connect_timeout),
        reconnect_min: section.duration("reconnect_min", default.reconnect_min),
        reconnect_max: section.duration("reconnect_max", default.reconnect_max),
        ramp_start: section.integer("ramp_start", default.ramp_start, 1..=1_000_000),
        request_timeout: section.duration("request_timeout", default.request_timeout),
        streams_max: section.integer("streams_max", default.streams_max, 1..=10_000),
        queue_max: section.integer("queue_max", default.queue_max, LINK_QUEUE),
        ping_after: section.duration("ping_after", default.ping_after),
        ping_timeout: section.duration("ping_timeout", default.ping_timeout),
        answer_bytes_max: section.bytes("answer_max", default.answer_bytes_max),
        write_buffer_bytes: section.bytes("write_buffer", default.write_buffer_bytes),
    };
    if link.reconnect_min > link.reconnect_max {
        section.fault("reconnect_min", "must not be longer than reconnect_max");
    }
    section.finish();
    link
}

fn codec(text: &str) -> Option<Engine> {
    match text {
        "h2" => Some(Engine::H2),
        "lean" => Some(Engine::Lean),
        _ => None,
    }
}

fn log(section: Section<'_>, default: Log) -> Log {
    let level = section.text("level").map_or(default.level, str::to_owned);
    if !logs::is_valid_filter(&level) {
        section.fault(
            "level",
            "is not a level (error, warn, info, debug, trace) or filter",
        );
    }
    let format = section.parsed(
        "format",
        default.format,
        "one of auto, human, json",
        logs::Format::parse,
    );
    section.finish();
    Log { level, format }
}
