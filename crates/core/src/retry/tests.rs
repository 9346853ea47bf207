use super::*;

const NOW: Timestamp = Timestamp(1_000_000_000);
const HALF: u64 = u64::MAX / 2;

fn attempted() -> Attempted {
    Attempted {
        attempts: 1,
        auth_refreshes: 0,
        not_sent: 0,
        on_unknown: OnUnknown::Retry,
        due_at: NOW,
        expires_at: NOW + Duration::from_secs(86_400),
    }
}

fn next(verdict: Verdict, attempted: Attempted) -> Next {
    after(
        verdict,
        attempted,
        &Policy::for_channel(Channel::IosPush),
        NOW,
        HALF,
    )
}

/// The wait in seconds, rounded.
fn wait(next: &Next) -> Option<u64> {
    match next {
        Next::At(at) => Some((at.since(NOW).as_millis() as u64 + 500) / 1000),
        _ => None,
    }
}

fn ended(outcome: Outcome, reason: Option<Reason>) -> Next {
    Next::End { outcome, reason }
}

#[test]
fn answers_that_settle_it() {
    for (verdict, outcome) in [
        (Verdict::Accepted, Outcome::Delivered),
        (Verdict::TokenDead { since: None }, Outcome::Dead),
        (Verdict::TokenSuspect, Outcome::Dead),
        (Verdict::BadRequest, Outcome::Rejected),
        (Verdict::Config, Outcome::Failed),
    ] {
        assert_eq!(next(verdict, attempted()), ended(outcome, None));
    }
}

#[test]
fn a_stale_token_costs_one_more_attempt_and_no_second() {
    let verdict = Verdict::AuthRefresh { reconnect: true };
    assert_eq!(next(verdict, attempted()), Next::Again);
    let again = Attempted {
        auth_refreshes: 1,
        ..attempted()
    };
    assert_eq!(next(verdict, again), ended(Outcome::Failed, None));
}

#[test]
fn what_was_not_sent_goes_at_once_and_then_with_growing_waits() {
    let waits: Vec<_> = (1..=NOT_SENT_AT_ONCE + 3)
        .map(|not_sent| {
            // Attempts do not matter here: a push never processed is not given up for it.
            let attempted = Attempted {
                attempts: 1_000,
                not_sent,
                ..attempted()
            };
            wait(&next(Verdict::NotSent, attempted))
        })
        .collect();
    assert_eq!(waits, [None, None, None, Some(1), Some(2), Some(3)]);
}

#[test]
fn no_answer_is_retried_or_dropped_as_the_caller_wished() {
    assert_eq!(wait(&next(Verdict::Unknown, attempted())), Some(1));
    let drop = Attempted {
        on_unknown: OnUnknown::Drop,
        ..attempted()
    };
    assert_eq!(
        next(Verdict::Unknown, drop),
        ended(Outcome::Failed, Some(NO_ANSWER))
    );
}

#[test]
fn waits_double_with_jitter_up_to_the_longest() {
    let verdict = Verdict::Server { after: None };
    let waits: Vec<_> = [1, 2, 3, 19]
        .map(|attempts| {
            wait(&next(
                verdict,
                Attempted {
                    attempts,
                    ..attempted()
                },
            ))
        })
        .into();
    assert_eq!(waits, [Some(11), Some(23), Some(45), Some(675)]);
    let policy = Policy::for_channel(Channel::IosPush);
    for (random, millis) in [(0, 7_500), (u64::MAX, 15_000)] {
        let at = NOW + Duration::from_millis(millis);
        assert_eq!(
            after(verdict, attempted(), &policy, NOW, random),
            Next::At(at)
        );
    }
}

#[test]
fn retry_after_wins_within_bounds() {
    let seconds = |n| Some(Duration::from_secs(n));
    for (asked, at_least, at_most) in [(0, 1, 2), (2, 2, 3), (600, 600, 661), (3_600, 900, 991)] {
        for verdict in [
            Verdict::Server {
                after: seconds(asked),
            },
            Verdict::ThrottleDevice {
                after: seconds(asked),
            },
            Verdict::ThrottleProject {
                after: seconds(asked),
            },
        ] {
            let waited = wait(&next(verdict, attempted())).unwrap();
            assert!(
                (at_least..=at_most).contains(&waited),
                "{verdict:?}: {waited}"
            );
        }
    }
}

#[test]
fn each_scope_of_throttling_has_its_own_first_wait() {
    for (verdict, expected) in [
        (Verdict::ThrottleDevice { after: None }, 23),
        (Verdict::ThrottleProject { after: None }, 45),
        (Verdict::ThrottleConnection, 1),
    ] {
        assert_eq!(wait(&next(verdict, attempted())), Some(expected));
    }
}

#[test]
fn attempts_end() {
    let last = Attempted {
        attempts: 20,
        ..attempted()
    };
    for verdict in [
        Verdict::Unknown,
        Verdict::Server { after: None },
        Verdict::ThrottleDevice { after: None },
    ] {
        assert_eq!(
            next(verdict, last),
            ended(Outcome::Failed, Some(ATTEMPTS_USED_UP))
        );
    }
}

#[test]
fn no_retry_at_or_after_expiry_or_retry_for() {
    let expired = ended(Outcome::Expired, Some(EXPIRED));
    let verdict = Verdict::Server {
        after: Some(Duration::from_secs(10)),
    };
    let with_ttl = |millis| Attempted {
        expires_at: NOW + Duration::from_millis(millis),
        ..attempted()
    };
    let policy = Policy::for_channel(Channel::Fcm);
    let random_0 = |attempted| after(verdict, attempted, &policy, NOW, 0);
    assert_eq!(random_0(with_ttl(10_000)), expired);
    assert_eq!(
        random_0(with_ttl(10_001)),
        Next::At(NOW + Duration::from_secs(10))
    );
    let late = Attempted {
        due_at: NOW - Duration::from_secs(3_595),
        ..attempted()
    };
    assert_eq!(random_0(late), expired);
    for verdict in [Verdict::NotSent, Verdict::AuthRefresh { reconnect: false }] {
        assert_eq!(next(verdict, with_ttl(0)), expired);
    }
}
