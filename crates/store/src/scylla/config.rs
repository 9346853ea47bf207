//! Where the database is, and what is asked of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How to reach a ScyllaDB or Cassandra cluster.
#[derive(Clone)]
pub struct Config {
    /// Contact points, `host:port`; the others are found through them.
    pub nodes: Vec<String>,
    /// Holds all tables. Made by [`super::schema::apply`].
    pub keyspace: String,
    /// The datacenter that is asked, and whose replicas make a quorum. `None` with one datacenter only.
    pub datacenter: Option<String>,
    pub credentials: Option<Credentials>,
    /// `None`: no TLS.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    pub consistency: Consistency,
    /// `{'class': 'NetworkTopologyStrategy', …}`, as CQL wants it; used when the keyspace is made.
    pub replication: String,
    /// How long one request may take, all tries of it together. Default 1.5 s; afterwards the call fails, and the
    /// caller has its answer within 2 s.
    pub request_timeout: Duration,
    /// Calls under way at most. Default 10,000; the next one is refused as [`crate::Error::Overloaded`].
    pub queue_max: usize,
    /// Finished notifications are kept for this long (`journal.retention`).
    pub retention: Duration,
}

/// Whose quorum answers. Nothing less is offered: a read that misses an acknowledged write would send to a former owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Of the datacenter that is asked. All gateways have to be in one, for compare-and-set is decided there, too.
    #[default]
    LocalQuorum,
    /// Of all datacenters: gateways may be in several, and every call waits for the far ones.
    Quorum,
}

#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl Config {
    pub fn new(nodes: Vec<String>, keyspace: &str) -> Self {
        Config {
            nodes,
            keyspace: keyspace.to_owned(),
            datacenter: None,
            credentials: None,
            tls: None,
            consistency: Consistency::default(),
            replication: "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}".to_owned(),
            request_timeout: Duration::from_millis(1_500),
            queue_max: 10_000,
            retention: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("nodes", &self.nodes)
            .field("keyspace", &self.keyspace)
            .field("datacenter", &self.datacenter)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}
