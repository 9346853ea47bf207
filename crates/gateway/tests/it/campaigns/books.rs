//! The simulators' books, push by push.

use std::collections::HashMap;

use fanfare_simulator::Provider;
use fanfare_simulator::books::{Entry, Query};

use crate::harness::World;

const PAGE: usize = 10_000;

/// Every request for a push, in the order in which they were answered.
pub(crate) fn pushes(world: &World) -> Vec<Entry> {
    let books = world.simulator.books();
    assert!(!books.totals().log_full, "the books have room");
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let query = Query {
            after,
            limit: Some(PAGE),
            ..Query::default()
        };
        let page = books.requests(&query);
        after = page.last().map(|entry| entry.seq);
        let is_last = page.len() < PAGE;
        all.extend(
            page.into_iter()
                .filter(|entry| entry.provider != Provider::Oauth),
        );
        if is_last {
            return all;
        }
    }
}

/// Address → requests for it.
pub(crate) fn by_address(pushes: &[Entry]) -> HashMap<&str, Vec<&Entry>> {
    let mut found: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for push in pushes {
        found.entry(&push.address).or_default().push(push);
    }
    found
}

/// Every one of these addresses was asked for once and took it; no other was asked for.
pub(crate) fn assert_each_once(pushes: &[Entry], addresses: impl Iterator<Item = String>) {
    let found = by_address(pushes);
    let mut wanted = 0;
    for address in addresses {
        wanted += 1;
        let got = found.get(address.as_str()).map_or(0, Vec::len);
        assert_eq!(
            got,
            1,
            "pushes for the device numbered {}",
            number(&address)
        );
    }
    assert_eq!(found.len(), wanted, "and for nobody else");
    assert!(pushes.iter().all(|push| push.status == 200));
}

/// No address was asked for twice.
pub(crate) fn assert_at_most_once(pushes: &[Entry]) {
    for (address, pushes) in by_address(pushes) {
        assert_eq!(
            pushes.len(),
            1,
            "pushes for the device numbered {}",
            number(address)
        );
    }
}

/// Which device an address is made for.
fn number(address: &str) -> String {
    address
        .chars()
        .rev()
        .take(12)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect()
}
