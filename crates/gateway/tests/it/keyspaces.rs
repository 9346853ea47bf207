//! Keyspaces for tests on a real server: a few are made in a run, each is one test's at a time, and emptied between two.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanfare_store::scylla::{Config, schema};
use fanfare_testbed::wire::{Connection, Consistency};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Tests beyond these wait for a keyspace.
const KEYSPACES: usize = 4;

/// The server shares its machine with everything that runs at the time.
const PATIENCE: Duration = Duration::from_secs(60);

static ROOM: Semaphore = Semaphore::const_new(KEYSPACES);
/// Those that were made and are nobody's.
static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Changes of the schema go one by one.
static MAKING: Semaphore = Semaphore::const_new(1);

/// A keyspace that no other test uses meanwhile.
pub(crate) struct Loan {
    pub(crate) nodes: Vec<SocketAddr>,
    pub(crate) keyspace: String,
    /// None for one that is not given back.
    _room: Option<SemaphorePermit<'static>>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self._room.is_some() {
            FREE.lock().expect("a lock").push(self.keyspace.clone());
        }
    }
}

impl Loan {
    /// An empty keyspace of the server that all tests of this process share.
    pub(crate) async fn take() -> Loan {
        let room = ROOM.acquire().await.expect("it is never closed");
        let nodes = tokio::task::spawn_blocking(|| fanfare_testbed::shared().addresses());
        let nodes = nodes.await.expect("a database");
        let free = FREE.lock().expect("a lock").pop();
        let keyspace = match free {
            Some(keyspace) => {
                empty(nodes[0], keyspace.clone()).await;
                keyspace
            }
            None => make(&nodes).await,
        };
        Loan {
            nodes,
            keyspace,
            _room: Some(room),
        }
    }

    /// A keyspace of a server of the test's own.
    #[allow(
        dead_code,
        reason = "of the test binaries with this file one starts its own"
    )]
    pub(crate) async fn on(nodes: Vec<SocketAddr>) -> Loan {
        let keyspace = make(&nodes).await;
        Loan {
            nodes,
            keyspace,
            _room: None,
        }
    }

    pub(crate) fn config(&self) -> Config {
        config(&self.nodes, &self.keyspace)
    }

    /// The configuration's table.
    pub(crate) fn table(&self) -> String {
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("\"{node}\""))
            .collect();
        format!(
            "[store]\nkind = \"scylla\"\nnodes = [{}]\nkeyspace = \"{}\"\nreplication = 1\nrequest_timeout = \"4s\"\n",
            nodes.join(", "),
            self.keyspace
        )
    }
}

fn config(nodes: &[SocketAddr], keyspace: &str) -> Config {
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    let copies = nodes.len().min(3);
    Config {
        replication: format!(
            "{{'class': 'NetworkTopologyStrategy', 'replication_factor': {copies}}}"
        ),
        request_timeout: PATIENCE,
        ..Config::new(nodes, keyspace)
    }
}

async fn make(nodes: &[SocketAddr]) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let _alone = MAKING.acquire().await.expect("it is never closed");
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let keyspace = format!("fanfare_it_{}_{number}", std::process::id());
    // A given server may know one of an earlier run.
    let drop = format!("DROP KEYSPACE IF EXISTS {keyspace}");
    asked(nodes[0], vec![drop]).await;
    let before = schema::apply(&config(nodes, &keyspace)).await;
    assert_eq!(before.expect("the tables are made"), 0);
    keyspace
}

/// Truncates every table that has a row.
async fn empty(node: SocketAddr, keyspace: String) {
    let emptied = tokio::task::spawn_blocking(move || {
        let mut connection = Connection::open(node, PATIENCE)?;
        let tables = format!(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'"
        );
        for row in connection.query(&tables, Consistency::One)? {
            let name = row.into_iter().next().flatten().unwrap_or_default();
            let name = String::from_utf8_lossy(&name).into_owned();
            if name == "schema_version" {
                continue;
            }
            let any = format!("SELECT * FROM {keyspace}.{name} LIMIT 1");
            if !connection.query(&any, Consistency::One)?.is_empty() {
                let truncate = format!("TRUNCATE {keyspace}.{name}");
                connection.query(&truncate, Consistency::One)?;
            }
        }
        std::io::Result::Ok(())
    });
    emptied.await.expect("an end").expect("tables are emptied");
}

async fn asked(node: SocketAddr, statements: Vec<String>) {
    let done = tokio::task::spawn_blocking(move || {
        let mut connection = Connection::open(node, PATIENCE)?;
        for statement in statements {
            connection.query(&statement, Consistency::One)?;
        }
        std::io::Result::Ok(())
    });
    done.await.expect("an end").expect("the server does it");
}
