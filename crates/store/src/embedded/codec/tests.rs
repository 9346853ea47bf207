//! Packed columns come back as they were, and damaged ones are refused.

use super::*;

fn target(user: &str, address: Option<&str>) -> Target {
    let at = |value| {
        Address::new(
            Channel::Fcm,
            AddressKind::Fid,
            Environment::Production,
            value,
        )
    };
    Target {
        channel: Channel::Fcm,
        device: (!user.is_empty())
            .then(|| (DeviceId::new(Timestamp(7), 9), UserId::new(user).unwrap())),
        address: address.map(at),
    }
}

fn ended(ordinal: u32, reason: &'static str, at: u64) -> Ended {
    Ended {
        ordinal,
        outcome: Outcome::Rejected,
        reason: Reason::of(reason),
        attempts: ordinal + 200,
        at: Timestamp(at),
    }
}

#[test]
fn targets_come_back_and_may_be_read_from_the_middle() {
    let targets = [
        target("ada", None),
        target("", Some("token")),
        target("bob", Some("t")),
    ];
    let blob = pack_targets(&targets);
    assert_eq!(unpack_targets(&blob).unwrap(), targets);
    let mut seen = Vec::new();
    visit_targets(&blob, 1, |ordinal, target| {
        seen.push((ordinal, target));
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(seen, [(1, targets[1].clone())]);
}

#[test]
fn outcomes_come_back() {
    let rows = [
        ended(0, "", 5_000),
        ended(3, "BadTopic", 4_000),
        ended(900, "", u64::from(u32::MAX)),
    ];
    let blob = pack_ended(&rows.iter().collect::<Vec<_>>());
    let mut back = Vec::new();
    unpack_ended(&blob, &mut back).unwrap();
    assert_eq!(back, rows);
}

#[test]
fn damaged_blobs_are_refused_and_never_panic() {
    let targets = pack_targets(&[target("ada", Some("token"))]);
    let outcomes = pack_ended(&[&ended(1, "BadTopic", 3)]);
    for cut in 0..targets.len() {
        assert!(unpack_targets(&targets[..cut]).is_none());
    }
    for place in 0..outcomes.len() {
        let mut bent = outcomes.clone();
        bent[place] ^= 0xff;
        let _ = unpack_ended(&bent, &mut Vec::new());
    }
    let mut newer = targets;
    newer[0] = 9;
    assert!(unpack_targets(&newer).is_none());
}

#[test]
fn numbers_of_every_length_come_back() {
    for number in (0..64).map(|bits| 1 << bits).chain([0, u64::MAX]) {
        let mut out = Vec::new();
        put_number(&mut out, number);
        assert_eq!(Input(&out).number(), Some(number));
    }
}

#[test]
fn done_keeps_each_ordinal_once() {
    let mut done = Done::default();
    assert!(done.set(9));
    assert!(!done.set(9));
    assert!(done.set(0));
    assert_eq!(done.ordinals(), [0, 9]);
}
