//! Nodes start, hold data, die and come back.

use fanfare_testbed::wire::{Connection, Consistency};
use fanfare_testbed::{Cluster, shared};

use crate::{PATIENCE, connect, int, query, table};

#[test]
fn a_shared_node_answers() {
    let address = shared().addresses()[0];
    let mut connection = connect(address);
    connection.options().expect("SUPPORTED");
    table(&mut connection, "answers", 1);
    query(
        &mut connection,
        "INSERT INTO answers.t (k, v) VALUES (1, 7)",
    );
    query(&mut connection, "INSERT INTO answers.t (k) VALUES (2)");
    let rows = query(&mut connection, "SELECT v FROM answers.t WHERE k IN (1, 2)");
    assert_eq!(rows, [vec![int(7)], vec![None]]);
    query(&mut connection, "TRUNCATE answers.t");
    assert!(query(&mut connection, "SELECT v FROM answers.t").is_empty());
    let refused = connection.query("SELECT nothing", Consistency::One);
    assert!(refused.is_err_and(|error| error.to_string().contains("0x2000")));
    assert!(std::ptr::eq(shared(), shared()), "there is one");
}

#[test]
fn what_a_killed_node_acknowledged_is_there_when_it_is_back() {
    let mut cluster = Cluster::start(1).expect("a node");
    let address = cluster.addresses()[0];
    let mut connection = connect(address);
    table(&mut connection, "kept", 1);
    for k in 0..50 {
        query(
            &mut connection,
            &format!("INSERT INTO kept.t (k, v) VALUES ({k}, {k})"),
        );
    }
    cluster.kill(0).expect("it is killed");
    assert!(
        Connection::connect(address, PATIENCE).is_err(),
        "it is gone"
    );
    cluster.restart(0).expect("it is back");
    let rows = query(&mut connect(address), "SELECT v FROM kept.t");
    assert_eq!(rows.len(), 50);
}
