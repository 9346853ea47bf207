//! The simulators' books held against what callers were told.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use fanfare_simulator::books::{Entry, Query};

use super::Kill;
use super::senders::Sent;
use crate::harness::World;

/// What was found; printed at the end.
#[derive(Default)]
pub(super) struct Account {
    notifications: usize,
    deliveries: usize,
    shown: usize,
    pushes: usize,
    duplicates_lost: usize,
    duplicates_killed: usize,
    duplicates_cut: usize,
}

type Pushes = HashMap<(String, String), Vec<Entry>>;

/// Panics where the books differ.
pub(super) fn compare(world: &World, sent: &BTreeMap<String, Sent>, kills: &[Kill]) -> Account {
    let mut pushes = read(world);
    let mut account = Account {
        notifications: sent.len(),
        pushes: pushes.values().map(Vec::len).sum(),
        ..Account::default()
    };
    for (key, sent) in sent {
        assert_eq!(
            sent.ended.len(),
            sent.users().len(),
            "{key}: one delivery a device"
        );
        for (device, address, outcome) in &sent.ended {
            assert_eq!(outcome, "delivered", "{key}");
            let seen = pushes
                .remove(&(address.clone(), key.clone()))
                .unwrap_or_default();
            account.deliveries += 1;
            one_id(key, &seen);
            let shown = sent.shown.get(device);
            if let Some((before, kill)) = shown {
                assert_eq!(before, outcome, "{key}: an outcome that was shown stays");
                account.shown += 1;
                never_again(key, &seen, kills.get(*kill));
            }
            account.duplicates(key, &seen, shown.map(|(_, kill)| *kill), kills);
        }
    }
    assert!(pushes.is_empty(), "pushes of nobody's: {}", pushes.len());
    account
}

/// All pushes by address and collapse key, in the order they came.
fn read(world: &World) -> Pushes {
    let books = world.simulator.books();
    let mut pushes = Pushes::new();
    let mut query = Query {
        limit: Some(10_000),
        ..Query::default()
    };
    loop {
        let page = books.requests(&query);
        let Some(last) = page.last() else {
            assert!(!books.totals().log_full, "the books are too small");
            return pushes;
        };
        query.after = Some(last.seq);
        for entry in page {
            if let Some(key) = &entry.collapse {
                let name = (entry.address.clone(), key.clone());
                pushes.entry(name).or_default().push(entry);
            }
        }
    }
}

/// Whatever was sent again went under the same `apns-id` (FCM has none; there the collapse key is the name).
fn one_id(key: &str, seen: &[Entry]) {
    assert!(
        seen.iter().any(|push| push.status == 200),
        "{key}: delivered, and no provider took it"
    );
    assert!(
        seen.windows(2)
            .all(|pair| pair[0].apns_id == pair[1].apns_id),
        "{key}: two apns-ids for one delivery"
    );
}

/// What was shown as ended before a kill is not sent after it.
fn never_again(key: &str, seen: &[Entry], kill: Option<&Kill>) {
    if let Some(kill) = kill {
        assert!(
            seen.iter().all(|push| push.seq < kill.seen),
            "{key}: sent again though its outcome had been shown"
        );
    }
}

impl Account {
    /// Each push that was taken once more must have a reason: nobody saw the answer to the one before.
    fn duplicates(&mut self, key: &str, seen: &[Entry], shown: Option<usize>, kills: &[Kill]) {
        let taken: Vec<_> = seen.iter().filter(|push| push.status == 200).collect();
        for pair in taken.windows(2) {
            let (first, second) = (pair[0], pair[1]);
            let died = kills.iter().position(|kill| kill.seen > first.seq);
            let between = died.filter(|kill| kills[*kill].seen <= second.seq);
            let cut = died.is_some_and(|kill| kills[kill].closes);
            if first.lost {
                self.duplicates_lost += 1;
            } else if between.is_some_and(|kill| shown.is_none_or(|shown| shown > kill)) {
                self.duplicates_killed += 1;
            } else if cut {
                self.duplicates_cut += 1;
            } else {
                panic!("{key}: sent twice for no reason: {first:?} {second:?}");
            }
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} notifications, {} deliveries ({} shown as ended before a kill or the end), {} pushes seen; taken twice because \
             the answer was kept back: {}, because of a kill: {}, because a connection was cut: {}",
            self.notifications,
            self.deliveries,
            self.shown,
            self.pushes,
            self.duplicates_lost,
            self.duplicates_killed,
            self.duplicates_cut
        )
    }
}
