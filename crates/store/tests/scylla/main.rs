//! The store on ScyllaDB or Cassandra passes the contract, on a real server.

mod campaigns;
mod keyspaces;
mod schema;

fanfare_store::contract_tests!(crate::keyspaces::open);
