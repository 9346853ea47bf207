//! Thin ractor shells around `core`: `handle` translates and performs, and decides nothing.
//!
//! The only crate with ractor in it; what leaves are handles. The tree, and what a crash of each actor loses,
//! is in ARCHITECTURE.md.

pub mod apps;
mod backoff;
pub mod campaigns;
mod connection;
mod directory;
pub mod dispatcher;
mod error;
mod failpoint;
mod feeder;
pub mod fleet;
mod in_a_row;
mod live;
pub mod notifications;
pub mod outcomes;
mod pool;
pub mod pools;
mod random;
mod reaper;
pub mod registry;
mod slot;
mod sweeper;
pub mod system;
mod task;
mod user;
mod users;

/// Told why, when something in the tree cannot be kept alive: the process should end.
pub(crate) type GaveUp = std::sync::Arc<dyn Fn(String) + Send + Sync>;

pub use apps::{ApnsCredential, App, FcmCredential};
pub use campaigns::Campaigns;
pub use error::{Error, Result};
pub use notifications::Notifications;
pub use registry::Registry;
pub use system::System;
