//! What the contract cannot bring about: changes that were begun and not finished, answers that never came, two nodes
//! that decide on the same rows.

mod half_done;
mod races;
mod unknown;

use std::sync::Arc;

use fanfare_types::{Device, Timestamp};

use super::plan::{Plan, Step};
use crate::contract::fixtures::{address, app, rows};
use crate::scylla::Scylla;
use crate::scylla::keyspaces::{self, Loan, Raw};
use crate::{Change, Registry};

/// Two nodes on one empty keyspace.
async fn nodes() -> (Arc<Scylla>, Arc<Scylla>, Loan) {
    let loan = keyspaces::borrow().await;
    let (one, other) = (keyspaces::node(&loan).await, keyspaces::node(&loan).await);
    keyspaces::work_on_all(&*one).await;
    (one, other, loan)
}

/// What a change comes to, as it is now.
async fn planned(node: &Scylla, change: &Change) -> Box<Step> {
    let put = change.put.as_ref().expect("it writes a row");
    let seen = node.registry.see(change, put).await;
    match seen.expect("the store answers").plan(change, put) {
        Plan::Decide(step) => step,
        _ => panic!("nothing stands in its way"),
    }
}

/// The same device, written anew at this address.
fn at(device: &Device, token: &str) -> Device {
    Device {
        address: address(token),
        revision: device.revision + 1,
        registered_at: Timestamp(device.registered_at.0 + 1),
        ..device.clone()
    }
}

async fn rows_of(node: &Scylla, owner: &str) -> Vec<Device> {
    rows(node, &app("shop"), owner).await
}

fn removal(row: &Device) -> Change {
    Change {
        app: row.app.clone(),
        put: None,
        remove: vec![row.as_ref()],
        claim: None,
    }
}

/// The rows of all users are these.
async fn check_rows(node: &Scylla, expected: &[Device], context: &str) {
    let mut found = Vec::new();
    for owner in ["ada", "bob", "cy"] {
        found.extend(rows_of(node, owner).await);
    }
    found.sort_by_key(|device| device.id);
    let mut expected = expected.to_vec();
    expected.sort_by_key(|device| device.id);
    assert_eq!(found, expected, "{context}: rows");
}

/// All rows there are are these, each holds its address, each is found by its id, and no other address is held.
async fn check_books(node: &Scylla, loan: &Loan, expected: &[&Device], context: &str) {
    let expected: Vec<Device> = expected.iter().map(|device| (*device).clone()).collect();
    check_rows(node, &expected, context).await;
    for device in &expected {
        let holder = node.holder(&device.app, device.address.key(None)).await;
        let holder = holder.expect("the store answers");
        assert_eq!(holder.as_ref(), Some(device), "{context}: holder");
        let by_id = node.devices_by_id(&device.app, vec![device.id]).await;
        assert_eq!(
            by_id.expect("the store answers"),
            std::slice::from_ref(device)
        );
    }
    let held = Raw::of(loan).await.count("addresses").await;
    assert_eq!(held, expected.len(), "{context}: addresses");
    let known = Raw::of(loan).await.count("device_ids").await;
    assert_eq!(known, expected.len(), "{context}: ids");
}
