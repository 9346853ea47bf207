//! The testbed, tested on the database that it starts.

mod cluster;
mod ends;
mod proxy;
mod several;
mod ways;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fanfare_testbed::wire::{Connection, Consistency, Row};

/// Longest wait for an answer, and for anything else that must come.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(address: SocketAddr) -> Connection {
    Connection::open(address, PATIENCE).expect("a connection")
}

fn query(connection: &mut Connection, statement: &str) -> Vec<Row> {
    query_at(connection, Consistency::Quorum, statement)
}

fn query_at(connection: &mut Connection, consistency: Consistency, statement: &str) -> Vec<Row> {
    connection
        .query(statement, consistency)
        .unwrap_or_else(|error| panic!("{statement}: {error}"))
}

/// A keyspace with one table, `k → v`.
fn table(connection: &mut Connection, keyspace: &str, replicas: usize) {
    query(
        connection,
        &format!(
            "CREATE KEYSPACE {keyspace} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', 'datacenter1': {replicas}}}"
        ),
    );
    query(
        connection,
        &format!("CREATE TABLE {keyspace}.t (k int PRIMARY KEY, v int)"),
    );
}

fn int(value: i32) -> Option<Vec<u8>> {
    Some(value.to_be_bytes().to_vec())
}

/// The addresses of the first column, in order.
fn addresses(rows: &[Row]) -> Vec<Vec<u8>> {
    let mut found: Vec<_> = rows.iter().filter_map(|row| row[0].clone()).collect();
    found.sort();
    found
}

/// Looks until it is so.
fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
