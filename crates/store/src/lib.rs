//! Where Fanfare keeps devices and accepted work: the storage traits, the embedded store, the one on ScyllaDB, and one
//! contract suite ([`contract`]) that both pass.
//!
//! The traits are written for two databases. One has no joins, no transaction over partitions, and a compare-and-set
//! on one partition only. So each call says what must hold, never how, and nothing here assumes SQL.

pub mod campaigns;
mod codec;
pub mod contract;
pub mod embedded;
mod ended;
mod error;
pub mod fleet;
pub mod journal;
pub mod listing;
mod notification;
mod packed;
pub mod registry;
pub mod scylla;

pub use campaigns::Campaigns;
pub use error::{Error, Result};
pub use fleet::Fleet;
pub use journal::{
    Accept, Accepted, DeliveryPage, DeliveryRow, Ended, Idempotency, Journal, OutcomeBatch,
    Recovered, Summary,
};
pub use listing::{DeviceQuery, Listing};
pub use registry::{Applied, Change, Claim, DevicePage, Expect, Put, Registry, ScanCursor};

use std::sync::Arc;

use futures_util::future::BoxFuture;

/// What the tests of this crate share with those in `tests/`.
#[cfg(test)]
extern crate self as fanfare_store;

/// Everything the gateway keeps. Cheap to share (`Arc<dyn Store>`), safe to call from any runtime.
pub trait Store: Registry + Journal + Campaigns {
    /// Whether reads and durable writes work now; for readiness. Does one of each.
    fn ping(&self) -> BoxFuture<'_, Result<()>>;

    /// Finishes what is queued, makes it durable and closes. Later calls answer [`Error::Closed`].
    fn close(&self) -> BoxFuture<'_, Result<()>>;

    /// How gateways that share this store find each other; `None` for one that is not shared.
    fn fleet(self: Arc<Self>) -> Option<Arc<dyn Fleet>> {
        None
    }
}
