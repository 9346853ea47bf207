//! A real CQL database for tests, and faults between it and its clients.
//!
//! [`Cluster::start`] gives one, or an error that says how to get one: a test without a database fails, it never
//! skips. What it is, in this order:
//!
//! 1. the nodes that `SCYLLA_NODES` names (`host:port`, separated by commas);
//! 2. ScyllaDB in containers, where Docker or Podman answers and has, or can fetch, the image;
//! 3. Apache Cassandra, where there are Java 17 and Maven. Its jars are fetched once and kept in cargo's target directory.
//!
//! Faults between a client and the database are made by [`Cluster::proxy`], and of the database itself by
//! [`Cluster::kill`], [`Cluster::stop`] and [`Cluster::restart`].
//!
//! What was started ends with the process that started it, however that ends.
//!
//! Everything here blocks its thread; in an asynchronous test, where that matters, call it in `spawn_blocking`.

mod cassandra;
mod cluster;
mod container;
mod error;
mod held;
mod loopback;
mod proxy;
mod server;
mod wait;
pub mod wire;

pub use cluster::{Cluster, shared};
pub use error::Error;
pub use proxy::{Proxy, Way};
