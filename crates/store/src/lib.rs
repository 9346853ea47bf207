//! Where Fanfare keeps devices and accepted work: the storage traits, the embedded store, and one contract
//! suite ([`contract`]) that any store must pass.
//!
//! The traits are written for two databases. The second is ScyllaDB (or Cassandra): no joins, no transaction
//! over partitions, a compare-and-set only on the ownership of an address. So each call says what must hold,
//! never how, and nothing here assumes SQL.

pub mod campaigns;
pub mod contract;
pub mod embedded;
mod error;
pub mod journal;
pub mod listing;
pub mod registry;

pub use campaigns::Campaigns;
pub use error::{Error, Result};
pub use journal::{
    Accept, Accepted, DeliveryPage, DeliveryRow, Ended, Idempotency, Journal, OutcomeBatch,
    Recovered, Summary,
};
pub use listing::{DeviceQuery, Listing};
pub use registry::{Applied, Change, Claim, DevicePage, Expect, Put, Registry};

use futures_util::future::BoxFuture;

/// Everything the gateway keeps. Cheap to share (`Arc<dyn Store>`), safe to call from any runtime.
pub trait Store: Registry + Journal + Campaigns {
    /// Whether reads and durable writes work now; for readiness. Does one of each.
    fn ping(&self) -> BoxFuture<'_, Result<()>>;

    /// Finishes what is queued, makes it durable and closes. Later calls answer [`Error::Closed`].
    fn close(&self) -> BoxFuture<'_, Result<()>>;
}
