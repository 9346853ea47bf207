//! Which store a test's gateway has: `TEST_STORE` says it for a whole run, else what the test binary is for.

use std::path::Path;
use std::sync::Arc;

use fanfare_gateway::storage::STORE_FILE;
use fanfare_store::scylla::Scylla;
use fanfare_store::{Store, embedded};

use crate::keyspaces::Loan;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    Scylla,
}

impl Kind {
    /// `TEST_STORE`, or this binary's.
    pub(crate) fn wanted() -> Kind {
        match std::env::var("TEST_STORE").as_deref() {
            Err(_) | Ok("") => crate::STORE,
            Ok("embedded") => Kind::Embedded,
            Ok("scylla") => Kind::Scylla,
            Ok(other) => panic!("TEST_STORE={other} is neither embedded nor scylla"),
        }
    }
}

/// Where a world keeps everything.
pub(crate) enum Place {
    /// `data` in its directory.
    Embedded,
    Scylla(Loan),
}

impl Place {
    pub(crate) async fn of(kind: Kind) -> Place {
        match kind {
            Kind::Embedded => Place::Embedded,
            Kind::Scylla => Place::Scylla(Loan::take().await),
        }
    }

    /// The configuration with this store.
    pub(crate) fn written_into(&self, text: &str) -> String {
        match self {
            Place::Embedded => text.to_owned(),
            Place::Scylla(loan) => {
                assert!(
                    !text.contains("[store]"),
                    "this test is of the embedded store: it says so in its options"
                );
                format!("{text}\n{}{FLEET}", loan.table())
            }
        }
    }

    /// The store itself, while no gateway has it open: its rows and campaigns can be read and devices written.
    pub(crate) async fn open(&self, directory: &Path, group_max: usize) -> Arc<dyn Store> {
        match self {
            Place::Embedded => {
                let data = directory.join("data");
                std::fs::create_dir_all(&data).expect("a directory");
                let config = embedded::Config {
                    group_max,
                    ..embedded::Config::at(&data.join(STORE_FILE))
                };
                embedded::open(&config).expect("a store")
            }
            Place::Scylla(loan) => {
                let opened = Box::pin(Scylla::open(&loan.config())).await;
                opened.expect("a store")
            }
        }
    }
}

/// What is left of a killed gateway is to be free soon.
const FLEET: &str = "[fleet]\nlease = \"2s\"\n";
