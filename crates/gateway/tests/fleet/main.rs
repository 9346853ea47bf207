//! Several gateways on one keyspace, as processes of their own, with one configuration file.

#![allow(dead_code, reason = "the helpers of all whole-app tests")]

#[path = "../it/harness.rs"]
mod harness;
#[path = "../it/keyspaces.rs"]
mod keyspaces;
#[path = "../it/outside.rs"]
mod outside;
#[path = "../it/process.rs"]
mod process;
#[path = "../it/store.rs"]
mod store;

#[path = "../it/campaigns/books.rs"]
mod books;
#[path = "../it/campaigns/fill.rs"]
mod fill;
#[path = "../it/campaigns/rig.rs"]
mod rig;

mod fleet;
mod together;

/// What these tests keep their devices in.
const STORE: store::Kind = store::Kind::Scylla;
