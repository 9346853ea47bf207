//! The composition root: configuration, the running application, and the commands of the `fanfare` binary.
//!
//! The only crate that reads files, the environment and flags.

pub mod app;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod material;
pub mod reload;
pub mod sandbox;
mod senders;
pub mod storage;
mod vitals;
