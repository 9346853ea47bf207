//! An audience read by parts of the token ring, beside its floor: the driver alone, paging through the same ranges with
//! the same columns, on the same server in the same run. Rows a second by the clock, and CPU of this process a row.
//!
//! `cargo bench -p fanfare-benches --bench ring`; `BENCH_RING_DEVICES` (default 100,000) says how many are read.

// Figures are what it is for.
#![allow(clippy::print_stdout, reason = "figures are what a bench is for")]

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanfare_store::Store;
use fanfare_store::campaigns::{AudienceQuery, Shard};
use fanfare_store::contract::campaigns::{query, registered, running, shards};
use fanfare_store::contract::fixtures::user;
use fanfare_store::scylla::{Config, Scylla, schema};
use fanfare_types::{Audience, CampaignId, Epoch, Platform, Slot};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;

/// Rows of a page, and recipients of a chunk.
const PAGE: usize = 1_024;

/// Parts of the ring.
const PARTS: u64 = 64;

/// Devices that are registered as any; the others are copies of their rows, under users and ids of their own.
const MODELS: u64 = 500;

const ROUNDS: usize = 5;

const KEYSPACE: &str = "fanfare_bench_ring";

const SCAN: &str = "SELECT token(app, user), app, user, id, body, since FROM devices
    WHERE token(app, user) > ? AND token(app, user) <= ?";

type Row<'r> = (
    i64,
    &'r str,
    &'r str,
    &'r [u8],
    Option<&'r [u8]>,
    Option<i64>,
);

/// CPU of this thread, which runs everything.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

async fn open(nodes: Vec<String>) -> (Arc<dyn Store>, Session) {
    let config = Config {
        replication: "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}".to_owned(),
        request_timeout: Duration::from_secs(30),
        ..Config::new(nodes.clone(), KEYSPACE)
    };
    let session = SessionBuilder::new().known_nodes(&nodes).build().await;
    let session = session.expect("the server answers");
    let drop = format!("DROP KEYSPACE IF EXISTS {KEYSPACE}");
    let dropped = session.query_unpaged(drop, ()).await;
    dropped.expect("the server changes its schema");
    schema::apply(&config).await.expect("the tables are made");
    let store = Scylla::open(&config).await.expect("the store opens");
    let fleet = store.clone().fleet().expect("it is shared");
    let taken = Slot::all().map(|slot| fleet.take_up(slot, Epoch(1)));
    join_all(taken).await;
    let used = session.use_keyspace(KEYSPACE, true).await;
    used.expect("it is there");
    (store, session)
}

async fn fill(store: &Arc<dyn Store>, session: &Session, devices: u64) {
    let register = (0..MODELS).map(|number| async move {
        registered(store, number, |device| {
            device.user = user(&format!("model{number}"));
            device.address = fanfare_store::contract::fixtures::address(&format!("{number:0160}"));
            device.meta.locale = Some(if number % 3 == 0 { "de-AT" } else { "en" }.to_owned());
            device.meta.app_version = Some(format!("2.{}.0", number % 20));
            device.platform = [Platform::Ios, Platform::Android][(number % 2) as usize];
            device.tags = vec!["news".to_owned()];
            if number % 50 == 0 {
                device.tags.push("rare".to_owned());
            }
        })
        .await;
    });
    let all = stream::iter(register).buffer_unordered(32);
    all.collect::<Vec<_>>().await;
    let bodies = session.query_unpaged("SELECT body FROM devices", ()).await;
    let bodies = bodies.expect("the server answers").into_rows_result();
    let bodies = bodies.expect("rows");
    let bodies = bodies.rows::<(Vec<u8>,)>().expect("bodies");
    let bodies: Vec<_> = bodies.map(|row| row.expect("a body").0).collect();
    let put = "INSERT INTO devices (app, user, id, body, since) VALUES ('shop', ?, ?, ?, 1)";
    let put = session.prepare(put).await.expect("it is known");
    let copies = (MODELS..devices).map(|number| {
        let (put, body) = (&put, &bodies[(number % MODELS) as usize]);
        async move {
            let id = fanfare_types::DeviceId::new(fanfare_types::Timestamp(1), number);
            let values = (format!("user-{number}"), &id.0.0[..], body);
            let done = session.execute_unpaged(put, values).await;
            done.expect("the server answers");
        }
    });
    let copied = stream::iter(copies).buffer_unordered(128);
    copied.collect::<Vec<_>>().await;
}

/// The driver alone: every row of every range, each column read in place.
async fn floor(session: &Session, scan: &PreparedStatement) -> u64 {
    let width = u128::from(u64::MAX) + 1;
    let edge = |n: u64| {
        (i128::from(i64::MIN) + (width * u128::from(n) / u128::from(PARTS)) as i128) as i64
    };
    let ranges = (0..PARTS).map(|n| {
        (
            edge(n),
            if n + 1 == PARTS {
                i64::MAX
            } else {
                edge(n + 1)
            },
        )
    });
    let read = ranges.map(|range| async move {
        let (mut from, mut rows, mut bytes) = (PagingState::start(), 0, 0);
        loop {
            let page = session.execute_single_page(scan, range, from).await;
            let (answer, next) = page.expect("the server answers");
            let answer = answer.into_rows_result().expect("rows");
            for row in answer.rows::<Row<'_>>().expect("columns") {
                let (_, _, user, id, body, _) = row.expect("a row");
                bytes += user.len() + id.len() + body.map_or(0, <[u8]>::len);
                rows += 1;
            }
            std::hint::black_box(bytes);
            match next {
                PagingStateResponse::HasMorePages { state } => from = state,
                PagingStateResponse::NoMorePages => return rows,
            }
        }
    });
    stream::iter(read)
        .buffer_unordered(4)
        .fold(0, |sum, rows| async move { sum + rows })
        .await
}

/// The store: every shard from its start.
async fn ours(store: &Arc<dyn Store>, id: CampaignId, cut: &[Shard], audience: &Audience) -> u64 {
    let read = cut.iter().map(|shard| async move {
        let (mut after, mut scanned) = (shard.cursor.clone(), 0);
        loop {
            let query = AudienceQuery {
                limit: PAGE,
                rows_max: 16 * PAGE,
                ..query(id, shard.number, audience, &after)
            };
            let page = store.audience(query).await.expect("the store answers");
            std::hint::black_box(&page.rows);
            scanned += page.scanned;
            after = page.cursor;
            if page.is_last {
                return scanned;
            }
        }
    });
    stream::iter(read)
        .buffer_unordered(4)
        .fold(0, |sum, rows| async move { sum + rows })
        .await
}

/// The best of several rounds: rows a second, and µs of CPU a row.
#[derive(Default)]
struct Best {
    per_second: f64,
    micros: f64,
}

impl Best {
    async fn take(&mut self, round: impl Future<Output = u64>) {
        let (began, before) = (Instant::now(), cpu());
        let rows = round.await as f64;
        let (took, spent) = (
            began.elapsed().as_secs_f64(),
            (cpu() - before).as_secs_f64(),
        );
        let micros = spent * 1e6 / rows;
        if self.per_second == 0.0 || micros < self.micros {
            self.micros = micros;
        }
        self.per_second = self.per_second.max(rows / took);
    }
}

async fn run(nodes: Vec<String>, devices: u64) -> String {
    let (store, session) = open(nodes).await;
    fill(&store, &session, devices).await;
    let mut scan = session.prepare(SCAN).await.expect("it is known");
    scan.set_page_size(PAGE as i32);
    scan.set_consistency(Consistency::LocalQuorum);
    let all = Audience::All;
    let tag = Audience::Tag("rare".to_owned());
    let mut cuts = Vec::new();
    for (number, audience) in (1..).zip([&all, &tag]) {
        let id = running(&store, number, audience.clone()).await;
        cuts.push((
            id,
            shards(&store, id, PARTS as usize).await,
            audience,
            Best::default(),
        ));
    }
    let mut alone = Best::default();
    for _ in 0..ROUNDS {
        alone.take(floor(&session, &scan)).await;
        for (id, cut, audience, best) in &mut cuts {
            best.take(ours(&store, *id, cut, audience)).await;
        }
    }
    let mut report = format!(
        "{devices} devices in {PARTS} parts, pages of {PAGE}, 4 at once, best of {ROUNDS} rounds\n"
    );
    let names = [
        "the driver alone",
        "audience: all",
        "audience: a tag that 2 % have",
    ];
    let measured = cuts.iter().map(|(.., best)| best);
    for (name, best) in names.into_iter().zip([&alone].into_iter().chain(measured)) {
        let line = format!(
            "{name:32} {:>9.0} rows/s {:>6.2} µs CPU a row, {:.2} times the floor's",
            best.per_second,
            best.micros,
            best.micros / alone.micros
        );
        writeln!(report, "{line}").expect("a string takes it");
    }
    report
}

fn main() {
    let devices = std::env::var("BENCH_RING_DEVICES").ok();
    let devices = devices.map_or(100_000, |devices| devices.parse().expect("a number"));
    let cluster = fanfare_testbed::shared();
    let addresses = cluster.addresses();
    let nodes = addresses.iter().map(ToString::to_string).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let report = runtime.expect("a runtime").block_on(run(nodes, devices));
    println!("{report}");
}
