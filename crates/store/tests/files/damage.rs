//! A damaged, foreign or newer file is refused with its name and its fault, and every byte of it stays.

use std::path::{Path, PathBuf};

use fanfare_store::contract::fixtures::{NOW, accept, app};
use fanfare_store::embedded::{self, Embedded};
use fanfare_store::{Accepted, Error, Journal, Store};
use fanfare_types::NotificationId;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::common::{
    as_if_killed, closed_store, fill, holds, log_of, open, place, refused, sound, text_of,
};

#[tokio::test]
async fn what_is_no_store_of_ours_is_corrupt_and_stays() {
    let (_directory, path) = place();
    for content in [
        b"x".to_vec(),
        b"not a database at all ".repeat(500),
        vec![0; 8192],
    ] {
        std::fs::write(&path, content).unwrap();
        let error = refused(&path);
        assert!(matches!(error, Error::Corrupt(_)));
        assert!(text_of(&error, &path).contains("not a database"));
    }
    std::fs::write(&path, b"").unwrap();
    assert!(text_of(&refused(&path), &path).contains("empty"));
    std::fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1;")
        .unwrap();
    other.close().unwrap();
    let error = refused(&path);
    assert!(matches!(error, Error::Corrupt(_)));
    assert!(text_of(&error, &path).contains("not a fanfare store"));
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
        let error = refused(&path);
        assert!(matches!(error, Error::Corrupt(_)));
        text_of(&error, &path);
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
        .pragma_update(None, "user_version", 4)
        .unwrap();
    let expected = Error::NewerSchema { found: 4, known: 3 };
    assert_eq!(refused(&path), expected);

    // The same when the newer version is still in the log alone.
    let (_directory, copy) = place();
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 3).unwrap();
    newer
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    newer.pragma_update(None, "user_version", 4).unwrap();
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
async fn check_finds_what_is_wrong() {
    let (_directory, path) = place();
    closed_store(&path).await;
    let sound = embedded::check(&path).unwrap();
    assert_eq!(sound.faults, Vec::<String>::new());
    let contents = sound.contents;
    let counted = (
        contents.devices,
        contents.notifications,
        contents.unfinished,
    );
    assert_eq!(counted, (1, 20, 20));
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "UPDATE notifications SET finished = 1 WHERE seq = 3; DELETE FROM records WHERE seq = 5;
         UPDATE records SET body = '{' WHERE seq = 7; UPDATE devices SET address = 'another'",
    )
    .unwrap();
    db.close().unwrap();
    let faults = embedded::check(&path).unwrap().faults;
    assert_eq!(faults.len(), 4, "{faults:?}");
    std::fs::write(&path, b"not a database at all ".repeat(500)).unwrap();
    assert_eq!(embedded::check(&path).unwrap().faults.len(), 1);
    let missing = embedded::check(Path::new("/nowhere/fanfare.db"));
    assert!(matches!(missing, Err(Error::Unavailable(_))));
}

/// A store with commits in its log, as a killed process leaves it.
async fn killed_store(commits: u64) -> (TempDir, PathBuf) {
    let (_directory, path) = place();
    let store = open(&path).unwrap();
    fill(&store, commits).await;
    let left = as_if_killed(&path);
    store.close().await.unwrap();
    left
}

const FRAME: usize = 24 + 4096;

#[tokio::test]
async fn a_torn_log_opens_with_all_that_was_acknowledged() {
    for cut in [1, FRAME / 2, FRAME - 1] {
        let (_directory, path) = killed_store(20).await;
        // A group that was being written when the power went: its first frames, and half of one.
        let log = std::fs::read(log_of(&path)).unwrap();
        let mut torn = log.clone();
        torn.extend(&log[log.len() - FRAME..]);
        torn.truncate(log.len() + cut);
        std::fs::write(log_of(&path), torn).unwrap();
        let store = open(&path).unwrap();
        for number in 0..20 {
            assert!(holds(&store, number).await, "{number}, {cut}");
        }
        assert_eq!(store.accept(accept(NOW, 20, 1)).await, Ok(Accepted::New));
        store.close().await.unwrap();
        assert!(sound(&path));
    }
}

#[tokio::test]
async fn a_torn_last_commit_opens_without_it_and_is_never_taken_for_damage() {
    let (_directory, path) = killed_store(20).await;
    let mut log = std::fs::read(log_of(&path)).unwrap();
    // Not its last frame: the commit is there, and what it needs is not.
    let end = log.len();
    log[end - FRAME - 1000] ^= 1;
    std::fs::write(log_of(&path), &log).unwrap();
    let store = open(&path).unwrap();
    assert!(holds(&store, 18).await && !holds(&store, 19).await);
    assert_eq!(store.accept(accept(NOW, 77, 1)).await, Ok(Accepted::New));
    let (_directory, path) = as_if_killed(&path);
    drop(store);
    let again = open(&path).unwrap();
    assert!(holds(&again, 77).await);
    again.close().await.unwrap();
}

#[tokio::test]
async fn a_damaged_log_is_refused_and_stays() {
    let (_directory, path) = killed_store(20).await;
    let whole = std::fs::read(log_of(&path)).unwrap();
    let middle = 32 + (whole.len() - 32) / 2;
    for byte in [3, 10, 20, middle] {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1;
        std::fs::write(log_of(&path), &damaged).unwrap();
        let error = refused(&path);
        assert!(matches!(error, Error::Corrupt(_)), "{byte}");
        assert!(text_of(&error, &path).contains("-wal is damaged"));
        assert!(std::fs::read(log_of(&path)).unwrap() == damaged);
        let faults = embedded::check(&path).unwrap().faults;
        assert!(faults[0].contains("-wal is damaged"), "{faults:?}");
    }
}

#[tokio::test]
async fn a_log_that_is_gone_or_emptied_is_missed() {
    for gone in [true, false] {
        let (_directory, path) = killed_store(20).await;
        match gone {
            true => std::fs::remove_file(log_of(&path)).unwrap(),
            false => std::fs::write(log_of(&path), b"").unwrap(),
        }
        let error = refused(&path);
        assert!(matches!(error, Error::Corrupt(_)));
        assert!(text_of(&error, &path).contains("missing"), "{error}");
        let faults = embedded::check(&path).unwrap().faults;
        assert!(faults[0].contains("missing"), "{faults:?}");
        // The way out, for those who know why.
        std::fs::remove_file(format!("{}.lock", path.display())).unwrap();
        open(&path).unwrap().close().await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_made_anew_over_its_log() {
    let (_directory, path) = killed_store(3).await;
    std::fs::remove_file(&path).unwrap();
    let error = open(&path).unwrap_err();
    assert!(text_of(&error, &path).contains("gone"), "{error}");
    std::fs::remove_file(log_of(&path)).unwrap();
    assert!(open(&path).is_err() && !path.exists());
}

#[tokio::test]
async fn a_file_cut_short_under_its_log_is_refused() {
    let (_directory, path) = place();
    closed_store(&path).await;
    let store = open(&path).unwrap();
    fill_from(&store, 100, 3).await;
    let (_kept, copy) = as_if_killed(&path);
    store.close().await.unwrap();
    let whole = std::fs::read(&copy).unwrap();
    std::fs::write(&copy, &whole[..4096 * 3]).unwrap();
    let error = refused(&copy);
    assert!(text_of(&error, &copy).contains("cut short"), "{error}");
}

async fn fill_from(store: &Embedded, first: u64, count: u64) {
    for number in first..first + count {
        assert_eq!(
            store.accept(accept(NOW, number, 2)).await,
            Ok(Accepted::New)
        );
    }
}

/// A page goes bad under a store that serves: calls that need it fail, the store says so, and nothing more is
/// written.
#[tokio::test]
async fn damage_found_while_serving_ends_all_writing() {
    let (_directory, path) = place();
    let store = open(&path).unwrap();
    fill(&store, 200).await;
    store.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let store = open(&path).unwrap();
    store.ping().await.unwrap();
    // Every page but the first, which the store has read.
    for page in bytes[4096..].chunks_exact_mut(4096) {
        page[..8].fill(0xa5);
    }
    std::fs::write(&path, &bytes).unwrap();
    let read = store
        .summary(&app("shop"), NotificationId::new(NOW, 150))
        .await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
    for number in 500..503 {
        let refused = store.accept(accept(NOW, number, 1)).await;
        assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    }
    assert!(matches!(store.ping().await, Err(Error::Corrupt(_))));
    // A checkpoint at the end could only copy what was written before.
    drop(store.close().await);
    assert!(embedded::check(&path).unwrap().faults.len() > 1);
}
