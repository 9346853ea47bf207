//! Lanes: what goes before what.

use std::sync::Arc;
use std::time::Duration;

use fanfare_types::{Budget, Run};

use super::*;
use crate::pool::fixtures::{START, TTL, chunk, delivery, delivery_of, live, run};

fn job(ordinal: u32, lane: Lane) -> Job {
    Job::new(delivery(ordinal, lane))
}

const WIDE: Room = Room {
    all: 1_000,
    bulk: 1_000,
};

fn drain(lanes: &mut Lanes, room: Room) -> Vec<u32> {
    std::iter::from_fn(|| lanes.take(room, START))
        .map(|job| job.delivery.ordinal)
        .collect()
}

#[test]
fn eight_urgent_then_one_bulk() {
    let mut lanes = Lanes::new(8);
    for ordinal in 0..20 {
        lanes.push(job(100 + ordinal, Lane::Bulk));
        lanes.push(job(ordinal, Lane::Urgent));
    }
    let taken = drain(&mut lanes, WIDE);
    assert_eq!(taken[..10], [0, 1, 2, 3, 4, 5, 6, 7, 100, 8]);
    assert_eq!(taken[17], 101);
    assert_eq!(taken.len(), 40);
}

#[test]
fn one_that_is_put_back_has_not_had_its_turn() {
    let mut lanes = Lanes::new(8);
    lanes.push(job(100, Lane::Bulk));
    lanes.push(job(0, Lane::Urgent));
    for _ in 0..20 {
        let urgent = lanes.take(WIDE, START).unwrap();
        assert_eq!(urgent.delivery.ordinal, 0);
        lanes.put_back(urgent);
    }
    assert_eq!(drain(&mut lanes, WIDE), [0, 100]);
}

#[test]
fn without_room_for_bulk_only_urgent_goes() {
    let mut lanes = Lanes::new(8);
    for ordinal in 0..20 {
        lanes.push(job(100 + ordinal, Lane::Bulk));
        lanes.push(job(ordinal, Lane::Urgent));
    }
    let taken = drain(&mut lanes, Room { all: 9, bulk: 0 });
    assert_eq!(taken, (0..20).collect::<Vec<_>>());
    assert!(lanes.take(Room { all: 0, bulk: 0 }, START).is_none());
    assert_eq!(lanes.len(), 20);
}

#[test]
fn those_that_waited_before_go_first() {
    let mut lanes = Lanes::new(8);
    lanes.push(job(1, Lane::Bulk));
    let mut again = job(2, Lane::Bulk);
    again.delivery.attempts = 1;
    lanes.push(again);
    let mut routed_anew = job(3, Lane::Bulk);
    routed_anew.delivery.routed_at = START + Duration::from_secs(40);
    lanes.push(routed_anew);
    assert_eq!(drain(&mut lanes, WIDE), [2, 3, 1]);
}

#[test]
fn sweeping_walks_only_when_something_may_have_expired() {
    let mut lanes = Lanes::new(8);
    for ordinal in 0..5 {
        lanes.push(job(ordinal, Lane::Bulk));
    }
    let expires_at = delivery(0, Lane::Bulk).live.options.expires_at;
    let mut looked = 0;
    let over = lanes.sweep(START, false, |_| {
        looked += 1;
        false
    });
    assert_eq!((over.len(), looked), (0, 0));
    let over = lanes.sweep(expires_at, false, |job| job.delivery.ordinal % 2 == 0);
    assert_eq!(over.len(), 3);
    assert_eq!(drain(&mut lanes, WIDE), [1, 3]);
}

/// `count` deliveries of a run, or of bulk notifications.
fn push(lanes: &mut Lanes, run: Option<&Arc<Run>>, count: u32) {
    let live = match run {
        Some(run) => chunk(run, START),
        None => live(Lane::Bulk, START, TTL),
    };
    let budget = Budget::new(count as usize);
    for ordinal in 0..count {
        lanes.push(Job::new(delivery_of(live.clone(), ordinal, &budget)));
    }
}

/// Takes so many; how many of them each run had, in order, and then bulk notifications.
fn shares(lanes: &mut Lanes, runs: &[Arc<Run>], count: usize) -> Vec<usize> {
    let mut shares = vec![0; runs.len() + 1];
    for _ in 0..count {
        let Some(job) = lanes.take(WIDE, START) else {
            break;
        };
        let is_its = |run: &Arc<Run>| {
            let of = job.delivery.live.run.as_ref();
            of.is_some_and(|of| Arc::ptr_eq(of, run))
        };
        let at = runs.iter().position(is_its).unwrap_or(runs.len());
        shares[at] += 1;
    }
    shares
}

#[test]
fn a_hundred_campaigns_share_fairly_with_bulk_notifications() {
    let mut lanes = Lanes::new(8);
    let runs: Vec<_> = (0..100).map(|_| run(None)).collect();
    push(&mut lanes, Some(&runs[0]), 10_000);
    for run in &runs[1..] {
        push(&mut lanes, Some(run), 200);
    }
    push(&mut lanes, None, 200);
    let shares_so_far = shares(&mut lanes, &runs, 101 * 100);
    let (least, most) = (shares_so_far.iter().min(), shares_so_far.iter().max());
    assert!(
        least >= Some(&96) && most <= Some(&104),
        "{shares_so_far:?}"
    );
    // The small ones come to their end while the large one goes on.
    let rest = shares(&mut lanes, &runs, 101 * 104);
    assert!(rest[1..].iter().all(|share| *share >= 96), "{rest:?}");
    assert_eq!(shares(&mut lanes, &runs, usize::MAX)[1..], [0; 100]);
    assert!(lanes.is_empty());
}

#[test]
fn a_flow_whose_pace_says_no_is_passed_over() {
    let mut lanes = Lanes::new(8);
    let (slow, quick) = (run(Some(10)), run(None));
    push(&mut lanes, Some(&slow), 50);
    push(&mut lanes, Some(&quick), 50);
    assert!(lanes.look(START));
    let runs = [slow.clone(), quick];
    assert_eq!(shares(&mut lanes, &runs, 100), [1, 50, 0]);
    assert!(!lanes.look(START) && lanes.take(WIDE, START).is_none());
    let at = lanes.wake_at().expect("it is looked at again");
    assert!(at > START && at <= START + Duration::from_millis(50));
    // An urgent one is not kept by it, and weighs nothing against it.
    for ordinal in 0..20 {
        lanes.push(job(ordinal, Lane::Urgent));
    }
    assert!(lanes.look(START));
    assert_eq!(drain(&mut lanes, WIDE), (0..20).collect::<Vec<_>>());
    let later = START + Duration::from_millis(100);
    assert!(lanes.look(later) && lanes.take(WIDE, later).is_some());
    assert_eq!(lanes.len(), 48);
}

#[test]
fn one_of_a_flow_that_is_put_back_has_its_turn_and_its_leave() {
    let mut lanes = Lanes::new(8);
    let (slow, other) = (run(Some(1)), run(None));
    push(&mut lanes, Some(&slow), 1);
    push(&mut lanes, Some(&other), 1);
    for _ in 0..20 {
        let job = lanes.take(WIDE, START).unwrap();
        let run = job.delivery.live.run.as_ref().unwrap();
        assert!(Arc::ptr_eq(run, &slow));
        lanes.put_back(job);
    }
    assert_eq!(lanes.len(), 2);
}

#[test]
fn demand_is_what_would_leave_by_the_paces() {
    let mut lanes = Lanes::new(8);
    let slow: Vec<_> = (0..100).map(|_| run(Some(10))).collect();
    for run in &slow {
        push(&mut lanes, Some(run), 100);
    }
    assert_eq!(lanes.demand(), 50, "a hundred times ten in 50 ms");
    push(&mut lanes, Some(&run(None)), 70);
    lanes.push(job(0, Lane::Urgent));
    assert_eq!(lanes.demand(), 121);
    drain(&mut lanes, WIDE);
    assert_eq!((lanes.demand(), lanes.len()), (0, 9_900));
}

#[test]
fn withdrawn_flows_are_swept_and_forgotten() {
    let mut lanes = Lanes::new(8);
    let (gone, stays) = (run(Some(10)), run(None));
    push(&mut lanes, Some(&gone), 30);
    push(&mut lanes, Some(&stays), 30);
    drain(&mut lanes, Room { all: 9, bulk: 0 });
    gone.withdraw();
    let is_withdrawn = |job: &Job| job.delivery.live.is_withdrawn();
    assert_eq!(lanes.sweep(START, true, is_withdrawn).len(), 30);
    assert_eq!(shares(&mut lanes, &[gone, stays], 100), [0, 30, 0]);
    assert!(lanes.is_empty() && !lanes.look(START));
}
