//! Three nodes: one ring, which does without one of them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use fanfare_testbed::wire::{Connection, Consistency, Row};
use fanfare_testbed::{Cluster, Proxy};

use crate::{addresses, connect, eventually, int, query, query_at, table};

#[test]
fn three_nodes_are_one_ring_and_go_on_without_one() {
    let mut cluster = Cluster::start(3).expect("three nodes");
    let nodes = cluster.addresses();
    for node in &nodes {
        let peers = query(&mut connect(*node), "SELECT peer FROM system.peers");
        let others = nodes.iter().filter(|other| *other != node);
        assert_eq!(addresses(&peers), octets(others.map(|other| other.ip())));
    }
    table(&mut connect(nodes[0]), "ring", 3);
    eventually("they agree on the schema", || agree(nodes[0]));
    let write = |node: usize, k: i32| {
        let statement = format!("INSERT INTO ring.t (k, v) VALUES ({k}, {k})");
        query(&mut connect(nodes[node]), &statement);
    };
    write(0, 1);

    cluster.stop(2).expect("it is frozen");
    let mut frozen =
        Connection::connect(nodes[2], Duration::from_secs(1)).expect("the system accepts");
    assert!(frozen.options().is_err(), "a frozen node answers nothing");
    cluster.go_on(2).expect("it goes on");
    connect(nodes[2]).options().expect("it answers again");

    cluster.kill(2).expect("it is killed");
    write(1, 2);
    cluster.restart(2).expect("it is back");
    let mut back = connect(nodes[2]);
    let all = "SELECT v FROM ring.t WHERE k IN (1, 2)";
    let rows: Vec<Row> = query_at(&mut back, Consistency::All, all);
    assert_eq!(rows, [vec![int(1)], vec![int(2)]]);

    let proxy = cluster.proxy().expect("a proxy");
    clients_of_a_proxy_know_no_other_way(&proxy);
    faults_can_be_on_one_node_alone(&proxy);
}

/// Whether all have the same schema, as a driver asks before it goes on from a change.
fn agree(node: SocketAddr) -> bool {
    let mut connection = connect(node);
    let own = query(&mut connection, "SELECT schema_version FROM system.local");
    let peers = query(&mut connection, "SELECT schema_version FROM system.peers");
    peers.iter().all(|peer| *peer == own[0])
}

fn clients_of_a_proxy_know_no_other_way(proxy: &Proxy) {
    for own in proxy.addresses() {
        let mut connection = connect(own);
        let local = query(&mut connection, "SELECT rpc_address FROM system.local");
        assert_eq!(addresses(&local), octets([own.ip()].into_iter()));
        let peers = query(&mut connection, "SELECT rpc_address FROM system.peers");
        let all = proxy.addresses();
        let others = all.iter().filter(|other| **other != own);
        assert_eq!(addresses(&peers), octets(others.map(|other| other.ip())));
    }
}

fn faults_can_be_on_one_node_alone(proxy: &Proxy) {
    let [first, second, _] = proxy.addresses()[..] else {
        panic!("three");
    };
    proxy.node(0).cut();
    let refused = Connection::connect(first, Duration::from_secs(1));
    assert!(refused.is_err());
    connect(second).options().expect("the others answer");
    proxy.heal();
    eventually("it is healed", || connect(first).options().is_ok());
}

fn octets(addresses: impl Iterator<Item = IpAddr>) -> Vec<Vec<u8>> {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut octets: Vec<_> = addresses.map(octets).collect();
    octets.sort();
    octets
}
