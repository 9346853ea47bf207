//! Packed columns come back as they were, and damaged ones are refused.

use proptest::prelude::*;

use super::*;

fn any_target() -> impl Strategy<Value = Target> {
    let word = || 0..Channel::ALL.len();
    let device = proptest::option::of((any::<[u8; 12]>(), "[^\\p{Cc}]{1,32}"));
    let address = proptest::option::of((word(), 0..AddressKind::ALL.len(), "\\PC{0,300}"));
    (word(), device, address).prop_map(|(channel, device, address)| Target {
        channel: Channel::ALL[channel],
        device: device.map(|(id, user)| {
            let id = DeviceId(fanfare_types::ids::Id96(id));
            (id, UserId::new(&user).expect("a user id"))
        }),
        address: address.map(|(channel, kind, value)| {
            let (channel, kind) = (Channel::ALL[channel], AddressKind::ALL[kind]);
            Address::new(channel, kind, Environment::Sandbox, &value)
        }),
    })
}

fn any_ended() -> impl Strategy<Value = Vec<Ended>> {
    let row = (
        0..Outcome::ALL.len(),
        "[A-Za-z_.-]{0,64}",
        any::<u32>(),
        any::<u64>(),
    );
    proptest::collection::btree_map(any::<u32>(), row, 0..40).prop_map(|rows| {
        let ended = |(ordinal, (outcome, reason, attempts, at)): (_, (_, String, _, _))| Ended {
            ordinal,
            outcome: Outcome::ALL[outcome],
            reason: Reason::from_wire(&reason),
            attempts,
            at: Timestamp(at),
        };
        rows.into_iter().map(ended).collect()
    })
}

proptest! {
    #[test]
    fn any_targets_come_back(targets in proptest::collection::vec(any_target(), 0..20)) {
        prop_assert_eq!(unpack_targets(&pack_targets(&targets)), Some(targets));
    }

    #[test]
    fn any_outcomes_come_back(rows in any_ended()) {
        let mut back = Vec::new();
        prop_assert!(unpack_ended(&pack_ended(&rows.iter().collect::<Vec<_>>()), &mut back).is_some());
        prop_assert_eq!(back, rows);
    }

    #[test]
    fn no_blob_makes_it_panic(blob in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = unpack_targets(&blob);
        let mut rows = Vec::new();
        let _ = unpack_ended(&blob, &mut rows);
        prop_assert!(rows.len() <= blob.len(), "no more rows than bytes");
    }

    #[test]
    fn done_is_a_set(ordinals in proptest::collection::vec(0..5_000_u32, 0..60)) {
        let mut done = Done::default();
        let mut known = std::collections::BTreeSet::new();
        for ordinal in ordinals {
            prop_assert_eq!(done.set(ordinal), known.insert(ordinal));
        }
        prop_assert_eq!(done.ordinals(), known.into_iter().collect::<Vec<_>>());
    }
}

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

#[test]
fn counts_come_back() {
    let counts = Counts {
        delivered: 1 << 40,
        dead: 3,
        failed: 1,
        ..Counts::default()
    };
    for counts in [Counts::default(), counts] {
        assert_eq!(unpack_counts(&pack_counts(&counts)), Some(counts));
    }
    assert_eq!(unpack_counts(&[1, 2]), None);
    assert_eq!(unpack_counts(&[0; 7]), None);
}
