//! The store that grows: ScyllaDB, or Apache Cassandra 5, which speaks the same protocol. Shared by any number of
//! gateways.
//!
//! ```text
//! registry    devices by user (one partition a user), who holds an address (compare-and-set), ids
//! journal     notifications by slot and minute; written by the slot's holder under its epoch
//! campaigns   standings (compare-and-set), uploads in blocks, shards by token range under their slot's epoch
//! fleet       nodes, leases of slots, inboxes
//! ```
//!
//! Ownership of an address is decided by compare-and-set on the address's row. Work is written by whoever holds its
//! slot, and what it writes carries the epoch of that hold, so that a former holder's writes are refused.

mod campaigns;
mod config;
mod fault;
mod fleet;
mod held;
mod journal;
#[cfg(test)]
#[path = "../tests/scylla/keyspaces.rs"]
mod keyspaces;
mod registry;
pub mod schema;
mod session;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use config::{Config, Consistency, Credentials};

use crate::{Fleet, Result, Store};
use held::Held;
use session::Db;

/// A session with the cluster, and what this node holds.
pub struct Scylla {
    db: Arc<Db>,
    held: Arc<Held>,
    registry: registry::Room,
    journal: journal::Room,
    campaigns: campaigns::Room,
    fleet: fleet::Room,
}

impl Scylla {
    /// Connects, looks at the schema's version and prepares every statement. It works on no slot yet.
    ///
    /// # Errors
    /// A cluster that cannot be reached, or a schema of another version.
    pub async fn open(config: &Config) -> Result<Arc<Self>> {
        // Some hundred statements, and so a large future.
        Box::pin(Self::prepared(config)).await
    }

    async fn prepared(config: &Config) -> Result<Arc<Self>> {
        let db = Arc::new(Db::connect(config, Some(&config.keyspace)).await?);
        schema::verify(&db).await?;
        let held = Arc::new(Held::none());
        Ok(Arc::new(Scylla {
            registry: registry::Room::new(&db, &held, config).await?,
            journal: journal::Room::new(&db, &held, config).await?,
            campaigns: campaigns::Room::new(&db, &held, config).await?,
            fleet: fleet::Room::new(&db).await?,
            db,
            held,
        }))
    }
}

impl Store for Scylla {
    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.fleet.ping())
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.db.close();
            Ok(())
        })
    }

    fn fleet(self: Arc<Self>) -> Option<Arc<dyn Fleet>> {
        Some(self)
    }
}
