//! The whole gateway against the provider simulators, over real sockets. `TEST_STORE=scylla` runs all of it on a real
//! ScyllaDB or Cassandra.

mod answers;
mod campaign_commands;
mod campaigns;
mod cleanup;
mod command_line;
mod contracts;
mod credentials;
mod devices;
mod devices_files;
mod disk;
mod door;
mod durability;
mod endings;
mod faults;
mod harness;
mod keyspaces;
mod kill;
mod observed;
mod outside;
mod overload;
mod process;
mod reload;
mod scripted;
mod sending;
mod store;
mod store_commands;
mod terminal;

/// What these tests keep their devices in, unless `TEST_STORE` says otherwise.
const STORE: store::Kind = store::Kind::Embedded;
