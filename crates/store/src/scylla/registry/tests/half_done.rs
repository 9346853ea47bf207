//! A node that dies in the middle of a change: whoever finds it finishes it.

use std::slice;

use fanfare_types::{Applied, Device};

use super::{at, check_books, check_rows, nodes, planned, removal, rows_of};
use crate::contract::fixtures::{claim, device, present, put, register, user};
use crate::scylla::Scylla;
use crate::scylla::registry::address::{Decision, State};
use crate::scylla::registry::judge::{later_than, name};
use crate::scylla::registry::remove::gone;
use crate::{Change, Expect, Registry};

/// How far the node came.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Until {
    /// The device's former address says that it leaves, and no more.
    Leaving,
    /// The new address is decided on, and nothing is written elsewhere.
    Decided,
}

/// Whether the device leaves another address for it.
async fn begin(node: &Scylla, change: &Change, until: Until) -> bool {
    let step = planned(node, change).await;
    let room = &node.registry;
    if let Some(from) = &step.from {
        let leaves = room.decide(&change.app, &from.key, Some(from.seen), &from.leaving);
        assert_eq!(leaves.await, Ok(true));
    }
    if until == Until::Decided {
        let put = change.put.as_ref().expect("it writes a row");
        let decided = room.decide(&change.app, &put.key, step.seen, &step.decision);
        assert_eq!(decided.await, Ok(true));
    }
    step.from.is_some()
}

/// What was there before, the change, and the rows that it leaves.
struct Case {
    name: &'static str,
    before: Vec<Device>,
    change: Change,
    after: Vec<Device>,
}

fn cases() -> Vec<Case> {
    let (ada, bob) = (device(1, "ada", "t1"), device(2, "bob", "t2"));
    let tenant = |device: Device| Device {
        tenant: Some("north".to_owned()),
        ..device
    };
    let refreshed = at(&ada, "t1");
    let moved = Device {
        user: user("bob"),
        ..at(&ada, "t1")
    };
    let heir = device(3, "bob", "t1");
    let taking = tenant(at(&bob, "t1"));
    let rotated = at(&ada, "t3");
    let moved_on = Device {
        user: user("bob"),
        ..at(&ada, "t3")
    };
    let newest = device(4, "ada", "t4");
    let removing = |mut change: Change, gone: &Device| {
        change.remove = vec![gone.as_ref()];
        change
    };
    let case = |name, before: &[&Device], change, after: &[&Device]| Case {
        name,
        before: before.iter().map(|row| (*row).clone()).collect(),
        change,
        after: after.iter().map(|row| (*row).clone()).collect(),
    };
    let held = Some(ada.as_ref());
    let heirs = claim(&heir, Expect::Absent, held.clone());
    let takes = claim(&taking, present(&bob), held.clone());
    let moves = claim(&moved, present(&ada), held);
    let evicts = removing(claim(&newest, Expect::Absent, None), &ada);
    vec![
        case("new", &[], claim(&ada, Expect::Absent, None), &[&ada]),
        case(
            "refreshed",
            &[&ada],
            put(&refreshed, present(&ada)),
            &[&refreshed],
        ),
        case("moved", &[&ada], moves, &[&moved]),
        case(
            "inherited",
            &[&ada, &bob],
            removing(heirs, &ada),
            &[&heir, &bob],
        ),
        case(
            "taken over",
            &[&ada, &bob],
            removing(takes, &ada),
            &[&taking],
        ),
        case(
            "rotated",
            &[&ada],
            claim(&rotated, present(&ada), None),
            &[&rotated],
        ),
        case(
            "moved on",
            &[&ada],
            claim(&moved_on, present(&ada), None),
            &[&moved_on],
        ),
        case("evicted", &[&ada], evicts, &[&newest]),
    ]
}

/// Finds the change, on another node.
#[derive(Clone, Copy, Debug)]
enum Finder {
    /// Asks who holds the address that was decided on.
    New,
    /// Asks who holds the address that the device leaves.
    Old,
    /// The caller tries the same change again.
    Again,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_finds_a_change_half_done_finishes_it() {
    for (until, finder) in [
        (Until::Decided, Finder::New),
        (Until::Decided, Finder::Old),
        (Until::Decided, Finder::Again),
        (Until::Leaving, Finder::Old),
        (Until::Leaving, Finder::Again),
    ] {
        let (dies, finds, loan) = nodes().await;
        for case in cases() {
            let context = format!("{} {until:?} {finder:?}", case.name);
            for row in &case.before {
                register(&*dies, row).await;
            }
            let leaves = begin(&dies, &case.change, until).await;
            if leaves || until == Until::Decided {
                for row in &case.before {
                    let own = rows_of(&finds, row.user.as_str()).await;
                    assert!(own.contains(row), "{context}: nothing is written yet");
                }
                find(&finds, &case, finder).await;
                // Who holds it says nothing of who else goes.
                let is_found = !matches!(case.name, "new" | "evicted");
                if is_found || !matches!(finder, Finder::Old) {
                    check_rows(&finds, &case.after, &context).await;
                }
            }
            empty(&finds, &case).await;
            check_books(&finds, &loan, &[], &context).await;
        }
    }
}

async fn find(node: &Scylla, case: &Case, finder: Finder) {
    let put = case.change.put.as_ref().expect("it writes a row");
    match finder {
        Finder::New => {
            let holder = node.holder(&case.change.app, put.key).await;
            assert_eq!(holder.expect("it answers").as_ref(), Some(&put.device));
        }
        Finder::Old => {
            for row in &case.before {
                let holder = node.holder(&row.app, row.address.key(None)).await;
                holder.expect("it answers");
            }
        }
        Finder::Again => {
            // It was decided already, or is only now.
            let applied = node.apply(case.change.clone()).await;
            assert!(applied.is_ok(), "{applied:?}");
        }
    }
}

/// Looks at every address, and removes all rows as their owners would.
async fn empty(node: &Scylla, case: &Case) {
    let put = case.change.put.as_ref().expect("it writes a row");
    let before = case.before.iter().map(|row| row.address.key(None));
    for key in before.chain([put.key]) {
        let holder = node.holder(&case.change.app, key).await;
        assert!(holder.is_ok(), "{holder:?}");
    }
    for owner in ["ada", "bob", "cy"] {
        for row in rows_of(node, owner).await {
            assert_eq!(node.apply(removal(&row)).await, Ok(Applied::Done));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_done_removal_is_finished_by_the_next_owner_and_by_the_remover() {
    let (dies, finds, loan) = nodes().await;
    for again in [false, true] {
        let ada = device(1, "ada", "t1");
        register(&*dies, &ada).await;
        let room = &dies.registry;
        let key = ada.address.key(None);
        let row = room.one_timed(&ada.app, &ada.as_ref()).await;
        let row = row.expect("it answers").expect("it is there");
        let held = room.address(&ada.app, &key).await;
        let held = held.expect("it answers").expect("it is held");
        let freed = Decision {
            change: name(),
            previous: Some(held.change),
            ts: later_than([held.ts]),
            holder: ada.as_ref(),
            state: State::Freed(gone(&row)),
        };
        let decided = room.decide(&ada.app, &key, Some(held.change), &freed).await;
        assert_eq!(decided, Ok(true));
        assert_eq!(rows_of(&finds, "ada").await, slice::from_ref(&ada));
        if again {
            assert_eq!(finds.apply(removal(&ada)).await, Ok(Applied::Done));
            check_books(&finds, &loan, &[], "removed again").await;
        } else {
            let heir = device(2, "bob", "t1");
            register(&*finds, &heir).await;
            check_books(&finds, &loan, &[&heir], "inherited").await;
            assert_eq!(dies.apply(removal(&heir)).await, Ok(Applied::Done));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_whose_next_address_was_taken_meanwhile_stays_where_it_was() {
    let (dies, finds, loan) = nodes().await;
    let (ada, bob) = (device(1, "ada", "t1"), device(2, "bob", "t3"));
    register(&*dies, &ada).await;
    let change = claim(&at(&ada, "t3"), present(&ada), None);
    begin(&dies, &change, Until::Leaving).await;
    register(&*finds, &bob).await;
    let holder = finds.holder(&ada.app, ada.address.key(None)).await;
    assert_eq!(holder, Ok(Some(ada.clone())));
    check_books(&finds, &loan, &[&ada, &bob], "both stay").await;
    // And the row is none the worse for it.
    let refreshed = at(&ada, "t1");
    let applied = dies.apply(put(&refreshed, present(&ada))).await;
    assert_eq!(applied, Ok(Applied::Done));
    check_books(&finds, &loan, &[&refreshed, &bob], "refreshed").await;
}
