mod campaigns;
mod reload;
mod tenure;

use std::time::Duration;

use fanfare_types::{Budget, Channel, Lane, OnUnknown};

use super::fixtures::{Handed, Rig, START, TTL, delivery_of, device, live};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn apns() -> Rig {
    Rig::open(Channel::IosPush, |_| {})
}

#[test]
fn the_first_delivery_opens_a_connection_and_renews_the_token_once() {
    let mut rig = Rig::new(Channel::IosPush, |_| {});
    for _ in 0..10 {
        rig.work(5, Lane::Bulk);
    }
    assert_eq!((rig.opened(), rig.renewals()), (1, 1));
    rig.up(0, 1);
    assert!(rig.handed().is_empty(), "no token yet");
    rig.token();
    let first = rig.handed();
    assert_eq!(first.len(), 1, "one stream until a token was seen");
    rig.answer_all(first, Verdict::Accepted);
    rig.handed();
    rig.event(|pool, world| pool.on_streams(0, 500, world));
    assert_eq!(rig.handed().len(), 48);
    assert_eq!((rig.opened(), rig.renewals()), (1, 1));
}

#[test]
fn load_opens_connections_up_to_the_most() {
    let mut rig = apns();
    rig.work(150, Lane::Bulk);
    assert_eq!(rig.opened(), 1);
    rig.work(5_000, Lane::Bulk);
    assert_eq!(rig.opened(), 3);
    for connection in 1..4 {
        rig.up(connection, 100);
    }
    let handed = rig.handed();
    for connection in 0..4 {
        let of_it = handed.iter().filter(|h| h.connection == connection);
        assert_eq!(of_it.count(), 90, "a tenth is kept for urgent");
    }
    rig.work(30, Lane::Urgent);
    let urgent = rig.handed();
    assert_eq!(urgent.len(), 30);
    assert_eq!(rig.opened(), 3);
}

#[test]
fn batches_are_bounded() {
    let mut rig = apns();
    rig.work(500, Lane::Urgent);
    let too_long =
        |effect: &Effect| matches!(effect, Effect::Hand { batch, .. } if batch.len() > 64);
    assert_eq!(rig.count(too_long), 0);
    let handed = rig.handed();
    assert_eq!(handed.len(), 100);
}

#[test]
fn connections_that_come_to_nothing_wait_and_never_come_in_herds() {
    let mut rig = Rig::new(Channel::IosPush, |_| {});
    rig.work(10_000, Lane::Bulk);
    rig.token();
    assert_eq!(rig.opened(), 4);
    let mut waits = Vec::new();
    for connection in 0..12 {
        rig.effects.clear();
        rig.event(|pool, world| pool.on_closed(connection, world));
        if connection < 3 {
            assert_eq!(rig.opened(), 0);
            continue;
        }
        let began = rig.now;
        while rig.opened() == 0 {
            rig.after(Duration::from_millis(10));
        }
        assert_eq!(rig.opened(), 1, "one at a time after a failure");
        waits.push(rig.now.since(began).as_millis());
    }
    assert!(
        waits[0] >= 400 && waits[8] > 14_000 && waits[8] <= 30_010,
        "{waits:?}"
    );
}

#[test]
fn goaway_is_no_failure_and_is_replaced_at_once() {
    let mut rig = apns();
    rig.work(300, Lane::Bulk);
    rig.effects.clear();
    rig.event(|pool, world| pool.on_going_away(0, false, world));
    assert_eq!(rig.opened(), 1);
    rig.event(|pool, world| pool.on_closed(0, world));
    rig.effects.clear();
    rig.work(1, Lane::Urgent);
    assert!(rig.handed().is_empty());
}

#[test]
fn a_stale_token_is_renewed_once_and_its_connections_replaced() {
    let mut rig = apns();
    rig.work(50, Lane::Bulk);
    let handed = rig.handed();
    let stale = Verdict::AuthRefresh { reconnect: true };
    rig.answer_all(handed, stale);
    rig.after(SECOND);
    assert_eq!(rig.renewals(), 1);
    assert_eq!(rig.closed(), [0]);
    assert!(rig.handed().is_empty());
    rig.event(|pool, world| pool.on_closed(0, world));
    rig.token();
    rig.up(1, 100);
    let again = rig.handed();
    assert_eq!(again.len(), 50);
    assert!(again.iter().all(|h| h.token == 2));
    assert!(rig.ended().is_empty());
    rig.answer_all(again, stale);
    assert_eq!(rig.ended().len(), 50);
    rig.after(SECOND);
    assert_eq!(rig.renewals(), 2);
    // A token that never was any good: the credential is in doubt.
    assert_eq!(rig.pool.figures(rig.now).breaker, "open");
}

#[test]
fn an_open_breaker_without_a_token_wakes_nobody_in_vain() {
    let mut rig = apns();
    // Neither of the two tokens is any good: the breaker opens, and the next renewal takes its time.
    for generation in 1..=2 {
        let connection = generation - 1;
        rig.work(1, Lane::Bulk);
        let handed = rig.handed();
        rig.answer_all(handed, Verdict::AuthRefresh { reconnect: true });
        rig.event(|pool, world| pool.on_closed(connection, world));
        if generation == 1 {
            rig.token();
            rig.up(1, 100);
        }
    }
    rig.after(6 * SECOND);
    assert_eq!(
        rig.pool.figures(rig.now).breaker,
        "open",
        "its pause is over"
    );
    rig.work(1, Lane::Bulk);
    rig.effects.clear();
    rig.after(2 * SECOND);
    let soon = rig.now + Duration::from_millis(100);
    let wakes = |effect: &Effect| matches!(effect, Effect::WakeAt(at) if *at < soon);
    assert_eq!(rig.count(wakes), 0);
}

#[test]
fn no_connection_shows_two_tokens_within_twenty_minutes() {
    let mut rig = apns();
    rig.token();
    rig.work(1, Lane::Bulk);
    assert!(rig.handed().is_empty());
    assert_eq!(rig.closed(), [0]);
    assert_eq!(rig.opened(), 1);
    rig.up(1, 100);
    assert_eq!(rig.handed().len(), 1);
    rig.now = rig.now + Duration::from_secs(20 * 60);
    rig.token();
    rig.effects.clear();
    rig.work(1, Lane::Bulk);
    assert_eq!(rig.handed().len(), 1);
    assert!(rig.closed().is_empty());
}

#[test]
fn a_refused_credential_leaves_one_probe_at_a_time() {
    let mut rig = apns();
    rig.work(20, Lane::Bulk);
    let handed = rig.handed();
    rig.work(1_000, Lane::Bulk);
    rig.handed();
    rig.answer_all(handed, Verdict::Config);
    assert_eq!(rig.count(|e| matches!(e, Effect::Refused(true))), 1);
    assert_eq!(rig.handed().len(), 4, "five refusals in a row open it");
    assert!(!rig.pool.figures(rig.now).credential_usable);
    rig.after(5 * SECOND);
    let mut probe = rig.handed();
    assert_eq!(probe.len(), 1);
    rig.after(SECOND);
    assert!(rig.handed().is_empty());
    rig.answer(probe.remove(0), Verdict::Config);
    rig.after(9 * SECOND);
    assert!(rig.handed().is_empty());
    rig.after(SECOND);
    let mut probe = rig.handed();
    rig.answer(probe.remove(0), Verdict::Accepted);
    assert_eq!(rig.count(|e| matches!(e, Effect::Refused(false))), 1);
    assert!(rig.handed().len() > 10);
    assert!(rig.pool.figures(rig.now).credential_usable);
}

#[test]
fn a_probe_lost_with_its_connection_is_followed_by_another() {
    let mut rig = apns();
    rig.work(5, Lane::Bulk);
    let handed = rig.handed();
    rig.answer_all(handed, Verdict::Config);
    rig.work(2, Lane::Bulk);
    rig.after(5 * SECOND);
    assert_eq!(rig.handed().len(), 1);
    rig.event(|pool, world| pool.on_closed(0, world));
    rig.up(1, 100);
    rig.after(5 * SECOND);
    assert_eq!(rig.handed().len(), 1);
}

#[test]
fn what_was_not_sent_goes_again_at_once_and_costs_no_attempt() {
    let mut rig = apns();
    rig.work(1, Lane::Bulk);
    for _ in 0..retry::NOT_SENT_AT_ONCE {
        let mut handed = rig.handed();
        assert_eq!(handed[0].job.delivery.attempts, 0);
        rig.answer(handed.remove(0), Verdict::NotSent);
    }
    let mut handed = rig.handed();
    rig.answer(handed.remove(0), Verdict::NotSent);
    assert!(rig.handed().is_empty());
    rig.after(SECOND);
    assert_eq!(rig.handed().len(), 1);
}

#[test]
fn a_connection_that_takes_no_more_is_not_asked_again() {
    let mut rig = apns();
    rig.work(1, Lane::Bulk);
    let job = rig.handed().remove(0).job;
    let how = How::NotTaken;
    let batch = vec![Returned { job, how }];
    rig.event(|pool, world| pool.on_returned(0, batch, world));
    assert!(rig.handed().is_empty());
    assert_eq!((rig.opened(), rig.closed()), (0, vec![0]));
    rig.event(|pool, world| pool.on_going_away(0, false, world));
    assert_eq!(rig.opened(), 1);
}

#[test]
fn retries_wait_and_old_routings_are_read_again() {
    let mut rig = apns();
    rig.work(2, Lane::Bulk);
    let mut handed = rig.handed();
    let after = |seconds| Verdict::Server {
        after: Some(seconds * SECOND),
    };
    rig.answer(handed.remove(0), after(5));
    rig.answer(handed.remove(0), after(60));
    assert_eq!(rig.pool.figures(rig.now).retrying, 2);
    rig.after(6 * SECOND);
    let mut handed = rig.handed();
    assert_eq!(handed.len(), 1);
    rig.answer(handed.remove(0), Verdict::Accepted);
    rig.after(60 * SECOND);
    assert!(rig.handed().is_empty());
    assert_eq!(rig.rerouted(), 1);
}

#[test]
fn cancelled_expired_and_revoked_are_not_handed_over() {
    let mut rig = Rig::new(Channel::IosPush, |_| {});
    let cancelled = live(Lane::Bulk, START, TTL);
    let expiring = live(Lane::Bulk, START, SECOND);
    rig.work_of(&cancelled, 1);
    rig.work_of(&expiring, 1);
    rig.work(2, Lane::Bulk);
    cancelled.progress.cancel();
    rig.token();
    rig.now = rig.now + SECOND;
    rig.revocations.revoke(device(1), rig.now);
    rig.up(0, 100);
    assert_eq!(rig.handed().len(), 1);
    let word = |text: &str| text.to_owned();
    assert_eq!(
        rig.ended(),
        [
            (Outcome::Cancelled, word("cancelled")),
            (Outcome::Expired, word("expired"))
        ]
    );
    assert_eq!(rig.rerouted(), 1);
}

#[test]
fn expiry_is_noticed_within_a_second_though_nothing_can_be_sent() {
    let mut rig = Rig::new(Channel::IosPush, |_| {});
    rig.work_of(&live(Lane::Bulk, START, 10 * SECOND), 100);
    rig.work(100, Lane::Bulk);
    while rig.now < START + 11 * SECOND {
        let wake = |effect: &Effect| match effect {
            Effect::WakeAt(at) => Some(*at),
            _ => None,
        };
        let next = rig.effects.iter().filter_map(wake).next_back();
        rig.effects
            .retain(|effect| matches!(effect, Effect::End(_)));
        rig.now = next.expect("it asks to be woken");
        rig.event(Pool::on_wake);
    }
    assert_eq!(rig.ended().len(), 100);
    assert_eq!(rig.pool.figures(rig.now).waiting, 100);
}

#[test]
fn a_queue_that_grew_old_is_not_read_again_all_at_once() {
    let mut rig = apns();
    rig.work(100, Lane::Bulk);
    let handed = rig.handed();
    rig.work(10_000, Lane::Bulk);
    rig.now = rig.now + 31 * SECOND;
    rig.effects.clear();
    rig.answer_all(handed, Verdict::Accepted);
    assert!(rig.rerouted() <= 100, "{}", rig.rerouted());
    // Those that come back go first.
    let budget = Budget::new(10);
    let live = live(Lane::Bulk, START, TTL);
    let routed_anew = |n: u32| {
        let mut delivery = delivery_of(live.clone(), 1_000_000 + n, &budget);
        delivery.routed_at = rig.now;
        delivery
    };
    let batch = (0..10_u32).map(routed_anew).collect();
    rig.handed();
    rig.event(|pool, world| pool.on_work(batch, world));
    let handed = rig.handed();
    assert!(handed.iter().all(|h| h.job.delivery.ordinal >= 1_000_000));
    assert_eq!(handed.len(), 10);
}

#[test]
fn old_bulk_does_not_hold_up_fresh_urgent() {
    let mut rig = apns();
    rig.work(10_000, Lane::Bulk);
    rig.handed();
    rig.now = rig.now + 31 * SECOND;
    for _ in 0..5 {
        rig.work(1, Lane::Urgent);
        assert_eq!(rig.handed().len(), 1);
    }
}

#[test]
fn old_bulk_whose_turn_it_is_does_not_hold_up_urgent_either() {
    let mut rig = apns();
    rig.work(10_000, Lane::Bulk);
    let handed = rig.handed();
    rig.now = rig.now + 31 * SECOND;
    rig.answer_all(handed, Verdict::Accepted);
    assert_eq!(rig.rerouted(), 100, "as many as could go");
    rig.work(20, Lane::Urgent);
    assert_eq!(rig.handed().len(), 20);
}

#[test]
fn bulk_does_not_go_in_the_turn_of_urgent_that_is_read_again() {
    let mut rig = Rig::new(Channel::IosPush, |_| {});
    rig.work(20, Lane::Urgent);
    for ordinal in 0..20 {
        rig.revocations.revoke(device(ordinal), rig.now);
    }
    rig.now = rig.now + SECOND;
    rig.work(20, Lane::Bulk);
    rig.work(20, Lane::Urgent);
    rig.token();
    rig.up(0, 100);
    assert_eq!(rig.rerouted(), 20);
    let handed = rig.handed();
    let lanes = handed.iter().map(|h| h.job.delivery.live.options.lane);
    assert_eq!(lanes.take_while(|lane| *lane == Lane::Urgent).count(), 8);
    assert_eq!(handed.len(), 40);
}

#[test]
fn a_throttled_project_pauses_everything_and_then_goes_slower() {
    let mut rig = Rig::open(Channel::Fcm, |limits| limits.rate_max = Some(100));
    rig.now = rig.now + SECOND;
    rig.work(1_000, Lane::Bulk);
    let mut handed = rig.handed();
    assert_eq!(handed.len(), 10);
    let after = Some(10 * SECOND);
    rig.answer(handed.remove(0), Verdict::ThrottleProject { after });
    rig.after(9 * SECOND);
    assert!(rig.handed().is_empty());
    for _ in 0..10 {
        rig.after(Duration::from_millis(200));
    }
    let left = rig.handed().len();
    assert!((20..=30).contains(&left), "{left}");
}

#[test]
fn idle_fcm_connections_close_and_apns_ones_stay() {
    for (channel, closed) in [(Channel::Fcm, 1), (Channel::IosPush, 0)] {
        let mut rig = Rig::open(channel, |_| {});
        rig.after(121 * SECOND);
        assert_eq!(rig.closed().len(), closed, "{channel}");
    }
}

#[test]
fn on_unknown_drop_ends_as_failed() {
    let mut rig = apns();
    let once = std::sync::Arc::new(fanfare_types::Live {
        options: fanfare_types::Options {
            on_unknown: OnUnknown::Drop,
            ..live(Lane::Urgent, START, TTL).options.clone()
        },
        ..std::sync::Arc::into_inner(live(Lane::Urgent, START, TTL)).unwrap()
    });
    rig.work_of(&once, 1);
    let handed = rig.handed();
    rig.answer_all(handed, Verdict::Unknown);
    assert_eq!(rig.ended(), [(Outcome::Failed, "no_answer".to_owned())]);
}

#[test]
fn a_scheduled_notification_is_retried_from_its_time_on() {
    let mut rig = Rig::open(Channel::Fcm, |_| {});
    let hours = 2 * Duration::from_secs(3_600);
    let scheduled = std::sync::Arc::new(fanfare_types::Live {
        options: fanfare_types::Options {
            send_at: Some(START + hours),
            ..live(Lane::Urgent, START, 2 * hours).options.clone()
        },
        ..std::sync::Arc::into_inner(live(Lane::Urgent, START, TTL)).unwrap()
    });
    rig.now = START + hours;
    rig.token();
    let mut delivery = delivery_of(scheduled, 0, &Budget::new(1));
    delivery.routed_at = rig.now;
    rig.event(|pool, world| pool.on_work(vec![delivery], world));
    rig.up(1, 100);
    let handed = rig.handed();
    assert_eq!(handed.len(), 1);
    rig.answer_all(handed, Verdict::Server { after: None });
    assert!(rig.ended().is_empty());
    assert_eq!(rig.pool.figures(rig.now).retrying, 1);
}

#[test]
fn draining_waits_for_answers_and_drops_the_rest() {
    let mut rig = apns();
    rig.work(500, Lane::Bulk);
    let mut handed = rig.handed();
    rig.effects.clear();
    rig.event(Pool::on_drain);
    // The second was still being dialled.
    assert!(rig.closed().contains(&0));
    rig.work(5, Lane::Urgent);
    let last = handed.pop().unwrap();
    rig.answer_all(handed, Verdict::Accepted);
    rig.answer(last, Verdict::NotSent);
    assert_eq!(rig.ended().len(), 89);
    assert!(rig.handed().is_empty());
    let drained = |effect: &Effect| matches!(effect, Effect::Drained);
    assert_eq!(rig.count(drained), 0);
    for connection in 0..4 {
        rig.event(|pool, world| pool.on_closed(connection, world));
    }
    assert!(rig.count(drained) > 0);
    let figures = rig.pool.figures(rig.now);
    assert_eq!(
        (figures.waiting, figures.retrying, figures.in_flight),
        (0, 0, 0)
    );
}

/// It may come when the last connection is gone, the pool drained, and nobody waits for outcomes any more.
#[test]
fn what_cannot_be_encoded_and_comes_after_a_drain_stays_in_the_journal() {
    let mut rig = apns();
    rig.work(2, Lane::Bulk);
    let [one, other] = <[Handed; 2]>::try_from(rig.handed()).unwrap();
    let unsendable = |handed: Handed| {
        let how = How::Unsendable(Outcome::Rejected, Reason::of("payload_too_large"));
        let job = handed.job;
        (handed.connection, vec![Returned { job, how }])
    };
    let (connection, batch) = unsendable(one);
    rig.event(|pool, world| pool.on_returned(connection, batch, world));
    assert_eq!(rig.ended().len(), 1);
    rig.effects.clear();
    rig.event(Pool::on_drain);
    let (connection, batch) = unsendable(other);
    rig.event(|pool, world| pool.on_returned(connection, batch, world));
    assert_eq!(rig.ended().len(), 0);
}

#[test]
fn what_was_cancelled_ends_at_once_though_nothing_can_be_sent() {
    let mut rig = Rig::new(Channel::IosPush, |_| {});
    let (first, second) = (live(Lane::Bulk, START, TTL), live(Lane::Bulk, START, TTL));
    rig.work_of(&first, 10);
    rig.work_of(&second, 10);
    rig.now = START + SECOND / 2;
    first.progress.cancel();
    rig.event(Pool::on_cancelled);
    assert_eq!(rig.ended().len(), 10);
    // A second one right after it waits for the next walk, which is soon.
    second.progress.cancel();
    rig.effects.clear();
    rig.event(Pool::on_cancelled);
    assert_eq!(rig.ended().len(), 0);
    let woken =
        |effect: &Effect| matches!(effect, Effect::WakeAt(at) if *at <= rig.now + SECOND / 10);
    assert_eq!(rig.count(woken), 1);
    rig.after(SECOND / 10);
    assert_eq!(rig.ended().len(), 10);
    // What comes late ends on arrival.
    rig.work_of(&first, 3);
    assert_eq!(rig.ended().len(), 3);
    assert_eq!(rig.pool.figures(rig.now).waiting, 0);
}

#[test]
fn a_cancelled_one_that_comes_back_is_not_tried_again() {
    let mut rig = apns();
    let live = live(Lane::Bulk, rig.now, TTL);
    rig.work_of(&live, 1);
    let handed = rig.handed();
    live.progress.cancel();
    rig.answer_all(handed, Verdict::Server { after: None });
    assert_eq!(rig.ended(), [(Outcome::Cancelled, "cancelled".to_owned())]);
    assert_eq!(rig.pool.figures(rig.now).retrying, 0);
}
