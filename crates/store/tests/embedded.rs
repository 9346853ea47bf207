//! The embedded store passes the contract.

use std::sync::Arc;

use fanfare_store::Store;
use fanfare_store::embedded::{self, Config};
use tempfile::TempDir;

async fn open() -> (Arc<dyn Store>, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let config = Config::at(&directory.path().join("fanfare.db"));
    (embedded::open(&config).expect("a new store"), directory)
}

fanfare_store::contract_tests!(open);
