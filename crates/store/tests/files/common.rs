//! A store's place, and what is done to it in every test.

use std::path::{Path, PathBuf};

use fanfare_store::contract::fixtures::{NOW, accept, app, device, register};
use fanfare_store::embedded::{self, Config, Embedded};
use fanfare_store::{Accepted, Error, Journal, Store};
use fanfare_types::NotificationId;
use tempfile::TempDir;

/// A directory, and a store's path in it.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fanfare.db");
    (directory, path)
}

pub(crate) fn open(path: &Path) -> Result<Embedded, Error> {
    Embedded::open(&Config::at(path))
}

pub(crate) async fn fill(store: &Embedded, count: u64) {
    for number in 0..count {
        let answer = store.accept(accept(NOW, number, 2)).await;
        assert_eq!(answer, Ok(Accepted::New));
    }
}

pub(crate) async fn holds(store: &Embedded, number: u64) -> bool {
    let id = NotificationId::new(NOW, number);
    store.summary(&app("shop"), id).await.unwrap().is_some()
}

/// A closed store with a few rows.
pub(crate) async fn closed_store(path: &Path) {
    let store = open(path).unwrap();
    fill(&store, 20).await;
    register(&store, &device(1, "ada", "t1")).await;
    store.close().await.unwrap();
}

pub(crate) fn log_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

/// Opening must fail and leave every byte.
pub(crate) fn refused(path: &Path) -> Error {
    let before = std::fs::read(path).unwrap();
    let error = open(path).unwrap_err();
    assert!(
        before == std::fs::read(path).unwrap(),
        "the file was changed"
    );
    error
}

/// Checked whole, and nothing found.
pub(crate) fn sound(path: &Path) -> bool {
    let checked = embedded::check(path).unwrap();
    assert_eq!(checked.faults, Vec::<String>::new());
    true
}

/// What a process that was killed now would leave: file, log and lock file, in a place of their own.
pub(crate) fn as_if_killed(path: &Path) -> (TempDir, PathBuf) {
    let (directory, copy) = place();
    for suffix in ["", "-wal", ".lock"] {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        std::fs::copy(name(path), name(&copy)).unwrap();
    }
    (directory, copy)
}

/// The text of a refusal, which must name the file.
pub(crate) fn text_of(error: &Error, path: &Path) -> String {
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    text
}
