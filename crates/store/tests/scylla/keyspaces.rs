//! An empty store for each test, on one server for all of them.
//!
//! Making tables takes seconds, so a few keyspaces are made once a run and borrowed: one for each test that runs at the
//! time. What the test before left in one is removed first.

#![allow(
    dead_code,
    reason = "several test binaries have this file, and not all need all of it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanfare_store::scylla::{Config, Scylla, schema};
use fanfare_store::{Fleet, Store};
use fanfare_testbed::Cluster;
use fanfare_types::{Epoch, Slot};
use futures_util::future::try_join_all;
use parking_lot::Mutex;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Tests beyond these wait for a keyspace.
const KEYSPACES: usize = 4;

static ROOM: Semaphore = Semaphore::const_new(KEYSPACES);
/// Those that were made and are not borrowed.
static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Changes of the schema go one by one.
static MAKING: Semaphore = Semaphore::const_new(1);

/// A keyspace that no other test uses meanwhile.
pub(crate) struct Loan {
    keyspace: String,
    _room: SemaphorePermit<'static>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        FREE.lock().push(std::mem::take(&mut self.keyspace));
    }
}

impl Loan {
    pub(crate) fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// Another session on the same tables is another node.
    pub(crate) fn config(&self, nodes: Vec<String>) -> Config {
        Config {
            // The server shares its machine with everything that runs at the time.
            request_timeout: Duration::from_secs(20),
            ..config(nodes, &self.keyspace)
        }
    }

    /// For looking at the tables beside the store.
    pub(crate) async fn session(&self) -> Session {
        let session = session(&nodes().await).await;
        let used = session.use_keyspace(&self.keyspace, true).await;
        used.expect("it is there");
        session
    }
}

pub(crate) fn config(nodes: Vec<String>, keyspace: &str) -> Config {
    Config {
        replication: "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}".to_owned(),
        request_timeout: Duration::from_secs(60),
        ..Config::new(nodes, keyspace)
    }
}

/// An empty store that works on all slots, as the only node there is.
pub(crate) async fn open() -> (Arc<dyn Store>, Loan) {
    let loan = borrow().await;
    let store = node(&loan).await;
    work_on_all(&*store).await;
    (store, loan)
}

/// A node on a borrowed keyspace, that holds nothing yet.
pub(crate) async fn node(loan: &Loan) -> Arc<Scylla> {
    let opened = Scylla::open(&loan.config(nodes().await)).await;
    opened.expect("the store opens")
}

/// The server's contact points.
pub(crate) async fn nodes() -> Vec<String> {
    let cluster = tokio::task::spawn_blocking(fanfare_testbed::shared);
    names(cluster.await.expect("a database"))
}

fn names(cluster: &Cluster) -> Vec<String> {
    let addresses = cluster.addresses();
    addresses.iter().map(ToString::to_string).collect()
}

/// An empty keyspace with all tables.
pub(crate) async fn borrow() -> Loan {
    let room = ROOM.acquire().await.expect("it is never closed");
    let nodes = nodes().await;
    let free = FREE.lock().pop();
    let keyspace = match free {
        Some(keyspace) => {
            empty(&nodes, &keyspace).await;
            keyspace
        }
        None => make(&nodes).await,
    };
    Loan {
        keyspace,
        _room: room,
    }
}

async fn make(nodes: &[String]) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let _alone = MAKING.acquire().await.expect("it is never closed");
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    // A given server may know those of other runs.
    let keyspace = format!("fanfare_test_{}_{number}", std::process::id());
    let session = session(nodes).await;
    let drop = format!("DROP KEYSPACE IF EXISTS {keyspace}");
    let dropped = session.query_unpaged(drop, ()).await;
    dropped.expect("the server changes its schema");
    let before = schema::apply(&config(nodes.to_vec(), &keyspace)).await;
    assert_eq!(before.expect("the tables are made"), 0);
    keyspace
}

async fn session(nodes: &[String]) -> Session {
    let session = SessionBuilder::new().known_nodes(nodes).build().await;
    session.expect("the server answers")
}

/// A keyspace of a test's own, without tables yet.
pub(crate) struct Raw {
    session: Session,
    config: Config,
}

impl Raw {
    /// It does not exist afterwards.
    pub(crate) async fn new(keyspace: &str) -> Raw {
        let nodes = nodes().await;
        let keyspace = format!("{keyspace}_{}", std::process::id());
        let raw = Raw {
            session: session(&nodes).await,
            config: config(nodes, &keyspace),
        };
        raw.drop().await;
        raw
    }

    /// The tables of a borrowed keyspace.
    pub(crate) async fn of(loan: &Loan) -> Raw {
        let nodes = nodes().await;
        Raw {
            session: session(&nodes).await,
            config: config(nodes, &loan.keyspace),
        }
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> usize {
        let count = format!("SELECT count(*) FROM {}.{table}", self.config.keyspace);
        let counted = self.session.query_unpaged(count, ()).await;
        let counted = counted.expect("the server answers").into_rows_result();
        let counted = counted.expect("a row").single_row::<(i64,)>();
        usize::try_from(counted.expect("a number").0).expect("it is one")
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) async fn make(&self) {
        let Config {
            keyspace,
            replication,
            ..
        } = &self.config;
        self.ddl(&format!(
            "CREATE KEYSPACE {keyspace} WITH replication = {replication}"
        ))
        .await;
    }

    /// In this keyspace.
    pub(crate) async fn run(&self, statement: &str) {
        let used = self.session.use_keyspace(&self.config.keyspace, true).await;
        used.expect("it is there");
        self.ddl(statement).await;
    }

    pub(crate) async fn drop(&self) {
        self.ddl(&format!("DROP KEYSPACE IF EXISTS {}", self.config.keyspace))
            .await;
    }

    async fn ddl(&self, statement: &str) {
        let done = self.session.query_unpaged(statement, ()).await;
        done.expect("the server changes its schema");
    }
}

/// Truncates every table that has a row, or may have had one that matters.
async fn empty(nodes: &[String], keyspace: &str) {
    let session = session(nodes).await;
    let tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let tables = session.query_unpaged(tables, (keyspace,)).await;
    let tables = tables.expect("the server answers").into_rows_result();
    let tables = tables.expect("rows");
    let tables = tables.rows::<(String,)>().expect("names");
    let tables = tables.map(|row| row.expect("a name").0);
    let used = tables.filter(|table| table != "schema_version");
    let emptied = used.map(|table| {
        let session = &session;
        async move {
            let any = format!("SELECT * FROM {keyspace}.{table} LIMIT 1");
            let any = session.query_unpaged(any, ()).await?.into_rows_result();
            // A bucket that was removed hides what is inserted at the time of its notification: long ago, in tests.
            let has_removed = table == "journal";
            if has_removed || any.expect("rows").rows_num() > 0 {
                let truncate = format!("TRUNCATE {keyspace}.{table}");
                session.query_unpaged(truncate, ()).await?;
            }
            Ok::<_, scylla::errors::ExecutionError>(())
        }
    });
    try_join_all(emptied).await.expect("the tables are emptied");
}

/// Takes up every slot.
pub(crate) async fn work_on_all(fleet: &dyn Fleet) {
    let taken = Slot::all().map(|slot| fleet.take_up(slot, Epoch(1)));
    try_join_all(taken).await.expect("the slots are taken up");
}
