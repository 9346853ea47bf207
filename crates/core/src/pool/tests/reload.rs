//! Other limits for a living pool, and another pool for its work.

use super::*;
use crate::pool::fixtures::Handed;

fn limits(connections_max: usize, rate_max: Option<u32>) -> Limits {
    Limits::for_channel(Channel::IosPush, connections_max, rate_max)
}

/// With four open connections of 100 streams, and so much bulk waiting.
fn wide(waiting: u32) -> Rig {
    let mut rig = apns();
    rig.work(1_000, Lane::Urgent);
    for connection in 1..4 {
        rig.up(connection, 100);
    }
    let handed = rig.handed();
    rig.answer_all(handed, Verdict::Accepted);
    while rig.pool.figures(rig.now).waiting > 0 {
        let handed = rig.handed();
        rig.answer_all(handed, Verdict::Accepted);
    }
    let handed = rig.handed();
    rig.answer_all(handed, Verdict::Accepted);
    rig.effects.clear();
    rig.work(waiting, Lane::Bulk);
    rig
}

fn of(handed: &[Handed], connection: ConnectionId) -> usize {
    handed.iter().filter(|h| h.connection == connection).count()
}

#[test]
fn fewer_connections_dismiss_the_surplus_which_finishes_what_it_has() {
    let mut rig = wide(200);
    let handed = rig.handed();
    assert_eq!(handed.len(), 200);
    rig.event(|pool, world| pool.on_limits(limits(2, None), world));
    let closed = rig.closed();
    assert_eq!(closed.len(), 2);
    let least = closed.iter().map(|id| of(&handed, *id)).max();
    let kept = (0..4).filter(|id| !closed.contains(id));
    let most = kept.map(|id| of(&handed, id)).min();
    assert!(least <= most, "those with the least to finish");
    rig.answer_all(handed, Verdict::Accepted);
    assert_eq!(rig.ended().len(), 200, "what they had is answered");
    rig.work(500, Lane::Bulk);
    assert!(closed.iter().all(|id| of(&rig.handed(), *id) == 0));
    for id in closed {
        rig.event(|pool, world| pool.on_closed(id, world));
    }
    assert_eq!(rig.opened(), 0, "two are enough by now");
}

#[test]
fn those_still_connecting_are_the_first_to_go() {
    let mut rig = apns();
    rig.work(1_000, Lane::Bulk);
    assert_eq!(rig.opened(), 3);
    rig.event(|pool, world| pool.on_limits(limits(1, None), world));
    assert_eq!(rig.closed(), [3, 2, 1]);
    rig.event(|pool, world| pool.on_limits(limits(0, None), world));
    assert_eq!(rig.closed().len(), 3, "one is always left");
}

#[test]
fn more_connections_are_opened_when_load_asks_for_them() {
    let mut rig = apns();
    rig.event(|pool, world| pool.on_limits(limits(8, None), world));
    assert_eq!(
        (rig.opened(), rig.closed().len()),
        (0, 0),
        "no load, no change"
    );
    rig.work(5_000, Lane::Bulk);
    assert_eq!(rig.opened(), 7);
}

#[test]
fn a_rate_holds_from_now_on() {
    let mut rig = apns();
    rig.event(|pool, world| pool.on_limits(limits(4, Some(100)), world));
    rig.work(2_000, Lane::Urgent);
    let mut handed = rig.handed().len();
    for _ in 0..10 {
        rig.after(Duration::from_millis(100));
        let again = rig.handed();
        handed += again.len();
        rig.answer_all(again, Verdict::Accepted);
    }
    assert!((90..=120).contains(&handed), "{handed}");
    rig.event(|pool, world| pool.on_limits(limits(4, None), world));
    assert!(
        !rig.handed().is_empty(),
        "without a quota the streams decide"
    );
}

/// What was given to another pool since last asked.
fn moved(rig: &mut Rig) -> Vec<Moved> {
    let mut moved = Vec::new();
    rig.effects.retain_mut(|effect| match effect {
        Effect::Move(batch) => {
            assert!(batch.len() <= 64);
            moved.append(batch);
            false
        }
        _ => true,
    });
    moved
}

#[test]
fn a_retired_pool_gives_its_work_away_and_ends_with_its_connections() {
    let mut rig = Rig::open(Channel::IosPush, |limits| limits.connections_max = 1);
    rig.work(200, Lane::Bulk);
    let mut handed = rig.handed();
    assert_eq!(handed.len(), 90);
    let later = Verdict::Server { after: None };
    rig.answer(handed.pop().unwrap(), later);
    handed.extend(rig.handed());
    rig.effects.clear();
    rig.event(Pool::on_retired);
    let waiting = moved(&mut rig);
    let retries = waiting.iter().filter(|moved| moved.not_before.is_some());
    assert_eq!((waiting.len(), retries.count()), (110, 1));
    assert_eq!(rig.closed(), [0]);

    // What comes late, and what is not over, goes the same way; what is over ends here.
    rig.work(3, Lane::Urgent);
    assert_eq!(moved(&mut rig).len(), 3);
    let mut handed = handed.into_iter();
    for (verdict, goes_on) in [
        (Verdict::Accepted, false),
        (Verdict::TokenDead { since: None }, false),
        (Verdict::NotSent, true),
        (Verdict::Unknown, true),
        (Verdict::Config, true),
        (Verdict::AuthRefresh { reconnect: true }, true),
        (later, true),
    ] {
        rig.answer(handed.next().unwrap(), verdict);
        let (moved, ended) = (moved(&mut rig).len(), rig.ended().len());
        assert_eq!((moved == 1, ended == 0), (goes_on, goes_on), "{verdict:?}");
    }
    let drained = |effect: &Effect| matches!(effect, Effect::Drained);
    rig.answer_all(handed.collect(), Verdict::Accepted);
    assert_eq!((rig.ended().len(), rig.count(drained)), (83, 0));
    let tells = |effect: &Effect| matches!(effect, Effect::Refused(_) | Effect::RenewToken);
    assert_eq!(
        rig.count(tells),
        0,
        "the credential is nobody's business by now"
    );
    rig.event(|pool, world| pool.on_closed(0, world));
    assert_eq!(rig.count(drained), 1);
    assert_eq!(rig.opened(), 0);
}

#[test]
fn work_that_moved_keeps_its_attempts_and_its_time() {
    let mut old = apns();
    old.work(3, Lane::Urgent);
    let handed = old.handed();
    let mut verdicts = [
        Verdict::Server { after: None },
        Verdict::Config,
        Verdict::Accepted,
    ]
    .into_iter();
    let mut handed = handed.into_iter();
    old.answer(handed.next().unwrap(), verdicts.next().unwrap());
    old.event(Pool::on_retired);
    old.answer(handed.next().unwrap(), verdicts.next().unwrap());
    old.answer(handed.next().unwrap(), verdicts.next().unwrap());
    let moved = moved(&mut old);
    assert_eq!(moved.len(), 2);

    let mut new = apns();
    new.event(|pool, world| pool.on_moved(moved, world));
    let at_once = new.handed();
    assert_eq!(at_once.len(), 1, "the other one waits for its time");
    assert_eq!(at_once[0].job.delivery.attempts, 1);
    new.after(SECOND);
    assert!(new.handed().is_empty());
    new.after(15 * SECOND);
    assert_eq!(new.handed().len(), 1);
}

#[test]
fn what_is_over_ends_when_it_moves() {
    let mut old = Rig::new(Channel::IosPush, |_| {});
    let live = live(Lane::Urgent, old.now, TTL);
    old.work_of(&live, 4);
    old.event(Pool::on_retired);
    let moved = moved(&mut old);
    live.progress.cancel();
    let mut new = apns();
    new.event(|pool, world| pool.on_moved(moved, world));
    assert_eq!(new.ended().len(), 4);
}

#[test]
fn draining_a_retired_pool_leaves_the_rest_to_the_journal() {
    let mut rig = apns();
    rig.work(2, Lane::Urgent);
    let handed = rig.handed();
    rig.event(Pool::on_retired);
    rig.event(Pool::on_drain);
    rig.event(Pool::on_retired);
    let mut handed = handed.into_iter();
    rig.answer(handed.next().unwrap(), Verdict::NotSent);
    rig.answer(handed.next().unwrap(), Verdict::Accepted);
    assert_eq!((moved(&mut rig).len(), rig.ended().len()), (0, 1));
}
