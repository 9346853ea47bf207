//! The store on ScyllaDB or Cassandra passes the contract, on a real server.

mod campaigns;
mod journal;
mod keyspaces;
mod schema;

fanfare_store::contract_tests!(crate::keyspaces::open);
fanfare_store::fleet_contract_tests!(crate::keyspaces::open);
