//! The registry on ScyllaDB or Cassandra beside its floor: the driver alone, with as many requests of the same kind, on
//! the same server, by turns.
//!
//! `cargo bench -p fanfare-benches --bench scylla`; `BENCH_SECONDS` (default 5) for each turn.
//!
//! CPU is that of this process: what the store costs a gateway. The server has the rest of the machine.

// Figures are what it is for.
#![allow(clippy::print_stdout, reason = "figures are what a bench is for")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fanfare_store::contract::fixtures::{app, claim, device, present, put, register, user};
use fanfare_store::scylla::{Config, Scylla, schema};
use fanfare_store::{Applied, Expect, Registry};
use fanfare_types::Device;
use futures_util::future::join_all;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};

/// Callers at once.
const CALLERS: u64 = 64;

/// Users whose devices are read and refreshed, one device each.
const USERS: u64 = 4_096;

/// Each by turns with its floor.
const TURNS: u32 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo test` runs benches, too, with this.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let nodes: Vec<String> = fanfare_testbed::shared()
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    let keyspace = format!("fanfare_bench_{}", std::process::id());
    let config = Config {
        replication: "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}".to_owned(),
        request_timeout: Duration::from_secs(20),
        ..Config::new(nodes.clone(), &keyspace)
    };
    schema::apply(&config).await.expect("the tables are made");
    let store = Scylla::open(&config).await.expect("it opens");
    let floor = Floor::open(nodes, &keyspace).await;
    let known = (0..USERS).map(|n| device(n, &format!("user-{n}"), &format!("token-{n}")));
    let known: Vec<Device> = known.collect();
    for chunk in known.chunks(CALLERS as usize) {
        join_all(chunk.iter().map(|device| register(&*store, device))).await;
    }

    new_devices(&store, &floor).await;
    refreshed(&store, &floor, &known).await;
    reads(&store, &floor).await;
    let drop = format!("DROP KEYSPACE {keyspace}");
    let dropped = floor.session.query_unpaged(drop, ()).await;
    dropped.expect("the server changes its schema");
}

async fn new_devices(store: &Scylla, floor: &Floor) {
    let next = AtomicU64::new(USERS);
    compare(
        "new devices",
        async |_| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let new = device(
                number,
                &format!("user-{number}"),
                &format!("token-{number}"),
            );
            let applied = store.apply(claim(&new, Expect::Absent, None)).await;
            assert_eq!(applied, Ok(Applied::Done));
        },
        "driver: one LWT, two writes",
        async |_| floor.register(next.fetch_add(1, Ordering::Relaxed)).await,
    )
    .await;
}

async fn refreshed(store: &Scylla, floor: &Floor, known: &[Device]) {
    let revisions: Vec<AtomicU64> = known
        .iter()
        .map(|row| AtomicU64::new(row.revision))
        .collect();
    compare(
        "devices refreshed",
        async |number| {
            let place = (number % USERS) as usize;
            let revision = revisions[place].fetch_add(1, Ordering::Relaxed);
            let before = Device {
                revision,
                ..known[place].clone()
            };
            let after = Device {
                revision: revision + 1,
                ..before.clone()
            };
            let applied = store.apply(put(&after, present(&before))).await;
            assert_eq!(applied, Ok(Applied::Done));
        },
        "driver: one LWT, one write",
        async |number| floor.refresh(number % USERS).await,
    )
    .await;
}

async fn reads(store: &Scylla, floor: &Floor) {
    let shop = app("shop");
    compare(
        "reads of a user",
        async |number| {
            let users = vec![user(&format!("user-{}", number % USERS))];
            let rows = store.devices_of(&shop, users).await;
            assert_eq!(rows.expect("it answers").len(), 1);
        },
        "driver: one read",
        async |number| floor.read(number % USERS).await,
    )
    .await;
}

/// Both by turns, and the best turn of each.
async fn compare(name: &str, ours: impl AsyncFn(u64), floor_name: &str, floor: impl AsyncFn(u64)) {
    let (mut best, mut best_floor) = (Turn::default(), Turn::default());
    for _ in 0..TURNS {
        best = best.better(turn(&ours).await);
        best_floor = best_floor.better(turn(&floor).await);
    }
    println!("{name:<32} {best}");
    println!("  {floor_name:<30} {best_floor}");
}

#[derive(Default)]
struct Turn {
    per_second: f64,
    cpu: Duration,
}

impl Turn {
    fn better(self, other: Turn) -> Turn {
        if other.per_second > self.per_second {
            other
        } else {
            self
        }
    }
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cpu = self.cpu.as_nanos() as f64 / 1_000.0;
        write!(
            f,
            "{:>8.0} a second {:>8.1} µs of CPU each",
            self.per_second, cpu
        )
    }
}

async fn turn(call: &impl AsyncFn(u64)) -> Turn {
    let seconds = std::env::var("BENCH_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(5));
    let (done, began, cpu) = (AtomicU64::new(0), Instant::now(), cpu());
    // Each caller has numbers of its own, so that none waits for another's row.
    let caller = async |caller: u64| {
        let mut number = caller;
        while began.elapsed() < length {
            call(number).await;
            number += CALLERS;
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    join_all((0..CALLERS).map(caller)).await;
    let done = done.into_inner().max(1);
    Turn {
        per_second: done as f64 / began.elapsed().as_secs_f64(),
        cpu: (self::cpu() - cpu) / u32::try_from(done).expect("so many a turn"),
    }
}

/// What this process has used.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

/// The driver alone, on tables of the same shape.
struct Floor {
    session: Session,
    decide_first: PreparedStatement,
    decide: PreparedStatement,
    write: PreparedStatement,
    read: PreparedStatement,
}

/// As many bytes as the store writes of such a device.
const BODY: [u8; 100] = [7; 100];

impl Floor {
    async fn open(nodes: Vec<String>, keyspace: &str) -> Floor {
        let session = SessionBuilder::new().known_nodes(nodes).build().await;
        let session = session.expect("the server answers");
        for (table, columns) in [
            (
                "floor_decisions",
                "key bigint PRIMARY KEY, change bigint, body blob",
            ),
            ("floor_rows", "key bigint PRIMARY KEY, body blob"),
        ] {
            let create = format!("CREATE TABLE {keyspace}.{table} ({columns})");
            let created = session.query_unpaged(create, ()).await;
            created.expect("a table is made");
        }
        let prepare = async |cql: &str| {
            let cql = cql.replace("floor_", &format!("{keyspace}.floor_"));
            let mut statement = session.prepare(cql).await.expect("it is prepared");
            statement.set_consistency(Consistency::LocalQuorum);
            statement.set_serial_consistency(Some(SerialConsistency::LocalSerial));
            statement
        };
        let floor = Floor {
            decide_first: prepare(
                "INSERT INTO floor_decisions (key, change, body) VALUES (?, 0, ?) IF NOT EXISTS",
            )
            .await,
            decide: prepare(
                "UPDATE floor_decisions SET change = 0, body = ? WHERE key = ? IF change = 0",
            )
            .await,
            write: prepare("INSERT INTO floor_rows (key, body) VALUES (?, ?)").await,
            read: prepare("SELECT key, body FROM floor_rows WHERE key = ?").await,
            session,
        };
        for chunk in (0..USERS as i64)
            .collect::<Vec<_>>()
            .chunks(CALLERS as usize)
        {
            join_all(chunk.iter().map(|key| floor.register(key.cast_unsigned()))).await;
        }
        floor
    }

    async fn register(&self, key: u64) {
        let key = key.cast_signed();
        let values = (key, &BODY[..]);
        let decided = self
            .session
            .execute_unpaged(&self.decide_first, values)
            .await;
        decided.expect("it is decided");
        let write = |key: i64| self.session.execute_unpaged(&self.write, (key, &BODY[..]));
        let (row, id) = futures_util::future::join(write(key), write(-key)).await;
        row.expect("it is written");
        id.expect("it is written");
    }

    async fn refresh(&self, key: u64) {
        let key = key.cast_signed();
        let values = (&BODY[..], key);
        let decided = self.session.execute_unpaged(&self.decide, values).await;
        decided.expect("it is decided");
        let written = self
            .session
            .execute_unpaged(&self.write, (key, &BODY[..]))
            .await;
        written.expect("it is written");
    }

    async fn read(&self, key: u64) {
        let read = self
            .session
            .execute_unpaged(&self.read, (key.cast_signed(),))
            .await;
        let rows = read.expect("it is read").into_rows_result();
        let row = rows.expect("rows").single_row::<(i64, Vec<u8>)>();
        assert_eq!(row.expect("one row").1.len(), BODY.len());
    }
}
