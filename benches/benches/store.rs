//! The embedded store beside its floor: bare rusqlite that writes the same bytes in transactions of the same
//! size, with the same durability. The ratio of the two is the figure.
//!
//! `cargo bench -p fanfare-benches --bench store`

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fanfare_store::contract::fixtures::{NOW, accept, app, device, put, register, user};
use fanfare_store::embedded::{self, Config};
use fanfare_store::{Accepted, Applied, Expect, Store};
use futures_util::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Callers at once, and so writes in a group.
const GROUP: u64 = 64;

/// Users whose devices are read, two devices each.
const USERS: u64 = 5_000;

fn store() -> (Arc<dyn Store>, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let config = Config::at(&directory.path().join("store.db"));
    (embedded::open(&config).expect("a new store"), directory)
}

/// A connection as durable as the store's writer.
fn bare(path: &Path, schema: &str) -> Connection {
    let db = Connection::open(path).expect("a database");
    db.execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4000;")
        .expect("settings");
    db.execute_batch(schema).expect("a schema");
    db
}

/// Runs `insert` for the next [`GROUP`] numbers in one transaction.
fn transaction(db: &Connection, next: &mut u64, insert: impl Fn(&Connection, u64)) {
    db.execute_batch("BEGIN").expect("begins");
    for _ in 0..GROUP {
        *next += 1;
        insert(db, *next);
    }
    db.execute_batch("COMMIT").expect("commits");
}

fn accepts(c: &mut Criterion) {
    let mut group = c.benchmark_group("durable accepts, 64 at once");
    group.throughput(Throughput::Elements(GROUP));
    let runtime = Runtime::new().expect("a runtime");

    let (store, _kept) = store();
    let mut next = 0;
    group.bench_function("store", |b| {
        b.iter(|| {
            let calls = (next..next + GROUP).map(|n| store.accept(accept(NOW, n, 1)));
            next += GROUP;
            for answer in runtime.block_on(join_all(calls)) {
                assert_eq!(answer, Ok(Accepted::New));
            }
        });
    });

    let directory = tempfile::tempdir().expect("a directory");
    let db = bare(
        &directory.path().join("bare.db"),
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, body TEXT, targets BLOB)",
    );
    let mut next = 0;
    group.bench_function("floor: bare rusqlite", |b| {
        b.iter(|| {
            transaction(&db, &mut next, |db, n| {
                let record = accept(NOW, n, 1).record;
                let body = (&record.options, &record.message, &record.variables);
                let body = serde_json::to_string(&body).expect("JSON");
                let targets = [n as u8; 32];
                db.prepare_cached("INSERT INTO records (id, body, targets) VALUES (?1, ?2, ?3)")
                    .and_then(|mut insert| insert.execute((&record.id.0.0[..], body, targets)))
                    .expect("inserted");
            });
        });
    });
    group.finish();
    runtime.block_on(store.close()).expect("closed");
}

fn upserts(c: &mut Criterion) {
    let mut group = c.benchmark_group("durable new devices, 64 at once");
    group.throughput(Throughput::Elements(GROUP));
    let runtime = Runtime::new().expect("a runtime");
    let token = |n: u64| format!("{n:0160}");

    let (store, _kept) = store();
    let mut next = 0;
    group.bench_function("store", |b| {
        b.iter(|| {
            let calls = (next..next + GROUP).map(|n| {
                let device = device(n, &format!("user-{n}"), &token(n));
                store.apply(put(&device, Expect::Absent))
            });
            next += GROUP;
            for answer in runtime.block_on(join_all(calls)) {
                assert_eq!(answer, Ok(Applied::Done));
            }
        });
    });

    let directory = tempfile::tempdir().expect("a directory");
    let db = bare(
        &directory.path().join("bare.db"),
        "CREATE TABLE devices (seq INTEGER PRIMARY KEY, app TEXT, id BLOB, user TEXT, key BLOB, address TEXT, rest BLOB);
         CREATE UNIQUE INDEX by_id ON devices (app, id);
         CREATE UNIQUE INDEX by_key ON devices (app, key);
         CREATE INDEX by_user ON devices (app, user);",
    );
    let mut next = 0;
    group.bench_function("floor: bare rusqlite", |b| {
        b.iter(|| {
            transaction(&db, &mut next, |db, n| {
                let device = device(n, &format!("user-{n}"), &token(n));
                let key = device.address.key(None);
                let sql = "INSERT INTO devices (app, id, user, key, address, rest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let row = (
                    device.app.as_str(),
                    &device.id.0.0[..],
                    device.user.as_str(),
                    &key.0[..],
                    device.address.expose(),
                    [0u8; 80],
                );
                db.prepare_cached(sql)
                    .and_then(|mut insert| insert.execute(row))
                    .expect("inserted");
            });
        });
    });
    group.finish();
    runtime.block_on(store.close()).expect("closed");
}

fn reads(c: &mut Criterion) {
    let mut group = c.benchmark_group("devices of 64 users");
    group.throughput(Throughput::Elements(GROUP));
    let runtime = Runtime::new().expect("a runtime");
    let (store, directory) = store();
    let name = |n: u64| format!("user-{}", n * 7919 % USERS);
    runtime.block_on(async {
        let devices: Vec<_> = (0..USERS * 2)
            .map(|n| device(n, &format!("user-{}", n % USERS), &format!("{n:0160}")))
            .collect();
        join_all(devices.iter().map(|device| register(&*store, device))).await;
    });
    let mut next = 0;
    group.bench_function("store, one call", |b| {
        b.iter(|| {
            next += GROUP;
            let users = (next..next + GROUP).map(|n| user(&name(n))).collect();
            let found = runtime.block_on(store.devices_of(&app("shop"), users));
            assert_eq!(black_box(found.expect("read")).len(), 128);
        });
    });
    group.bench_function("store, 64 calls at once", |b| {
        b.iter(|| {
            next += GROUP;
            let shop = app("shop");
            let calls = (next..next + GROUP).map(|n| store.devices_of(&shop, vec![user(&name(n))]));
            for found in runtime.block_on(join_all(calls)) {
                assert_eq!(black_box(found.expect("read")).len(), 2);
            }
        });
    });
    let db = Connection::open(directory.path().join("store.db")).expect("the same file");
    group.bench_function("floor: bare rusqlite, ids and addresses only", |b| {
        b.iter(|| {
            next += GROUP;
            for n in next..next + GROUP {
                let sql = "SELECT id, address FROM devices WHERE app = 'shop' AND user = ?1";
                let mut select = db.prepare_cached(sql).expect("prepared");
                let rows = select.query_map([name(n)], |row| {
                    Ok((row.get::<_, [u8; 12]>(0)?, row.get::<_, String>(1)?))
                });
                assert_eq!(black_box(rows.expect("read").count()), 2);
            }
        });
    });
    group.finish();
    drop(db);
    runtime.block_on(store.close()).expect("closed");
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

criterion_group!(name = benches; config = quick(); targets = accepts, upserts, reads);
criterion_main!(benches);
