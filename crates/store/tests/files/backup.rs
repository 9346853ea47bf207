//! Copies of a store: made while it serves, checked, and put back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_store::contract::fixtures::{NOW, accept};
use fanfare_store::embedded;
use fanfare_store::{Accepted, Error, Journal, Store};

use crate::common::{as_if_killed, closed_store, fill, holds, log_of, open, place, sound};

fn backup(from: &Path, to: &Path, replace: bool) -> Result<embedded::Copied, Error> {
    embedded::backup(from, to, replace, &mut |_, _| ())
}

fn restore(from: &Path, to: &Path) -> Result<embedded::Restored, Error> {
    embedded::restore(from, to, NOW, &mut |_, _| ())
}

fn sound_copy(path: &Path) -> bool {
    embedded::check_copy(path).unwrap().faults.is_empty()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_while_serving_has_every_write_that_was_acknowledged() {
    let (directory, path) = place();
    let store = Arc::new(open(&path).unwrap());
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writing = {
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let answer = store.accept(accept(NOW, number, 2)).await;
                assert_eq!(answer, Ok(Accepted::New));
                acknowledged.store(number + 1, Ordering::Release);
            }
        })
    };
    for (at_least, name) in [(1, "one.db"), (200, "two.db"), (600, "three.db")] {
        while acknowledged.load(Ordering::Acquire) < at_least {
            tokio::task::yield_now().await;
        }
        let must_be_there = acknowledged.load(Ordering::Acquire);
        let (from, to) = (path.clone(), directory.path().join(name));
        let made = tokio::task::spawn_blocking({
            let to = to.clone();
            move || {
                let mut told = Vec::new();
                let made =
                    embedded::backup(&from, &to, false, &mut |done, all| told.push((done, all)));
                made.map(|made| (made, told))
            }
        });
        let (made, told) = made.await.unwrap().unwrap();
        assert!(made.contents.notifications >= must_be_there);
        assert!(
            told.last()
                .is_some_and(|(done, all)| done == all && *all > 0)
        );
        let (_kept, restored) = place();
        restore(&to, &restored).unwrap();
        let copied = open(&restored).unwrap();
        for number in 0..must_be_there {
            assert!(holds(&copied, number).await, "{number} of {must_be_there}");
        }
        copied.close().await.unwrap();
    }
    writing.abort();
    drop(writing.await);
    store.close().await.unwrap();
    let left = [
        "fanfare.db",
        "fanfare.db.lock",
        "one.db",
        "three.db",
        "two.db",
    ];
    assert_eq!(names(directory.path()), left, "nothing half made stays");
}

#[tokio::test]
async fn a_backup_replaces_nothing_unless_told_to() {
    let (directory, path) = place();
    closed_store(&path).await;
    let to = directory.path().join("copy.db");
    std::fs::write(&to, b"precious").unwrap();
    let error = backup(&path, &to, false).unwrap_err();
    assert!(error.to_string().contains("there already"), "{error}");
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    backup(&path, &to, true).unwrap();
    assert!(sound_copy(&to));
}

#[tokio::test]
async fn a_damaged_store_gives_no_backup_and_a_damaged_backup_is_not_restored() {
    let (directory, path) = place();
    closed_store(&path).await;
    let to = directory.path().join("copy.db");
    backup(&path, &to, false).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut bent = whole.clone();
    bent[4096 * 2..4096 * 2 + 8].fill(0xa5);
    std::fs::write(&path, &bent).unwrap();
    let error = backup(&path, &to, true).unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
    assert!(sound_copy(&to), "the sound one is still there");

    std::fs::write(&path, &whole).unwrap();
    std::fs::write(&to, &bent).unwrap();
    let error = restore(&to, &path).unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
    assert!(error.to_string().contains("copy.db"), "{error}");
    assert!(std::fs::read(&path).unwrap() == whole);
    let left = ["copy.db", "fanfare.db", "fanfare.db.lock"];
    let there: Vec<_> = names(directory.path());
    let there: Vec<_> = there
        .iter()
        .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect();
    assert_eq!(there, left);
}

#[tokio::test]
async fn a_store_that_lost_its_log_gives_no_backup() {
    let (directory, path) = place();
    let store = open(&path).unwrap();
    fill(&store, 5).await;
    let (_kept, left) = as_if_killed(&path);
    store.close().await.unwrap();
    std::fs::remove_file(log_of(&left)).unwrap();
    let error = backup(&left, &directory.path().join("copy.db"), false).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

#[tokio::test]
async fn a_restore_waits_for_no_gateway_and_keeps_what_was_there() {
    let (directory, path) = place();
    let store = open(&path).unwrap();
    fill(&store, 5).await;
    let copy = directory.path().join("copy.db");
    backup(&path, &copy, false).unwrap();
    fill_more(&store).await;
    let error = restore(&copy, &path).unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(text) if text.contains("in use")),
        "{error}"
    );
    // Killed: file and log are kept together.
    let (killed, path) = as_if_killed(&path);
    store.close().await.unwrap();
    let restored = restore(&copy, &path).unwrap();
    assert_eq!(restored.contents.notifications, 5);
    let kept: PathBuf = restored.kept.unwrap();
    assert!(kept.to_str().unwrap().contains(".before-restore-"));
    assert!(log_of(&kept).exists());
    let now = open(&path).unwrap();
    assert!(holds(&now, 4).await && !holds(&now, 100).await);
    now.close().await.unwrap();
    let before = open(&kept).unwrap();
    assert!(holds(&before, 4).await && holds(&before, 100).await);
    before.close().await.unwrap();
    assert!(
        !names(killed.path())
            .iter()
            .any(|name| name.ends_with(".restored"))
    );
}

async fn fill_more(store: &embedded::Embedded) {
    assert_eq!(store.accept(accept(NOW, 100, 2)).await, Ok(Accepted::New));
}

#[tokio::test]
async fn a_restore_into_an_empty_place_keeps_nothing() {
    let (directory, path) = place();
    closed_store(&path).await;
    let copy = directory.path().join("a copy?.db");
    backup(&path, &copy, false).unwrap();
    let (_other, empty) = place();
    let restored = restore(&copy, &empty).unwrap();
    assert_eq!(restored.kept, None);
    assert!(sound(&empty));
}
