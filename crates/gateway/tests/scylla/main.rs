//! The chosen part of the whole-app tests that every run does on a real ScyllaDB or Cassandra: sending, drains and kills,
//! the four contracts, campaigns. `TEST_STORE=scylla` does all the others, too (`tests/it/`).

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

#[path = "../it/durability.rs"]
mod durability;
#[path = "../it/sending.rs"]
mod sending;

#[path = "../it/kill/mod.rs"]
mod kill;

pub(crate) mod campaigns;
mod contracts;
mod copy;
mod unready;

/// What these tests keep their devices in.
const STORE: store::Kind = store::Kind::Scylla;
