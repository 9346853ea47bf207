//! A database ends with its owner.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use fanfare_testbed::Cluster;

use crate::{connect, eventually};

/// A process that owns a database, and where that is.
fn owner() -> (Child, SocketAddr) {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_fanfare-testbed"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut line = String::new();
    let said = owner.stdout.take().expect("its output");
    BufReader::new(said).read_line(&mut line).expect("a line");
    let address = line.trim().parse().expect("an address");
    connect(address).options().expect("it is up");
    (owner, address)
}

fn is_gone(address: SocketAddr) {
    eventually("it is gone", || TcpStream::connect(address).is_err());
}

#[test]
fn a_database_is_gone_when_its_owner_was_killed() {
    let (mut owner, address) = owner();
    owner.kill().expect("it is killed");
    owner.wait().expect("it is gone");
    is_gone(address);
}

#[test]
fn a_database_is_gone_when_its_owner_ends() {
    let (mut owner, address) = owner();
    drop(owner.stdin.take());
    assert!(owner.wait().expect("it ends").success());
    is_gone(address);
}

#[test]
fn a_database_is_gone_when_it_is_dropped() {
    let cluster = Cluster::start(1).expect("a node");
    let address = cluster.addresses()[0];
    drop(cluster);
    assert!(TcpStream::connect(address).is_err());
}
