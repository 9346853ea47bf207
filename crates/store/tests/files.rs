//! The embedded store's file: what survives, what is refused, and that a refused file stays as it is.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_store::contract::fixtures::{NOW, accept, app, device, register, rows};
use fanfare_store::embedded::{self, Config, Embedded};
use fanfare_store::{Accepted, Error, Journal, Store};
use fanfare_types::NotificationId;
use rusqlite::Connection;
use tempfile::TempDir;

/// A directory, and a store's path in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fanfare.db");
    (directory, path)
}

fn open(path: &Path) -> Result<Embedded, Error> {
    Embedded::open(&Config::at(path))
}

async fn fill(store: &Embedded, count: u64) {
    for number in 0..count {
        let answer = store.accept(accept(NOW, number, 2)).await;
        assert_eq!(answer, Ok(Accepted::New));
    }
}

async fn holds(store: &Embedded, number: u64) -> bool {
    let id = NotificationId::new(NOW, number);
    store.summary(&app("shop"), id).await.unwrap().is_some()
}

/// A closed store with a few rows.
async fn closed_store(path: &Path) {
    let store = open(path).unwrap();
    fill(&store, 20).await;
    register(&store, &device(1, "ada", "t1")).await;
    store.close().await.unwrap();
}

fn log_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

/// Opening must fail and leave every byte.
fn refused(path: &Path) -> Error {
    let before = std::fs::read(path).unwrap();
    let error = open(path).unwrap_err();
    assert!(
        before == std::fs::read(path).unwrap(),
        "the file was changed"
    );
    error
}

#[tokio::test]
async fn a_closed_store_opens_with_everything_in_it() {
    let (_directory, path) = place();
    closed_store(&path).await;
    let store = open(&path).unwrap();
    for number in 0..20 {
        assert!(holds(&store, number).await);
    }
    assert_eq!(rows(&store, &app("shop"), "ada").await.len(), 1);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_in_full_flight_has_every_acknowledged_write() {
    let (_directory, path) = place();
    let store = Arc::new(open(&path).unwrap());
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writing = {
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        tokio::spawn(async move {
            for number in 0..2_000 {
                let answer = store.accept(accept(NOW, number, 2)).await;
                assert_eq!(answer, Ok(Accepted::New));
                acknowledged.store(number + 1, Ordering::Release);
            }
        })
    };
    for at_least in [1, 50, 300] {
        while acknowledged.load(Ordering::Acquire) < at_least {
            tokio::task::yield_now().await;
        }
        let (_directory, copy) = place();
        let must_be_there = acknowledged.load(Ordering::Acquire);
        std::fs::copy(&path, &copy).unwrap();
        std::fs::copy(log_of(&path), log_of(&copy)).unwrap();
        let copied = open(&copy).unwrap();
        for number in 0..must_be_there {
            assert!(holds(&copied, number).await, "{number} of {must_be_there}");
        }
        copied.close().await.unwrap();
        assert_eq!(embedded::check(&copy), Ok(Vec::new()));
    }
    writing.abort();
    drop(writing.await);
    store.close().await.unwrap();
}

/// Set for the child of the next test: where it writes.
const CHILD: &str = "FANFARE_STORE_TEST_CHILD";

#[tokio::test]
async fn a_killed_process_loses_no_acknowledged_write() {
    if let Some(path) = std::env::var_os(CHILD) {
        let store = open(Path::new(&path)).unwrap();
        for number in 0.. {
            assert_eq!(
                store.accept(accept(NOW, number, 2)).await,
                Ok(Accepted::New)
            );
            println!("\nacknowledged {number}");
        }
    }
    let (_directory, path) = place();
    let name = "a_killed_process_loses_no_acknowledged_write";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = lines.map_while(Result::ok).filter_map(|line| {
        let number = line.strip_prefix("acknowledged ")?;
        number.parse::<u64>().ok()
    });
    let mut last = None;
    for number in acknowledged {
        last = Some(number);
        if number == 200 {
            assert!(
                matches!(open(&path), Err(Error::Unavailable(_))),
                "two openers"
            );
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    let last = last.unwrap();
    assert!(last >= 200);
    let store = open(&path).unwrap();
    for number in 0..=last {
        assert!(holds(&store, number).await, "{number} of {last}");
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn the_second_opener_is_refused_until_the_first_closes() {
    let (_directory, path) = place();
    let first = open(&path).unwrap();
    let error = open(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(text) if text.contains("in use")),
        "{error}"
    );
    fill(&first, 1).await;
    first.close().await.unwrap();
    let second = open(&path).unwrap();
    assert!(holds(&second, 0).await);
    second.close().await.unwrap();
}

#[tokio::test]
async fn what_is_no_store_of_ours_is_corrupt_and_stays() {
    let (_directory, path) = place();
    for content in [
        b"x".to_vec(),
        b"not a database at all ".repeat(500),
        vec![0; 8192],
    ] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(refused(&path), Error::Corrupt(_)));
    }
    std::fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1;")
        .unwrap();
    other.close().unwrap();
    assert!(matches!(refused(&path), Error::Corrupt(_)));
}

#[tokio::test]
async fn a_damaged_store_is_corrupt_and_stays() {
    let (_directory, path) = place();
    closed_store(&path).await;
    let sound = std::fs::read(&path).unwrap();
    let cut = sound[..sound.len() - 4096].to_vec();
    let mut bent = sound.clone();
    bent[100..4096].fill(0xa5);
    for damaged in [cut, bent] {
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(refused(&path), Error::Corrupt(_)));
    }
    std::fs::write(&path, &sound).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE outcomes")
        .unwrap();
    assert!(matches!(refused(&path), Error::Corrupt(_)));
}

#[tokio::test]
async fn a_newer_store_is_refused_and_stays() {
    let (_directory, path) = place();
    closed_store(&path).await;
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 3)
        .unwrap();
    let expected = Error::NewerSchema { found: 3, known: 2 };
    assert_eq!(refused(&path), expected);

    // The same when the newer version is still in the log alone.
    let (_directory, copy) = place();
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 2).unwrap();
    newer
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    newer.pragma_update(None, "user_version", 3).unwrap();
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(log_of(&path), log_of(&copy)).unwrap();
    let log = std::fs::read(log_of(&copy)).unwrap();
    assert_eq!(refused(&copy), expected);
    assert!(
        log == std::fs::read(log_of(&copy)).unwrap(),
        "the log was changed"
    );
}

#[tokio::test]
async fn a_log_without_its_database_is_not_thrown_away() {
    let (_directory, path) = place();
    std::fs::write(log_of(&path), b"acknowledged writes").unwrap();
    let error = open(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt(text) if text.contains("-wal")),
        "{error}"
    );
    assert_eq!(
        std::fs::read(log_of(&path)).unwrap(),
        b"acknowledged writes"
    );
    assert!(!path.exists());
}

#[tokio::test]
async fn a_half_made_file_is_made_anew() {
    let (directory, path) = place();
    std::fs::write(directory.path().join("fanfare.db.new"), b"half").unwrap();
    closed_store(&path).await;
    assert!(!directory.path().join("fanfare.db.new").exists());
}

#[test]
fn a_missing_directory_is_unavailable() {
    let (directory, _) = place();
    let error = open(&directory.path().join("nowhere/fanfare.db")).unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(text) if text.contains("nowhere")),
        "{error}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = place();
    let store = open(&path).unwrap();
    fill(&store, 1).await;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn check_finds_what_is_wrong() {
    let (_directory, path) = place();
    closed_store(&path).await;
    assert_eq!(embedded::check(&path), Ok(Vec::new()));
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "UPDATE notifications SET finished = 1 WHERE seq = 3; DELETE FROM records WHERE seq = 5",
    )
    .unwrap();
    db.close().unwrap();
    let faults = embedded::check(&path).unwrap();
    assert_eq!(faults.len(), 2, "{faults:?}");
    std::fs::write(&path, b"not a database at all ".repeat(500)).unwrap();
    assert_eq!(embedded::check(&path).unwrap().len(), 1);
    let missing = embedded::check(Path::new("/nowhere/fanfare.db"));
    assert!(matches!(missing, Err(Error::Unavailable(_))));
}
