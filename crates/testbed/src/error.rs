//! Why a test has no database.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a test has no database. `Debug` is the same text as `Display`, so that `expect` prints it readably.
#[derive(thiserror::Error)]
pub enum Error {
    /// None of the ways to a database is open on this machine; `tried` says why, a line for each.
    #[error(
        "no CQL database for the tests:\n{tried}\nGive them one: set SCYLLA_NODES=host:port[,host:port] to a \
         ScyllaDB or Cassandra 5 that is for tests only; or run Docker or Podman, able to fetch {image}; or install a \
         JDK, 17 or newer, and Maven (Debian: apt-get install default-jdk-headless maven)",
        image = crate::container::IMAGE
    )]
    None { tried: String },

    /// `SCYLLA_NODES` is set, and something is wrong with it.
    #[error("SCYLLA_NODES={value}: {fault}")]
    Given { value: String, fault: String },

    /// Cassandra's jars could not be fetched.
    #[error("Maven fetched no Apache Cassandra into {into}: {output}", into = into.display())]
    Fetch { into: PathBuf, output: String },

    /// A node ended, or was not ready in time.
    #[error("database node {node} {fault}; the end of its log:\n{log}")]
    Start {
        node: usize,
        fault: String,
        log: String,
    },

    /// The database was not started here, so that its nodes cannot be killed, stopped or started again.
    #[error(
        "the nodes of SCYLLA_NODES are not this test's: it must kill, stop and start them again, so run it without"
    )]
    NotOurs,

    /// A number of nodes that is not offered.
    #[error("{asked} nodes asked for; there can be 1 to {most}", most = crate::Cluster::MOST_NODES)]
    Count { asked: usize },

    /// The operating system refused something.
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
}

impl Error {
    /// Stable word for what went wrong.
    pub fn label(&self) -> &'static str {
        match self {
            Error::None { .. } => "none",
            Error::Given { .. } => "given",
            Error::Fetch { .. } => "fetch",
            Error::Start { .. } => "start",
            Error::NotOurs => "not_ours",
            Error::Count { .. } => "count",
            Error::System { .. } => "system",
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Says what was being done when the operating system refused.
pub(crate) trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::System {
            what: what(),
            source,
        })
    }
}
