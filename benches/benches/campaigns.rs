//! A campaign in the embedded store beside its floors: bare rusqlite that walks the same rows, or writes the same bytes
//! with the same durability. The ratio of the two is the figure.
//!
//! `cargo bench -p fanfare-benches --bench campaigns`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use fanfare_store::campaigns::{
    AudiencePage, Block, Changed, Chunk, ChunkOutcomes, Cursor, Named, Opened, Upload, UploadRow,
};
use fanfare_store::contract::campaigns::{chunk, made, page, query, running, shards};
use fanfare_store::contract::fixtures::{NOW, app, device, ended, put, user};
use fanfare_store::embedded::{self, Config};
use fanfare_store::{Applied, Expect, Store};
use fanfare_types::filter::{DeviceView, Field, Leaf, Test, Value, compare_versions};
use fanfare_types::{
    Audience, CampaignId, Channel, DeviceId, Filter, Outcome, Platform, Recipient,
};
use futures_util::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

type WallTime = criterion::measurement::WallTime;

/// Devices that are walked over; every 50th has the tag `rare`.
const DEVICES: u64 = 200_000;

/// Rows of a page, and recipients of a chunk.
const PAGE: u64 = 1_024;

fn store() -> (Arc<dyn Store>, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let config = Config::at(&directory.path().join("store.db"));
    (embedded::open(&config).expect("a new store"), directory)
}

/// A connection as durable as the store's writer.
fn bare(directory: &TempDir, schema: &str) -> Connection {
    let db = Connection::open(directory.path().join("bare.db")).expect("a database");
    db.execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4000;")
        .expect("settings");
    db.execute_batch(schema).expect("a schema");
    db
}

async fn fill(store: &dyn Store) {
    for first in (0..DEVICES).step_by(1_000) {
        let writes = (first..first + 1_000).map(|n| {
            let mut device = device(n, &format!("user-{n}"), &format!("{n:0160}"));
            device.meta.locale = Some(if n % 3 == 0 { "de-AT" } else { "en" }.to_owned());
            device.meta.app_version = Some(format!("2.{}.0", n % 20));
            device.platform = if n % 2 == 0 {
                Platform::Ios
            } else {
                Platform::Android
            };
            device.tags = vec!["news".to_owned()];
            if n % 50 == 0 {
                device.tags.push("rare".to_owned());
            }
            store.apply(put(&device, Expect::Absent))
        });
        for end in join_all(writes).await {
            assert_eq!(end, Ok(Applied::Done));
        }
    }
}

fn filter() -> Audience {
    let leaf = |field, test| Filter::Leaf(Leaf { field, test });
    Audience::Filter(Filter::All(vec![
        leaf(Field::Platform, Test::Eq(Value::Text("ios".to_owned()))),
        leaf(
            Field::AppVersion,
            Test::Gte(Value::Version("2.10".to_owned())),
        ),
    ]))
}

/// One page after another of the audience, from its start again at its end.
fn scans(c: &mut Criterion) {
    let mut group = c.benchmark_group("audience, a page of 1024 rows");
    group.throughput(Throughput::Elements(PAGE));
    let runtime = Runtime::new().expect("a runtime");
    let (store, directory) = store();
    runtime.block_on(fill(&*store));
    let audiences = [
        ("all", Audience::All),
        ("tag that 2 % have", Audience::Tag("rare".to_owned())),
        ("filter: platform and version", filter()),
    ];
    for (number, (name, audience)) in (1..).zip(audiences) {
        let id = runtime.block_on(running(&store, number, audience.clone()));
        let start = runtime.block_on(shards(&store, id, 1)).remove(0).cursor;
        let mut after = start.clone();
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut query = query(id, 0, &audience, &after);
                (query.limit, query.rows_max) = (PAGE as usize, PAGE as usize);
                let page = runtime.block_on(page(&store, query));
                after = if page.is_last {
                    start.clone()
                } else {
                    page.cursor.clone()
                };
                black_box(page)
            });
        });
    }
    let audience = Arc::new(Audience::Tag("rare".to_owned()));
    let shop = app("shop");
    group.throughput(Throughput::Elements(DEVICES));
    group.bench_function("count of a tag, 200000 rows", |b| {
        b.iter(|| {
            let counted = store.count(&shop, None, audience.clone(), u64::MAX, u64::MAX);
            let counted = runtime.block_on(counted).expect("counted");
            assert_eq!(counted.recipients, DEVICES / 50);
        });
    });
    group.throughput(Throughput::Elements(PAGE));
    floor_of_scans(&mut group, &directory);
    group.finish();
    runtime.block_on(store.close()).expect("closed");
}

fn floor_of_scans(group: &mut BenchmarkGroup<'_, WallTime>, directory: &TempDir) {
    let db = Connection::open(directory.path().join("store.db")).expect("the same file");
    let mut after = Vec::new();
    group.bench_function("floor: bare rusqlite, the same rows' ids and addresses", |b| {
        b.iter(|| {
            let sql = "SELECT id, user, address FROM devices WHERE app = 'shop' AND id > ?1 ORDER BY id LIMIT 1024";
            let mut select = db.prepare_cached(sql).expect("prepared");
            let mut rows = select.query([&after]).expect("rows");
            let (mut bytes, mut last) = (0, Vec::new());
            while let Some(row) = rows.next().expect("a row") {
                for at in 1..3 {
                    bytes += row.get_ref(at).and_then(|text| Ok(text.as_str()?.len())).expect("text");
                }
                last = row.get(0).expect("an id");
            }
            after = last;
            black_box(bytes)
        });
    });
}

fn recipients() -> Vec<Recipient> {
    let recipient = |n| Recipient {
        user: Some(user(&format!("user-{n}"))),
        device: Some(DeviceId::new(NOW, n)),
        channel: Some(fanfare_types::Channel::Fcm),
        variables: None,
    };
    (0..PAGE).map(recipient).collect()
}

/// A chunk's life in the store: opened, its outcomes in four flushes, one in a hundred dead.
fn chunks(c: &mut Criterion) {
    let mut group = c.benchmark_group("a chunk of 1024: opened, recorded in 4 flushes");
    group.throughput(Throughput::Elements(PAGE));
    let runtime = Runtime::new().expect("a runtime");
    let (store, _kept) = store();
    let id = runtime.block_on(running(&store, 1, Audience::All));
    let mut cursor = runtime.block_on(shards(&store, id, 1)).remove(0).cursor;
    let recipients = recipients();
    let mut number = 0;
    group.bench_function("store", |b| {
        b.iter(|| {
            number += 1;
            let chunk = step(id, number, &mut cursor, &recipients);
            runtime.block_on(live(&*store, chunk));
        });
    });
    let directory = tempfile::tempdir().expect("a directory");
    let db = bare(
        &directory,
        "CREATE TABLE chunks (seq INTEGER PRIMARY KEY, body BLOB, done BLOB, count INTEGER)",
    );
    let body = vec![7_u8; PAGE as usize * 25];
    group.bench_function("floor: bare rusqlite, a blob and 4 updates", |b| {
        b.iter(|| {
            let run = |sql: &str| db.prepare_cached(sql).and_then(|mut done| done.execute([]));
            db.execute("INSERT INTO chunks (body) VALUES (?1)", [&body])
                .expect("inserted");
            let seq = db.last_insert_rowid();
            for flush in 0..4 {
                let sql = "UPDATE chunks SET done = ?2, count = ?3 WHERE seq = ?1";
                let done = [7_u8; 128];
                db.prepare_cached(sql)
                    .and_then(|mut update| update.execute((seq, done, flush)))
                    .expect("updated");
            }
            run("DELETE FROM chunks").expect("deleted");
        });
    });
    group.finish();
    runtime.block_on(store.close()).expect("closed");
}

fn step(id: CampaignId, number: u64, cursor: &mut Cursor, recipients: &[Recipient]) -> Chunk {
    let next = Cursor(number.to_be_bytes().to_vec());
    let page = AudiencePage {
        cursor: next.clone(),
        scanned: PAGE,
        ..AudiencePage::default()
    };
    let mut chunk = chunk(id, number, 0, cursor, &page);
    chunk.recipients = recipients.to_vec();
    *cursor = next;
    chunk
}

async fn live(store: &dyn Store, chunk: Chunk) {
    let (app, campaign, id) = (chunk.app.clone(), chunk.campaign, chunk.id);
    assert_eq!(store.open(&chunk).await, Ok(Opened::New));
    for flush in 0..4 {
        let outcome = |n: u64| match n % 100 {
            0 => Outcome::Dead,
            _ => Outcome::Delivered,
        };
        let rows = (flush * PAGE / 4)..((flush + 1) * PAGE / 4);
        let batch = ChunkOutcomes {
            app: app.clone(),
            campaign,
            chunk: id,
            ended: rows.map(|n| ended(n as u32, outcome(n))).collect(),
        };
        store.record_chunks(vec![batch]).await.expect("recorded");
    }
}

/// Blocks of 1,024 rows with a variable each.
fn uploads(c: &mut Criterion) {
    let mut group = c.benchmark_group("an upload's block of 1024 rows");
    group.throughput(Throughput::Elements(PAGE));
    let runtime = Runtime::new().expect("a runtime");
    let (store, _kept) = store();
    let id = runtime.block_on(made(&store, 1, Audience::Upload));
    let shop = app("shop");
    let rows: Vec<UploadRow> = (0..PAGE)
        .map(|n| UploadRow {
            to: Named::User(user(&format!("user-{n}"))),
            variables: Some(Arc::new([("name".to_owned(), format!("Name {n}"))].into())),
        })
        .collect();
    let mut upload = Upload::default();
    group.bench_function("store", |b| {
        b.iter(|| {
            let from = upload.bytes;
            upload.bytes += PAGE * 40;
            upload.rows += PAGE;
            let block = Block {
                from,
                replaces: false,
                upload: upload.clone(),
                rows: rows.clone(),
            };
            let added = runtime.block_on(store.append(&shop, id, block));
            assert_eq!(added, Ok(Changed::Done));
        });
    });
    let directory = tempfile::tempdir().expect("a directory");
    let db = bare(
        &directory,
        "CREATE TABLE blocks (seq INTEGER PRIMARY KEY, body BLOB)",
    );
    let body = vec![7_u8; PAGE as usize * 27];
    group.bench_function("floor: bare rusqlite, a blob", |b| {
        b.iter(|| {
            db.execute("INSERT INTO blocks (body) VALUES (?1)", [&body])
                .expect("inserted")
        });
    });
    group.finish();
    runtime.block_on(store.close()).expect("closed");
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

/// One row under a filter. Floor: the same two comparisons without one.
fn filters(c: &mut Criterion) {
    let mut group = c.benchmark_group("a row under a filter");
    group.throughput(Throughput::Elements(1));
    let Audience::Filter(filter) = filter() else {
        unreachable!("it is a filter");
    };
    let row = DeviceView {
        platform: Platform::Ios,
        channel: Channel::IosPush,
        locale: Some("de-AT"),
        app_version: Some("2.14.1"),
        tags: &["beta", "rare"],
        last_seen_at: NOW,
        created_at: NOW,
        time_zone: Some("Europe/Vienna"),
    };
    group.bench_function("platform and version", |b| {
        b.iter(|| filter.matches(black_box(&row)));
    });
    group.bench_function("floor: the two comparisons alone", |b| {
        b.iter(|| {
            let row = black_box(&row);
            row.platform.as_str() == black_box("ios")
                && compare_versions(row.app_version.unwrap_or_default(), black_box("2.10")).is_ge()
        });
    });
    group.finish();
}

criterion_group!(name = benches; config = quick(); targets = filters, scans, chunks, uploads);
criterion_main!(benches);
