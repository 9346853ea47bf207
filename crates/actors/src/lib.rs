//! Thin ractor shells around `core`: `handle` translates and performs, and decides nothing.
//!
//! The only crate with ractor in it; what leaves are handles. The tree, and what a crash of each actor loses,
//! is in ARCHITECTURE.md.

pub mod apps;
mod connection;
mod directory;
pub mod dispatcher;
mod error;
mod feeder;
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
mod user;
mod users;

pub use apps::{ApnsCredential, App, FcmCredential};
pub use error::{Error, Result};
pub use notifications::Notifications;
pub use registry::Registry;
pub use system::System;
