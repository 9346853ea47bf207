//! The embedded store's file: what survives; what is refused, and stays as it is (`damage.rs`); copies of it
//! (`backup.rs`).

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod backup;
mod common;
mod damage;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_store::contract::fixtures::{NOW, accept, app, rows};
use fanfare_store::{Accepted, Error, Journal, Store};

use crate::common::{closed_store, fill, holds, log_of, open, place, sound};

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
        assert!(sound(&copy));
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
        matches!(&error, Error::Unavailable(text)
            if text.contains("in use") && text.contains(&std::process::id().to_string())),
        "{error}"
    );
    fill(&first, 1).await;
    first.close().await.unwrap();
    let second = open(&path).unwrap();
    assert!(holds(&second, 0).await);
    second.close().await.unwrap();
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
