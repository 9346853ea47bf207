//! Campaigns in a pool: what is withdrawn, and a pace.

use fanfare_types::{Run, Timestamp};

use super::super::fixtures::{Handed, chunk, run};
use super::*;

fn waiting(rig: &Rig) -> (usize, usize) {
    let figures = rig.pool.figures(rig.now);
    (figures.waiting, figures.retrying)
}

/// Hands in the work of a campaign that stays short of nothing.
fn work(
    rig: &mut Rig,
    run: &std::sync::Arc<Run>,
    count: u32,
) -> std::sync::Arc<fanfare_types::Live> {
    let live = chunk(run, rig.now);
    rig.work_of(&live, count);
    live
}

#[test]
fn what_is_withdrawn_is_dropped_and_never_handed_over() {
    let mut rig = apns();
    rig.event(|pool, world| pool.on_streams(0, 10, world));
    let run = run(None);
    let live = work(&mut rig, &run, 20);
    let mut handed = rig.handed();
    assert_eq!(handed.len(), 9, "a tenth is kept for urgent ones");
    // One waits for a retry.
    rig.answer(handed.remove(0), Verdict::Server { after: None });
    handed.append(&mut rig.handed());
    assert_eq!((handed.len(), waiting(&rig)), (9, (10, 1)));
    run.withdraw();
    rig.now = rig.now + SECOND / 2;
    rig.event(Pool::on_cancelled);
    assert_eq!(waiting(&rig), (0, 0));
    assert_eq!(live.progress.losses().take().len(), 11);
    // What comes late is dropped on arrival, without a sweep.
    let late = work(&mut rig, &run, 3);
    assert_eq!(late.progress.losses().take().len(), 3);
    assert!(rig.handed().is_empty() && rig.ended().is_empty());
    assert_eq!(rig.rerouted(), 0);
}

#[test]
fn what_is_in_flight_when_it_is_withdrawn_ends_as_its_answer_says_or_is_dropped() {
    let mut rig = apns();
    let run = run(None);
    let live = work(&mut rig, &run, 5);
    let mut handed = rig.handed();
    run.withdraw();
    rig.answer(handed.remove(0), Verdict::Accepted);
    rig.answer(handed.remove(0), Verdict::TokenDead { since: None });
    let outcomes: Vec<_> = rig
        .ended()
        .into_iter()
        .map(|(outcome, _)| outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Delivered, Outcome::Dead]);
    // Those that ended were dropped by the test.
    live.progress.losses().take();
    rig.answer(handed.remove(0), Verdict::Server { after: None });
    rig.answer(handed.remove(0), Verdict::NotSent);
    let Handed {
        connection, job, ..
    } = handed.remove(0);
    let how = How::Stale;
    let batch = vec![Returned { job, how }];
    rig.event(|pool, world| pool.on_returned(connection, batch, world));
    assert_eq!(live.progress.losses().take(), [2, 3, 4]);
    assert!(rig.ended().is_empty());
    assert_eq!((waiting(&rig), rig.rerouted()), ((0, 0), 0));
}

#[test]
fn what_its_connection_finds_over_is_dropped_or_ends() {
    let mut rig = apns();
    let (withdrawn, cancelled) = (run(None), run(None));
    let dropped = work(&mut rig, &withdrawn, 1);
    work(&mut rig, &cancelled, 1);
    withdrawn.withdraw();
    cancelled.cancel();
    for handed in rig.handed() {
        rig.give_back(handed, How::Over);
    }
    assert_eq!(dropped.progress.losses().take(), [0]);
    assert_eq!(rig.ended(), [(Outcome::Cancelled, "cancelled".to_owned())]);
}

/// Wakes the pool when it asks, or every 100 ms, and answers all that was handed over; how many that were.
fn hand_over_for(rig: &mut Rig, time: Duration) -> usize {
    let end = rig.now + time;
    let mut count = 0;
    while rig.now < end {
        let handed = rig.handed();
        count += handed.len();
        rig.answer_all(handed, Verdict::Accepted);
        let woken = woken(rig).unwrap_or(rig.now + SECOND / 10);
        rig.effects
            .retain(|effect| matches!(effect, Effect::Hand { .. } | Effect::Open(_)));
        rig.now = woken.min(end);
        rig.event(Pool::on_wake);
    }
    count
}

fn woken(rig: &Rig) -> Option<Timestamp> {
    let at = |effect: &Effect| match effect {
        Effect::WakeAt(at) => Some(*at),
        _ => None,
    };
    rig.effects.iter().filter_map(at).next_back()
}

#[test]
fn a_slow_campaign_is_kept_to_its_rate_and_asks_for_one_connection() {
    let mut rig = Rig::new(Channel::IosPush, |limits| limits.connections_max = 8);
    let run = run(Some(10));
    work(&mut rig, &run, 5_000);
    assert_eq!(rig.opened(), 1);
    rig.token();
    rig.up(0, 100);
    let count = hand_over_for(&mut rig, 5 * SECOND);
    assert!((49..=51).contains(&count), "{count}");
    assert_eq!(rig.opened(), 1, "one is enough");
    // A fast one is no reason to wait for the slow one, nor for too few connections.
    let fast = super::super::fixtures::run(None);
    work(&mut rig, &fast, 2_000);
    assert_eq!(rig.handed().len(), 90, "all streams that bulk may use");
    assert_eq!(rig.opened(), 8);
}

#[test]
fn a_raised_rate_is_seen_soon() {
    let mut rig = apns();
    let run = run(Some(1));
    work(&mut rig, &run, 5_000);
    hand_over_for(&mut rig, 2 * SECOND);
    run.pace.set_rate(Some(1_000), rig.now);
    let count = hand_over_for(&mut rig, SECOND);
    assert!((980..=1_020).contains(&count), "{count}");
}

#[test]
fn what_is_taken_and_not_handed_over_gives_its_leave_back() {
    let mut rig = apns();
    let run = run(Some(1_000));
    run.pace.set_rate(Some(1_000), rig.now - SECOND);
    // Revoked before it leaves, and found out after it left the pool.
    let live = chunk(&run, rig.now);
    rig.revocations.revoke(device(0), rig.now);
    rig.work_of(&live, 2);
    assert_eq!(rig.rerouted(), 1);
    let Handed {
        connection, job, ..
    } = rig.handed().remove(0);
    let batch = vec![Returned {
        job,
        how: How::Stale,
    }];
    rig.event(|pool, world| pool.on_returned(connection, batch, world));
    assert_eq!(rig.rerouted(), 2);
    let left = (0..).take_while(|_| run.pace.try_take(rig.now)).count();
    assert_eq!(left, 51, "as much as a pace ever holds");
}

#[test]
fn one_devices_throttle_keeps_nobody_else() {
    let mut rig = apns();
    let throttled = run(None);
    let live = work(&mut rig, &throttled, 4);
    let mut handed = rig.handed();
    rig.answer(handed.remove(0), Verdict::ThrottleDevice { after: None });
    rig.answer(handed.remove(0), Verdict::Server { after: None });
    assert_eq!(throttled.aside(), 1, "its campaign reads on beside it");
    rig.answer_all(handed, Verdict::Accepted);
    assert_eq!(waiting(&rig), (0, 2), "that device waits");
    work(&mut rig, &run(None), 50);
    assert_eq!(rig.handed().len(), 50);
    rig.after(30 * SECOND);
    assert_eq!((rig.handed().len(), throttled.aside()), (2, 0));
    // One that is dropped waits for nothing.
    work(&mut rig, &throttled, 1);
    let after = Some(600 * SECOND);
    let one = rig.handed().remove(0);
    rig.answer(one, Verdict::ThrottleDevice { after });
    assert_eq!(throttled.aside(), 1);
    throttled.withdraw();
    rig.now = rig.now + SECOND;
    rig.event(Pool::on_cancelled);
    assert_eq!((waiting(&rig), throttled.aside()), ((0, 0), 0));
    drop(live);
}

#[test]
fn a_projects_throttle_brings_apns_back_slowly_though_it_has_no_quota() {
    let mut rig = apns();
    work(&mut rig, &run(None), 50_000);
    let before = hand_over_for(&mut rig, SECOND);
    let mut handed = rig.handed();
    let after = Some(SECOND);
    rig.answer(handed.remove(0), Verdict::ThrottleProject { after });
    rig.answer_all(handed, Verdict::Accepted);
    assert_eq!(hand_over_for(&mut rig, SECOND / 2), 0, "it pauses");
    hand_over_for(&mut rig, SECOND / 2);
    let (first, second) = (
        hand_over_for(&mut rig, SECOND),
        hand_over_for(&mut rig, SECOND),
    );
    assert!(
        first < before && second >= first,
        "{before}, {first}, {second}"
    );
}

#[test]
fn retries_count_against_the_rate() {
    let mut rig = apns();
    let run = run(Some(100));
    work(&mut rig, &run, 1_000);
    let mut count = 0;
    for _ in 0..1_000 {
        let handed = rig.handed();
        count += handed.len();
        rig.answer_all(handed, Verdict::NotSent);
        rig.after(Duration::from_millis(5));
    }
    assert!((490..=510).contains(&count), "{count} in 5 s");
}
