//! The writer's groups and the queue's bound, with a gate that holds the writer still.

mod campaigns;
mod upgrade;

use std::sync::mpsc as gate;

use fanfare_types::{AppId, NotificationId};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::contract::fixtures::{NOW, accept, app};

fn opened(change: impl FnOnce(&mut Config)) -> (Embedded, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::at(&directory.path().join("fanfare.db"));
    change(&mut config);
    (Embedded::open(&config).unwrap(), directory)
}

/// Stops the writer inside a transaction until the sender is dropped.
async fn hold(store: &Embedded) -> (BoxFuture<'_, Result<()>>, gate::Sender<()>) {
    let (open, closed) = gate::channel::<()>();
    let (tell, reached) = oneshot::channel::<()>();
    let mut tell = Some(tell);
    let mut held = store.write(move |_| {
        // The receiver learns of it when the sender is gone.
        if tell.take().is_some() {
            closed.recv().unwrap_err();
        }
        Ok(())
    });
    assert!((&mut held).now_or_never().is_none());
    reached.await.unwrap_err();
    (held, open)
}

async fn kept(store: &Embedded, id: NotificationId) -> bool {
    let found = store.summary(&shop(), id).await;
    found.unwrap().is_some()
}

fn shop() -> AppId {
    app("shop")
}

/// Puts a call into the queue.
fn queued<T>(mut call: BoxFuture<'_, Result<T>>) -> BoxFuture<'_, Result<T>> {
    assert!((&mut call).now_or_never().is_none(), "answered too early");
    call
}

#[tokio::test]
async fn what_waits_shares_one_commit() {
    let (store, _kept) = opened(|config| config.group_max = 64);
    let (held, open) = hold(&store).await;
    let before = store.commits();
    let accepts = (0..200).map(|number| queued(store.accept(accept(NOW, number, 1))));
    let accepts: Vec<_> = accepts.collect();
    drop(open);
    held.await.unwrap();
    for answer in join_all(accepts).await {
        assert_eq!(answer, Ok(Accepted::New));
    }
    // The one that was held, then 200 in groups of 64.
    assert_eq!(store.commits() - before, 1 + 4);
}

#[tokio::test]
async fn a_full_queue_says_so_and_keeps_what_it_has() {
    let (store, _kept) = opened(|config| config.queue_max = 2);
    let (held, open) = hold(&store).await;
    let waiting = [1, 2].map(|number| queued(store.accept(accept(NOW, number, 1))));
    let refused = store.accept(accept(NOW, 3, 1)).await;
    assert_eq!(refused, Err(Error::Overloaded));
    assert!(
        !kept(&store, NotificationId::new(NOW, 1)).await,
        "readers go on"
    );
    drop(open);
    held.await.unwrap();
    for answer in join_all(waiting).await {
        assert_eq!(answer, Ok(Accepted::New));
    }
    assert!(!kept(&store, NotificationId::new(NOW, 3)).await);
    assert_eq!(store.accept(accept(NOW, 3, 1)).await, Ok(Accepted::New));
}

#[tokio::test]
async fn one_calls_failure_is_not_anothers() {
    let (store, _kept) = opened(|_| ());
    let (held, open) = hold(&store).await;
    let first = queued(store.accept(accept(NOW, 1, 1)));
    let bad = queued(store.write(|db| {
        db.execute("INSERT INTO pings (id, count) VALUES (77, 1)", [])?;
        db.execute("INSERT INTO pings (id, count) VALUES (77, 1)", [])?;
        Ok(())
    }));
    let last = queued(store.accept(accept(NOW, 2, 1)));
    drop(open);
    held.await.unwrap();
    assert_eq!(first.await, Ok(Accepted::New));
    assert!(matches!(bad.await, Err(Error::Row(_))));
    assert_eq!(last.await, Ok(Accepted::New));
    for number in [1, 2] {
        assert!(kept(&store, NotificationId::new(NOW, number)).await);
    }
    let half = store.read(|db| {
        let sql = "SELECT count(*) FROM pings WHERE id = 77";
        Ok(db.query_row(sql, [], |row| row.get::<_, u32>(0))?)
    });
    assert_eq!(half.await, Ok(0), "nothing of the failed call stays");
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_heals() {
    let (store, _kept) = opened(|_| ());
    let pages = |pages: u32| {
        store.write(move |db| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            Ok(db.query_row(&sql, [], |_| Ok(()))?)
        })
    };
    // SQLite takes the pages there are for the least limit.
    pages(1).await.unwrap();
    let refused = store.accept(accept(NOW, 1, 10_000)).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(!kept(&store, NotificationId::new(NOW, 1)).await);
    pages(1_000_000).await.unwrap();
    let answer = store.accept(accept(NOW, 1, 10_000)).await;
    assert_eq!(answer, Ok(Accepted::New));
}

#[tokio::test]
async fn a_call_is_carried_out_when_its_caller_goes_away() {
    let (store, _kept) = opened(|_| ());
    let (held, open) = hold(&store).await;
    drop(queued(store.accept(accept(NOW, 1, 1))));
    drop(open);
    held.await.unwrap();
    store.ping().await.unwrap();
    assert!(kept(&store, NotificationId::new(NOW, 1)).await);
}

#[tokio::test]
async fn close_finishes_what_is_queued() {
    let (store, directory) = opened(|_| ());
    let (held, open) = hold(&store).await;
    let accepts: Vec<_> = (0..50)
        .map(|number| queued(store.accept(accept(NOW, number, 1))))
        .collect();
    let mut closing = store.close();
    // The readers have to end first, so the writer may be told only after a few turns.
    assert!((&mut closing).now_or_never().is_none());
    drop(open);
    let (closed, answers) = tokio::join!(closing, join_all(accepts));
    assert_eq!(closed, Ok(()));
    held.await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Ok(Accepted::New)));
    let names = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["fanfare.db", "fanfare.db.lock"],
        "the log is empty and gone"
    );
}

#[tokio::test]
async fn a_commit_is_an_fsync() {
    let (store, _kept) = opened(|_| ());
    let setting = |name: &'static str| {
        store.write(move |db| {
            let value =
                db.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
            Ok(format!("{:?}", value?))
        })
    };
    // 2 is FULL: <https://www.sqlite.org/pragma.html#pragma_synchronous>.
    assert_eq!(setting("synchronous").await.unwrap(), "Integer(2)");
    assert_eq!(setting("journal_mode").await.unwrap(), "Text(\"wal\")");
}

#[tokio::test]
async fn a_listing_without_filters_reads_the_tenants_index_alone() {
    let (store, _directory) = opened(|_| {});
    let plan = store.read(|db| {
        let sql = "EXPLAIN QUERY PLAN SELECT count(*) FROM devices
            WHERE app = ?1 AND deleted_at IS NULL AND tenant = ?2";
        Ok(db.query_row(sql, ("shop", "north"), |row| row.get::<_, String>(3))?)
    });
    let plan = plan.await.unwrap();
    assert!(plan.contains("COVERING INDEX devices_tenant"), "{plan}");
    store.close().await.unwrap();
}

#[tokio::test]
async fn expired_keys_are_removed() {
    let (store, _kept) = opened(|_| ());
    let mut keyed = accept(NOW, 1, 1);
    keyed.idempotency = Some(crate::Idempotency {
        key: [7; 32],
        body: [1; 32],
        expires_at: Timestamp(NOW.0 + 1_000),
    });
    assert_eq!(store.accept(keyed).await, Ok(Accepted::New));
    for (now, left) in [(999, 1), (1_000, 0)] {
        let now = Timestamp(NOW.0 + now);
        assert_eq!(store.purge(NOW, now, 10).await, Ok(0));
        let keys = store.write(|db| {
            let count = db.query_row("SELECT count(*) FROM idempotency", [], |row| row.get(0));
            Ok(count?)
        });
        assert_eq!(keys.await, Ok(left));
    }
}
