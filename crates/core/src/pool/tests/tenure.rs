//! A pool of a node that may hand nothing over for a while.

use super::*;

#[test]
fn without_tenure_everything_waits_and_nothing_spins() {
    let mut rig = apns();
    rig.tenure.extend(rig.now);
    rig.work(5, Lane::Urgent);
    assert!(rig.handed().is_empty());
    assert_eq!(rig.pool.figures(rig.now).waiting, 5);
    // It looks again now and then, not all the time.
    let wakes: Vec<_> = rig.wakes();
    assert!(
        wakes.iter().all(|at| at.since(rig.now) >= SECOND / 200),
        "{wakes:?}"
    );
    assert!(
        wakes.iter().any(|at| at.since(rig.now) <= SECOND / 10),
        "{wakes:?}"
    );
    rig.now = rig.now + SECOND / 10;
    rig.tenure.extend(rig.now + SECOND);
    rig.event(Pool::on_wake);
    assert_eq!(rig.handed().len(), 5);
}

#[test]
fn what_came_back_for_want_of_tenure_goes_again_and_no_attempt_is_counted() {
    let mut rig = apns();
    rig.work(2, Lane::Urgent);
    let handed = rig.handed();
    rig.now = rig.now + SECOND;
    rig.tenure.extend(rig.now);
    for handed in handed {
        rig.give_back(handed, How::Over);
    }
    assert!(rig.handed().is_empty() && rig.ended().is_empty());
    rig.tenure.extend(rig.now + SECOND);
    rig.event(Pool::on_wake);
    let again = rig.handed();
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|handed| handed.job.delivery.attempts == 0));
}
